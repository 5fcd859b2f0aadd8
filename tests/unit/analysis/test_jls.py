"""Captures as JLS files, read back by pyjls itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pyjls
import pytest

from bench.analysis.current import charge
from bench.analysis.current_capture import CurrentCapture
from bench.analysis.current_phases import Kind, Phase
from bench.analysis.jls import read_jls, write_jls
from bench.errors import BenchError

EPOCH = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PERIOD_S = 1.024e-3


def capture(count, **facts):
    """What an instrument gives: single precision."""
    rng = np.random.default_rng(1)
    mean = (6e-6 + 1e-7 * rng.standard_normal(count)).astype(np.float32)
    mean[count // 2:count // 2 + 100] = 0.22
    low, high = (mean * np.float32(0.9)).astype(float), (mean * np.float32(1.1)).astype(float)
    return CurrentCapture(2.5, PERIOD_S, mean.astype(float), low, high, np.full(count, 2.0 ** -23),
                          **{"gap_free": True, "limit_a": 1.0, "voltage_v": 3.6, "instrument": "N6705C",
                             "test": "suites/test_power.py::test_a", **facts})


def test_pyjls_reads_a_million_samples_and_finds_the_charge_of_the_analysis(tmp_path):
    whole = capture(1_000_000)
    path = write_jls(whole, tmp_path / "a.jls", epoch=EPOCH)
    with pyjls.Reader(str(path)) as file:
        average = file.signal_lookup("average")
        assert (average.length, average.units, average.sample_rate) == (1_000_000, "A", 977)
        samples = file.fsr(average.signal_id, 0, average.length)
        (mean, _, low, high), = file.fsr_statistics(average.signal_id, 0, average.length, 1)
    assert samples.sum(dtype=np.float64) * PERIOD_S == charge(whole)
    assert charge(whole) == pytest.approx(100 * 0.22 * PERIOD_S + 999_900 * 6e-6 * PERIOD_S, rel=1e-3)
    assert mean == pytest.approx(charge(whole) / whole.duration_s, rel=1e-5)
    assert (low, high) == (np.float32(whole.mean_a.min()), np.float32(0.22))


def test_what_was_written_is_read_back(tmp_path):
    whole = capture(5000)
    back = read_jls(write_jls(whole, tmp_path / "a.jls", epoch=EPOCH))
    for name in ("start_bench_s", "period_s", "gap_free", "limit_a", "voltage_v", "instrument", "test"):
        assert getattr(back, name) == getattr(whole, name)
    for name in ("mean_a", "minimum_a", "maximum_a", "uncertainty_a"):
        assert np.array_equal(getattr(back, name), getattr(whole, name))


def test_an_unknown_limit_and_voltage_stay_unknown(tmp_path):
    whole = capture(10, limit_a=float("inf"), voltage_v=float("nan"), gap_free=False)
    back = read_jls(write_jls(whole, tmp_path / "a.jls", epoch=EPOCH))
    assert back.limit_a == float("inf")
    assert np.isnan(back.voltage_v)
    assert back.gap_free is False


def test_a_viewer_sees_times_and_phases(tmp_path):
    phases = (Phase(Kind.SLEEP, 0.0, 2.0, 0.0, 0.0), Phase(Kind.TRANSMIT, 2.048, 1.0, 0.0, 0.0))
    path = write_jls(capture(5000), tmp_path / "a.jls", epoch=EPOCH, phases=phases)
    seen, times = [], []
    with pyjls.Reader(str(path)) as file:
        file.annotations(1, 0, lambda sample, y, kind, group, text: seen.append((sample, text)))
        file.utc(1, 0, lambda rows: times.extend(rows.tolist()))
    assert seen == [(0, "sleep"), (2000, "transmit")]
    assert [sample for sample, _ in times] == [0, 5000]
    begin, end = (pyjls.time64.as_datetime(moment) for _, moment in times)
    assert begin == datetime(2026, 3, 2, 9, 30, 2, 500000, tzinfo=UTC)
    assert (end - begin).total_seconds() == pytest.approx(5000 * PERIOD_S, abs=1e-6)


def test_another_file_is_refused_with_what_was_expected(tmp_path):
    (tmp_path / "a.jls").write_bytes(b"no JLS file")
    foreign = tmp_path / "b.jls"
    with pyjls.Writer(str(foreign)) as file:
        file.user_data(1, json.dumps({"format": "of somebody else"}))
    for path in (tmp_path / "a.jls", foreign, tmp_path / "missing.jls"):
        with pytest.raises(BenchError, match=rf"^JLS file {path.name}: expected a current capture of this bench"):
            read_jls(path)


def test_a_file_that_can_not_be_written_says_so(tmp_path):
    with pytest.raises(BenchError, match=r"^JLS file a\.jls: expected to write it"):
        write_jls(capture(10), tmp_path / "missing" / "a.jls", epoch=EPOCH)


def test_equal_captures_give_equal_files(tmp_path):
    whole = capture(10_800)
    assert len({write_jls(whole, tmp_path / "a.jls", epoch=EPOCH).read_bytes() for _ in range(20)}) == 1
