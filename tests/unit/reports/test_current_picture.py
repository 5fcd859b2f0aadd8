"""The current picture shows every spike, every phase and every limit, and tells charges of the whole capture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.analysis.current_capture import CurrentCapture
from bench.analysis.jls import write_jls
from bench.manual.requirements import load
from reports.current_picture import Mark, current_picture
from reports.page import write_page
from reports.run import Run
from reports.sheet import Picture
from tests.unit.reports.conftest import PWR

MakeRun = Callable[..., Path]


def capture(*pieces: tuple[float, float], period_s: float = 0.01) -> CurrentCapture:
    mean = np.concatenate([np.full(round(seconds / period_s), current) for current, seconds in pieces])
    return CurrentCapture(0.0, period_s, mean, mean * 0.9, mean * 1.1, np.zeros(len(mean)), gap_free=True,
                          voltage_v=3.6, instrument="N6705C")


CONNECTED = ((52e-3, 0.02), (6e-3, 0.23)) * 20
REPORT = ((46e-3, 1.0), (220e-3, 0.1), *CONNECTED, (20e-6, 120.0))
DAY = ((5e-6, 100.0), (2e-3, 1.5), (5e-6, 100.0), *REPORT, (5e-6, 300.0))


def texts(picture: Picture) -> list[str]:
    return [(element.text or "").replace("\u00a0", " ") for element in
            ElementTree.fromstring(picture.svg()).iter("{http://www.w3.org/2000/svg}text")]


def test_phases_are_named_and_their_charges_are_those_of_the_whole() -> None:
    said = texts(current_picture(capture(*DAY)))
    for text in ("sleep", "readout", "search", "transmit", "connected", "idle"):
        assert text in said
    row = said.index("46 mC")    # the search: 46 mA for 1 s
    assert said[row - 4:row] == ["1", "1 s", "46 mA", "50.6 mA"]
    assert "22 mC" in said       # the transmission: 220 mA for 100 ms
    assert "released, asleep after 120.0 s" in said
    assert "Supply current at 3.60 V for 10 min 28 s, each 10 ms: line average, band minimum to maximum" in said


def test_the_scale_is_logarithmic_and_limits_stand_on_it() -> None:
    said = texts(current_picture(capture(*DAY), [Mark(0.4, "power.peak.current"), Mark(6.6e-6, "power.sleep.current")]))
    for decade in ("1 µA", "10 µA", "100 µA", "1 mA", "10 mA", "100 mA", "1 A"):
        assert decade in said
    assert "power.peak.current 400 mA" in said
    assert "power.sleep.current 6.6 µA" in said


def test_one_sample_in_a_million_is_seen() -> None:
    quiet = capture((5e-6, 1000.0), period_s=0.001)
    loud = replace(quiet, maximum_a=quiet.maximum_a.copy())
    loud.maximum_a[123_456] = 0.3
    limit = [Mark(0.4, "power.peak.current")]    # the same scale in both
    assert _highest(current_picture(loud, limit)) < _highest(current_picture(quiet, limit)) - 80


def _highest(picture: Picture) -> float:
    """Where the band from minimum to maximum reaches highest, in points from the top."""
    bands = [path.get("d", "") for path in ElementTree.fromstring(picture.svg()).iter(
        "{http://www.w3.org/2000/svg}path") if "fill: #1b1f24" in path.get("style", "") and "opacity" in
        path.get("style", "")]
    return min(float(y) for band in bands for y in re.findall(r"[ML] [\d.]+ ([\d.]+)", band))


def test_a_short_session_in_a_long_capture_is_drawn_larger() -> None:
    long, short = current_picture(capture(*DAY)), current_picture(capture(*REPORT[:-1], (20e-6, 10.0)))
    assert long.figure.get_figheight() > short.figure.get_figheight() + 2
    assert texts(long).count("idle") == 3, "in both panels and in the table"


def test_a_capture_with_gaps_is_drawn_without_phases_and_charges() -> None:
    said = texts(current_picture(replace(capture(*DAY), gap_free=False)))
    assert any("WITH GAPS: no phases, no charge" in text for text in said)
    assert "sleep" not in said
    assert not [text for text in said if text.endswith("mC")]


def test_currents_of_nothing_and_below_nothing_are_drawn() -> None:
    mean = np.array([0.0, -1e-6, 0.0, 1e-9])
    nothing = CurrentCapture(0.0, 1.0, mean, mean, mean, mean, gap_free=True)
    assert "sleep" in texts(current_picture(nothing))


def test_hostile_text_of_an_instrument_stays_text() -> None:
    said = current_picture(replace(capture(*DAY), instrument="<script>$x$")).svg()
    assert "<script" not in said


def test_the_page_shows_the_picture_at_the_test_that_captured_the_current(make_run: MakeRun) -> None:
    run = make_run("fail")
    test = f"{PWR}::test_sleep_current"
    write_jls(replace(capture(*DAY), test=test), run / "evidence" / "a.jls", epoch=datetime(2026, 3, 2, tzinfo=UTC))
    (run / "evidence" / "b.jls").write_bytes(b"damaged")
    record = (run / "record.json").read_text("utf-8")
    for name in "ab":
        record = record.replace('"artifacts": [', f'"artifacts": [{{"path": "evidence/{name}.jls", "sha256": ""}},', 1)
    (run / "record.json").write_text(record, "utf-8")
    said = write_page(Run.load(run), list(load().values())).read_text("utf-8")
    assert said.count('aria-label="Supply current in this test"') == 1
    article = said[said.index('aria-label="Supply current in this test"'):]
    assert article[:article.index("</details>")].count("power.sleep.current 6.6 µA") == 2
    assert said.index("sleep current</strong>") < said.index('aria-label="Supply current in this test"')
