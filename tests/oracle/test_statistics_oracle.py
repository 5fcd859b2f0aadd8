"""Figures against those of others: AIAG's example, the package capstat, printed tables, and chance itself."""

from __future__ import annotations

import math

import capstat_core as capstat
import numpy as np
import polars as pl
import pytest
from capstat_core.capability import capability as capstat_capability
from scipy.stats import binomtest

from reports.statistics.capability import capabilities, indices
from reports.statistics.control_chart import chart
from reports.statistics.gauge import gauge
from reports.statistics.lot import RUNS, STAGES, Lot
from reports.statistics.yields import Share

AIAG = np.array([    # Measurement Systems Analysis, 4th edition, table III-B 6a: [appraiser][trial][part]
    [[0.29, -0.56, 1.34, 0.47, -0.80, 0.02, 0.59, -0.31, 2.26, -1.36],
     [0.41, -0.68, 1.17, 0.50, -0.92, -0.11, 0.75, -0.20, 1.99, -1.25],
     [0.64, -0.58, 1.27, 0.64, -0.84, -0.21, 0.66, -0.17, 2.01, -1.31]],
    [[0.08, -0.47, 1.19, 0.01, -0.56, -0.20, 0.47, -0.63, 1.80, -1.68],
     [0.25, -1.22, 0.94, 1.03, -1.20, 0.22, 0.55, 0.08, 2.12, -1.62],
     [0.07, -0.68, 1.34, 0.20, -1.28, 0.06, 0.83, -0.34, 2.19, -1.50]],
    [[0.04, -1.38, 0.88, 0.14, -1.46, -0.29, 0.02, -0.46, 1.77, -1.49],
     [-0.11, -1.13, 1.09, 0.20, -1.07, -0.67, 0.01, -0.56, 1.45, -1.77],
     [-0.15, -0.96, 0.67, 0.11, -1.45, -0.49, 0.21, -0.49, 1.87, -2.16]]]).transpose(2, 0, 1)


def test_aiags_example() -> None:
    found = gauge(AIAG)
    assert (found.pooled, found.categories, found.verdict) == (True, 4, "conditional")
    assert [round(one, 6) for one in (found.repeatability, found.reproducibility, found.gauge, found.units, found.total)
            ] == [0.199933, 0.226838, 0.302372, 1.042327, 1.085300]
    assert round(found.share, 2) == 27.86
    assert round(found.interaction_p, 3) == 0.974
    apart = gauge(AIAG, pooled_above=1.0)
    assert [round(one, 6) for one in (apart.repeatability, apart.reproducibility, apart.gauge, apart.units, apart.total)
            ] == [0.214435, 0.228304, 0.313217, 1.043395, 1.089393]
    assert (round(apart.share, 2), apart.categories) == (28.75, 4)


@pytest.mark.parametrize("seed", range(5))
def test_gauges_as_capstat_has_them(seed: int) -> None:
    chance = np.random.default_rng(seed)
    units, places, repeats = 8, 3, 2
    values = (chance.normal(0, 2, (units, 1, 1)) + chance.normal(0, 0.5, (1, places, 1))
              + chance.normal(0, 0.1 + seed / 3, (units, places, 1)) + chance.normal(0, 0.4, (units, places, repeats)))
    ours, theirs = gauge(values, tolerance=12.0), capstat.gage_rr(values, tolerance=12.0)
    for mine, other in ((ours.repeatability, theirs.var_repeatability), (ours.units, theirs.var_part),
                        (ours.reproducibility, theirs.var_operator), (ours.interaction, theirs.var_interaction)):
        assert mine == pytest.approx(math.sqrt(other), abs=1e-12)
    assert ours.pooled is not theirs.interaction_included
    assert ours.of_tolerance == pytest.approx(theirs.pct_tolerance_gage_rr)


def lot(values: list[float], low: float | None, high: float | None) -> Lot:
    """Units one after another at one place."""
    count = len(values)
    runs = pl.DataFrame({name: [None] * count for name in RUNS}, RUNS).with_columns(
        sequence=pl.int_range(count), place=pl.lit(""), started=pl.lit(None, pl.Datetime("us", "UTC")))
    series = pl.DataFrame({"series": [0], "process": ["line"], "name": ["a"], "place": [""], "unit": ["s"],
                           "low": [low], "high": [high]}, schema_overrides={
                               "series": pl.UInt32, "low": pl.Float64, "high": pl.Float64})
    measured = pl.DataFrame({"sequence": range(count), "series": [0] * count, "day": [None] * count, "value": values},
                            {"sequence": pl.Int64, "series": pl.UInt32, "day": pl.Date, "value": pl.Float64})
    return Lot(False, runs, measured, series, pl.DataFrame(schema=STAGES))


@pytest.mark.parametrize(("low", "high"), [(3.5, 7.0), (None, 6.6), (3.5, None)])
@pytest.mark.parametrize("count", [30, 100])
def test_capability_as_capstat_has_it(low: float | None, high: float | None, count: int) -> None:
    values = np.random.default_rng(count).normal(5.0, 0.4, count).tolist()
    (ours,), theirs = capabilities(lot(values, low, high)), capstat_capability(values, lsl=low, usl=high)
    for mine, other in ((ours.cp, theirs.cp), (ours.cpk, theirs.cpk), (ours.pp, theirs.pp), (ours.ppk, theirs.ppk)):
        # capstat has d2 to more than the three digits of the tables
        assert (mine is None) is (other is None)
        assert mine is None or mine.value == pytest.approx(other, rel=1e-3)
    assert ours.spread_overall == pytest.approx(np.std(values, ddof=1))


@pytest.mark.parametrize(("count", "low", "high"), [(30, 0.968, 1.692), (50, 1.051, 1.609), (100, 1.134, 1.526)])
def test_intervals_of_printed_tables(count: int, low: float, high: float) -> None:
    """Bissell's interval of a Cpk of 1.33."""
    _, cpk = indices(None, 3 * 1.33, 0.0, 1.0, count, count - 1)
    assert cpk is not None
    assert (round(cpk.low, 3), round(cpk.high, 3)) == (low, high)


def test_intervals_hold_what_they_promise() -> None:
    """Of 4000 samples of a process whose indices are known, 95 in 100 intervals have them inside."""
    chance, held = np.random.default_rng(7), np.zeros(2)
    for _ in range(4000):
        values = chance.normal(0.5, 1.0, 50)
        found = indices(-4.0, 4.0, float(values.mean()), float(values.std(ddof=1)), 50, 49)
        for number, (one, true) in enumerate(zip(found, (8 / 6, 3.5 / 3), strict=True)):
            assert one is not None
            held[number] += one.low <= true <= one.high
    assert (held / 4000 > 0.935).all()
    assert (held / 4000 < 0.965).all()


@pytest.mark.parametrize(("count", "of"), [(0, 1), (1, 1), (51, 56), (0, 500), (499, 500), (500, 500)])
def test_intervals_of_shares_as_scipy_has_them(count: int, of: int) -> None:
    found = binomtest(count, of).proportion_ci(0.95, method="exact")
    assert Share(count, of).interval == pytest.approx((found.low, found.high))


@pytest.mark.parametrize("seed", range(6))
def test_control_limits_and_rules_as_capstat_has_them(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 1, 80)
    values[40:50] += seed    # a level that moves
    values[60] += 2 * seed
    drawn, theirs = chart(values.tolist()), capstat.i_mr_chart(values).location
    assert drawn is not None
    centre, low, high, beyond, shifted = drawn
    assert (centre, low, high) == pytest.approx((theirs.limits.center, theirs.limits.lower, theirs.limits.upper),
                                                rel=1e-3, abs=1e-3)
    broken = capstat.western_electric_rules(theirs, rules=(1, 4))
    assert [one.point for one in broken if one.rule == 1] == list(beyond)
    assert [one.point for one in broken if one.rule == 4] == list(shifted)
