"""Any laboratory supply, spoken to in its own dialect (``drivers/supply/dialects``).

Its own readback of the current resolves a milliampere at best, so it measures no current here: put an ammeter in
series.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers import Timeout
from drivers.assumption import Assumption
from drivers.supply import CurrentLimit, Overvoltage
from drivers.supply.bare_serial import BareSerial
from drivers.supply.dialect import Dialect, Question, YesNo, load, of_instrument
from drivers.supply.source import Source
from drivers.visa import VisaInstrument

_NUMBER = re.compile(r"(?:[A-Z]{1,3}\d?\s+)?([+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?)\s*[VA]?")
"""Some write what the number is in front of it, some its unit behind it."""
_NOT_A_NUMBER = 9e36
_MOST_ERRORS = 64
_UNDEFINED_HEADER = re.compile(r"-113\b")


class ScpiSupply(Source):
    """::

        [supply]
        driver = "scpi-supply"
        address = "TCPIP0::192.0.2.7::5025::SOCKET"
        channel = 2
        dialect = "rigol-dp800"

        [ammeter]
        driver = "keithley-dmm6500"
        address = "TCPIP0::192.0.2.8::5025::SOCKET"

    ``address`` is a VISA address; a serial port (/dev/ttyUSB0) is for a supply without line ends. Without ``dialect``
    (a name, or the path of a file NAME.toml) the answer to *IDN? decides. A supply without an over-voltage protection
    is taken, and says so in its identity; with ``protection_required`` it is refused.

    Opening it sets limit and over-voltage protection and leaves the output as it is.
    """

    kind = "supply"
    abilities = frozenset({"supply.voltage"})

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: Annotated[int, Field(ge=1)] = 1,
                 dialect: str | None = None, protection_required: bool = False, current_limit_a: CurrentLimit = 1.0,
                 overvoltage_v: Overvoltage = 4.5, timeout_s: Timeout = 5.0) -> None:
        known = load(dialect) if dialect is not None else None      # before the port is opened
        link: VisaInstrument | BareSerial = (BareSerial if address.startswith("/") else VisaInstrument)(
            address, subject="supply", timeout_s=timeout_s)
        super().__init__(link, clock=clock, timeline=timeline, overvoltage_v=overvoltage_v)
        self._own_link = link
        self._channel = channel
        self._timeout_s = timeout_s
        self._dialect: Dialect = known or of_instrument(link.identity)
        self._pause_s = self._dialect.wire.pause_s
        try:
            self._check_dialect()
            self._lock()
            self._drain_errors()      # old errors are not ours, and not every supply knows *CLS
            self._protect()
            if protection_required and self._dialect.protection is None:
                raise BenchError(link.subject, expected="an over-voltage protection", seen="a supply without",
                                 do="take another supply, or do without protection_required")
            self.set_current_limit(current_limit_a)
            self._note_output()
        except BaseException:
            link.close()
            raise

    @staticmethod
    def assumptions_with(options: Mapping[str, Any], identity: str) -> tuple[Assumption, ...]:
        """What is from memory in the dialect that is named, or that ``identity`` (the answer to *IDN?) decides."""
        name = options.get("dialect")
        return (load(name) if name is not None else of_instrument(identity)).assumptions

    @property
    def identity(self) -> str:
        without = "" if self._dialect.protection is not None else ", without over-voltage protection"
        return f"{self._link.identity} ({self._dialect.name}{without})"

    def _check_dialect(self) -> None:
        identity, channels = self._dialect.identity, self._dialect.channels
        if identity is not None and not re.match(identity.matches, self._link.identity):
            raise BenchError(self._link.subject, expected=f"a supply of the dialect {self._dialect.name}",
                             seen=repr(self._link.identity[:120]), do="correct dialect or address in the station file")
        if self._channel > channels:
            raise BenchError(self._link.subject, expected=f"a channel from 1 to {channels}", seen=str(self._channel),
                             do="correct the channel in the station file")

    def _lock(self) -> None:
        lock = self._dialect.wire.lock
        if lock is not None and (answer := self._clean(self._link.query(lock))) != "1":
            raise BenchError(self._link.subject, expected=f"1 in answer to {lock}", seen=repr(answer[:80]),
                             do="let go of the supply where else it is used, its web page included")

    def _protect(self) -> None:
        """Arm the over-voltage protection, and read back that it has the level. A supply of which nothing is known may
        have none."""
        protection = self._dialect.protection
        if protection is None:
            return
        self._select()
        self._write(protection.set.format(channel=self._channel, value=self._overvoltage_v))
        refused = self._drain_errors()
        if self._dialect.identity is None and any(_UNDEFINED_HEADER.match(error) for error in refused):
            self._dialect = self._dialect.model_copy(update={"protection": None, "tripped": None})
            return
        self._raise(refused)
        if protection.arm is not None:
            self._send(protection.arm)
        if protection.armed is not None and not self._is_yes(protection.armed):
            raise BenchError(self._link.subject, expected="the over-voltage protection to be on", seen="off",
                             do="check that nobody else uses the supply")
        self._check_taken("an over-voltage protection", self._overvoltage_v, self._number(protection), "V")

    # -- what each model says in its own way ------------------------------------------------------------------------

    def _set_voltage(self, voltage_v: float) -> None:
        self._send(self._dialect.voltage.set, value=voltage_v)

    def _set_limit(self, limit_a: float) -> None:
        self._send(self._dialect.current.set, value=limit_a)
        self._check_taken("a current limit", limit_a, self._number(self._dialect.current), "A")

    def _switch(self, on: bool) -> None:
        if on and self._dialect.tripped is not None and self._dialect.tripped.clear is not None:
            self._send(self._dialect.tripped.clear)
        self._send(self._dialect.output.on if on else self._dialect.output.off)

    def _read_output(self) -> tuple[bool, float]:
        return self._is_yes(self._dialect.output), self._number(self._dialect.voltage)

    def _tripped(self) -> str:
        tripped = self._dialect.tripped
        return "over-voltage" if tripped is not None and self._is_yes(tripped) else ""

    def voltage(self) -> float:
        return self._number(self._dialect.measured)

    def _complete(self) -> None:
        if self._dialect.wire.completes and self._dialect.errors is not None:
            self._link.query("*OPC?")

    def _check_errors(self) -> None:
        self._raise(self._drain_errors())

    def _raise(self, errors: list[str]) -> None:
        if errors:
            raise BenchError(self._link.subject, expected="commands that the instrument takes", seen="; ".join(errors),
                             do=f"check model and firmware against the dialect {self._dialect.name}")

    def self_test(self) -> None:
        """Supplies that answer no *OPC? have none that could be started."""
        if self._dialect.wire.completes and isinstance(self._own_link, VisaInstrument):
            self._own_link.self_test()

    def calibrated_on(self) -> date | None:
        """None of them has a command for it that is known."""
        return None

    # -- the dialect ------------------------------------------------------------------------------------------------

    def _send(self, command: str, value: float = 0.0) -> None:
        if not self._dialect.wire.completes:
            self._drain_errors()      # such a supply doesn't know the *CLS of a new session either
        self._select()
        self._write(command.format(channel=self._channel, value=value))
        self._check_errors()

    def _select(self) -> None:
        """Where a cursor chooses the channel it is set each time: others may move it, and a restart does."""
        select = self._dialect.select
        if select is not None and self._channel >= select.from_channel:
            self._write(select.set.format(channel=self._channel))

    def _write(self, command: str) -> None:
        self._link.write(command)
        if self._pause_s:
            self._clock.sleep(self._pause_s)

    def _ask(self, question: Question) -> str:
        self._select()
        return self._query(question)

    def _query(self, question: Question) -> str:
        command = question.ask.format(channel=self._channel)
        link = self._own_link
        if isinstance(link, BareSerial):
            return link.query(command, question.length)
        return self._clean(link.query(command))

    @staticmethod
    def _clean(answer: str) -> str:
        return answer.strip(" \t\r\n\0")

    def _number(self, question: Question) -> float:
        answer = self._ask(question)
        match = _NUMBER.fullmatch(answer)
        if match is None or not abs(float(match[1])) < _NOT_A_NUMBER:
            raise self._unexpected("a number", question, answer)
        return float(match[1])

    def _is_yes(self, question: YesNo) -> bool:
        answer = self._ask(question)
        if question.yes:
            return re.fullmatch(question.yes, answer) is not None or self._is_no(question, answer)
        try:
            number = (ord(answer) if question.length == 1 else
                      int(answer, 16) if answer.lower().startswith("0x") else int(answer))
        except (TypeError, ValueError):
            raise self._unexpected("a number", question, answer) from None
        return bool(number >> question.bits[self._channel - 1] & 1)

    def _is_no(self, question: YesNo, answer: str) -> bool:
        """False, if the answer is one that means no."""
        if not re.fullmatch(r"\+?0|OFF|NO", answer, re.IGNORECASE):
            raise self._unexpected("yes or no", question, answer)
        return False

    def _drain_errors(self) -> list[str]:
        errors: list[str] = []
        if self._dialect.errors is None:
            return errors
        for _ in range(_MOST_ERRORS):
            answer = self._query(self._dialect.errors)
            if re.fullmatch(self._dialect.errors.none, answer):
                break
            if not re.match(r"[+-]?\d", answer):
                raise self._unexpected("a code", self._dialect.errors, answer)
            errors.append(answer)
        return errors

    def _unexpected(self, expected: str, question: Question, answer: str) -> BenchError:
        with suppress(BenchError):
            self._link.close()       # whatever was there, the next answer is to be the one that was asked for
        command = question.ask.format(channel=self._channel)
        return BenchError(self._link.subject, expected=f"{expected} in answer to {command}", seen=repr(answer[:80]),
                          do=f"check the supply against the dialect {self._dialect.name}")
