"""One driver for the supplies of the desk, each in its own dialect; and each twin refuses what its supply lacks."""

from __future__ import annotations

import tomllib

import pytest
from power_lab import power_lab

from bench.errors import BenchError
from bench.twin.supply.supplies import SUPPLIES
from drivers.supply.dialect import FOLDER, built_in, load, of_instrument

DIALECTS = {"e36312": "keysight-e36300", "dp832": "rigol-dp800", "spd3303x": "siglent-spd",
            "hmp4040": "rohde-schwarz-hmp", "nge103": "rohde-schwarz-nge", "mx180": "tti", "ka3005p": "korad",
            "dmm6500": "scpi-1999"}
UNPROTECTED = {"spd3303x", "ka3005p"}


@pytest.mark.parametrize("name", DIALECTS)
def test_the_identity_decides_the_dialect_and_says_what_is_missing(name):
    with power_lab(name) as lab:
        identity = lab.open().supply.identity
        assert f"({DIALECTS[name]}" in identity
        assert ("without over-voltage protection" in identity) == (name in UNPROTECTED)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_supply_is_set_switched_read_and_made_safe(name):
    with power_lab(name) as lab:
        supply = lab.open(current_limit_a=0.75).supply
        assert lab.truth(lambda: lab.power.supply.outputs[1].limit_a if name != "dmm6500"
                         else lab.power.supply.limit_a) == 0.75
        supply.set_voltage(3.61)
        assert lab.connector.value == 0.0
        supply.output_on()
        assert lab.connector.value == pytest.approx(3.61)
        assert supply.voltage() == pytest.approx(3.61, abs=0.02)
        supply.check()
        supply.ramp(2.9, 1.0)
        assert lab.connector.value == pytest.approx(2.9)
        supply.self_test()
        supply.make_safe()
        assert lab.connector.value == 0.0
        supply.close()


@pytest.mark.parametrize("name", sorted(DIALECTS.keys() - UNPROTECTED))
def test_the_protection_is_armed_and_a_trip_is_told_and_cleared(name):
    with power_lab(name) as lab:
        supply = lab.open(overvoltage_v=4.2).supply
        supply.set_voltage(3.6)
        supply.output_on()
        twin = lab.power.supply
        if name == "dmm6500":
            lab.truth(lambda: twin.execute("VOLT:PROT 3"))
        else:
            assert lab.truth(lambda: (twin.outputs[1].protection_v, twin.outputs[1].protection_on)) == (4.2, True)
            lab.truth(lambda: (setattr(twin.outputs[1], "protection_v", 3.0), twin.drive()))
        assert lab.connector.value == 0.0
        with pytest.raises(BenchError, match="over-voltage"):
            supply.check()
        lab.truth(lambda: twin.execute("VOLT:PROT 4.2") if name == "dmm6500"
                  else setattr(twin.outputs[1], "protection_v", 4.2))
        supply.output_off()
        supply.output_on()
        assert lab.connector.value == pytest.approx(3.6)


@pytest.mark.parametrize("name", sorted(UNPROTECTED))
def test_a_protection_that_the_station_demands_must_be_there(name):
    with power_lab(name) as lab, pytest.raises(BenchError, match="an over-voltage protection, saw a supply without"):
        lab.open(protection_required=True)


def test_a_supply_of_no_known_dialect_may_have_no_protection(monkeypatch):
    with power_lab("dmm6500") as lab:
        monkeypatch.setattr(type(lab.power.supply), "without", frozenset())
        table = [line for line in type(lab.power.supply).command_table if "PROTection" not in line.header]
        patterns = [pattern for line, pattern in zip(type(lab.power.supply).command_table,
                                                     type(lab.power.supply)._patterns, strict=True)
                    if "PROTection" not in line.header]
        monkeypatch.setattr(type(lab.power.supply), "command_table", tuple(table))
        monkeypatch.setattr(type(lab.power.supply), "_patterns", tuple(patterns))
        supply = lab.open().supply
        assert "scpi-1999, without over-voltage protection" in supply.identity
        supply.set_voltage(3.6)
        supply.output_on()
        supply.check()
        assert lab.connector.value == 3.6
        with pytest.raises(BenchError, match="an over-voltage protection"):
            lab.open(protection_required=True)


@pytest.mark.parametrize("name", ["dp832", "e36312", "hmp4040", "mx180"])
def test_another_channel_is_used_whatever_is_selected(name):
    with power_lab(name) as lab:
        twin = lab.power.supply
        lab.truth(lambda: setattr(twin, "wired", 2))
        supply = lab.open(channel=2).supply
        lab.truth(lambda: setattr(twin, "selected", 3))      # somebody at the front panel
        supply.set_voltage(3.3)
        lab.truth(lambda: setattr(twin, "selected", 1))
        supply.output_on()
        assert lab.connector.value == pytest.approx(3.3)
        assert lab.truth(lambda: (twin.outputs[1].voltage_v, twin.outputs[1].on)) == (0.0, False)
        lab.truth(lambda: setattr(twin, "selected", 1))
        assert supply.voltage() == pytest.approx(3.3, abs=0.02)


def test_a_dialect_is_refused_by_a_supply_of_another():
    with power_lab("dp832") as lab:
        with pytest.raises(BenchError, match="expected a supply of the dialect siglent-spd, saw 'RIGOL"):
            lab.open(dialect="siglent-spd")
        with pytest.raises(BenchError, match=r"dialect rigol: expected one of keysight-e36300, .*, or a file NAME"):
            lab.open(dialect="rigol")
        with pytest.raises(BenchError, match="a channel from 1 to 3, saw 4"):
            lab.open(channel=4)


def test_a_dialect_may_be_a_file_of_the_stations_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(FOLDER.joinpath("rigol-dp800.toml").read_text("utf-8"), "utf-8")
    with power_lab("dp832") as lab:
        assert "(mine)" in lab.open(dialect=str(path)).supply.identity
        for text, says in (("voltage = 1", "key channels"), ("[", "expected TOML"), ("channels = 0", "key channels")):
            wrong = tmp_path / f"wrong{len(text)}.toml"
            wrong.write_text(text, "utf-8")
            with pytest.raises(BenchError, match=says):
                lab.open(dialect=str(wrong))
        with pytest.raises(BenchError, match="expected a file"):
            lab.open(dialect=str(tmp_path / "none.toml"))


def test_a_protection_that_does_not_take_its_level_is_a_bench_error(monkeypatch):
    with power_lab("hmp4040") as lab:
        monkeypatch.setattr(type(lab.power.supply), "_set_protection", None)
        lab.truth(lambda: lab.power.supply._found.clear())
        monkeypatch.undo()

        def stuck(self, parameters):
            self.at(self.selected).protection_v = 10.0

        lines = type(lab.power.supply).command_table
        table = tuple(line if line.header != "[SOURce:]VOLTage:PROTection[:LEVel]"
                      else type(line)(line.header, stuck, line.source) for line in lines)
        monkeypatch.setattr(type(lab.power.supply), "command_table", table)
        with pytest.raises(BenchError, match=r"an over-voltage protection of 4\.5 V to be set, saw 10 V"):
            lab.open()


def test_a_supply_that_somebody_else_has_locked_is_refused():
    with power_lab("mx180") as lab:
        lab.truth(lambda: setattr(lab.power.supply, "locked_by_other", True))
        with pytest.raises(BenchError, match="1 in answer to IFLOCK, saw '-1'"):
            lab.open()


def test_an_octet_too_many_does_not_answer_the_next_question():
    with power_lab("ka3005p") as lab:
        lab.truth(lambda: setattr(lab.power.supply, "sixth", b"K"))
        supply = lab.open().supply
        for volts in (3.0, 3.6, 4.2):
            supply.set_voltage(volts)
        supply.output_on()
        assert lab.connector.value == pytest.approx(4.2)


@pytest.mark.parametrize("name", built_in())
def test_every_line_of_a_dialect_has_a_source(name):
    content = tomllib.loads(FOLDER.joinpath(f"{name}.toml").read_text("utf-8"))
    assert len(content) <= 11
    assert all(line["source"] for line in content.values() if isinstance(line, dict))
    assert load(name).name == name


def test_what_nobody_knows_is_plain_scpi():
    assert of_instrument("ACME,Supply 3000,1,1.0").name == "scpi-1999"
    assert DIALECTS.keys() <= SUPPLIES.keys()


@pytest.mark.parametrize("name", sorted(DIALECTS.keys() - {"ka3005p"}))
def test_what_is_sent_has_a_source_and_nothing_from_memory_switches_or_measures(name, capsys):
    with power_lab(name) as lab:
        twin, sent = lab.power.supply, []
        execute = twin.execute
        lab.truth(lambda: setattr(twin, "execute", lambda message: (sent.append(message), execute(message))[1]))
        supply = lab.supplied(3.0).supply
        supply.ramp(3.3, 0.1)
        supply.voltage()
        supply.check()
        supply.self_test()
        supply.make_safe()
        headers = {message.split()[0].lstrip(":").upper() for message in sent}
        lines = {header: twin._look_up(header)[0] for header in headers - UNKNOWN.get(name, set())}
    memory = sorted(header for header, line in lines.items() if line.from_memory)
    with capsys.disabled():
        print(f"\n{name}: {len(lines)} headers sent, {len(memory)} from memory {memory or ''}")
    assert len(lines) >= 8
    assert len(memory) <= 2
    assert not [header for header in memory if header.startswith(("VOLT", "CURR", "MEAS", "OUTP CH", "CH"))
                and header != "VOLT:PROT:CLE"]      # it only lets an output that had tripped be switched on


UNKNOWN = {"spd3303x": {"*CLS"}}
"""What is sent though the supply doesn't know it."""


# -- what the twins refuse, as their supplies do

REFUSED = {
    "spd3303x": ("VOLT 3.6", "OUTP ON", "VOLT:PROT 4.5", "CH3:VOLT 3.3"),
    "dp832": ("VOLT 3.6,(@1)", "OUTP ON,(@1)", "VOLT:PROT 4.5", "CH1:VOLT 3.6"),
    "e36312": ("OUTP CH1,ON", "CH1:VOLT 3.6", "OUTP:OVP CH1,ON", "VOLT 3.6,(@4)", "VOLT:PROT 0.4"),
    "hmp4040": ("VOLT 3.6,(@1)", "OUTP CH1,ON", "VOLT:PROT:STAT ON", "INST:NSEL 5"),
}


@pytest.mark.parametrize(("name", "command"), [(name, one) for name, some in REFUSED.items() for one in some])
def test_a_twin_refuses_another_supplys_words(name, command):
    with power_lab(name) as lab:
        twin = lab.power.supply

        def refused():
            twin.execute("*CLS")
            while not twin.execute("SYST:ERR?").lstrip(b"+").startswith(b"0"):
                pass
            assert twin.execute(command) is None
            return twin.execute("SYST:ERR?")
        assert lab.truth(refused).startswith(b"-")


@pytest.mark.parametrize(("name", "query"), [
    ("spd3303x", "*OPC?"), ("spd3303x", "OUTP? CH1"), ("dp832", "SYST:STAT?"), ("mx180", "SYST:ERR?"),
    ("mx180", "VOLT?"), ("mx180", "MEAS:VOLT?"), ("e36312", "OUTP:OVP:QUES? CH1")])
def test_an_unknown_query_gets_silence(name, query):
    with power_lab(name) as lab:
        assert lab.truth(lambda: lab.power.supply.execute(query)) is None


@pytest.mark.parametrize("name", ["e36312", "dp832"])
def test_a_protection_that_somebody_keeps_off_keeps_the_output_off(name):
    with power_lab(name) as lab:
        supply = lab.open()
        supply.set_voltage(3.6)
        output = lab.power.supply.outputs[lab.power.supply.wired]
        kept_off = type("KeptOff", (type(output),), {"protection_on": property(lambda _: False, lambda *_: None)})
        lab.truth(lambda: setattr(output, "__class__", kept_off))
        with pytest.raises(BenchError, match="the over-voltage protection to be on, saw off"):
            supply.output_on()
        assert lab.connector.value == 0.0
