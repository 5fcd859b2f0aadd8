"""A SCPI instrument: command table, error queue, status registers, IEEE 488.2 commands."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from typing import Any, ClassVar

from bench.twin.scpi.declare import Command, Setting, Writer, command, compile_pattern
from bench.twin.scpi.status import Register
from bench.twin.scpi.syntax import TEXTS, Parameters, ScpiError, read_number, split

QUEUE_DEPTH = 30
OVERLOAD = 9.91e37
"""What an instrument answers for "not a number": here, an overload of the range."""

IEEE_488_2 = "IEEE 488.2 clause 10"
SCPI_1999 = "SCPI-1999 volume 2"

_HEADER = re.compile(r":?[A-Za-z][A-Za-z0-9_]*(?::[A-Za-z][A-Za-z0-9_]*)*\??$|\*[A-Za-z]+\??$")


class ScpiInstrument:
    """The common part: command table, error queue, status registers, IEEE 488.2 commands.

    ``identity`` is the answer to *IDN?. Faults for tests: ``dead`` (never answers), ``late_replies`` (so many answers
    are held back until the next message of that client has come in), ``garbage_blocks`` (so many blocks have a length
    that is no number), ``self_test_result`` (not 0), ``line_end`` (of each answer), and any other ``identity``.
    """

    identity = "Twin,Instrument,TWIN0001,1.0"
    installed_channels: ClassVar[frozenset[int]] = frozenset()
    instances: ClassVar[frozenset[int]] = frozenset({1})
    """The numeric suffixes of header nodes that exist."""
    error_format: ClassVar[str] = '{code:+d},"{text}"'
    """Keysight writes +0,"No error"; Rohde & Schwarz and Keithley 0,"No error"."""
    number_format: ClassVar[str] = "+.8E"
    boolean_words: ClassVar[tuple[str, str]] = ("0", "1")

    model = ""
    """Which of ``Command.models`` this one is."""

    command_table: ClassVar[tuple[Command, ...]] = ()
    """All that it understands, each line with its source."""
    without: ClassVar[frozenset[str]] = frozenset()
    """Headers of the common commands that this instrument does not have."""
    channel_list_optional: ClassVar[bool] = False
    """A command without a channel list is for the channel that was selected; its handlers look at the list."""
    not_in_this_model: ClassVar[int] = -221
    """The error of a command that a channel's module lacks while others of the mainframe have it."""

    _lines_source: ClassVar[str] = ""
    _patterns: ClassVar[tuple[re.Pattern[str], ...]] = ()

    def __init_subclass__(cls, *, source: str = "", module: type[ScpiModule] | None = None, **keywords: Any) -> None:
        """``source`` is that of each line that the class declares without one. ``module``: the class of what sits in
        the channels of a mainframe; its lines take a channel list."""
        super().__init_subclass__(**keywords)
        cls._lines_source = source
        table = [line for line in _lines(cls) if line.header not in cls.without]
        if module is not None:
            # First: what a module has in its own way is not the instrument's any more.
            table = [replace(line, channels=True) for line in _lines(module)] + table
        cls.command_table = tuple(table)
        cls._patterns = tuple(compile_pattern(line.header) for line in table)

    def __init__(self) -> None:
        self.dead = False
        self.late_replies = 0
        self.garbage_blocks = 0
        self.self_test_result = 0
        self.line_end = b"\n"
        self._errors: deque[tuple[int, str]] = deque()
        self._event_status = 0x80    # power on
        self._event_enable = 0
        self._service_enable = 0
        self._found: dict[str, tuple[Command, tuple[int, ...]]] = {}

    # -- for subclasses -----------------------------------------------------------------------------------------

    def module(self, channel: int) -> Any:
        """What carries out the commands for ``channel``; it has a ``model``."""
        return self

    def reset(self) -> None:
        """*RST. Settings have gone back to their defaults; subclasses do the rest."""

    def questionable_condition(self) -> int:
        return 0

    def number(self, value: float) -> str:
        return format(value, self.number_format)

    def boolean(self, value: bool) -> str:
        return self.boolean_words[value]

    def block(self, data: bytes) -> bytes:
        """A definite-length block."""
        length = str(len(data))
        if self.garbage_blocks > 0:
            self.garbage_blocks -= 1
            length = "x" * len(length)
        return f"#{len(length)}{length}".encode() + data

    def indefinite_block(self, data: bytes) -> bytes:
        """A block without its length (IEEE 488.2 clause 8.7.10): its end is that of the message."""
        if self.garbage_blocks > 0:
            self.garbage_blocks -= 1
            return b"#x" + data
        return b"#0" + data

    def report(self, error: ScpiError) -> None:
        """Put ``error`` into the queue, the last place of which is for "Queue overflow"."""
        self._event_status |= {1: 0x20, 2: 0x10, 4: 0x04}.get(-error.code // 100, 0x08)
        if len(self._errors) < QUEUE_DEPTH - 1:
            self._errors.append((error.code, str(error)))
        elif len(self._errors) == QUEUE_DEPTH - 1:
            self._errors.append((-350, TEXTS[-350]))

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
                if indefinite and found[0].is_query:
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

    def _find(self, unit: str, path: str) -> tuple[tuple[Command, tuple[int, ...]], str, str]:
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

    def _look_up(self, header: str) -> tuple[Command, tuple[int, ...]]:
        for entry, pattern in zip(self.command_table, self._patterns, strict=True):
            match = pattern.fullmatch(header)
            if match and (not entry.models or entry.channels or self.model in entry.models):
                return entry, tuple(int(suffix or 1) for suffix in match.groups() if suffix is not None)
        raise ScpiError(-113, header[:40])

    def _call(self, found: tuple[Command, tuple[int, ...]], text: str) -> str | bytes | None:
        entry, suffixes = found
        if not self.instances.issuperset(suffixes):
            raise ScpiError(-114)
        parameters = Parameters.read(text, suffixes)
        if entry.channels and not parameters.channels and not self.channel_list_optional:
            raise ScpiError(-109, "channel list")
        if parameters.channels and not entry.channels:
            raise ScpiError(-108)
        if not self.installed_channels.issuperset(parameters.channels):
            raise ScpiError(-222, "channel")
        if not entry.channels or self.channel_list_optional:
            return entry.handler(self, parameters)
        modules = [self.module(channel) for channel in parameters.channels]
        if entry.models and not {module.model for module in modules} <= {*entry.models}:
            raise ScpiError(self.not_in_this_model)
        replies = [entry.handler(module, parameters) for module in modules]
        return replies[0] if len(replies) == 1 else _listed(replies)

    # -- IEEE 488.2 and the SYSTem and STATus subsystems ----------------------------------------------------------

    @command("*IDN?", source=IEEE_488_2)
    def _identify(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.identity

    @command("*RST", source=IEEE_488_2)
    def _reset(self, parameters: Parameters) -> None:
        parameters.expect(0)
        restore_defaults(self)
        self.reset()

    @command("*CLS", source=IEEE_488_2)
    def _clear_status(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._errors.clear()
        self._event_status = 0
        for register in vars(self).values():
            if isinstance(register, Register):
                register.event = 0

    @command("*ESR?", source=IEEE_488_2)
    def _read_event_status(self, parameters: Parameters) -> str:
        parameters.expect(0)
        status, self._event_status = self._event_status, 0
        return str(status)

    @command("*ESE", source=IEEE_488_2)
    def _set_event_enable(self, parameters: Parameters) -> None:
        self._event_enable = self._register(parameters)

    @command("*ESE?", source=IEEE_488_2)
    def _read_event_enable(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self._event_enable)

    @command("*SRE", source=IEEE_488_2)
    def _set_service_enable(self, parameters: Parameters) -> None:
        self._service_enable = self._register(parameters)

    @command("*SRE?", source=IEEE_488_2)
    def _read_service_enable(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self._service_enable)

    @command("*STB?", source=IEEE_488_2)
    def _read_status_byte(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self.status_byte())

    def status_byte(self) -> int:
        """The status byte of IEEE 488.2, as *STB? and a status query of the interface read it."""
        status = (0x04 if self._errors else 0) | (0x20 if self._event_status & self._event_enable else 0)
        status |= (0x08 if self.questionable_condition() else 0)
        return status | (0x40 if status & self._service_enable else 0)

    @command("*OPC", source=IEEE_488_2)
    def _operation_complete(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._event_status |= 0x01   # nothing is ever pending: the twin acts at once

    @command("*OPC?", source=IEEE_488_2)
    def _is_operation_complete(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "1"

    @command("*WAI", source=IEEE_488_2)
    def _wait(self, parameters: Parameters) -> None:
        parameters.expect(0)

    @command("*TST?", source=IEEE_488_2)
    def _self_test(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self.self_test_result)

    @command("SYSTem:ERRor[:NEXT]?", source=SCPI_1999)
    def _next_error(self, parameters: Parameters) -> str:
        parameters.expect(0)
        code, text = self._errors.popleft() if self._errors else (0, "No error")
        return self.error_format.format(code=code, text=text.replace('"', "'"))

    @command("SYSTem:ERRor:COUNt?", source=SCPI_1999)
    def _error_count(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(len(self._errors))

    @command("SYSTem:VERSion?", source=SCPI_1999)
    def _version(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "1999.0"

    @command("STATus:OPERation:CONDition?", source=SCPI_1999)
    def _read_operation(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "0"

    @command("STATus:QUEStionable:CONDition?", source=SCPI_1999)
    def _read_questionable(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self.questionable_condition())

    def _register(self, parameters: Parameters) -> int:
        parameters.expect(1)
        value = round(read_number(parameters.values[0], ""))
        if not 0 <= value <= 255:
            raise ScpiError(-222)
        return value


class ScpiModule:
    """What sits in a channel of a mainframe: it declares commands as an instrument does, and answers through its
    ``mainframe``."""

    model = ""
    mainframe: Writer
    _lines_source: ClassVar[str] = ""

    def __init_subclass__(cls, *, source: str = "", **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._lines_source = source
        _lines(cls)      # each has a source

    def number(self, value: float) -> str:
        return self.mainframe.number(value)

    def boolean(self, value: bool) -> str:
        return self.mainframe.boolean(value)

    def reset(self) -> None:
        """*RST. Settings have gone back to their defaults; subclasses do the rest."""


def restore_defaults(owner: ScpiInstrument | ScpiModule) -> None:
    """Give all settings of ``owner`` their defaults, as *RST does."""
    for base in type(owner).__mro__:
        for member in vars(base).values():
            if isinstance(member, Setting):
                owner.__dict__.pop(member._name, None)


def _lines(owner: type) -> list[Command]:
    """What ``owner`` and its bases declare, each line with its source. Raises TypeError for one without."""
    table: list[Command] = []
    for name in dict.fromkeys(name for base in owner.__mro__ for name in vars(base)):
        # From the class dictionaries: a Setting would answer to getattr.
        home = next(base for base in owner.__mro__ if name in vars(base))
        for line in getattr(vars(home)[name], "scpi", []):
            known_from = line.source or getattr(home, "_lines_source", "")
            if not known_from:
                raise TypeError(f"{owner.__name__}.{name}: {line.header} has no source")
            table.append(replace(line, source=known_from))
    return table


def _listed(replies: list[str | bytes | None]) -> str | None:
    """The answers of several channels, in their order. Raises ``ScpiError`` for blocks, which can't be told apart."""
    if replies[0] is None:
        return None
    texts = [reply for reply in replies if isinstance(reply, str)]
    if len(texts) < len(replies):
        raise ScpiError(-221)
    return ",".join(texts)
