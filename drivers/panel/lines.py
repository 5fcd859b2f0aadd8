"""The lines that the edge box sends (docs/edge-box.md), read strictly."""

from __future__ import annotations

from dataclasses import dataclass

CHANNELS = ("green", "red", "button")
LONGEST_LINE = 80
"""Bytes of the longest line, without its end. What is longer is garbage."""

SEQUENCE = 65536
"""Sequence numbers count modulo this."""


@dataclass(frozen=True, slots=True)
class Hello:
    """``H <firmware> <crystal_ppm> [lamps] [relay] [loads]``: who the box is, how far its crystal may be off (parts per
    million), and whether it has a test lamp beside each of its light sensors, an output for a supply relay, and two for
    reference resistors."""

    firmware: str
    crystal_ppm: int
    lamps: bool = False
    relay: bool = False
    loads: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """``E <seq> <t_us> <channel> <0|1>``: a channel changed at ``stamp_us`` of box time."""

    sequence: int
    stamp_us: int
    channel: str
    on: bool


@dataclass(frozen=True, slots=True)
class Stamp:
    """``T <t_us>``: the box time at the moment of sending."""

    stamp_us: int


@dataclass(frozen=True, slots=True)
class PressDone:
    """``P <seq> <hold_ms>``: the actuator has let go after this long."""

    sequence: int
    hold_ms: int


@dataclass(frozen=True, slots=True)
class Relay:
    """``R <0|1>``: the supply relay is open or closed now."""

    closed: bool


@dataclass(frozen=True, slots=True)
class Load:
    """``D <0|1|2>``: this reference resistor is in the unit's place now; 0 is none."""

    number: int


@dataclass(frozen=True, slots=True)
class Lamp:
    """``L <t_us> <channel> <0|1>``: the test lamp of ``channel`` was switched at ``stamp_us`` of box time."""

    stamp_us: int
    channel: str
    on: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """``X <text>``: the box reports an error."""

    text: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """A line that is none of the above."""

    line: bytes


Message = Hello | Edge | Stamp | PressDone | Relay | Load | Lamp | Trouble | Garbage


_FITTINGS = ("lamps", "relay", "loads")
"""In this order, each of them or not."""


def read_line(line: bytes) -> Message:
    """What one line (without its end) says; ``Garbage`` when it says nothing."""
    try:
        word, *fields = line.decode("ascii").split(" ")
        match word, fields:
            case "H", [firmware, ppm, *fittings] if firmware and fittings == [one for one in _FITTINGS
                                                                               if one in fittings]:
                return Hello(firmware, _number(ppm, 1_000_000), **dict.fromkeys(fittings, True))
            case "E", [sequence, stamp, channel, ("0" | "1") as level] if channel in CHANNELS:
                return Edge(_number(sequence, SEQUENCE), _number(stamp, 1 << 64), channel, level == "1")
            case "T", [stamp]:
                return Stamp(_number(stamp, 1 << 64))
            case "P", [sequence, hold]:
                return PressDone(_number(sequence, SEQUENCE), _number(hold, 100_000))
            case "R", [("0" | "1") as level]:
                return Relay(level == "1")
            case "D", [("0" | "1" | "2") as number]:
                return Load(int(number))
            case "L", [stamp, ("green" | "red") as channel, ("0" | "1") as level]:
                return Lamp(_number(stamp, 1 << 64), channel, level == "1")
            case "X", [*words] if words and line.isascii() and all(byte >= 0x20 for byte in line):
                return Trouble(" ".join(words))
    except ValueError:   # also UnicodeDecodeError
        pass
    return Garbage(line)


def _number(text: str, below: int) -> int:
    """Plain decimal digits, nothing else that ``int`` would take."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) < below):
        raise ValueError(text)
    return int(text)


class LineReader:
    """Bytes in, messages out. Finds back into step at the next line end after any garbage."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[Message]:
        messages: list[Message] = []
        *lines, rest = (bytes(self._rest) + data).split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False    # the tail of a line that was reported already
            elif len(line.rstrip(b"\r")) > LONGEST_LINE:
                messages.append(Garbage(line[:LONGEST_LINE]))
            elif line.rstrip(b"\r"):
                messages.append(read_line(line.rstrip(b"\r")))
        if self._skipping:
            rest = b""
        elif len(rest) > LONGEST_LINE + 1:
            messages.append(Garbage(rest[:LONGEST_LINE]))
            self._skipping, rest = True, b""
        self._rest = bytearray(rest)
        return messages
