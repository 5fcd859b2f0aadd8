"""Captures of the twin's current through its instruments: evidence, zero, and what is the bench's fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.analysis.current import charge, sleep_current
from bench.analysis.jls import read_jls
from bench.errors import BenchError
from bench.station_file import BatteryTable
from bench.twin.faults import FAULTS
from fixtures.bench import Bench
from fixtures.power import Power


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench.on_twin(1)
    bench.station.supply.set_voltage(3.6)
    yield bench
    bench.close()


def test_captures_are_kept_as_evidence_of_their_test(bench: Bench, tmp_path: Path) -> None:
    bench.station.supply.output_on()
    power = Power(bench, tmp_path / "0001_a.jls", "suites/test_power.py::test_a")
    first, second = power.capture(5.0), power.capture_peaks(2.0)
    kept = [read_jls(tmp_path / name) for name in ("0001_a.jls", "0001_a.2.jls")]
    assert [charge(one) for one in kept] == [charge(first), charge(second)]
    assert {one.test for one in kept} == {"suites/test_power.py::test_a"}
    assert kept[0].instrument.startswith("Keysight Technologies,N6705C")
    assert kept[0].voltage_v == pytest.approx(3.6, abs=0.01)
    assert kept[1].limit_a == 1.0
    assert (len(kept[0]), len(kept[1])) == (pytest.approx(250, abs=2), pytest.approx(2000, abs=10))


def test_the_zero_is_taken_off_and_may_not_move(bench: Bench) -> None:
    power, supply = Power(bench), bench.station.supply
    before = power.zero()
    supply.output_on()
    bench.clock.sleep(5.0)
    asleep = power.capture(20.0)
    offset_a = power.zero_since(before).offset_a
    truth_a = 5.2e-6 + 0.3e-6 * 0.1    # floor, and a tick of 0.3 mA for 0.1 ms each second
    measured = sleep_current(asleep.less(offset_a), at_least_s=20)
    assert measured.mean_a == pytest.approx(truth_a, abs=0.02e-6), "better than the offset in the data sheet"
    lab = bench._lab
    assert lab is not None
    (offset,) = FAULTS.find(["ammeter-offset"])
    bench.clock.call(lambda: offset.prepare(lab))
    with pytest.raises(BenchError, match=r"^zero of the ammeter: expected a change of at most 0\.3 uA"):
        power.zero_since(before)


def test_the_battery_is_that_of_the_station_file(bench: Bench) -> None:
    power = Power(bench)
    file = bench.station.file
    bench.station.file = file.model_copy(update={"battery": BatteryTable(
        capacity_ah=2.0, usable_percent=50, self_discharge_percent_per_year=2)})
    assert power.battery.life_years(0.0) == 25
    assert {"battery", "supply.battery"} & bench.station.abilities == {"battery"}
    bench.station.file = file.model_copy(update={"battery": None})
    assert not {"battery", "supply.battery"} & bench.station.abilities
    with pytest.raises(BenchError, match=r"expected a table \[battery\], saw none"):
        _ = power.battery
