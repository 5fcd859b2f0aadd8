"""Everything observed on any wire, on one time axis.

The timeline is append-only. Drivers and servers write what they see; suites ask it questions; the page, the VCD, the
pcapng and the pictures are views of it. It holds observations only: no verdicts, no secrets, no addresses of the
machine (so that two runs with the same seed are equal byte for byte).

Observations (``source`` / ``kind``: ``data``):

==================  ==================  =========================================================================
source              kind                data
==================  ==================  =========================================================================
test                start, end          test, title; verdict (pass, fail, error, skipped)
test                step, note          text
test                measurement         name, value, unit, low, high, verdict
test                arrivals            what arrived when, windows and outages, in minutes of the meter's time
panel               led                 channel (green, red), on
panel               button              pressed (the contact as sensed, not as commanded)
supply              output              on, voltage_v
supply              current             mean_a, min_a, max_a, duration_s, samples
meter               optical, mbus       the registers read, as text
nfc                 read, write, mute   settings by name; what went wrong
nfc                 replay              a recorded write was sent again
cell                state               state (off, on, attached, connected, idle, psm)
cell                attenuation         attenuation_db
cell                event               event (attach request, rrc connection release, ...); t3324_s, t3412_s, edrx, ...
a server            datagram            direction (in: from the unit, out: to the unit), peer, hex; masked where octets
                                        of keys are shown as zeros
a server            message             direction, peer, text, and the decoded fields of the protocol
a server            malformed           direction, peer, text: why the datagram is none of its protocol
a server            flood               peer, text: datagrams are dropped from now on, or how many were
bootstrap dm        refused             peer, text: why a request of a unit was refused
mdm                 fault               text: which message went wrong on purpose, and how
bootstrap           bootstrap           endpoint, outcome (running, finished, refused, ...)
bootstrap           step                endpoint, request, code of the answer
dm                  registration        endpoint, event (registered, updated, ...), location
dm                  send                endpoint, text: what the unit reported by itself
==================  ==================  =========================================================================

The servers are bootstrap, dm, mdm and files.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

RESOLUTION_S = 1e-6
"""Times are kept to the microsecond, the resolution of the LED sensors."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Something seen at ``time`` (seconds since the timeline began) by ``source``."""

    time: float
    source: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, **context: str) -> str:
        """One line of ``timeline.jsonl``: keys sorted, no spaces, so that equal observations are equal bytes."""
        data = {key: None if isinstance(value, float) and not math.isfinite(value) else value
                for key, value in self.data.items()}    # JSON has no word for what is no number
        line = {**context, "t": self.time, "source": self.source, "kind": self.kind, "data": data}
        return json.dumps(line, sort_keys=True, separators=(",", ":"), default=str)


class Timeline:
    """The append-only list of observations of one test.

    ``now`` gives the time axis (seconds). ``on_append`` is called after each observation, from the thread that made
    it: the clock uses it to look again at what is being waited for.
    """

    def __init__(self, now: Callable[[], float], on_append: Callable[[], None] = lambda: None) -> None:
        self._now = now
        self._on_append = on_append
        self._lock = threading.Lock()
        self._observations: list[Observation] = []

    def __len__(self) -> int:
        return len(self._observations)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self.ordered())

    def append(self, source: str, kind: str, data: Mapping[str, Any] | None = None, *, at: float | None = None,
               ) -> Observation:
        """Write down what ``source`` sees now, or saw ``at`` that time (a sensor with its own time stamps)."""
        moment = round(self._now() if at is None else at, 6)
        observation = Observation(moment, source, kind, MappingProxyType(dict(data or {})))
        with self._lock:
            self._observations.append(observation)
        self._on_append()
        return observation

    def since(self, index: int) -> list[Observation]:
        """The observations appended after the first ``index`` ones, in the order of their arrival."""
        return self._observations[index:]

    def select(self, source: str | None = None, kind: str | None = None, *, after: float | None = None,
               before: float | None = None, **data: Any) -> list[Observation]:
        """The observations that match, by time; ``after`` is exclusive, ``before`` inclusive, ``data`` by equality."""
        return [seen for seen in self.ordered()
                if (source is None or seen.source == source)
                and (kind is None or seen.kind == kind)
                and (after is None or seen.time > after)
                and (before is None or seen.time <= before)
                and all(seen.data.get(key) == value for key, value in data.items())]

    def ordered(self) -> list[Observation]:
        """All observations by time; those of one instant by source, then as they came.

        Within one instant of virtual time the order in which threads get to write is chance; the order of one
        source's own observations is not. Sorting by source makes equal runs equal.
        """
        with self._lock:
            snapshot = list(self._observations)
        return sorted(snapshot, key=lambda seen: (seen.time, seen.source))

    def part(self, index: int, origin: float) -> Timeline:
        """What came after the first ``index`` observations, on an axis that begins at ``origin``."""
        part = Timeline(lambda: self._now() - origin)
        for seen in self.since(index):
            part.append(seen.source, seen.kind, seen.data, at=seen.time - origin)
        return part

    def write_jsonl(self, path: Path, **context: str) -> None:
        """Append all observations to ``path``, a line each; ``context`` (e.g. the test's id) goes into each line."""
        with path.open("a", encoding="ascii") as file:
            file.writelines(observation.to_json(**context) + "\n" for observation in self.ordered())
