"""Everything observed on any wire, on one time axis.

The timeline is append-only. Drivers and servers write what they see; suites ask it questions; the page, the VCD, the
pcapng and the pictures are views of it. It holds observations only: no verdicts, no secrets, no addresses of the
machine (so that two runs with the same seed are equal byte for byte).

What there is to observe, and with which data, is the table ``bench.kinds.KINDS``.
"""

from __future__ import annotations

import heapq
import json
import math
import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, repeat
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.journal import Journal

RESOLUTION_S = 1e-6
"""Times are kept to the microsecond, the resolution of the LED sensors."""

_AT_ONCE = 256
"""So many observations are read from the disk at once."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Something seen at ``time`` (seconds since the timeline began) by ``source``."""

    time: float
    source: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Callable[..., Observation], tuple[Any, ...]]:
        """For the journal: a view of a dictionary can't be pickled, the dictionary can."""
        return _read_back, (self.time, self.source, self.kind, dict(self.data))

    def to_json(self, **context: str) -> str:
        """One line of ``timeline.jsonl``: keys sorted, no spaces, so that equal observations are equal bytes."""
        data = {key: None if isinstance(value, float) and not math.isfinite(value) else value
                for key, value in self.data.items()}    # JSON has no word for what is no number
        line = {**context, "t": self.time, "source": self.source, "kind": self.kind, "data": data}
        return json.dumps(line, sort_keys=True, separators=(",", ":"), default=str)


def _read_back(time: float, source: str, kind: str, data: dict[str, Any]) -> Observation:
    return Observation(time, source, kind, MappingProxyType(data))


class _Stream:
    """The observations of one source and kind, by time: when each was, and its index in the journal."""

    __slots__ = ("indices", "times")

    def __init__(self) -> None:
        self.times = array("d")
        self.indices = array("I")

    def add(self, time: float, index: int) -> None:
        """A late one goes to its place, behind those of the same time."""
        place = len(self.times) if not self.times or time >= self.times[-1] else bisect_right(self.times, time)
        self.times.insert(place, time)
        self.indices.insert(place, index)

    def between(self, after: float | None, before: float | None) -> tuple[array[float], array[int]]:
        begin = 0 if after is None else bisect_right(self.times, after)
        end = len(self.times) if before is None else bisect_right(self.times, before)
        return self.times[begin:end], self.indices[begin:end]


class Timeline:
    """The append-only list of observations of one run, or of one test.

    ``now`` gives the time axis (seconds). ``on_append`` is called after each observation, from the thread that made
    it: the clock uses it to look again at what is being waited for.

    It may live for millions of observations: the newest are in memory, the others on disk (``Journal``), with twenty
    octets of memory each to find them by source, kind and time. So a selection costs what it looks at, not what there
    is: the observations of that source and kind within those times.
    """

    def __init__(self, now: Callable[[], float], on_append: Callable[[], None] = lambda: None) -> None:
        self._now = now
        self._on_append = on_append
        self._lock = threading.Lock()
        self._journal: Journal[Observation] = Journal(newest=512)
        self._streams: dict[tuple[str, str], _Stream] = {}

    def __len__(self) -> int:
        return len(self._journal)

    def __iter__(self) -> Iterator[Observation]:
        """All observations in the order of ``ordered``; a few at a time are in memory."""
        return self._in_order(self._indices())

    def append(self, source: str, kind: str, data: Mapping[str, Any] | None = None, *, at: float | None = None,
               ) -> Observation:
        """Write down what ``source`` sees now, or saw ``at`` that time (a sensor with its own time stamps).

        Raises BenchError when there is no room for it on the disk; it has been written down all the same."""
        moment = round(self._now() if at is None else at, 6)
        observation = Observation(moment, source, kind, MappingProxyType(dict(data or {})))
        try:
            with self._lock:
                stream = self._streams.get((source, kind))
                if stream is None:
                    stream = self._streams[source, kind] = _Stream()
                index = len(self._journal)
                try:
                    self._journal.append(observation)
                finally:    # it is there also where that has raised: at a full disk, or by a signal
                    if len(self._journal) > index:
                        stream.add(moment, index)
        finally:
            self._on_append()
        return observation

    def since(self, index: int) -> list[Observation]:
        """The observations appended after the first ``index`` ones, in the order of their arrival."""
        return self._journal[index:]

    def select(self, source: str | None = None, kind: str | None = None, *, after: float | None = None,
               before: float | None = None, **data: Any) -> list[Observation]:
        """The observations that match, by time; ``after`` is exclusive, ``before`` inclusive, ``data`` by equality."""
        return [seen for seen in self._in_order(self._indices(source, kind, after, before))
                if all(seen.data.get(key) == value for key, value in data.items())]

    def ordered(self) -> list[Observation]:
        """All observations by time; those of one instant by source, then as they came.

        Within one instant of virtual time the order in which threads get to write is chance; the order of one
        source's own observations is not. Sorting by source makes equal runs equal.
        """
        return list(self)

    def part(self, index: int, origin: float) -> Timeline:
        """What came after the first ``index`` observations, on an axis that begins at ``origin``."""
        part = Timeline(lambda: self._now() - origin)
        for seen in self._journal.since(index):
            part.append(seen.source, seen.kind, seen.data, at=seen.time - origin)
        return part

    def write_jsonl(self, path: Path, **context: str) -> None:
        """Append all observations to ``path``, a line each; ``context`` (e.g. the test's id) goes into each line."""
        with path.open("a", encoding="ascii") as file:
            file.writelines(observation.to_json(**context) + "\n" for observation in self)

    def _indices(self, source: str | None = None, kind: str | None = None, after: float | None = None,
                 before: float | None = None) -> Iterator[int]:
        """Where in the journal those are, in order."""
        with self._lock:
            found = [(one, *stream.between(after, before)) for (one, other), stream in self._streams.items()
                     if source in (None, one) and kind in (None, other)]
        if len(found) == 1:
            return iter(found[0][2])
        runs = [zip(times, repeat(one), indices) for one, times, indices in found if indices]
        return (index for _, _, index in heapq.merge(*runs))

    def _in_order(self, indices: Iterator[int]) -> Iterator[Observation]:
        while part := list(islice(indices, _AT_ONCE)):
            yield from self._journal.at(part)
