"""The first contact with instruments: what they say is recorded without keys, and held against what is from memory.

The twin plays the real instrument; where it is made to answer otherwise, exactly that line is refuted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.cli import app
from bench.commands.doctor import all_checks, meet
from bench.commands.first_contact import Line, check_writable
from bench.errors import BenchError
from bench.key_forms import find_keys
from bench.twin.lab import Change, Lab
from drivers.assumption import Assumption
from drivers.recorder import Exchange, came, recording, sent
from fixtures.bench import KEYS_OF_TWIN, Bench

SUPPLY, CELL = "nge103", "amarisoft"


def _other_errors(lab: Lab) -> None:
    lab.power.supply.error_format = "{text} ({code})"


def _no_utc(lab: Lab) -> None:
    for service in (lab.enb, lab.mme):
        service._now = lambda: {"time": 0.0}  # type: ignore[method-assign]


def _other_tag(lab: Lab) -> None:
    command = lab.unit.tag.command
    lab.unit.tag.command = lambda data: (  # type: ignore[method-assign]
        bytes.fromhex("0004040502021503") if data == b"\x60" else command(data))


PLANTED = {
    ("supply", "errors"): Change(name="errors", text="errors come with the text first", prepare=_other_errors),
    ("cell", "clock"): Change(name="clock", text="answers don't tell the box's clock", prepare=_no_utc),
    ("nfc", "type of the tag"): Change(name="tag", text="the tag is an NTAG I2C plus 2k", prepare=_other_tag),
}


def first_contact(out: Path, *changes: Change, supply: str = SUPPLY, cell: Any = CELL) -> list[Line]:
    bench = Bench.on_twin(1, supply=supply, cell=cell)
    lab = bench._lab
    assert lab is not None
    for change in changes:
        bench.clock.call(lambda change=change: change.prepare(lab))  # type: ignore[misc]
    return meet(bench, out)[1]


def outcomes(lines: list[Line], outcome: str) -> set[tuple[str, str]]:
    return {(line.instrument, line.name) for line in lines if line.outcome == outcome}


# -- lines from memory

def test_three_planted_differences_are_the_three_lines_refuted(tmp_path: Path) -> None:
    out = tmp_path / "contact.json"
    lines = first_contact(out, *PLANTED.values())
    assert outcomes(lines, "refuted") == PLANTED.keys()
    written = json.loads(out.read_text("utf-8"))
    refuted = {line["name"]: line for line in written["from_memory"] if line["outcome"] == "refuted"}
    assert "No error (0)" in refuted["errors"]["received"]
    assert "utc" not in refuted["clock"]["received"]
    assert written["tag"]["uid"] == "04A1B2C3D4E580"
    assert ("meter, optical", "extended readout") in outcomes(lines, "confirmed")
    assert ("meter, M-Bus", "set clock") in outcomes(lines, "not seen")


@pytest.mark.parametrize("planted", PLANTED)
def test_each_alone_is_the_one_line_refuted(planted: tuple[str, str], tmp_path: Path) -> None:
    lines = first_contact(tmp_path / "contact.json", PLANTED[planted])
    assert outcomes(lines, "refuted") == {planted}
    assert outcomes(lines, "confirmed") >= PLANTED.keys() - {planted}


@pytest.mark.parametrize(("supply", "cell", "seen"), [
    ("nge103", "amarisoft", {*PLANTED}),
    ("otii", "cmw500", {("supply", "good reply"), ("cell", "model")}),
    ("ngu", "attenuator", {("supply", "calibration date")}),
    ("mx180", "cmw500", {("supply", "identity")}), ("ppk2", "cmw500", {("cell", "model")})])
def test_of_an_instrument_that_is_as_was_thought_nothing_is_refuted(supply: str, cell: str, seen: set[tuple[str, str]],
                                                                    tmp_path: Path) -> None:
    lines = first_contact(tmp_path / "contact.json", supply=supply, cell=cell)
    assert outcomes(lines, "refuted") == set()
    assert outcomes(lines, "confirmed") >= seen
    assert all(line.received for line in lines if line.outcome == "confirmed")


def test_an_instrument_that_is_silent_refutes_nothing_and_the_file_is_written(tmp_path: Path) -> None:
    out = tmp_path / "contact.json"

    def dead(lab: Lab) -> None:
        lab.reader.close()
    lines = first_contact(out, Change(name="dead", text="the reader's plug is out", prepare=dead))
    assert outcomes(lines, "refuted") == set()
    assert ("nfc", "type of the tag") in outcomes(lines, "not seen")
    assert not json.loads(out.read_text("utf-8"))["tag"]


@pytest.fixture
def supply() -> Assumption:
    return Assumption("errors", "has a queue", r"SYST:ERR\?", r"0,.*")


@pytest.mark.parametrize(("exchanges", "outcome"), [
    ([], "not seen"), ([("SYST:ERR?\n", "")], "not seen"), ([("*IDN?\n", "0,x\n")], "not seen"),
    ([("SYST:ERR?\n", '0,"No error"\r\n')], "confirmed"), ([("SYST:ERR?\n", "0,a\n"), ("SYST:ERR?\n", "none\n")],
                                                           "refuted")])
def test_an_assumption_is_judged_by_what_came(supply: Assumption, exchanges: list[tuple[str, str]],
                                              outcome: str) -> None:
    assert supply.judge([Exchange("p", a.encode(), b.encode()) for a, b in exchanges])[0] == outcome


@pytest.mark.parametrize(("answer", "outcome"), [('0,"No error"\n', "confirmed"), ('-113,"Undefined"\n', "refuted")])
def test_a_command_without_an_answer_is_judged_by_the_error_queue_after_it(answer: str, outcome: str) -> None:
    assumed = Assumption("clear", "is taken", "VOLT:PROT:CLE", r"[+]?0,.*")
    exchanges = [Exchange("p", b"VOLT:PROT:CLE\n", b""), Exchange("p", b"SYST:ERR?\n", answer.encode())]
    assert assumed.judge(exchanges)[0] == outcome


# -- what is sent home

def test_no_key_gets_into_the_file(tmp_path: Path) -> None:
    out = tmp_path / "contact.json"
    first_contact(out)
    assert not list(find_keys(out.read_bytes(), KEYS_OF_TWIN.secrets))


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench.on_twin(1)
    yield bench
    bench.close()


def test_settings_that_are_read_and_written_over_nfc_are_not_recorded(bench: Bench) -> None:
    with recording() as recorder:
        bench.station.supply.set_voltage(3.6)
        bench.station.supply.output_on()
        snapshot = bench.station.otc.read()
        bench.station.otc.write({"transmit_interval": 60}, bench.keys.pak)
    port = bench.station.file.nfc
    assert port is not None
    of_reader = [one for one in recorder.exchanges if one.place in port.addresses]
    assert {one.sent[one.sent.index(0xD4) + 1] for one in of_reader} == {0x02, 0x4A, 0x42}
    octets = b"".join(one.sent + one.received for one in of_reader)
    assert not list(find_keys(octets, KEYS_OF_TWIN.secrets))
    assert snapshot.identity.deveui.encode() not in octets
    assert bytes.fromhex(snapshot.identity.deveui) not in octets


@given(st.binary(min_size=16, max_size=32), st.sampled_from([bytes.upper, bytes.lower]))
def test_what_looks_like_a_key_is_hidden_however_it_comes_in_pieces(key: bytes,
                                                                    case: Callable[[bytes], bytes]) -> None:
    text = case(key.hex().encode())
    with recording() as recorder:
        sent("a", b"CONF:NIOT:SIGN:CELL:SEC:SKEY #H" + text + b"\n")
        for octet in text:
            came("a", bytes((octet,)))
        sent("a", b'{"cmd": "login", "password": "secret"}')
    assert all(text not in one.sent + one.received and b"secret" not in one.sent for one in recorder.exchanges)
    assert [one.place for one in recorder.exchanges] == ["a", "a"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.binary(max_size=8)), max_size=20))
def test_each_exchange_has_what_came_at_its_place_until_the_next(told: list[tuple[str, bool, bytes]]) -> None:
    with recording() as recorder:
        for place, is_sent, octets in told:
            (sent if is_sent else came)(place, octets)
    for place in "ab":
        own = [one for one in recorder.exchanges if one.place == place]
        assert b"".join(one.sent for one in own) == b"".join(o for p, s, o in told if s and p == place)
        assert b"".join(one.received for one in own) == b"".join(o for p, s, o in told if not s and p == place)
        assert sum(1 for p, s, _ in told if s and p == place) == len([one for one in own if one.sent]) + sum(
            1 for p, s, o in told if s and p == place and not o)


def test_nothing_is_kept_when_nobody_records() -> None:
    with recording() as recorder:
        sent("a", b"1")
    sent("a", b"2")
    came("a", b"3")
    assert recorder.exchanges == (Exchange("a", b"1", b""),)


# -- the command

def test_the_command_writes_the_file_and_lists_the_lines(tmp_path: Path) -> None:
    out = tmp_path / "contact.json"
    result = CliRunner().invoke(app, ["doctor", "--first-contact", "--out", str(out)])
    assert result.exit_code == 0
    assert "0 refuted, 4 confirmed" in result.output
    said = json.loads(out.read_text("utf-8"))
    assert {"supply", "panel", "nfc", "cell"} <= {one["name"] for one in said["instruments"]}
    assert said["wires"]["supply"]["exchanges"][0]["sent"] == "*IDN?\\n"
    assert said["wires"]["cell"]["exchanges"][0]["received"].startswith("Rohde&Schwarz,CMW")


def test_a_file_that_cant_be_written_is_one_sentence_of_the_bench(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--first-contact", "--out", str(tmp_path / "no" / "contact.json")])
    assert "choose another place with --out" in str(result.exception)


def test_the_doctor_says_how_many_lines_of_each_instrument_are_from_memory(bench: Bench) -> None:
    said = all_checks(bench)["from memory"]()
    assert said.startswith("lines that nobody has read anywhere: supply 3, panel 1, nfc 1, cell 8")


def test_to_look_whether_the_file_can_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    out = tmp_path / "contact.json"
    check_writable(out)
    assert not out.exists()
    out.write_text("of another day", "utf-8")
    check_writable(out)
    assert out.read_text("utf-8") == "of another day"
    with pytest.raises(BenchError, match="expected to write it"):
        check_writable(tmp_path / "nowhere" / "contact.json")
