"""The fast log of the NGU and the NGM202: rates by their names, chunks that are overwritten, ranges of each model."""

from __future__ import annotations

import random

import numpy as np
import pytest
from power_lab import power_lab

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.ngu import Ngm202, Ngu201, Ngu401
from drivers.supply.rohde_schwarz_ngu import RohdeSchwarzNgu


@pytest.fixture
def lab():
    with power_lab("ngu") as lab:
        yield lab


def refusal(instrument, message):
    assert instrument.execute(message) is None
    return instrument.execute("SYST:ERR?").decode()


class Models:
    """Any model of the family, and its driver."""

    def __init__(self, clock, kind, **options):
        self.clock = clock
        self.terminals = Signal(0.0)
        self.unit = CurrentTrace(clock, self.terminals)
        self.instrument = clock.call(lambda: kind(clock, self.terminals, self.unit, random.Random(1), **options))
        self.server = ScpiServer(self.instrument)
        clock.run(self.server.start())

    def open(self, **options):
        return RohdeSchwarzNgu(self.server.address, clock=self.clock, timeline=Timeline(self.clock.time),
                               timeout_s=20.0, **options)


@pytest.fixture
def model_of():
    with WarpClock() as clock:
        made = []

        def make(kind, **options):
            made.append(Models(clock, kind, **options))
            return made[-1]
        yield make
        for models in made:
            clock.run(models.server.stop())


@pytest.mark.parametrize("message", ["FORM:BORD NORM", "FORM REAL", "FLOG:SRAT 500K", "FLOG:SRAT 7K812",
                                     "FLOG:SRAT S100"])
def test_what_535c861_sent_before_a_log_is_refused(lab, message):
    answer = lab.truth(lambda: refusal(lab.power.supply, message))
    assert answer.startswith("-113" if message.startswith("FORM") else "-224")


def test_the_data_are_little_endian_whatever_is_sent_before(lab):
    supply = lab.supplied()
    lab.truth(lambda: lab.unit.set("modem", 0.05))
    assert supply.log(1.0, 0.01).mean_a.mean() == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize("every_s", [0.5, 2.0])
def test_a_log_that_is_fetched_as_535c861_did_loses_chunks_and_the_status_says_so(lab, every_s):
    execute = lab.power.supply.execute
    lab.truth(lambda: [execute(text) for text in ("STAT:QUES:INST:ISUM1:PTR 2048", "FLOG:SRAT S1K953", "FLOG 1")])
    got = 0
    for _ in range(round(4 / every_s)):
        lab.clock.sleep(every_s)
        block = lab.truth(lambda: execute("FLOG:DATA?"))
        got += (len(block) - 2 - int(block[1:2])) // 8
    assert got == pytest.approx(4 / every_s * 0.25 * 1953.125, abs=10)
    assert lab.truth(lambda: execute("STAT:QUES:INST:ISUM1?")) == b"2048"


def test_a_chunk_that_waits_longer_than_20_ms_is_overwritten(lab):
    execute = lab.power.supply.execute
    lab.truth(lambda: execute("FLOG:SRAT S1K953;:FLOG 1"))
    lab.clock.sleep(0.265)
    assert len(lab.truth(lambda: execute("FLOG:DATA?"))) > 3000
    assert lab.truth(lambda: execute("FLOG:DATA?")) == b"#10"
    lab.clock.sleep(0.265)
    assert lab.truth(lambda: execute("FLOG:DATA?")) == b"#10"


def test_the_status_byte_tells_of_a_chunk_when_the_registers_let_it_through(lab):
    execute = lab.power.supply.execute
    for text in ("STAT:OPER:ENAB 8192", "STAT:OPER:PTR 8192", "STAT:OPER:INST:ENAB 2", "STAT:OPER:INST:PTR 2",
                 "STAT:OPER:INST:ISUM1:ENAB 4096", "STAT:OPER:INST:ISUM1:PTR 4096", "FLOG:SRAT S1K953", "FLOG 1"):
        lab.truth(lambda text=text: execute(text))
    for _ in range(3):
        assert not int(lab.truth(lambda: execute("*STB?"))) & 128
        lab.clock.sleep(0.25)
        assert int(lab.truth(lambda: execute("*STB?"))) & 128
        answers = [lab.truth(lambda text=text: execute(text)) for text in (
            "STAT:OPER:EVEN?", "STAT:OPER:INST:EVEN?", "STAT:OPER:INST:ISUM1:EVEN?")]
        assert answers == [b"8192", b"2", b"4096"]


@pytest.mark.parametrize("period_s", [20e-6, 0.001, 0.1, 5.0])
def test_a_log_at_any_rate_loses_nothing(lab, period_s):
    supply = lab.supplied()
    lab.sleep()
    lab.truth(lambda: lab.unit.repeat("pulse", 0.05, 0.003, 1.0))
    duration_s = 1.0 if period_s < 1e-3 else 20.0
    begin_s = lab.clock.time()
    log = supply.log(duration_s, period_s)
    true = lab.truth(lambda: lab.unit.charge(begin_s, begin_s + len(log.mean_a) * log.period_s))
    assert log.gap_free
    assert len(log.mean_a) * log.period_s == pytest.approx(duration_s, rel=0.02)
    assert abs(log.mean_a.sum() * log.period_s - true) <= log.uncertainty_a.sum() * log.period_s + 0.05 * 0.003


def test_samples_that_come_faster_than_their_rate_says_are_counted(lab):
    supply = lab.supplied()
    lab.power.supply.rate_factor = 1.05
    lab.truth(lambda: lab.unit.pulse("modem", 0.1, 0.2, at=lab.clock.time() + 1.0))
    log = supply.log(2.0, 20e-6)
    seen_s = np.flatnonzero(log.mean_a > 0.05)[[0, -1]] * log.period_s
    assert seen_s == pytest.approx([1.0, 1.2], abs=0.006)
    assert log.mean_a.sum() * log.period_s == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize(("fault", "value"), [("fifo_s", 0.001), ("lost_samples", 3)])
def test_a_log_with_lost_samples_is_a_bench_error_and_the_next_is_right(lab, fault, value):
    supply = lab.supplied()
    setattr(lab.power.supply, fault, value)
    with pytest.raises(BenchError, match=r"a log without gaps|no reading"):
        supply.log(5.0, 0.01)
    lab.power.supply.fifo_s = 0.02
    assert supply.log(1.0, 0.01).gap_free


def test_a_log_that_does_not_run_is_a_bench_error(lab):
    supply = lab.supplied()
    type(lab.power.supply)._chunk = lambda self: (0, 0.0)
    try:
        with pytest.raises(BenchError, match="a running fast log"):
            supply.log(1.0, 0.01)
    finally:
        type(lab.power.supply)._chunk = CHUNK


CHUNK = Ngu201._chunk


@pytest.mark.parametrize(("kind", "options", "taken"), [
    (Ngu201, {}, "S7K812"), (Ngu401, {}, "S7K812"), (Ngm202, {}, "S7K812"), (Ngm202, {"firmware": "03.034"}, "S010k")])
def test_each_model_and_firmware_gets_a_rate_that_it_knows(model_of, kind, options, taken):
    models = model_of(kind, **options)
    supply = models.open()
    supply.set_voltage(3.6)
    supply.output_on()
    models.clock.call(lambda: models.unit.set("modem", 0.05))
    log = supply.log(2.0, 1.5e-3)
    assert models.instrument.log_rate == taken
    assert log.mean_a.mean() == pytest.approx(0.05, rel=2e-3)
    assert log.period_s == pytest.approx(1.5e-3, rel=0.05)


def test_an_instrument_without_the_fast_log_says_so(model_of):
    models = model_of(Ngu201)
    models.instrument.rates = {}
    with pytest.raises(BenchError, match="refuses all names of rates"):
        models.open().log(1.0, 0.01)


def test_a_protection_that_stays_off_is_a_bench_error(model_of):
    models = model_of(Ngu201)
    execute = models.instrument.execute
    models.instrument.execute = lambda message: None if "PROT:STAT ON" in message else execute(message)
    with pytest.raises(BenchError, match="the over-voltage protection to be on, saw off"):
        models.open()


@pytest.mark.parametrize("message", ["SENS:CURR:RANG:AUTO:DOWN:MIN 1E-5", "SENS:CURR:RANG:AUTO:DOWN:THR 0.0015",
                                     "SENS:CURR:RANG:AUTO:UP:APPR STEP"])
def test_the_ranging_of_the_ngu_is_refused_by_the_ngm202_as_535c861_would_have_seen(model_of, message):
    models = model_of(Ngm202)
    assert refusal(models.instrument, message).startswith("-113")
    models.open()


def test_the_ngm202_states_the_uncertainty_of_its_own_ranges(model_of):
    models = model_of(Ngm202)
    supply = models.open()
    supply.set_voltage(3.6)
    supply.output_on()
    models.clock.call(lambda: models.unit.set("floor", 6e-6))
    reading = supply.mean_current(5.0)
    assert abs(reading.mean_a - 6e-6) <= reading.uncertainty_a
    assert reading.uncertainty_a > 5e-6             # it can't tell a sleeping unit
    assert set(supply.log(1.0, 0.01).full_scale_a) == {10e-3}


def test_the_second_channel_is_chosen_again_in_each_session_and_watched(model_of):
    models = model_of(Ngm202)
    supply = models.open(channel=2)
    supply.set_voltage(3.3)
    supply.output_on()
    assert models.terminals.value == 0.0
    models.clock.call(models.server.drop_connections)
    models.clock.call(lambda: models.instrument.execute("INST:NSEL 1"))        # it was without power
    models.clock.settle()
    supply.make_safe()
    assert models.instrument.channel == 2
    models.clock.call(lambda: models.instrument.execute("INST:NSEL 1"))        # somebody at the front
    with pytest.raises(BenchError, match="channel 2 to be chosen"):
        supply.output_on()


def test_after_a_reset_a_log_has_the_highest_rate_that_the_firmware_knows(model_of):
    models = model_of(Ngm202, firmware="03.034")
    execute = models.instrument.execute
    answers = [models.clock.call(lambda text=text: execute(text)) for text in ("*RST", "FLOG:SRAT?", "FLOG ON")]
    assert answers == [None, b"S500k", None]
    assert models.clock.call(lambda: execute("FLOG:DATA?")) == b"#10"


def test_a_reset_brings_back_the_first_channel_and_forgets_both(model_of):
    models = model_of(Ngm202)
    for text in ("VOLT 3.6", "OUTP:SEL ON", "INST:NSEL 2", "*RST", "OUTP:GEN ON"):
        models.clock.call(lambda text=text: models.instrument.execute(text))
    assert models.terminals.value == 0.0
    models.clock.call(lambda: models.instrument.execute("VOLT 3;:OUTP:SEL ON"))
    assert models.terminals.value == 3.0


def test_cls_clears_all_event_registers(lab):
    execute = lab.power.supply.execute
    lab.truth(lambda: [execute(text) for text in ("STAT:QUES:INST:ISUM1:PTR 2048", "FLOG:SRAT S1K953", "FLOG 1")])
    lab.clock.sleep(3)
    lab.truth(lambda: execute("FLOG 0;*CLS"))
    assert lab.truth(lambda: execute("STAT:QUES:INST:ISUM1?")) == b"0"
