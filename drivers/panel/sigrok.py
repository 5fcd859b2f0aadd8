"""A logic analyser as a second sensor of the LEDs and the button, driven by sigrok-cli (Debian package sigrok-cli)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.errors import BenchError

CHANNELS: Mapping[str, str] = MappingProxyType({"green": "D0", "red": "D1", "button": "D2"})
"""What is wired to which input."""

SAMPLE_RATE_HZ = 10_000
CRYSTAL_PPM = 50
"""Of the analysers with an FX2: their quartz, with temperature and ageing."""

_PATIENCE_S = 30.0
"""Real seconds that sigrok-cli may take beyond the capture; at 10 kS/s it needs less than one."""

_UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}


@dataclass(frozen=True, slots=True)
class Edge:
    """``channel`` went on or off ``time_s`` after the capture began; the first of each channel is its level then."""

    time_s: float
    channel: str
    on: bool


@dataclass(frozen=True, slots=True)
class Capture:
    """All edges in the order of time, and how long was looked (s)."""

    edges: tuple[Edge, ...]
    duration_s: float


class SigrokAnalyser:
    """An analyser that sigrok-cli knows, at ``device``: its driver's name, and where needed its connection::

        analyser = SigrokAnalyser("fx2lafw")
        analyser.begin(12.0)
        ...                              # let the unit do what is to be seen
        capture = analyser.end()

    One capture at a time, of a length said before; it runs in real time. Times within a capture are good to one sample
    and the quartz of the analyser (``uncertainty_s``); when a capture began is not known better than to a second.
    Raises ``BenchError`` when sigrok-cli is missing, finds no device, or says something else than a capture.
    """

    def __init__(self, device: str, channels: Mapping[str, str] = CHANNELS,
                 sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self.subject = f"logic analyser {device}"
        self._device = device
        self._channels = dict(channels)
        self._sample_rate_hz = sample_rate_hz
        self._process: subprocess.Popen[str] | None = None
        self._duration_s = 0.0
        program = shutil.which("sigrok-cli")
        if program is None:
            raise BenchError(self.subject, expected="the program sigrok-cli", seen="none",
                             do="install it (apt-get install sigrok-cli)")
        self._program = program

    def uncertainty_s(self, duration_s: float) -> float:
        """How far the time between two edges ``duration_s`` apart may be off."""
        return 1 / self._sample_rate_hz + duration_s * CRYSTAL_PPM * 1e-6

    def begin(self, duration_s: float) -> None:
        """Begin to look, for ``duration_s``, and return at once."""
        self.close()
        samples = max(1, round(duration_s * self._sample_rate_hz))
        wires = ",".join(f"{wire}={name}" for name, wire in self._channels.items())
        self._duration_s = duration_s
        self._process = subprocess.Popen(
            [self._program, "-d", self._device, "--config", f"samplerate={self._sample_rate_hz}",
             "--samples", str(samples), "-C", wires, "-O", "vcd"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
            errors="replace")

    def end(self) -> Capture:
        """Wait until the capture is over; what was seen."""
        if self._process is None:
            raise BenchError(self.subject, expected="a capture that has begun", seen="none", do="begin one")
        try:
            seen, complaint = self._process.communicate(timeout=self._duration_s + _PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise self._failed(f"nothing {_PATIENCE_S:g} s after its end") from None
        finally:
            code = self._process.poll()
            self.close()
        if code != 0:
            raise self._failed(complaint.strip().splitlines()[-1] if complaint.strip() else f"exit code {code}")
        try:
            return read_vcd(seen)
        except ValueError as error:
            raise self._failed(str(error)) from error

    def close(self) -> None:
        """End a capture that still runs. Idempotent; never fails."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _failed(self, seen: str) -> BenchError:
        return BenchError(self.subject, expected="a capture by sigrok-cli", seen=seen,
                          do="check its cable, that nothing else uses it, and that sigrok-cli --scan names it")


def read_vcd(text: str) -> Capture:
    """The edges of one-bit signals in a VCD file (IEEE 1364). Raises ``ValueError`` for what is none."""
    tick_s, names = _read_header(text)
    body = text.partition("$enddefinitions $end")[2].split()
    edges: list[Edge] = []
    levels: dict[str, str] = {}
    now = 0
    for word in body:
        if word.startswith("#"):
            now = int(word[1:])
        elif word[0] in "01xXzZ" and word[1:] in names:
            name = names[word[1:]]
            if levels.get(name) != word[0] and word[0] in "01":
                edges.append(Edge(round(now * tick_s, 9), name, word[0] == "1"))
            levels[name] = word[0]
        elif not word.startswith("$"):
            raise ValueError(f"{word!r} in place of a change of a signal")
    return Capture(tuple(edges), round(now * tick_s, 9))


def _read_header(text: str) -> tuple[float, dict[str, str]]:
    """Seconds of a tick, and the name of each signal by its short code."""
    header, end, _ = text.partition("$enddefinitions")
    words = header.split()
    if not end or "$timescale" not in words:
        raise ValueError("no VCD file")
    scale = "".join(words[words.index("$timescale") + 1:words.index("$end", words.index("$timescale"))])
    unit = scale.lstrip("0123456789")
    names = {words[at + 3]: words[at + 4] for at, word in enumerate(words) if word == "$var"}
    if unit not in _UNITS_S or scale == unit or not names:
        raise ValueError(f"a VCD file with the time scale {scale!r} and {len(names)} signals")
    return int(scale.removesuffix(unit)) * _UNITS_S[unit], names
