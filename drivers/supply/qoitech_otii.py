"""Qoitech Otii Arc and Ace as measuring supply, through the TCP server of Otii and Qoitech's package otii-tcp-client
(an optional extra).

The server records, so fetching late loses nothing. It wants an Automation licence (Enterprise, Admin and All hold one),
which is reserved while the driver is open; user and password are in OTII_USERNAME and OTII_PASSWORD where Otii itself
is not logged in. Accuracy of low currents from Qoitech's data sheets; that of high ones and noise from memory.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, TypeVar

import numpy as np

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers import Timeout
from drivers.assumption import Assumption
from drivers.supply import (
    MEASURES_CHARGE,
    SMALLEST_LIMIT_A,
    CurrentLimit,
    CurrentLog,
    CurrentReading,
    Overvoltage,
)
from drivers.supply.accuracy import Accuracy, Amperes, Range, in_periods, note
from drivers.supply.optional import library
from drivers.supply.otii_connection import OtiiConnection
from drivers.supply.source import ramp

T = TypeVar("T")

ACCURACY = {"Arc": Accuracy((Range(19e-3, 0.1e-2, 50e-9, 60e-9), Range(5.0, 0.1e-2, 150e-6, 20e-6)), 250e-6),
            "Ace": Accuracy((Range(19e-3, 0.05e-2, 25e-9, 60e-9), Range(5.0, 0.1e-2, 150e-6, 20e-6)), 250e-6)}

_LOWEST_V, _HIGHEST_V = 0.5, 5.0
_HIGHEST_LIMIT_A = 5.0
_AGREES_V = 0.01
_MOST_AT_ONCE = 40_000
_LAG_S = 0.05
"""So much more than was asked for is recorded: the server starts and stops when it gets to it."""
_LICENCE = "Automation"


class QoitechOtii:
    """::

        [supply]
        driver = "qoitech-otii"
        address = "127.0.0.1:1905"
        device = "Arc"

    ``device`` is the name or the id that Otii shows, needed where there are several. ``four_wire``: the sense wires are
    connected. It has no over-voltage protection of its own: the driver refuses what is at or above ``overvoltage_v``.
    """

    kind = "supply"
    abilities = frozenset({"supply.voltage"}) | MEASURES_CHARGE
    assumptions = (
        Assumption("good reply", "a reply to what went well is of the type 'response'", r'.*"cmd".*',
                   r'.*"type": ?"response".*'),
        Assumption("accuracy", "accuracy of the high range, and noise, are those of the driver's table"),
        Assumption("lost device", "what the server says when a device is lost"))

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, device: str = "", four_wire: bool = False,
                 current_limit_a: CurrentLimit = 1.0, overvoltage_v: Overvoltage = 4.5,
                 timeout_s: Timeout = 5.0) -> None:
        self._package = library("otii_tcp_client.otii", "otii")
        self._holds = library("otii_tcp_client.otii_client", "otii").LICENSE_MAP
        self._connection = OtiiConnection(address, subject="supply", timeout_s=timeout_s)
        self._subject = self._connection.subject
        self._clock = clock
        self._timeline = timeline
        self._overvoltage_v = overvoltage_v
        self._wanted = device
        self._four_wire = four_wire
        self._licence: int | None = None
        self._otii: Any = None
        self._arc: Any = None
        self._project: Any = None
        self._output: tuple[bool, float] | None = None
        self.current_limit_a = 0.0
        self.identity = ""
        try:
            self.set_current_limit(current_limit_a)
            self._note_output()
        except BaseException:
            self._connection.close()
            raise

    # -- Supply -----------------------------------------------------------------------------------------------------

    def set_voltage(self, voltage_v: float) -> None:
        self._check_voltage(voltage_v)
        self._set_voltage(voltage_v)
        self._note_output()

    def _check_voltage(self, voltage_v: float) -> None:
        highest_v = min(self._overvoltage_v, _HIGHEST_V)
        if not _LOWEST_V <= voltage_v < highest_v:
            raise BenchError(self._subject, expected=f"a voltage from {_LOWEST_V:g} V to below {highest_v:g} V",
                             seen=f"{voltage_v:g} V", do="correct the voltage, or overvoltage_v in the station file")

    def _set_voltage(self, voltage_v: float) -> None:
        self._try(lambda: self._arc.set_main_voltage(round(voltage_v, 4)))
        taken_v = self._number(lambda: self._arc.get_main_voltage(), "the voltage")
        if abs(taken_v - voltage_v) > _AGREES_V:
            raise BenchError(self._subject, expected=f"to be set to {voltage_v:g} V", seen=f"{taken_v:g} V",
                             do="check that nobody else uses the device")

    def set_current_limit(self, limit_a: float) -> None:
        """The limit is held, the output is not cut off by it. Raises ``BenchError`` for what would clip a peak that
        the manual forbids, unseen."""
        if not SMALLEST_LIMIT_A <= limit_a <= _HIGHEST_LIMIT_A:
            raise BenchError(self._subject, expected=f"a limit of {SMALLEST_LIMIT_A:g} to {_HIGHEST_LIMIT_A:g} A",
                             seen=f"{limit_a:g} A", do="correct current_limit_a in the station file")
        self._try(lambda: self._arc.set_max_current(limit_a))
        self._try(lambda: self._arc.set_src_cur_limit_enabled(True))
        self.current_limit_a = limit_a

    def ramp(self, voltage_v: float, duration_s: float) -> None:
        self._check_voltage(voltage_v)
        start_v = self._number(lambda: self._arc.get_main_voltage(), "the voltage")
        for step_v in ramp(self._clock, start_v, voltage_v, duration_s):
            self._set_voltage(step_v)
        self.set_voltage(voltage_v)

    def output_on(self) -> None:
        self._switch(True)

    def output_off(self) -> None:
        self._switch(False)

    def _switch(self, on: bool) -> None:
        self._try(lambda: self._arc.set_main(on))
        self._note_output()
        if self._output is not None and self._output[0] is not on:
            raise BenchError(self._subject, expected=f"the output to be {'on' if on else 'off'}",
                             seen="off" if on else "on", do="look for a short circuit, or switch it off by hand")

    def voltage(self) -> float:
        return self._number(lambda: self._arc.get_value("mv"), "a voltage")

    def make_safe(self) -> None:
        """Output off, and checked to be off. Tries once more on a new connection when the first fails."""
        try:
            self.output_off()
        except BenchError:
            self.output_off()

    # -- Instrument -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        if self._try(lambda: self._arc.is_connected()) is not True:
            raise self._is_missing()
        if self._output is not None and self._output[0] and not self._is_on():
            raise BenchError(self._subject, expected="the output to be on", seen="that the device has cut it off",
                             do="look for a short circuit, then switch the output on again")

    def self_test(self) -> None:
        """The package can start none."""

    def calibrated_on(self) -> date | None:
        return None

    def close(self) -> None:
        """Give the licence back, and let go."""
        if self._connection.is_open:
            with contextlib.suppress(Exception):     # it goes back by itself when the connection ends
                if self._licence is not None:
                    self._otii.return_license(self._licence)
        self._connection.close()

    # -- Ammeter ----------------------------------------------------------------------------------------------------

    def mean_current(self, duration_s: float) -> CurrentReading:
        return self._accuracy.reading(self.log(duration_s, max(duration_s / 1000, 1e-3)))

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        """A log of ``duration_s`` from now on, from a recording. Raises ``BenchError`` when samples are missing."""
        voltage_v = self.voltage()
        start_s = self._clock.time()
        self._try(lambda: self._project.start_recording())
        try:
            self._clock.sleep(duration_s + _LAG_S)
        finally:
            with contextlib.suppress(BenchError):     # the failure that brought us here is the one to tell
                self._try(lambda: self._project.stop_recording())
        recording = self._try(lambda: self._project.get_last_recording())
        if recording is None:
            raise self._bad_recording("a recording", "none")
        rate = self._rate(recording, duration_s)
        each = max(1, round(period_s * rate))
        if not 1 / rate * 0.99 <= period_s <= duration_s:
            raise BenchError(self._subject, expected=f"a period from {1e6 / rate:g} us on, within the duration",
                             seen=f"{period_s:g} s in {duration_s:g} s", do="correct the period of the measurement")
        samples = self._fetch(recording, max(1, round(duration_s * rate / each)) * each, 1 / rate)
        self._try(recording.delete)
        log = self._accuracy.log(self._subject, start_s, each / rate, *in_periods(samples, each), gap_free=True,
                                 limit_a=self.current_limit_a, voltage_v=voltage_v)
        note(self._timeline, log)
        return log

    def _rate(self, recording: Any, duration_s: float) -> float:
        """Samples per second. Raises ``BenchError`` for a recording that is too short or has fewer samples than its
        length wants."""
        info = self._try(lambda: recording.get_channel_info(self._arc.id, "mc"))
        count = self._number(lambda: recording.get_channel_data_count(self._arc.id, "mc"), "a number of samples")
        rate = self._number(lambda: info["sample_rate"], "a sample rate")
        length_s = self._number(lambda: info["to"] - info["from"], "the length of a recording")
        if rate <= 0 or abs(count - length_s * rate) > 1.5:
            raise self._bad_recording(f"{length_s * rate:.0f} samples in {length_s:.3f} s", f"{count:.0f}")
        if length_s < duration_s:
            raise self._bad_recording(f"a recording of {duration_s:g} s", f"one of {length_s:.3f} s")
        return rate

    def _fetch(self, recording: Any, count: int, interval_s: float) -> Amperes:
        """The first ``count`` samples."""
        parts = []
        for first in range(0, count, _MOST_AT_ONCE):
            wanted = min(_MOST_AT_ONCE, count - first)
            values, spacing_s = self._try(partial(self._part, recording, first, wanted))
            if len(values) != wanted or not np.isfinite(values).all() or not (
                    abs(spacing_s - interval_s) < 0.01 * interval_s):
                raise self._bad_recording(f"{wanted} samples each {interval_s:g} s",
                                          f"{len(values)}, each {spacing_s:g} s")
            parts.append(values)
        return np.concatenate(parts)

    def _part(self, recording: Any, first: int, count: int) -> tuple[Amperes, float]:
        data = recording.get_channel_data(self._arc.id, "mc", first, count)
        return np.asarray(data["values"], np.float64), float(data["interval"])

    def _bad_recording(self, expected: str, seen: str) -> BenchError:
        return BenchError(self._subject, expected=expected, seen=seen, do="repeat the measurement")

    @property
    def _accuracy(self) -> Accuracy:
        return ACCURACY.get(self._arc.type, ACCURACY["Arc"])

    # -- the server -------------------------------------------------------------------------------------------------

    def _try(self, act: Callable[[], T]) -> T:
        """What ``act`` returns, on a connection that is set up. Whatever the package raises is a ``BenchError``."""
        try:
            if not self._connection.is_open:
                self._begin()
            return act()
        except BenchError:
            raise
        except Exception as error:       # the package raises its own, bare ones, and KeyErrors for odd replies
            code = getattr(error, "type", None)     # the server's word; what it was sent may hold a password
            if not isinstance(code, str):
                self._connection.close()
            raise BenchError(self._subject, expected="a reply as otii-tcp-client knows it",
                             seen=code if isinstance(code, str) else f"{type(error).__name__}: {error}"[:120],
                             do="check Otii, its licence and its device") from None

    def _begin(self) -> None:
        """Connect, log in, reserve the licence, find the device and set it up. Leaves its output as it is."""
        self._connection.open()
        try:
            self._otii = self._package.Otii(self._connection)
            self._log_in()
            self._reserve()
            self._arc = self._find()
            version = self._arc.get_version()
            identity = (f"Qoitech,Otii {self._arc.type},{self._arc.id},{version['fw_version']} "
                        "(without over-voltage protection)")
            if self.identity and identity != self.identity:
                raise BenchError(self._subject, expected=f"{self.identity!r}, as before", seen=repr(identity[:120]),
                                 do="check that nobody exchanged the device")
            self.identity = identity
            self._project = self._otii.create_project()
            self._arc.add_to_project()
            self._arc.set_power_regulation("voltage")
            self._arc.set_range("low")                # it chooses the range by itself
            if self._arc.get_range() != "low":
                raise BenchError(self._subject, expected="the device to choose its range", seen="a fixed one",
                                 do="check that nobody else uses the device")
            self._arc.set_4wire(self._four_wire)
            if self.current_limit_a:                  # which it had before the connection broke
                self._arc.set_max_current(self.current_limit_a)
                self._arc.set_src_cur_limit_enabled(True)
            for channel in ("mc", "mv"):
                self._arc.enable_channel(channel, True)
        except BaseException:
            self._connection.close()
            raise

    def _log_in(self) -> None:
        if self._otii.is_logged_in():
            return
        user, password = os.environ.get("OTII_USERNAME"), os.environ.get("OTII_PASSWORD")
        if not user or not password:
            raise BenchError(self._subject, expected="somebody to be logged in", seen="nobody",
                             do="log in with Otii itself, or set OTII_USERNAME and OTII_PASSWORD")
        self._otii.login(user, password)

    def _reserve(self) -> None:
        if self._otii.has_license(_LICENCE):
            return
        free = [licence for licence in self._otii.get_licenses() if licence["available"] and not licence["reserved_to"]
                and _LICENCE in self._holds.get(licence["type"], ())]
        if not free:
            raise BenchError(self._subject, expected=f"a free licence of the kind {_LICENCE}", seen="none",
                             do="give one back elsewhere")
        self._otii.reserve_license(free[0]["id"])
        self._licence = free[0]["id"]

    def _find(self) -> Any:
        devices = self._otii.get_devices(1)
        fitting = [one for one in devices if self._wanted in ("", one.id, one.name)]
        if len(fitting) != 1:
            raise self._is_missing(", ".join(f"{one.name} ({one.id})" for one in devices) or "none")
        return fitting[0]

    def _is_missing(self, seen: str = "that it is gone") -> BenchError:
        return BenchError(self._subject, expected=f"the device {self._wanted}" if self._wanted else "one device",
                          seen=seen, do="plug it in, or name it as device in the table [supply]")

    def _number(self, ask: Callable[[], Any], what: str) -> float:
        value = self._try(ask)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BenchError(self._subject, expected=what, seen=repr(value)[:80], do="check Otii and its device")
        return float(value)

    def _is_on(self) -> bool:
        on = self._try(lambda: self._arc.get_main())
        if not isinstance(on, bool):
            raise BenchError(self._subject, expected="on or off", seen=repr(on)[:80], do="check Otii and its device")
        return on

    def _note_output(self) -> None:
        output = self._is_on(), self._number(lambda: self._arc.get_main_voltage(), "the voltage")
        if self._output is not None and output != self._output:
            self._timeline.append("supply", "output", {"on": output[0], "voltage_v": round(output[1], 6)})
        self._output = output
