"""A SCPI instrument: command table, error queue, status registers, IEEE 488.2 commands."""

from __future__ import annotations

import re
from collections import deque
from typing import Any, ClassVar

from bench.twin.scpi.declare import Command, Setting, command, compile_pattern
from bench.twin.scpi.syntax import TEXTS, Parameters, ScpiError, read_number, split

QUEUE_DEPTH = 30
OVERLOAD = 9.91e37
"""What an instrument answers for "not a number": here, an overload of the range."""

_HEADER = re.compile(r":?[A-Za-z][A-Za-z0-9_]*(?::[A-Za-z][A-Za-z0-9_]*)*\??$|\*[A-Za-z]+\??$")


class ScpiInstrument:
    """The common part: command table, error queue, status registers, IEEE 488.2 commands.

    ``identity`` is the answer to *IDN?. Faults for tests: ``dead`` (never answers), ``late_replies`` (so many answers
    are held back until the next message of that client has come in), ``garbage_blocks`` (so many blocks have a length
    that is no number), ``self_test_result`` (not 0), and any other ``identity``.
    """

    identity = "Twin,Instrument,TWIN0001,1.0"
    installed_channels: ClassVar[frozenset[int]] = frozenset()
    instances: ClassVar[frozenset[int]] = frozenset({1})
    """The numeric suffixes of header nodes that exist."""
    error_format: ClassVar[str] = '{code:+d},"{text}"'
    """Keysight writes +0,"No error"; Rohde & Schwarz and Keithley 0,"No error"."""
    number_format: ClassVar[str] = "+.8E"
    boolean_words: ClassVar[tuple[str, str]] = ("0", "1")

    _table: ClassVar[list[Command]] = []

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._table = []
        for name in dict.fromkeys(name for base in cls.__mro__ for name in vars(base)):
            # From the class dictionaries: a Setting would answer to getattr.
            member = next(vars(base)[name] for base in cls.__mro__ if name in vars(base))
            if isinstance(member, Setting):
                cls._table += [Command(compile_pattern(member.pattern), member.on_set, member.channels),
                               Command(compile_pattern(member.pattern + "?"), member.on_query, member.channels)]
            for pattern, channels in getattr(member, "scpi", []):
                cls._table.append(Command(compile_pattern(pattern), member, channels))

    def __init__(self) -> None:
        self.dead = False
        self.late_replies = 0
        self.garbage_blocks = 0
        self.self_test_result = 0
        self._errors: deque[tuple[int, str]] = deque()
        self._event_status = 0x80    # power on
        self._event_enable = 0
        self._service_enable = 0
        self._found: dict[str, tuple[Command, tuple[int, ...]]] = {}

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
        if self.garbage_blocks > 0:
            self.garbage_blocks -= 1
            length = "x" * len(length)
        return f"#{len(length)}{length}".encode() + data

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
        for entry in self._table:
            match = entry.regex.fullmatch(header)
            if match:
                return entry, tuple(int(suffix or 1) for suffix in match.groups() if suffix is not None)
        raise ScpiError(-113, header[:40])

    def _call(self, found: tuple[Command, tuple[int, ...]], text: str) -> str | bytes | None:
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
        return str(self.status_byte())

    def status_byte(self) -> int:
        """The status byte of IEEE 488.2, as *STB? and a status query of the interface read it."""
        status = (0x04 if self._errors else 0) | (0x20 if self._event_status & self._event_enable else 0)
        status |= (0x08 if self.questionable_condition() else 0) | (0x80 if self.operation_condition() else 0)
        return status | (0x40 if status & self._service_enable else 0)

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
        return str(self.self_test_result)

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
