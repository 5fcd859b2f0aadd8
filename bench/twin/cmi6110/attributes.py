"""The attributes with which a server says when it wants to be notified: LwM2M 1.1 core, section 7.3.2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from bench.protocols.lwm2m import Path
from bench.twin.cmi6110.resource import BadValue

PERIODS = ("pmin", "pmax")
THRESHOLDS = ("gt", "lt", "st")


class Attributes:
    """Those of one server. What is written at a resource goes before its instance, and that before its object."""

    def __init__(self) -> None:
        self._written: dict[Path, dict[str, float]] = {}

    def write(self, path: Path, query: Iterable[str]) -> None:
        """``name=value`` sets one, ``name`` takes it away. Raises BadValue and then changes nothing."""
        after = dict(self._written.get(path, {}))
        for item in query:
            name, _, text = item.partition("=")
            if name not in PERIODS + THRESHOLDS or (name in THRESHOLDS and len(path) < 3):
                raise BadValue(f"no attribute {name[:10]} here")
            if not text:
                after.pop(name, None)
                continue
            try:
                after[name] = int(text) if name in PERIODS else float(text)
            except ValueError:
                raise BadValue(f"{name} is no number") from None
            if name in PERIODS and after[name] < 0:
                raise BadValue(f"{name} is negative")
        if "gt" in after and "lt" in after and after["lt"] + 2 * after.get("st", 0) >= after["gt"]:
            raise BadValue("lt + 2 st < gt does not hold")
        self._written[path] = after

    def at(self, path: Path) -> str:
        """What has been written just there, as Discover shows it."""
        return "".join(f";{name}={self.shown(value)}" for name, value in self._written.get(path, {}).items())

    def shown(self, value: float) -> str:
        """As digits, and a point where there is a fraction."""
        return f"{Decimal(repr(value)):f}".removesuffix(".0")

    def of(self, path: Path) -> dict[str, float]:
        """What counts there."""
        found: dict[str, float] = {}
        for length in range(1, len(path) + 1):
            found |= self._written.get(Path(*path[:length]), {})
        return found


def is_due(attributes: Mapping[str, float], last: Any, now: Any, since_s: float) -> bool:
    """Whether ``now`` is to be told ``since_s`` seconds after ``last`` was."""
    pmin, pmax = attributes.get("pmin", 0.0), attributes.get("pmax", 0.0)
    if pmax >= max(pmin, 1.0) and since_s >= pmax:
        return True
    return since_s >= pmin and now != last and _passes(attributes, last, now)


def _passes(attributes: Mapping[str, float], last: Any, now: Any) -> bool:
    """Without thresholds each change counts."""
    thresholds = {name: attributes[name] for name in THRESHOLDS if name in attributes}
    if not thresholds or not (isinstance(last, int | float) and isinstance(now, int | float)):
        return True
    if "st" in thresholds and abs(now - last) >= thresholds["st"]:
        return True
    low, high = sorted((last, now))
    return any(low <= thresholds[name] < high if name == "gt" else low < thresholds[name] <= high
               for name in ("gt", "lt") if name in thresholds)
