"""What a unit says of itself, octets as they come, onto the timeline line by line."""

from __future__ import annotations

from bench.timeline import Timeline

LONGEST_LINE = 2000
"""Octets of a line; a longer one is cut in pieces."""


class LogLines:
    """Writes ``unit``/``log`` observations."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._received = b""

    def take(self, octets: bytes) -> None:
        *lines, self._received = (self._received + octets).split(b"\n")
        if len(self._received) > LONGEST_LINE:
            lines, self._received = [*lines, self._received], b""
        for line in lines:
            self._note(line)

    def end(self) -> None:
        """Nothing more will come: what has come is a line."""
        line, self._received = self._received, b""
        if line:
            self._note(line)

    def _note(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        for begin in range(0, max(len(text), 1), LONGEST_LINE):
            self._timeline.append("unit", "log", {"text": text[begin:begin + LONGEST_LINE]})
