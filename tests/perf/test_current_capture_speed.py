"""How long a capture of a million samples takes from log to picture (printed, see pytest -s)."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import numpy as np

from bench.analysis.current import charge, peak_current, sleep_current
from bench.analysis.current_capture import CurrentCapture
from bench.analysis.current_phases import Kind, active_timers, find_phases, share
from bench.analysis.jls import read_jls, write_jls
from reports.current_picture import Mark, current_picture


def a_million_samples() -> CurrentCapture:
    """1000 s at 1 ms: sleep with ticks, ten reports with an active timer of 20 s after each."""
    rng = np.random.default_rng(1)
    mean = np.full(1_000_000, 5.2e-6)
    for start in range(5_000, 1_000_000, 100_000):
        mean[start:start + 3_000] = 46e-3
        mean[start + 3_000:start + 3_200] = 220e-3
        mean[start + 3_200:start + 13_200] = np.where(np.arange(10_000) % 256 < 12, 52e-3, 6e-3)
        mean[start + 13_200:start + 33_200] = 20e-6
    mean += 0.1e-6 * rng.standard_normal(len(mean))
    maximum = mean + 0.3e-6
    maximum[::1000] += 0.3e-3
    return CurrentCapture(0.0, 1e-3, mean, mean - 0.3e-6, maximum, np.full(len(mean), 0.1e-6), gap_free=True,
                          limit_a=1.0, voltage_v=3.6)


def test_a_million_samples_are_analysed_and_drawn(tmp_path):
    capture = a_million_samples()
    spent = {}

    def timed(name, work):
        begin = time.perf_counter()
        result = work()
        spent[name] = time.perf_counter() - begin
        return result

    phases = timed("phases", lambda: find_phases(capture))
    sleep = timed("sleep current", lambda: sleep_current(capture))
    timed("peak and charge", lambda: (peak_current(capture), charge(capture)))
    timed("picture", lambda: current_picture(capture, [Mark(0.4, "power.peak.current")]).png())
    analysed_and_drawn = sum(spent.values())
    path = timed("JLS written", lambda: write_jls(capture, tmp_path / "a.jls", epoch=datetime(2026, 3, 2, tzinfo=UTC),
                                                  phases=phases))
    timed("JLS read", lambda: read_jls(path))
    assert share(phases, Kind.TRANSMIT).count == 10
    assert [round(timer.duration_s, 1) for timer in active_timers(phases)] == [20.0] * 10
    assert abs(sleep.floor_a - 5.2e-6) < 0.02e-6
    print("\n" + ", ".join(f"{name} {seconds * 1e3:.0f} ms" for name, seconds in spent.items())
          + f"; analysed and drawn in {analysed_and_drawn:.2f} s, {path.stat().st_size / 1e6:.1f} MB")
