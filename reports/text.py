"""How reports write numbers and verdicts, the same on the page, in the terminal and in pictures."""

from __future__ import annotations

import math

VERDICTS = ("pass", "fail", "error", "skipped")
"""The verdicts of a test, as in record.json."""

WORDS = {"pass": "PASS", "incomplete": "INCOMPLETE", "fail": "FAIL", "error": "BENCH FAULT", "skipped": "SKIPPED",
         "not run": "NOT RUN", "no test": "NO TEST"}
"""What a reader sees for each verdict of a run, a test or a requirement."""

_SCALED_UNITS = {"A", "V", "W", "C", "As", "J", "Hz", "Ohm"}
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
_SPACE = "\u00a0"


def number(value: float) -> str:
    """At most four significant digits, with a true minus sign: ``-0.01234567`` -> ``−0.01235``."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    text = f"{value:.4g}"
    if "e" in text and 1e4 <= abs(value) < 1e7:
        text = f"{value:.0f}"
    return text.replace("-", "−")


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit, scaled to a readable prefix: ``6.1e-06`` A -> ``6.1 µA``; None -> ``no value``."""
    if value is None:
        return "no value"
    prefix = ""
    if math.isfinite(value) and value != 0 and (unit in _SCALED_UNITS or (unit == "s" and abs(value) < 1)):
        size = abs(float(f"{value:.4g}"))
        factor, prefix = next((pair for pair in _PREFIXES if size >= pair[0]), _PREFIXES[-1])
        value /= factor
    return f"{number(value)}{_SPACE}{prefix}{unit}".rstrip(_SPACE) if unit not in ("", "1") else number(value)


def limits(low: float | None, high: float | None, unit: str) -> str:
    """Limits in words: ``≤ 6.6 µA``, ``1 s … 1.3 s``, ``= 0``, ``no limits``."""
    if low is not None and high is not None:
        if 0 < abs(low) < 1e-6 * abs(high):    # a guard band beside zero: 551 ps of 2 s say nothing
            low = 0.0
        return f"= {quantity(low, unit)}" if low == high else f"{quantity(low, unit)} … {quantity(high, unit)}"
    if high is not None:
        return f"≤ {quantity(high, unit)}"
    return f"≥ {quantity(low, unit)}" if low is not None else "no limits"


def duration(seconds: float) -> str:
    """A duration in the two largest units that matter: ``250 ms``, ``8.02 s``, ``2 min 32 s``, ``6 d 23 h``."""
    if seconds < 1:
        return "0 s" if seconds <= 0 else quantity(seconds, "s").replace(_SPACE, " ")
    if seconds < 59.995:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for size, big, small_size, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = (whole % size) // small_size
            return f"{whole // size} {big} {rest} {small}" if rest else f"{whole // size} {big}"
    raise AssertionError("a minute has 60 s")


def roughly(seconds: float) -> str:
    """A duration in one unit when that is right within 3 %, else in two: ``3585`` -> ``1 h``, ``4 d 23 h``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        count = round(seconds / size)
        if count and abs(seconds / size / count - 1) < 0.03 and seconds >= 0.97 * size:
            return f"{count} {unit}"
    return duration(seconds)


def name_of_test(test_id: str) -> str:
    """A test's id as a sentence: ``suites/led.py::test_red_is_off[b]`` -> ``red is off [b]``."""
    name = test_id.rsplit("::", 1)[-1]
    head, bracket, parameters = name.partition("[")
    return head.removeprefix("test_").replace("_", " ") + (f" [{parameters}" if bracket else "")
