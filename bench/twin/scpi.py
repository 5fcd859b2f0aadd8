"""SCPI for the twin's instruments: a parser, a command table, an error queue, and a server on a TCP port.

An instrument is a subclass of ``ScpiInstrument`` whose methods are tied to headers and whose settings are attributes:

>>> class Meter(ScpiInstrument):
...     identity = "Example,Meter,TWIN0001,1.0"
...     aperture = Number("SENSe:APERture", default=0.02, low=1e-3, high=10.0, unit="S")
...
...     @command("MEASure[:SCALar]:CURRent[:DC]?")
...     def measure(self, parameters: Parameters) -> str:
...         return self.number(1.5e-3)
>>> Meter().execute("sens:aper 100ms;:meas:curr?")
b'+1.50000000E-03'

Understood: long and short forms, optional nodes, numeric suffixes (``SIGNaling<i>``), ``;`` chaining with the header
path, ``:`` for the root, ``*`` commands, channel lists ``(@1)``, unit suffixes, MIN/MAX/DEF, strings, definite-length
blocks. Sources: SCPI-1999 volumes 1 and 2, IEEE 488.2.

``execute`` knows nothing of the wire; ``ScpiServer`` is the raw socket, other transports (HiSLIP) come beside it.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

Handler = Callable[[Any, "Parameters"], "str | bytes | None"]
F = TypeVar("F", bound=Callable[..., "str | bytes | None"])

LINE_LIMIT = 16384
"""Bytes that one program message may have; more is an input buffer overrun (-363)."""

QUEUE_DEPTH = 30
OVERLOAD = 9.91e37
"""What an instrument answers for "not a number": here, an overload of the range."""

_TEXTS = {
    -100: "Command error", -101: "Invalid character", -102: "Syntax error", -104: "Data type error",
    -108: "Parameter not allowed", -109: "Missing parameter", -113: "Undefined header",
    -114: "Header suffix out of range", -123: "Exponent too large", -131: "Invalid suffix",
    -151: "Invalid string data", -161: "Invalid block data", -171: "Invalid expression",
    -200: "Execution error", -211: "Trigger ignored", -213: "Init ignored", -221: "Settings conflict",
    -222: "Data out of range", -224: "Illegal parameter value", -230: "Data corrupt or stale",
    -310: "System error", -350: "Queue overflow", -363: "Input buffer overrun",
    -400: "Query error", -410: "Query INTERRUPTED", -420: "Query UNTERMINATED", -430: "Query DEADLOCKED",
    -440: "Query UNTERMINATED after indefinite response",
}

_UNITS = {
    "": {},
    "V": {"V": 1.0, "MV": 1e-3, "UV": 1e-6, "KV": 1e3},
    "A": {"A": 1.0, "MA": 1e-3, "UA": 1e-6, "NA": 1e-9},
    "S": {"S": 1.0, "MS": 1e-3, "US": 1e-6, "NS": 1e-9},
    "DBM": {"DBM": 1.0},
}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:\s*[Ee]\s*[+-]?\d+)?)\s*([A-Za-z]*)$")
_RADIX = re.compile(r"#(?:H([0-9A-F]{1,16})|Q([0-7]{1,22})|B([01]{1,64}))$", re.IGNORECASE)
_HEADER = re.compile(r":?[A-Za-z][A-Za-z0-9_]*(?::[A-Za-z][A-Za-z0-9_]*)*\??$|\*[A-Za-z]+\??$")
_PATTERN_TOKEN = re.compile(r"\[|\]|:|<\w+>|\?|\*[A-Z]+|[A-Za-z][A-Za-z0-9_]*")


class ScpiError(Exception):
    """One entry of the error queue. ``detail`` follows the standard's text after a semicolon."""

    def __init__(self, code: int, detail: str = "") -> None:
        text = _TEXTS.get(code, "Error")
        super().__init__(f"{text};{detail}" if detail else text)
        self.code = code


# -- reading a program message ------------------------------------------------------------------------------------


def split(text: str, separator: str) -> list[str]:
    """``text`` cut at ``separator``, except inside strings, parentheses and definite-length blocks."""
    pieces: list[str] = []
    begin = place = depth = 0
    while place < len(text):
        character = text[place]
        if character in "\"'":
            place = text.find(character, place + 1)
            if place < 0:
                raise ScpiError(-151)
        elif character == "#" and text[place + 1:place + 2] in set("123456789"):
            digits = int(text[place + 1])
            length = text[place + 2:place + 2 + digits]
            if not (length.isascii() and length.isdigit() and len(length) == digits):
                raise ScpiError(-161)
            place += 1 + digits + int(length)
            if place >= len(text):
                raise ScpiError(-161)
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth < 0:
                raise ScpiError(-171)
        elif character == separator and depth == 0:
            pieces.append(text[begin:place])
            begin = place + 1
        place += 1
    if depth:
        raise ScpiError(-171)
    return [*pieces, text[begin:]]


def read_number(text: str, unit: str) -> float:
    """A numeric parameter with an optional unit suffix, in the base unit."""
    radix = _RADIX.match(text)
    if radix:
        digits, base = next((group, base) for group, base in zip(radix.groups(), (16, 8, 2), strict=True) if group)
        return float(int(digits, base))
    match = _NUMBER.match(text)
    if match is None:
        raise ScpiError(-104, text[:20])
    value = float(match[1].replace(" ", "").replace("\t", ""))
    if not math.isfinite(value):
        raise ScpiError(-123)
    suffix = match[2].upper()
    if not suffix:
        return value
    try:
        return value * _UNITS[unit][suffix]
    except KeyError:
        raise ScpiError(-131, suffix[:20]) from None


def read_boolean(text: str) -> bool:
    upper = text.upper()
    if upper in ("ON", "OFF"):
        return upper == "ON"
    return round(read_number(text, "")) != 0


def read_choice(text: str, words: Iterable[str]) -> str:
    """The short form of the one of ``words`` (such as "BUS", "IMMediate") that ``text`` is."""
    upper = text.upper()
    for word in words:
        if upper in (short_form(word), word.upper()):
            return short_form(word)
    raise ScpiError(-224, text[:20])


def short_form(word: str) -> str:
    """The capitals and digits of a mnemonic as the standard prints it: "VOLT" of "VOLTage"."""
    return "".join(character for character in word if not character.islower())


@dataclass(frozen=True, slots=True)
class Parameters:
    """What follows a header. ``channels`` is the channel list, empty without one; ``suffixes`` are those of the
    header's nodes (1 where none is given)."""

    values: tuple[str, ...]
    channels: tuple[int, ...] = ()
    suffixes: tuple[int, ...] = ()

    @classmethod
    def read(cls, text: str, suffixes: tuple[int, ...] = ()) -> Parameters:
        text = text.strip()
        if not text:
            return cls((), (), suffixes)
        values = [value.strip() for value in split(text, ",")]
        channels: tuple[int, ...] = ()
        if values[-1].startswith("("):
            channels = _read_channels(values.pop())
        if not all(values):
            raise ScpiError(-109)
        return cls(tuple(values), channels, suffixes)

    def expect(self, at_least: int, at_most: int | None = None) -> None:
        """Raise -109 for too few, -108 for too many parameters."""
        if len(self.values) < at_least:
            raise ScpiError(-109)
        if len(self.values) > (at_least if at_most is None else at_most):
            raise ScpiError(-108)


def _read_channels(text: str) -> tuple[int, ...]:
    match = re.fullmatch(r"\(\s*@\s*([\d\s,:]+?)\s*\)", text, re.ASCII)
    if match is None:
        raise ScpiError(-171)
    channels: list[int] = []
    for piece in match[1].split(","):
        limits = re.fullmatch(r"\s*(\d{1,3})\s*(?::\s*(\d{1,3})\s*)?", piece, re.ASCII)
        if limits is None:
            raise ScpiError(-171)
        first, last = int(limits[1]), int(limits[2] or limits[1])
        channels += range(first, last + 1)
    if not channels:
        raise ScpiError(-171)
    return tuple(channels)


# -- declaring commands ---------------------------------------------------------------------------------------------


def command(pattern: str, *, channels: bool = False) -> Callable[[F], F]:
    """Tie a method to a header such as ``"SENSe:ELOG:CURRent:RANGe:AUTO"`` or ``"MEASure[:SCALar]:CURRent?"``.

    With ``channels`` the command needs a list of channels that exist.
    """
    def mark(function: F) -> F:
        function.scpi = [*getattr(function, "scpi", []), (pattern, channels)]  # type: ignore[attr-defined]
        return function
    return mark


class Setting:
    """A value that is set by ``PATTERN value`` and read by ``PATTERN?``; in Python a plain attribute."""

    def __init__(self, pattern: str, default: Any, *, channels: bool = False, changed: str | None = None) -> None:
        self.pattern = pattern
        self.default = default
        self.channels = channels
        self._changed = changed
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, instrument: Any, owner: type) -> Any:
        if instrument is None:
            return self
        return instrument.__dict__.get(self._name, self.default)

    def __set__(self, instrument: Any, value: Any) -> None:
        instrument.__dict__[self._name] = value
        if self._changed:
            getattr(instrument, self._changed)()

    def read(self, text: str) -> Any:
        """The value that a parameter means; raises ``ScpiError``."""
        raise NotImplementedError

    def write(self, instrument: ScpiInstrument, value: Any) -> str:
        """The value as the instrument answers it."""
        raise NotImplementedError

    def on_set(self, instrument: ScpiInstrument, parameters: Parameters) -> None:
        parameters.expect(1)
        self.__set__(instrument, self.read(parameters.values[0]))

    def on_query(self, instrument: ScpiInstrument, parameters: Parameters) -> str:
        parameters.expect(0, 1)
        value = self.read(parameters.values[0]) if parameters.values else self.__get__(instrument, type(instrument))
        return self.write(instrument, value)


class Number(Setting):
    """A number from ``low`` to ``high`` in ``unit`` ("V", "A", "S", "DBM" or none). ``whole`` numbers are ``int``.

    With ``optional`` OFF is a value too (``None``), and ON means the lowest value.
    """

    def __init__(self, pattern: str, default: float | None, *, low: float, high: float, unit: str = "",
                 whole: bool = False, optional: bool = False, channels: bool = False,
                 changed: str | None = None) -> None:
        super().__init__(pattern, default, channels=channels, changed=changed)
        self.low, self.high, self.unit, self.whole, self.optional = low, high, unit, whole, optional

    def read(self, text: str) -> float | None:
        upper = text.upper()
        if self.optional and upper in ("OFF", "ON"):
            return None if upper == "OFF" else self.low
        if upper in ("MIN", "MINIMUM"):
            return self.low
        if upper in ("MAX", "MAXIMUM"):
            return self.high
        if upper in ("DEF", "DEFAULT"):
            return float(self.default) if self.default is not None else None
        value = read_number(text, self.unit)
        if not self.low <= value <= self.high:
            raise ScpiError(-222)
        return round(value) if self.whole else value

    def write(self, instrument: ScpiInstrument, value: float | None) -> str:
        if value is None:
            return "OFF"
        return str(round(value)) if self.whole else instrument.number(value)


class Boolean(Setting):
    """ON or OFF."""

    def read(self, text: str) -> bool:
        return read_boolean(text)

    def write(self, instrument: ScpiInstrument, value: bool) -> str:
        return instrument.boolean(value)


class Choice(Setting):
    """One of some words, kept in their short form."""

    def __init__(self, pattern: str, words: Iterable[str], *, channels: bool = False,
                 changed: str | None = None) -> None:
        self.words = tuple(words)
        super().__init__(pattern, short_form(self.words[0]), channels=channels, changed=changed)

    def read(self, text: str) -> str:
        return read_choice(text, self.words)

    def write(self, instrument: ScpiInstrument, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class _Command:
    regex: re.Pattern[str]
    handler: Handler
    channels: bool


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The headers (upper case) that ``pattern`` stands for."""
    out: list[str] = []
    place = 0
    for token in _PATTERN_TOKEN.finditer(pattern):
        if token.start() != place:
            raise ValueError(f"{pattern!r} is not a SCPI header at {pattern[place:]!r}")
        place = token.end()
        text = token[0]
        if text == "[":
            out.append("(?:")
        elif text == "]":
            out.append(")?")
        elif text.startswith("<"):
            out.append(r"(\d{0,3})")
        elif text[0].isalpha():
            short = short_form(text)
            rest = text.upper()[len(short):]
            out.append(f"{short}(?:{rest})?" if rest else short)
        else:
            out.append(re.escape(text))
    if place != len(pattern):
        raise ValueError(f"{pattern!r} is not a SCPI header at {pattern[place:]!r}")
    return re.compile("".join(out))


# -- the instrument -------------------------------------------------------------------------------------------------


class ScpiInstrument:
    """The common part: command table, error queue, status registers, IEEE 488.2 commands.

    ``identity`` is the answer to *IDN?. Faults for tests: ``dead`` (never answers), ``late_replies`` (so many answers
    are held back until the next message of that client has come in), and any other ``identity``.
    """

    identity = "Twin,Instrument,TWIN0001,1.0"
    installed_channels: ClassVar[frozenset[int]] = frozenset()
    instances: ClassVar[frozenset[int]] = frozenset({1})
    """The numeric suffixes of header nodes that exist."""
    error_format: ClassVar[str] = '{code:+d},"{text}"'
    """Keysight writes +0,"No error"; Rohde & Schwarz and Keithley 0,"No error"."""
    number_format: ClassVar[str] = "+.8E"
    boolean_words: ClassVar[tuple[str, str]] = ("0", "1")

    _table: ClassVar[list[_Command]] = []

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._table = []
        for name in dict.fromkeys(name for base in cls.__mro__ for name in vars(base)):
            # From the class dictionaries: a Setting would answer to getattr.
            member = next(vars(base)[name] for base in cls.__mro__ if name in vars(base))
            if isinstance(member, Setting):
                cls._table += [_Command(compile_pattern(member.pattern), member.on_set, member.channels),
                               _Command(compile_pattern(member.pattern + "?"), member.on_query, member.channels)]
            for pattern, channels in getattr(member, "scpi", []):
                cls._table.append(_Command(compile_pattern(pattern), member, channels))

    def __init__(self) -> None:
        self.dead = False
        self.late_replies = 0
        self._errors: deque[tuple[int, str]] = deque()
        self._event_status = 0x80    # power on
        self._event_enable = 0
        self._service_enable = 0
        self._found: dict[str, tuple[_Command, tuple[int, ...]]] = {}

    # -- for subclasses -----------------------------------------------------------------------------------------

    def reset(self) -> None:
        """*RST. Settings have gone back to their defaults; subclasses do the rest."""

    def operation_condition(self) -> int:
        return 0

    def questionable_condition(self) -> int:
        return 0

    def number(self, value: float) -> str:
        return format(value, self.number_format)

    def boolean(self, value: bool) -> str:
        return self.boolean_words[value]

    def block(self, data: bytes) -> bytes:
        """A definite-length block."""
        length = str(len(data))
        return f"#{len(length)}{length}".encode() + data

    def report(self, error: ScpiError) -> None:
        """Put ``error`` into the queue, the last place of which is for "Queue overflow"."""
        self._event_status |= {1: 0x20, 2: 0x10, 4: 0x04}.get(-error.code // 100, 0x08)
        if len(self._errors) < QUEUE_DEPTH - 1:
            self._errors.append((error.code, str(error)))
        elif len(self._errors) == QUEUE_DEPTH - 1:
            self._errors.append((-350, _TEXTS[-350]))

    # -- one program message ------------------------------------------------------------------------------------

    def execute(self, message: str) -> bytes | None:
        """Carry out one program message. Answers to its queries, joined by ``;``, or ``None``. Never raises
        ``ScpiError``: errors go into the queue, and a command error (-1xx) ends the message."""
        replies: list[bytes] = []
        path = ""
        indefinite = False
        try:
            units = split(message, ";")
        except ScpiError as error:
            self.report(error)
            return None
        for unit in units:
            if not unit.strip():
                continue
            try:
                found, text, path = self._find(unit.strip(), path)
                if indefinite and found[0].regex.pattern.endswith(r"\?"):
                    raise ScpiError(-440)
                reply = self._call(found, text)
            except ScpiError as error:
                self.report(error)
                if error.code > -200:
                    break
                continue
            if reply is not None:
                replies.append(reply.encode("latin-1") if isinstance(reply, str) else reply)
                indefinite = indefinite or unit.strip().upper().startswith("*IDN?")
        return b";".join(replies) if replies else None

    def _find(self, unit: str, path: str) -> tuple[tuple[_Command, tuple[int, ...]], str, str]:
        """The command of a message unit, the text of its parameters, and the path that the next unit starts from."""
        header, *rest = unit.split(maxsplit=1)
        if not _HEADER.match(header):
            raise ScpiError(-101 if not header.isascii() else -102, header[:20])
        header = header.upper()
        if header.startswith("*"):
            full, next_path = header, path
        else:
            full = header[1:] if header.startswith(":") else path + header
            next_path = full[:full.rfind(":") + 1]
        found = self._found.get(full)
        if found is None:
            found = self._look_up(full)
            if len(self._found) < 1000:
                self._found[full] = found
        return found, rest[0] if rest else "", next_path

    def _look_up(self, header: str) -> tuple[_Command, tuple[int, ...]]:
        for entry in self._table:
            match = entry.regex.fullmatch(header)
            if match:
                return entry, tuple(int(suffix or 1) for suffix in match.groups() if suffix is not None)
        raise ScpiError(-113, header[:40])

    def _call(self, found: tuple[_Command, tuple[int, ...]], text: str) -> str | bytes | None:
        entry, suffixes = found
        if not self.instances.issuperset(suffixes):
            raise ScpiError(-114)
        parameters = Parameters.read(text, suffixes)
        if entry.channels and not parameters.channels:
            raise ScpiError(-109, "channel list")
        if parameters.channels and not entry.channels:
            raise ScpiError(-108)
        if not self.installed_channels.issuperset(parameters.channels):
            raise ScpiError(-222, "channel")
        return entry.handler(self, parameters)

    # -- IEEE 488.2 and the SYSTem and STATus subsystems ----------------------------------------------------------

    @command("*IDN?")
    def _identify(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.identity

    @command("*RST")
    def _reset(self, parameters: Parameters) -> None:
        parameters.expect(0)
        for base in type(self).__mro__:
            for member in vars(base).values():
                if isinstance(member, Setting):
                    self.__dict__.pop(member._name, None)
        self.reset()

    @command("*CLS")
    def _clear_status(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._errors.clear()
        self._event_status = 0

    @command("*ESR?")
    def _read_event_status(self, parameters: Parameters) -> str:
        parameters.expect(0)
        status, self._event_status = self._event_status, 0
        return str(status)

    @command("*ESE")
    def _set_event_enable(self, parameters: Parameters) -> None:
        self._event_enable = self._register(parameters)

    @command("*ESE?")
    def _read_event_enable(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self._event_enable)

    @command("*SRE")
    def _set_service_enable(self, parameters: Parameters) -> None:
        self._service_enable = self._register(parameters)

    @command("*SRE?")
    def _read_service_enable(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self._service_enable)

    @command("*STB?")
    def _read_status_byte(self, parameters: Parameters) -> str:
        parameters.expect(0)
        status = (0x04 if self._errors else 0) | (0x20 if self._event_status & self._event_enable else 0)
        status |= (0x08 if self.questionable_condition() else 0) | (0x80 if self.operation_condition() else 0)
        return str(status | (0x40 if status & self._service_enable else 0))

    @command("*OPC")
    def _operation_complete(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._event_status |= 0x01   # nothing is ever pending: the twin acts at once

    @command("*OPC?")
    def _is_operation_complete(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "1"

    @command("*WAI")
    def _wait(self, parameters: Parameters) -> None:
        parameters.expect(0)

    @command("*TST?")
    def _self_test(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "0"

    @command("SYSTem:ERRor[:NEXT]?")
    def _next_error(self, parameters: Parameters) -> str:
        parameters.expect(0)
        code, text = self._errors.popleft() if self._errors else (0, "No error")
        return self.error_format.format(code=code, text=text.replace('"', "'"))

    @command("SYSTem:ERRor:COUNt?")
    def _error_count(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(len(self._errors))

    @command("SYSTem:VERSion?")
    def _version(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "1999.0"

    @command("STATus:OPERation:CONDition?")
    def _read_operation(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self.operation_condition())

    @command("STATus:QUEStionable:CONDition?")
    def _read_questionable(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self.questionable_condition())

    def _register(self, parameters: Parameters) -> int:
        parameters.expect(1)
        value = round(read_number(parameters.values[0], ""))
        if not 0 <= value <= 255:
            raise ScpiError(-222)
        return value


# -- the wire -------------------------------------------------------------------------------------------------------


class ScpiServer:
    """An instrument on a raw TCP socket. ``await start()`` and ``await stop()`` it in the loop."""

    def __init__(self, instrument: ScpiInstrument, host: str = "127.0.0.1", port: int = 0) -> None:
        self.instrument = instrument
        self._host = host
        self._wanted_port = port
        self._server: asyncio.Server | None = None
        self.connections: set[asyncio.Transport] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self._host, self._wanted_port)

    async def stop(self) -> None:
        """Close the port and every connection. Idempotent."""
        if self._server is not None:
            self._server.close()
            self.drop_connections()
            await self._server.wait_closed()
            self._server = None

    def drop_connections(self) -> None:
        """Close every connection, as an instrument does that restarts its network interface."""
        for transport in list(self.connections):
            transport.abort()

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the SCPI server is not started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def address(self) -> str:
        """The VISA resource name."""
        return f"TCPIP0::{self._host}::{self.port}::SOCKET"


class _Connection(asyncio.Protocol):
    """One client: cuts its bytes into program messages and writes the answers."""

    _transport: asyncio.Transport

    def __init__(self, server: ScpiServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._skipping = False
        self._held: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self._transport)

    def pause_writing(self) -> None:
        self._transport.pause_reading()     # a client that doesn't read is not served any further

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[:end + 1]
            if self._skipping:
                self._skipping = False
            elif len(line) > LINE_LIMIT:
                self._server.instrument.report(ScpiError(-363))
            else:
                self._serve(line.decode("latin-1"))
        if len(self._buffer) > LINE_LIMIT:
            if not self._skipping:
                self._server.instrument.report(ScpiError(-363))
            self._skipping = True
            self._buffer.clear()

    def _serve(self, message: str) -> None:
        instrument = self._server.instrument
        if instrument.dead:
            return
        reply = instrument.execute(message)
        held, self._held = self._held, []
        for late in held:
            self._transport.write(late)
        if reply is None:
            return
        if instrument.late_replies > 0:
            instrument.late_replies -= 1
            self._held.append(reply + b"\n")
        else:
            self._transport.write(reply + b"\n")
