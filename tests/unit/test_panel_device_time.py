"""Box time to bench time, with delays like those of USB."""

from __future__ import annotations

import random

import pytest

from drivers.panel.device_time import DeviceTime

BOX_AHEAD_US = 777_000_000


def test_without_delay_the_offset_is_exact() -> None:
    time = DeviceTime(50, worst_delay_s=0.0)
    time.arrived(BOX_AHEAD_US + 1_000_000, 1_000_000, asked_us=1_000_000)
    assert time.to_bench(BOX_AHEAD_US + 5_300_001) == 5.300001
    assert time.uncertainty_s == 0.0


def test_before_the_first_stamp_nothing_is_known() -> None:
    time = DeviceTime(50, worst_delay_s=0.0)
    assert time.uncertainty_s == float("inf")
    with pytest.raises(ValueError, match="no stamp"):
        time.to_bench(0)


@pytest.mark.parametrize("ppm", [-50.0, -7.0, 0.0, 50.0])
@pytest.mark.parametrize("seed", range(5))
def test_over_usb_the_error_stays_within_the_stated_uncertainty(ppm: float, seed: int) -> None:
    rng = random.Random(seed)
    time = DeviceTime(50, worst_delay_s=0.02)
    errors: list[float] = []

    def stamp(bench_us: int) -> int:
        return BOX_AHEAD_US + round(bench_us * (1 + ppm * 1e-6))

    def delay_us() -> int:
        return min(15_000, round(300 + rng.expovariate(1 / 400)))

    for exchange in range(5):
        asked = exchange * 2000
        time.arrived(stamp(asked + 150), asked + delay_us() + 150, asked_us=asked)
    for hour in range(48):
        for step in range(6):
            bench = (hour * 3600 + step * 600 + 1) * 1_000_000
            assert time.arrived(stamp(bench), bench + delay_us()) == 0.0
            error = abs(time.to_bench(stamp(bench)) - bench / 1e6)
            assert error <= time.uncertainty_s + 2e-6
            errors.append(error)
    assert max(errors) < 0.035
    assert time.uncertainty_s < 0.025
    assert time.drift_ppm == pytest.approx(ppm, abs=1.0)


def test_one_very_late_line_does_not_move_the_line() -> None:
    time = DeviceTime(50, worst_delay_s=0.02)
    time.arrived(BOX_AHEAD_US, 0, asked_us=-500)
    assert time.arrived(BOX_AHEAD_US + 600_000_000, 603_000_000) == 0.0
    assert time.to_bench(BOX_AHEAD_US + 600_000_000) == 600.0


def test_a_clock_outside_its_tolerance_is_told() -> None:
    fast = DeviceTime(50, worst_delay_s=0.02)
    fast.arrived(0, 0, asked_us=0)
    assert fast.arrived(10_050_000, 10_000_000) == pytest.approx(0.05 - 0.0005, abs=1e-4)
    slow = DeviceTime(50, worst_delay_s=0.02)
    slow.arrived(0, 0, asked_us=0)
    assert slow.arrived(9_950_000, 10_000_000) == 0.0                          # it may just be late
    assert slow.arrived(9_950_000, 10_000_000, asked_us=9_999_000) > 0.04      # an answer can't be
