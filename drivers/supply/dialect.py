"""How a laboratory supply wants to be spoken to, as data: ``dialects/*.toml``, a line for each thing, with its source.

``{channel}`` and ``{value}`` stand for the channel and for volts or amperes. What a supply has no command for is left
out: without ``protection`` it has none against over-voltage, without ``tripped`` it doesn't tell, without ``errors``
it has no queue of them. A supply that is not here yet needs one more such file; a station file may name its path.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError
from bench.toml_file import read_toml
from drivers.assumption import Assumption

FOLDER = Path(__file__).with_name("dialects")
PLAIN = "scpi-1999"


class _Line(BaseModel):
    """``source``: the maker's guide and page, a package or a public driver; "memory" for what nobody has read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str


class Identity(_Line):
    """``matches``: regular expression for the beginning of the answer to *IDN?."""

    matches: str


class Question(_Line):
    """``length``: octets of the answer, where no line end tells it."""

    ask: str
    length: int | None = None


class YesNo(Question):
    """``yes``: regular expression for the answer that means yes. Or ``bits``: which bit of a number (hexadecimal after
    0x, one raw octet, else decimal) it is, for each channel."""

    yes: str = ""
    bits: tuple[int, ...] = ()


class Level(Question):
    set: str


class Select(_Line):
    """A cursor. ``from_channel``: a supply with one output only may not know the command."""

    set: str
    from_channel: int = 1


class Protection(Level):
    """``arm``: what switches it on, where that is needed besides its level; ``armed``: whether it is."""

    arm: str | None = None
    armed: YesNo | None = None


class Output(YesNo):
    on: str
    off: str


class Tripped(YesNo):
    """``clear``: what lets the output be switched on again."""

    clear: str | None = None


class Errors(Question):
    """``none``: regular expression for the answer of an empty queue."""

    none: str


class Wire(_Line):
    """``pause_s``: how long the supply needs after a command. ``completes``: it answers *OPC?. ``lock``: what is
    answered with 1 when the supply is now ours alone."""

    pause_s: float = 0.0
    completes: bool = True
    lock: str | None = None


class Dialect(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    identity: Identity | None = None
    channels: Annotated[int, Field(ge=1)]
    select: Select | None = None
    voltage: Level
    current: Level
    output: Output
    measured: Question
    protection: Protection | None = None
    tripped: Tripped | None = None
    errors: Errors | None = None
    wire: Wire = Wire(source="")

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """The lines whose source is memory, and what of them can be seen."""
        return tuple(self._assumption(name, line) for name, line in self if isinstance(line, _Line)
                     and "memory" in line.source)

    def _assumption(self, name: str, line: _Line) -> Assumption:
        errors = self.errors
        match line:
            case Identity():
                return Assumption(name, f"*IDN? is answered with {line.matches}", r"\*IDN\?", f"{line.matches}.*")
            case Errors():
                return Assumption(name, f"{line.ask} is answered with a code, {line.none} when there is none",
                                  re.escape(line.ask), rf"{line.none}|[+-]?\d.*")
            case Tripped() if line.clear is not None and errors is not None:
                return Assumption(name, f"{line.clear} is taken", re.escape(line.clear), errors.none)
            case Wire():
                return Assumption(name, f"{line.pause_s:g} s after a command are enough"
                                  + ("" if line.completes else ", and *OPC? is not answered"))
        return Assumption(name, f"{name} is as in the dialect")


def load(name: str) -> Dialect:
    """The dialect called so, or in a file of that path. Raises ``BenchError``."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in built_in():
        raise BenchError(f"dialect {name}", expected=f"one of {', '.join(built_in())}, or a file NAME.toml",
                         seen="none of that name", do="correct dialect in the table [supply]")
    return _read(path)


def of_instrument(identity: str) -> Dialect:
    """The dialect of the instrument that answers *IDN? so; plain SCPI when none is known."""
    for name in built_in():
        dialect = _read(FOLDER / f"{name}.toml")
        if dialect.identity is not None and re.match(dialect.identity.matches, identity):
            return dialect
    return _read(FOLDER / f"{PLAIN}.toml")


@functools.cache
def built_in() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@functools.cache
def _read(path: Path) -> Dialect:
    table = read_toml(path, f"dialect {path}", "correct dialect in the table [supply]")
    try:
        return Dialect.model_validate({"name": path.stem, **table})
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchError(f"dialect {path}, key {'.'.join(map(str, first['loc']))}", expected="the keys of a dialect",
                         seen=first["msg"], do="compare it with drivers/supply/dialects") from error
