"""The meter simulator over a real TCP socket: what the driver sets, the meter's own optical port shows."""
# ruff: noqa: DTZ001 - a meter's clock knows no zone

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.payload.optical import OpticalReadout
from bench.timeline import Timeline
from bench.twin.meter.meter_simulator import MeterSimulator as Twin
from bench.twin.meter.optical_port import OpticalPort
from bench.twin.meter.uh50 import UH50
from bench.twin.radio.cell import Cell
from bench.twin.radio.cmw500 import Cmw500
from bench.twin.scpi import ScpiServer
from drivers.meter.optical import OpticalReader
from drivers.meter.simulator import MeterSimulator


class Bench:
    """A meter with its optical port, the simulator in front of it, and the drivers of both."""

    def __init__(self, clock: WarpClock) -> None:
        self.clock = clock
        self.timeline = Timeline(clock.time)
        self.meter = clock.call(lambda: UH50(clock, seed=3))
        self.port = clock.call(lambda: OpticalPort(self.meter, clock))
        self.server = ScpiServer(Twin(self.meter))
        clock.run(self.server.start())
        self.simulator = MeterSimulator(self.server.address, timeline=self.timeline)
        self.reader = OpticalReader(self.port.path, timeline=self.timeline, clock=clock, mains_powered=True)

    def shown(self) -> OpticalReadout:
        return self.reader.read()

    def close(self) -> None:
        self.simulator.close()
        self.reader.close()
        self.clock.run(self.server.stop())
        self.clock.call(self.port.close)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with WarpClock(datetime(2026, 3, 2, 9, 30, tzinfo=UTC)) as clock:
        bench = Bench(clock)
        yield bench
        bench.close()


def test_held_registers_stand_still_and_go_on_when_released(bench: Bench) -> None:
    bench.simulator.hold(energy="12345.678", flow="-1.234", forward_temperature="80.3", missing_time=137)
    bench.clock.sleep(36_000)
    shown = bench.shown()
    assert (str(shown.energy), str(shown.flow)) == ("12345.678 MWh", "-1.234 m3/h")
    assert (str(shown.forward_temperature), str(shown.missing_time)) == ("80.3 C", "137 h")
    bench.simulator.release()
    assert str(bench.shown().energy) != "12345.678 MWh"


def test_hold_without_names_keeps_what_is_shown_now(bench: Bench) -> None:
    before = bench.shown()
    bench.simulator.hold()
    bench.clock.sleep(86_400)
    after = bench.shown()
    assert (after.energy, after.volume, after.power, after.flow) == (
        before.energy, before.volume, before.power, before.flow)
    assert before.meter_time is not None
    assert after.meter_time is not None
    assert (after.meter_time - before.meter_time).total_seconds() == 86_400


@pytest.mark.parametrize(("step", "value"), [
    ("kWh", "7654321 kWh"), ("0.001 MWh", "7654.321 MWh"), ("0.01 MWh", "76543.21 MWh"), ("0.1 MWh", "765432.1 MWh"),
    ("MWh", "7654321 MWh"), ("MJ", "7654321 MJ"), ("0.001 GJ", "7654.321 GJ"), ("0.01 GJ", "76543.21 GJ"),
    ("0.1 GJ", "765432.1 GJ"), ("GJ", "7654321 GJ"),
])
def test_energy_counts_in_the_step_that_is_set(bench: Bench, step: str, value: str) -> None:
    bench.simulator.set_energy_step(step)
    bench.simulator.hold(energy=value.split()[0])
    assert str(bench.shown().energy) == value


def test_a_new_step_lets_go_of_energy_and_tariffs_and_keeps_the_rest(bench: Bench) -> None:
    bench.simulator.hold(energy="1.000", volume="3456.78")
    bench.simulator.set_tariffs("1.000")
    bench.simulator.set_energy_step("GJ")
    shown = bench.shown()
    assert (shown.energy is None, shown.tariff(1), str(shown.volume)) == (False, None, "3456.78 m3")
    assert shown.energy is not None
    assert shown.energy.value > 1


def test_tariffs_numbers_and_clock_are_shown(bench: Bench) -> None:
    bench.simulator.set_tariffs("1.234", None, Decimal("5.678"))
    bench.simulator.set_numbers(fabrication="61234567", customer="00000042")
    bench.simulator.set_clock(datetime(2024, 2, 29, 23, 59))
    shown = bench.shown()
    assert [str(shown.tariff(number)) for number in (1, 2, 3)] == ["1.234 MWh", "None", "5.678 MWh"]
    assert (shown.fabrication_number, shown.property_number) == ("61234567", "00000042")
    assert shown.meter_time == datetime(2024, 2, 29, 23, 59)


def test_flags_load_and_connection_reach_the_meter(bench: Bench) -> None:
    bench.simulator.set_error_flags(0x0412)
    bench.simulator.set_load(-1)
    bench.simulator.disconnect()
    shown = bench.shown()
    assert shown.error_display == "F1&F41&F0V" or shown.registers["F"]
    assert shown.flow is not None
    assert shown.flow.value < 0
    assert (bench.meter.error_flags, bench.meter.connected) == (0x0412, False)
    bench.simulator.connect()
    assert bench.meter.connected


def test_make_safe_gives_back_a_healthy_meter(bench: Bench) -> None:
    fabrication = bench.meter.fabrication_number
    bench.simulator.set_energy_step("GJ")
    bench.simulator.hold(energy=1)
    bench.simulator.set_tariffs(2)
    bench.simulator.set_error_flags(1)
    bench.simulator.set_load(0)
    bench.simulator.set_numbers(fabrication="00000001", customer="00000002")
    bench.simulator.disconnect()
    bench.simulator.make_safe()
    meter = bench.meter
    assert (meter.error_flags, meter.load, meter.connected, meter.energy_unit.symbol) == (0, 1.0, True, "MWh")
    assert (meter.tariffs, meter.fabrication_number) == ((None,) * 5, fabrication)
    assert str(bench.shown().energy) != "1 GJ"


@pytest.mark.parametrize("refused", [
    lambda simulator: simulator.set_energy_step("0.5 MWh"),
    lambda simulator: simulator.hold(energy="1.2345"),
    lambda simulator: simulator.hold(energy="-1.000"),
    lambda simulator: simulator.hold(flow="1e3"),
    lambda simulator: simulator.hold(forward_temperature="80.25"),
    lambda simulator: simulator.hold(missing_time="1.5"),
    lambda simulator: simulator.hold(pressure=1),
    lambda simulator: simulator.set_error_flags(0x1000),
    lambda simulator: simulator.set_numbers(fabrication="1", customer="00000002"),
    lambda simulator: simulator.set_tariffs(1, 2, 3, 4, 5, 6),
])
def test_what_it_can_not_show_is_refused_and_it_works_on(bench: Bench, refused) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BenchError, match="meter simulator"):
        refused(bench.simulator)
    bench.simulator.hold(energy="1.000")
    assert str(bench.shown().energy) == "1.000 MWh"


def test_settings_read_back(bench: Bench) -> None:
    execute = bench.server.instrument.execute
    assert execute("MET:ENER:STEP?") == b'"0.001 MWh"'
    assert execute("METER:HOLD ENERGY,1.5;:METER:HOLD? ENERGY") == b"1.500"
    assert execute("MET:TAR2 2.5;TAR2?;TAR1?") == b"2.500;OFF"
    assert execute("MET:FLAG #H12;FLAG?") == b"18"
    assert execute("MET:CONN?;LOAD?") == b"ON;1"
    assert execute("MET:TAR6 1") is None
    assert execute("SYST:ERR?") == b'-114,"Header suffix out of range"'


def test_another_instrument_at_the_address_is_refused(bench: Bench) -> None:
    other = ScpiServer(Cmw500(bench.clock, Cell(bench.clock)))
    bench.clock.run(other.start())
    with pytest.raises(BenchError, match="expected a meter simulator"):
        MeterSimulator(other.address, timeline=bench.timeline)
    bench.clock.run(other.stop())


def test_it_remembers_what_it_told_the_unit_and_when(bench: Bench) -> None:
    assert bench.simulator.oldest_answer() is None
    assert not bench.simulator.has_forgotten(datetime(2026, 1, 1), datetime(2027, 1, 1))
    assert bench.simulator.answers(datetime(2026, 1, 1), datetime(2027, 1, 1)) == []
    bench.simulator.set_tariffs("1.000", None, "3.000")
    bench.simulator.set_error_flags(2)
    bench.simulator.set_numbers(fabrication="61234567", customer="00012345")
    told = bench.clock.call(bench.meter.answer_module)
    bench.clock.sleep(600)
    bench.clock.call(bench.meter.answer_module)

    first, second = bench.simulator.answers(datetime(2026, 3, 2, 10, 30), datetime(2026, 3, 2, 10, 40))
    assert bench.simulator.answers(datetime(2026, 3, 2, 10, 31), datetime(2026, 3, 2, 10, 39)) == []
    assert first.readout.time == datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
    assert second.readout.time == datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
    assert (first.readout.meter_id, first.property_number) == ("61234567", "00012345")
    assert first.readout.energy is not None and str(first.readout.energy) == f"{told.energy} MWh"
    assert [str(each) for each in first.readout.tariffs] == ["1.000 MWh", "None", "3.000 MWh"]
    assert first.readout.error_flags == 2
    assert str(first.readout.return_temperature) == f"{told.return_c} C"

    bench.simulator.reset()
    assert bench.simulator.oldest_answer() == datetime(2026, 3, 2, 10, 30), "*RST keeps the log"
    assert len(bench.simulator.answers(datetime(2026, 3, 2), datetime(2026, 3, 3))) == 2


def test_a_long_log_comes_in_parts_and_the_oldest_answers_are_forgotten(bench: Bench) -> None:
    def tell() -> None:
        for _ in range(10_600):
            bench.meter.answer_module()

    bench.clock.sleep(60)
    bench.clock.call(bench.meter.answer_module)
    bench.clock.sleep(60)
    bench.clock.call(tell)
    assert len(bench.simulator.answers(datetime(2026, 3, 2), datetime(2026, 3, 3))) == 10_000
    assert bench.simulator.oldest_answer() == datetime(2026, 3, 2, 10, 32)
    assert bench.simulator.has_forgotten(datetime(2026, 3, 2, 10, 31), datetime(2026, 3, 2, 10, 31))
    assert bench.simulator.has_forgotten(datetime(2026, 3, 2, 10, 32), datetime(2026, 3, 2, 10, 32))
    assert not bench.simulator.has_forgotten(datetime(2026, 3, 2, 10, 33), datetime(2026, 3, 3))


@pytest.mark.parametrize("command", [
    "MET:LOG?", 'MET:LOG? "2026-03-02T00:00"', 'MET:LOG? "2026-03-02","2026-03-03",0', "MET:LOG? 1,2,0",
    'MET:LOG? "2026-03-02T00:00","2026-03-03T00:00",-1', "MET:LOG:OLD? 1"])
def test_an_odd_question_about_the_log_is_an_error(bench: Bench, command: str) -> None:
    with pytest.raises(BenchError):
        bench.simulator._visa.query(command)
