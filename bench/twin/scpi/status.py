"""Status registers of SCPI-1999 volume 1 chapter 9: condition, transition filters, event, enable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.twin.scpi.declare import Command
from bench.twin.scpi.syntax import Parameters, ScpiError, read_number

_MOST = 0x7FFF


@dataclass
class Register:
    """The state of one register group. With power on nothing passes the filters and nothing is enabled."""

    condition: int = 0
    event: int = 0
    enable: int = 0
    rising: int = 0
    falling: int = 0

    def set(self, condition: int) -> None:
        """A new condition; what passes the filters is latched."""
        self.event |= condition & ~self.condition & self.rising | self.condition & ~condition & self.falling
        self.condition = condition

    def pulse(self, bits: int) -> None:
        """``bits`` come and go."""
        self.set(self.condition & ~bits)
        self.set(self.condition | bits)

    @property
    def summary(self) -> bool:
        """What the next register sees of this one."""
        return bool(self.event & self.enable)


class StatusGroup:
    """Declares the headers of one register group; in Python its ``Register``. ``looked`` names a method of the
    instrument that brings all registers up to date before one is read."""

    def __init__(self, pattern: str, *, source: str = "", looked: str) -> None:
        self.pattern = pattern
        self.source = source
        self._looked = looked
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, instrument: Any, owner: type) -> Any:
        if instrument is None:
            return self
        return instrument.__dict__.setdefault(self._name, Register())

    @property
    def scpi(self) -> list[Command]:
        """The lines of the command table."""
        lines = [Command(f"{self.pattern}[:EVENt]?", self._read_event, self.source, answer="the bits, then cleared"),
                 Command(f"{self.pattern}:CONDition?", self._reader("condition"), self.source, answer="the bits")]
        for word, field in (("ENABle", "enable"), ("PTRansition", "rising"), ("NTRansition", "falling")):
            lines += [Command(f"{self.pattern}:{word}", self._setter(field), self.source, takes="the bits"),
                      Command(f"{self.pattern}:{word}?", self._reader(field), self.source, answer="the bits")]
        return lines

    def _register(self, instrument: Any) -> Register:
        getattr(instrument, self._looked)()
        register: Register = self.__get__(instrument, type(instrument))
        return register

    def _read_event(self, instrument: Any, parameters: Parameters) -> str:
        parameters.expect(0)
        register = self._register(instrument)
        event, register.event = register.event, 0
        return str(event)

    def _reader(self, field: str) -> Any:
        def read(instrument: Any, parameters: Parameters) -> str:
            parameters.expect(0)
            return str(getattr(self._register(instrument), field))
        return read

    def _setter(self, field: str) -> Any:
        def write(instrument: Any, parameters: Parameters) -> None:
            parameters.expect(1)
            bits = round(read_number(parameters.values[0], ""))
            if not 0 <= bits <= _MOST:
                raise ScpiError(-222)
            setattr(self._register(instrument), field, bits)
        return write
