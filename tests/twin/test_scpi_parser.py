"""SCPI syntax, error queue and status of the twin's instruments."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import WarpClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import Boolean, Choice, Number, Parameters, ScpiInstrument, command
from bench.twin.signal import Signal
from bench.twin.supply.n6705 import N6705


class Bench(ScpiInstrument, source="this test"):
    identity = "Twin,Bench,TWIN0001,1.0"
    installed_channels = frozenset({1, 2})
    level = Number("[SOURce:]VOLTage[:LEVel][:IMMediate]", 0.0, low=0.0, high=20.0, unit="V")
    limit = Number("[SOURce:]CURRent:LIMit", 1.0, low=0.0, high=3.0, unit="A", channels=True)
    auto = Boolean("SENSe:ELOG:CURRent:RANGe:AUTO", False)
    voltage_log = Boolean("SENSe:ELOG:CURRent:MINMax", False)
    source = Choice("TRIGger:SOURce", ("BUS", "IMMediate"))

    @command("FETCh:DATA?")
    def data(self, parameters: Parameters) -> bytes:
        return self.block(b"a\n;b")


class Rohde(Bench):
    error_format = '{code},"{text}"'
    boolean_words = ("OFF", "ON")


@pytest.fixture
def bench():
    return Bench()


def errors(instrument):
    found = []
    while (answer := instrument.execute("SYST:ERR?")) != b'+0,"No error"':
        found.append(int(answer.split(b",")[0]))
    return found


@pytest.mark.parametrize("header", ["VOLT", "volt", "VOLTAGE", "SOUR:VOLT", ":SOURce:VOLTage:LEVel:IMMediate",
                                    "VOLT:IMM", "Sour:Volt:Lev"])
def test_short_and_long_forms_and_optional_nodes_name_the_same_setting(bench, header):
    assert bench.execute(f"{header} 3.6;{':' if header[0] != ':' else ''}{header}?") == b"+3.60000000E+00"
    assert errors(bench) == []


@pytest.mark.parametrize("header", ["VOLTA", "VOL", "VOLTAGES", "SOURC:VOLT", "LEV:VOLT", "NOSUCH", "VOLT:"])
def test_other_spellings_are_an_undefined_header_or_a_syntax_error(bench, header):
    assert bench.execute(f"{header}?") is None
    assert errors(bench) in ([-113], [-102])


@pytest.mark.parametrize(("text", "volts"), [("3.6V", 3.6), ("3600 mV", 3.6), ("3.6e0", 3.6), (".5 V", 0.5),
                                             ("MIN", 0.0), ("MAXimum", 20.0), ("DEF", 0.0), ("#H0A", 10.0),
                                             ("2500000 uV", 2.5)])
def test_numbers_take_suffixes_and_words(bench, text, volts):
    bench.execute(f"VOLT {text}")
    assert bench.level == pytest.approx(volts)
    assert errors(bench) == []


@pytest.mark.parametrize(("message", "code"), [
    ("VOLT", -109), ("VOLT 1,2", -108), ("VOLT abc", -104), ("VOLT 1 A", -131), ("VOLT 21", -222),
    ("VOLT 1e999", -123), ("VOLT nan", -104), ("VOLT 'x", -151), ("TRIG:SOUR MAYBE", -224), ("VOLT #19", -161),
    ("CURR:LIM 1", -109), ("CURR:LIM 1,(@3)", -222), ("CURR:LIM 1,(@)", -171), ("VOLT 1,(@1)", -108),
    ("VOLT (@1", -171), ("V\u00f6LT 1", -101), ("*IDN?;VOLT?", -440), ("*ESE 256", -222), ("VOLT ,1", -109),
])
def test_each_kind_of_wrong_message_has_its_code(bench, message, code):
    bench.execute(message)
    assert errors(bench) == [code]


def test_the_header_path_carries_over_to_the_next_unit(bench):
    bench.execute("SENS:ELOG:CURR:RANG:AUTO ON;:SENS:ELOG:CURR:MINM ON")
    assert bench.execute("SENS:ELOG:CURR:MINM?;RANG:AUTO?") == b"1;1"
    bench.execute("*CLS;VOLT 1;*ESE 1;VOLT 2")          # a common command leaves the path alone
    assert bench.level == 2.0
    bench.execute("SENS:ELOG:CURR:RANG:AUTO ON;MINM ON")  # RANG:MINM does not exist
    assert errors(bench) == [-113]


def test_channel_lists_take_single_channels_and_ranges(bench):
    bench.execute("CURR:LIM 0.5,(@1,2);:CURR:LIM 250mA,( @1:2 )")
    assert bench.execute("CURR:LIM? (@1)") == b"+2.50000000E-01"
    assert bench.execute("CURR:LIM? MAX,(@1)") == b"+3.00000000E+00"
    assert errors(bench) == []


def test_two_queries_are_one_answer_and_a_block_has_its_length(bench):
    assert bench.execute("VOLT?;:TRIG:SOUR?") == b"+0.00000000E+00;BUS"
    assert bench.execute("FETC:DATA?") == b"#14a\n;b"


def test_the_queue_holds_thirty_and_says_that_it_overflowed(bench):
    for _ in range(40):
        bench.execute("NOSUCH")
    assert bench.execute("SYST:ERR:COUN?") == b"30"
    assert errors(bench) == [-113] * 29 + [-350]


def test_vendors_write_errors_in_their_own_way():
    rohde = Rohde()
    assert rohde.execute("SYST:ERR?") == b'0,"No error"'
    rohde.execute("NOSUCH")
    assert rohde.execute("SYST:ERR?") == b'-113,"Undefined header;NOSUCH"'
    assert rohde.execute("SENS:ELOG:CURR:RANG:AUTO?") == b"OFF"


def test_status_registers_tell_power_on_errors_and_completion(bench):
    assert bench.execute("*ESR?") == b"128"
    bench.execute("*ESE 32")
    bench.execute("*SRE 32")
    bench.execute("NOSUCH")
    assert bench.execute("*STB?") == b"100"     # 64 master summary, 32 event, 4 error queue
    assert bench.execute("*ESR?") == b"32"
    bench.execute("*CLS")
    bench.execute("*OPC")
    assert bench.execute("*ESR?") == b"1"
    assert bench.execute("*STB?") == b"0"


def test_reset_brings_the_defaults_back(bench):
    bench.execute("VOLT 5;:TRIG:SOUR IMM;*RST")
    assert (bench.level, bench.source) == (0.0, "BUS")


def real_instrument(clock):
    supply = Signal(0.0)
    return N6705(clock, supply, CurrentTrace(clock, supply), random.Random(1))


HEADERS = ["VOLT", "CURR:LIM", "OUTP", "SENS:ELOG:PER", "SENS:SWE:POIN", "FETC:ELOG", "MEAS:CURR", "INIT:ELOG",
           "TRIG:ELOG", "ABOR:ELOG", "FORM", "*RST", "*IDN", "SYST:ERR", "SENS:CURR:RANG", "*TRG", "SYST:CHAN:MOD"]
ARGUMENTS = ["", "1", "-1", "1e300", "MAX", "ON", "4096", "(@1)", "1,(@1)", "ON,(@1)", "(@1:999)", "REAL", "#15", "'"]


@given(st.text(max_size=200))
def test_any_text_is_survived(text):
    instrument = Bench()
    instrument.execute(text)
    assert instrument.execute("*IDN?") == b"Twin,Bench,TWIN0001,1.0"


@given(st.lists(st.tuples(st.sampled_from(HEADERS), st.sampled_from(["", "?"]), st.sampled_from(ARGUMENTS)),
                min_size=1, max_size=8))
def test_any_sequence_of_commands_answers_or_queues_an_error(messages):
    with WarpClock() as clock:
        instrument = real_instrument(clock)
        for header, mark, argument in messages:
            before = int(instrument.execute("SYST:ERR:COUN?"))
            reply = instrument.execute(f"{header}{mark} {argument}")
            after = int(instrument.execute("SYST:ERR:COUN?"))
            if mark:
                assert (reply is None) == (after > before)
            else:
                assert reply is None
