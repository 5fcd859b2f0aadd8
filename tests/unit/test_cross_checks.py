"""Instruments held against each other: what each check says of a good lab, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bench.clock import WallClock, WarpClock
from bench.errors import BenchError, NotObserved
from bench.station_file import ReferenceTable
from bench.timeline import Timeline
from drivers.panel import ReferenceLoads
from drivers.radio import NetworkTime
from fixtures.bench import Bench
from fixtures.cross_checks import (
    CLOCKS_S,
    Contradictions,
    at_the_end,
    check_attached,
    check_host_clock,
    check_meter,
    check_network_time,
    check_path,
    check_path_loss,
    check_reference,
    check_simulator,
)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench.on_twin(1)
    yield bench
    bench.close()


# -- reference resistors

def test_two_resistors_take_the_units_place_and_the_unit_has_it_again(bench: Bench) -> None:
    said = check_reference(bench.station)
    assert "through 560000 ohm, within 0.1" in said
    assert "through 8.2 ohm, within" in said
    lab = bench._lab
    assert lab is not None
    assert lab.panel.relay_closed.value
    assert lab.panel.load.value == 0
    assert lab.unit.supply.value == 0.0, "the output is off"


def test_the_unit_gets_nothing_while_a_resistor_is_in_its_place(bench: Bench) -> None:
    lab = bench._lab
    assert lab is not None
    with bench.station.reference_load(2):
        bench.station.supply.set_voltage(3.6)
        bench.station.supply.output_on()
        assert (lab.unit.supply.value, lab.line.terminals.value) == (0.0, 3.6)
        assert bench.station.supply.mean_current(0.1).mean_a == pytest.approx(3.6 / 8.22, rel=0.002)


def test_a_resistor_that_is_forgotten_is_taken_away_and_told(bench: Bench) -> None:
    panel = bench.station.panel
    assert isinstance(panel, ReferenceLoads)
    panel.connect_load(1)
    bench.clock.sleep(61)
    with pytest.raises(BenchError, match="reference load off after 60 s"):
        panel.check()


@pytest.mark.parametrize(("ohms", "wrong"), [((500e3, 8.2), "reference load of 500000 ohm"),
                                             ((560e3, 8.8), r"reference load of 8\.8 ohm")])
def test_resistors_that_are_not_those_of_the_station_file_are_found(
        bench: Bench, ohms: tuple[float, float], wrong: str) -> None:
    table = ReferenceTable(switched_ohm=ohms)
    bench.station.file = bench.station.file.model_copy(update={"reference": table})
    with pytest.raises(BenchError, match=f"^{wrong}: expected "):
        check_reference(bench.station)
    assert bench.station.supply.voltage() < 0.1, "the output is off"


@pytest.mark.parametrize("table", [{}, {"switched_ohm": (8.2, 560e3)}, {"switched_ohm": (100.0, 10.0)},
                                   {"load_ohm": 0.0}, {"switched_ohm": (560e3, -1.0)}])
def test_a_table_of_resistors_that_can_be_none_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"load_ohm|switched_ohm"):
        ReferenceTable.model_validate(table)


# -- meter

def test_both_ports_of_a_meter_show_one_meter(bench: Bench) -> None:
    station = bench.station
    assert "at both ports" in check_meter(station.optical.read(), station.mbus.read())


def test_a_simulator_shows_what_it_is_told_and_lets_go(bench: Bench) -> None:
    station = bench.station
    before = station.optical.read()
    assert check_simulator(station.meter_simulator, station.optical, before).startswith("shows what it is told")
    assert station.optical.read().energy == before.energy


# -- clocks and the network

class Told:
    """A cell that tells one time."""

    def __init__(self, time: NetworkTime | None) -> None:
        self.time = time

    def network_time(self) -> NetworkTime | None:
        return self.time


@pytest.mark.parametrize(("late_s", "zone", "wrong"), [
    (0.0, 60, ""), (0.0, None, ""), (0.0, 120, ""), (CLOCKS_S - 0.1, 60, ""), (0.1 - CLOCKS_S, 60, ""),
    (CLOCKS_S + 1, 60, "clock of the cell: expected the host's"), (-61.0, 60, "clock of the cell"),
    (0.0, 0, "time zone of the cell: expected 60 min"), (0.0, 180, "time zone"), (0.0, -300, "time zone")])
def test_the_networks_time_is_the_hosts_and_its_zone_the_stations(
        bench: Bench, late_s: float, zone: int | None, wrong: str) -> None:
    cell = Told(NetworkTime(bench.clock.utc() + timedelta(seconds=late_s), zone))
    if not wrong:
        assert "against the host" in check_network_time(cell, bench.clock, 60)    # type: ignore[arg-type]
        return
    with pytest.raises(BenchError, match=wrong):
        check_network_time(cell, bench.clock, 60)    # type: ignore[arg-type]


@pytest.mark.parametrize("driver", ["cmw500", "amarisoft"])
def test_both_networks_tell_their_time(bench: Bench, driver: str) -> None:
    bench.use_cell(driver)    # type: ignore[arg-type]
    told = bench.station.cell.network_time()
    assert told is not None
    assert abs((told.utc - bench.clock.utc()).total_seconds()) <= 1.0
    assert told.utc_offset_minutes == (60 if driver == "cmw500" else None)


@pytest.mark.parametrize(("minutes", "told"), [(345, 345), (-210, -210), (0, 0), (-30, -30)])
def test_a_zone_that_is_no_whole_hour_is_read_with_its_sign(bench: Bench, minutes: int, told: int) -> None:
    lab = bench._lab
    assert lab is not None
    lab.cell.utc_offset_minutes = minutes
    seen = bench.station.cell.network_time()
    assert seen is not None
    assert seen.utc_offset_minutes == told


def test_echo_requests_that_are_lost_are_counted(bench: Bench) -> None:
    lab = bench._lab
    assert lab is not None
    assert check_path(bench.station.cell, "10.0.0.1").startswith("all 10")
    bench.clock.call(lab.cell.routes.clear)
    with pytest.raises(BenchError, match=r"expected 10 of 10 echo requests to 10\.0\.0\.1 to be answered, saw 0"):
        check_path(bench.station.cell, "10.0.0.1")


def test_something_came_in_over_a_cell_that_has_nobody(bench: Bench) -> None:
    bench.station.cell.on()
    with pytest.raises(BenchError, match="expected an attached unit, from which something has just come in, saw on"):
        check_attached(bench.station.cell)


@pytest.mark.parametrize(("rsrp_dbm", "rssi_dbm", "wrong"), [
    (-85, -75, ""), (-96, -85, ""), (-74, -63, ""),
    (-105, -95, "saw -105 dBm, 20 dB too little"), (-65, -54, "saw -65 dBm, 20 dB too much"),
    (-120, -75, ""), (-85, -120, "")])
def test_two_figures_of_a_unit_that_fit_each_other_tell_of_the_path_and_one_alone_of_the_unit(
        bench: Bench, rsrp_dbm: int, rssi_dbm: int, wrong: str) -> None:
    cell = bench.station.cell
    assert cell.level_dbm == -85
    if not wrong:
        check_path_loss(cell, rsrp_dbm, rssi_dbm)
        return
    with pytest.raises(BenchError, match=f"^path between cell and unit: .* {wrong}"):
        check_path_loss(cell, rsrp_dbm, rssi_dbm)


# -- the NFC reader

@pytest.fixture
def forgetful() -> Iterator[Bench]:
    bench = Bench.on_twin(1, faults=["reader-drops-writes"])
    yield bench
    bench.close()


def supplied(bench: Bench) -> Bench:
    bench.station.supply.set_voltage(3.6)
    bench.station.supply.output_on()
    bench.clock.sleep(1.0)
    return bench


def test_a_reader_that_has_written_nothing_is_not_the_units_silence(forgetful: Bench) -> None:
    with pytest.raises(BenchError, match="expected what the reader has written to be on the tag, saw what was there"):
        supplied(forgetful).station.otc.write({"readout_interval": 30})


def test_the_silence_of_a_unit_that_was_told_is_the_units(bench: Bench) -> None:
    lab = bench._lab
    assert lab is not None
    supplied(bench)
    lab.unit.tag._followers.clear()      # its processor looks at no page
    with pytest.raises(NotObserved, match="no answer to a write of readout_interval"):
        bench.station.otc.write({"readout_interval": 30})


def test_a_machines_clock_that_was_moved_is_found() -> None:
    with WallClock() as clock:
        assert "evenly" in check_host_clock(clock)
        clock.epoch -= timedelta(seconds=5)      # as if the machine's clock had been set forward
        with pytest.raises(BenchError, match=r"saw a step of \+5\.0 s"):
            check_host_clock(clock)
    assert abs((clock.epoch - datetime.now(UTC)).total_seconds()) < 60


# -- what can't be

Story = list[tuple[float, str, str, dict[str, object]]]
SUPPLY_OFF = ("supply", "output", {"on": False, "voltage_v": 3.6})
SUPPLY_ON = ("supply", "output", {"on": True, "voltage_v": 3.6})
CELL_OFF, CELL_ON = ("cell", "state", {"state": "off"}), ("cell", "state", {"state": "on"})
LIGHT, DARK = ("panel", "led", {"channel": "red", "on": True}), ("panel", "led", {"channel": "red", "on": False})
SENT, ANSWERED = ("dm", "datagram", {"direction": "in"}), ("dm", "datagram", {"direction": "out"})


@pytest.mark.parametrize(("story", "wrong"), [
    ([(0, *SUPPLY_ON), (5, *LIGHT), (9, *SENT)], ""),
    ([(0, *SUPPLY_OFF), (9.9, *SENT), (60, *DARK), (60, *ANSWERED)], ""),
    ([(0, *SUPPLY_OFF), (11, *LIGHT)], "supply: expected nothing of a unit 10 s after it went off, saw a light"),
    ([(0, *SUPPLY_OFF), (5, *SUPPLY_OFF), (11, *SENT)], "supply: .* saw a datagram of it after 11 s"),
    ([(0, *SUPPLY_OFF), (20, *SUPPLY_ON), (21, *LIGHT)], ""),
    ([(0, *SUPPLY_ON), (0, *CELL_OFF), (60, *LIGHT), (70, *CELL_ON), (71, *SENT)], ""),
    ([(0, *SUPPLY_ON), (0, *CELL_OFF), (60, *SENT)], "cell: .* saw a datagram of it after 60 s"),
])
def test_what_no_unit_can_do_is_the_benchs_fault(story: Story, wrong: str) -> None:
    with WarpClock() as clock:
        timeline = Timeline(clock.time)
        found = Contradictions(timeline)
        for at, source, kind, data in story:
            timeline.append(source, kind, data, at=at)
        if not wrong:
            found.check()
            return
        with pytest.raises(BenchError, match=wrong):
            found.check()
        found.check()    # it is told once


def test_it_is_remembered_from_test_to_test_that_the_supply_is_off() -> None:
    with WarpClock() as clock:
        timeline = Timeline(clock.time)
        found = Contradictions(timeline)
        timeline.append(*SUPPLY_OFF, at=0)
        found.check()
        timeline.append(*SENT, at=100)
        with pytest.raises(BenchError, match="a datagram of it after 100 s"):
            found.check()


# -- at the end of a life

def in_use(bench: Bench) -> Bench:
    station = bench.station
    _ = station.supply, station.panel, station.cell
    return bench


def test_at_the_end_of_a_good_life_nothing_is_wrong_and_the_unit_is_dark(bench: Bench) -> None:
    assert at_the_end(in_use(bench).station, bench.clock) == []
    assert bench.station.supply.voltage() < 0.1


@pytest.mark.parametrize(("change", "wrong"), [
    (lambda bench: setattr(bench.clock, "host_step_s", 60.0), "clock of this machine"),
    (lambda bench: setattr(bench._lab.cell, "clock_error_s", 60.0), "clock of the cell"),
    (lambda bench: setattr(bench._lab.power.supply.module(1).input, "offset_a", 1e-6), "zero of the ammeter"),
    (lambda bench: setattr(bench._lab.panel, "stuck_green", False), "green light sensor"),
    (lambda bench: bench._lab.panel.bend_contact(), "contact that did not close")])
def test_what_has_gone_wrong_meanwhile_is_named(bench: Bench, change: Callable[[Bench], None], wrong: str) -> None:
    in_use(bench)
    change(bench)
    problems = at_the_end(bench.station, bench.clock)
    assert any(wrong in problem for problem in problems), problems


def test_what_was_not_in_use_is_not_looked_at(bench: Bench) -> None:
    assert at_the_end(bench.station, bench.clock) == []
    assert {"supply", "panel", "cell"}.isdisjoint(bench.station.__dict__)
