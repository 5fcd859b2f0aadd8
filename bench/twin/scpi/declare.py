"""How a class declares the commands of an instrument: methods tied to headers, and settings.

Each line of an instrument's command table says where it is known from (``source``): the maker's guide with the page,
the maker's package or a public driver with its version, or ``MEMORY``. A line that doesn't say has the source of its
class (``class Meter(ScpiInstrument, source="Example guide")``); without either the class can't be made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from bench.twin.scpi.syntax import Parameters, ScpiError, read_boolean, read_choice, read_number, short_form

Handler = Callable[[Any, Parameters], "str | bytes | None"]
F = TypeVar("F", bound=Callable[..., "str | bytes | None"])

MEMORY = "memory"
"""The source of a line that nobody has read anywhere. A note may follow: ``f"{MEMORY}; the guide only names it"``."""

_PATTERN_TOKEN = re.compile(r"\[|\]|:|<\w+>|\?|\*[A-Z]+|[A-Za-z][A-Za-z0-9_]*")


class Writer(Protocol):
    """How an instrument writes its answers."""

    def number(self, value: float) -> str: ...

    def boolean(self, value: bool) -> str: ...


@dataclass(frozen=True, slots=True)
class Command:
    """One line of an instrument's command table.

    ``models`` are those that have it (none named: all), ``takes`` and ``answer`` say in a few words what its
    parameters and its answer look like.
    """

    header: str
    handler: Handler
    source: str
    channels: bool = False
    models: tuple[str, ...] = ()
    takes: str = ""
    answer: str = ""

    @property
    def is_query(self) -> bool:
        return self.header.endswith("?")

    @property
    def from_memory(self) -> bool:
        return self.source.startswith(MEMORY)


def command(pattern: str, *, source: str = "", channels: bool = False, models: tuple[str, ...] = (), takes: str = "",
            answer: str = "") -> Callable[[F], F]:
    """Tie a method to a header such as ``"SENSe:ELOG:CURRent:RANGe:AUTO"`` or ``"MEASure[:SCALar]:CURRent?"``.

    With ``channels`` the command needs a list of channels that exist. The rest is as in ``Command``.
    """
    def mark(function: F) -> F:
        line = Command(pattern, function, source, channels, models, takes, answer)
        function.scpi = [*getattr(function, "scpi", []), line]  # type: ignore[attr-defined]
        return function
    return mark


class Setting:
    """A value that is set by ``PATTERN value`` and read by ``PATTERN?``; in Python a plain attribute."""

    def __init__(self, pattern: str, default: Any, *, source: str = "", channels: bool = False,
                 models: tuple[str, ...] = (), changed: str | None = None) -> None:
        self.pattern = pattern
        self.default = default
        self.source = source
        self.channels = channels
        self.models = models
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

    @property
    def scpi(self) -> list[Command]:
        """The two lines of the command table: setting it and reading it."""
        shape = self.shape()
        return [Command(self.pattern, self.on_set, self.source, self.channels, self.models, shape),
                Command(self.pattern + "?", self.on_query, self.source, self.channels, self.models, "", shape)]

    def shape(self) -> str:
        """What a value looks like, in a few words."""
        raise NotImplementedError

    def read(self, text: str) -> Any:
        """The value that a parameter means; raises ``ScpiError``."""
        raise NotImplementedError

    def write(self, instrument: Writer, value: Any) -> str:
        """The value as the instrument answers it."""
        raise NotImplementedError

    def on_set(self, instrument: Writer, parameters: Parameters) -> None:
        parameters.expect(1)
        self.__set__(instrument, self.read(parameters.values[0]))

    def on_query(self, instrument: Writer, parameters: Parameters) -> str:
        parameters.expect(0, 1)
        value = self.read(parameters.values[0]) if parameters.values else self.__get__(instrument, type(instrument))
        return self.write(instrument, value)


class Number(Setting):
    """A number from ``low`` to ``high`` in ``unit`` ("V", "A", "S", "DBM" or none). ``whole`` numbers are ``int``.

    With ``optional`` OFF is a value too (``None``), and ON means the lowest value.
    """

    def __init__(self, pattern: str, default: float | None, *, low: float, high: float, unit: str = "",
                 whole: bool = False, optional: bool = False, source: str = "", channels: bool = False,
                 models: tuple[str, ...] = (), changed: str | None = None) -> None:
        super().__init__(pattern, default, source=source, channels=channels, models=models, changed=changed)
        self.low, self.high, self.unit, self.whole, self.optional = low, high, unit, whole, optional

    def shape(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.low:g} to {self.high:g}{unit}" + (" or OFF" if self.optional else "")

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

    def write(self, instrument: Writer, value: float | None) -> str:
        if value is None:
            return "OFF"
        return str(round(value)) if self.whole else instrument.number(value)


class Boolean(Setting):
    """ON or OFF."""

    def shape(self) -> str:
        return "ON or OFF"

    def read(self, text: str) -> bool:
        return read_boolean(text)

    def write(self, instrument: Writer, value: bool) -> str:
        return instrument.boolean(value)


class Choice(Setting):
    """One of some words, kept in their short form."""

    def __init__(self, pattern: str, words: Iterable[str], *, source: str = "", channels: bool = False,
                 models: tuple[str, ...] = (), changed: str | None = None) -> None:
        self.words = tuple(words)
        super().__init__(pattern, short_form(self.words[0]), source=source, channels=channels, models=models,
                         changed=changed)

    def shape(self) -> str:
        return ", ".join(self.words)

    def read(self, text: str) -> str:
        return read_choice(text, self.words)

    def write(self, instrument: Writer, value: str) -> str:
        return value


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
