"""A Nordic Power Profiler Kit II in source mode, on a serial port.

Sources: ppk2-api 0.9.2 (opcodes, voltage, metadata, formula, filter after a change of range), ppk2lab 0.5.1 (protocol
and calibration pages: the layout of a sample, metadata until END, samples that go on through other commands).
"""

from __future__ import annotations

import asyncio
import random

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.signal import Signal
from bench.twin.supply.measuring import CurrentInput, InputRange
from bench.twin.wires.pty import PtyWire

START, STOP, POWER, VOLTAGE, MODE, METADATA, RESET = 0x06, 0x07, 0x0C, 0x0D, 0x11, 0x19, 0x20
SOURCES = {
    START: "ppk2-api AVERAGE_START; ppk2lab START_MEASURING", STOP: "ppk2-api AVERAGE_STOP; ppk2lab STOP_MEASURING",
    POWER: "ppk2-api DEVICE_RUNNING_SET; ppk2lab SET_DUT_POWER: 0 or 1",
    VOLTAGE: "ppk2-api REGULATOR_SET; ppk2lab SET_SOURCE_VOLTAGE: millivolts, two octets, big-endian",
    MODE: "ppk2-api SET_POWER_MODE; ppk2lab SET_MODE: 1 ampere, 2 source",
    METADATA: "ppk2-api, ppk2lab GET_META_DATA: lines KEY: VALUE, then END", RESET: "ppk2-api, ppk2lab RESET"}
"""Where each opcode is known from."""
_PARAMETERS = {POWER: 1, VOLTAGE: 2, MODE: 1}

RANGES = (InputRange(50e-6, 0.10, 0.2e-6, 0.2e-6), InputRange(500e-6, 0.10, 1e-6, 1e-6),
          InputRange(5e-3, 0.10, 10e-6, 10e-6), InputRange(60e-3, 0.10, 100e-6, 100e-6),
          InputRange(1.0, 0.10, 1e-3, 1e-3))
"""From memory of Nordic's product page."""

_RATE = 100_000
_CHUNK_S = 0.02
_PUSH_S = 0.002
_MOST_HELD = 400_000
"""Octets, for one second."""
_SHUNT_OHM = (1000.6, 101.2, 10.15, 0.94, 0.0494)
_FULL_SCALE = 0x3FFF
_SPIKE = 1.5
"""How much too high the first sample after a change of range is: for this public drivers filter three samples."""


class Ppk2:
    """Drives ``connector``, measures ``current``. Faults: ``dead`` (answers nothing), ``lose`` (one sample of each
    thousand is not sent), ``garbage_blocks`` (so many bursts begin with samples of a killed program),
    ``range_locked``, ``input.offset_a``, ``was_streaming()`` (a program that was killed left it so)."""

    def __init__(self, clock: Clock, connector: Signal[float], current: CurrentTrace, rng: random.Random) -> None:
        self.dead = False
        self.lose = False
        self.garbage_blocks = 0
        self.range_locked = False
        self.millivolts = 0
        self.powered = False
        self.mode = 0
        self.input = CurrentInput(RANGES, noise_time_s=1 / _RATE, sample_s=1 / _RATE, overrange=1.0, rng=rng)
        self.calibration = [{"R": ohm, "GS": rng.uniform(0.9, 1.1), "GI": rng.uniform(0.97, 1.03),
                             "O": rng.uniform(80, 120), "S": rng.uniform(-5e-8, 5e-8), "I": rng.uniform(-1e-7, 1e-7),
                             "UG": 1.0} for ohm in _SHUNT_OHM]
        self._clock = clock
        self._connector = connector
        self._current = current
        self._heard = bytearray()
        self._to_send = b""
        self._next = 0
        self._since = 0.0
        self._last_range = 0
        self._streaming: asyncio.TimerHandle | None = None
        self.wire = PtyWire(clock, self._on_bytes, streaming=True)

    @property
    def address(self) -> str:
        return self.wire.path

    async def start(self) -> None:
        """The port is there from the beginning."""

    async def stop(self) -> None:
        self._stop()
        self.wire.close()

    def was_streaming(self) -> None:
        self._start()

    # -- commands

    def _on_bytes(self, data: bytes) -> None:
        self._heard += data
        while self._heard:
            size = 1 + _PARAMETERS.get(self._heard[0], 0)
            if len(self._heard) < size:
                return
            command = bytes(self._heard[:size])
            del self._heard[:size]
            if not self.dead:
                self._do(command[0], command[1:])

    def _do(self, opcode: int, parameters: bytes) -> None:
        if opcode == METADATA:
            self.wire.write(self._metadata())
        elif opcode == VOLTAGE:
            self.millivolts = int.from_bytes(parameters, "big")
        elif opcode == POWER:
            self.powered = bool(parameters[0])
        elif opcode == MODE:
            self.mode = parameters[0]
        elif opcode == START:
            self._start()
        elif opcode == STOP:
            self._stop()
        elif opcode == RESET:
            self._stop()
            self.powered = False
        self._connector.set(self.millivolts / 1000 if self.powered and self.mode == 2 else 0.0)

    def _metadata(self) -> bytes:
        lines = ["Calibrated: 1"]
        lines += [f"{key}{number}: {constants[key]:.10g}" for key in ("R", "GS", "GI", "O", "S", "I", "UG")
                  for number, constants in enumerate(self.calibration)]
        return "\n".join([*lines, f"VDD: {self.millivolts or 3700}", "HW: 9173", f"mode: {self.mode or 2}", "IA: 56",
                          "END\n"]).encode()

    # -- samples

    def _start(self) -> None:
        if self._streaming is None:
            self._since = self._clock.time()
            self._streaming = self._clock.loop.call_later(_CHUNK_S, self._burst)

    def _stop(self) -> None:
        if self._streaming is not None:
            self._streaming.cancel()
            self._streaming = None
            self._to_send = b""

    def _burst(self) -> None:
        count = round((self._clock.time() - self._since) * _RATE)
        words = self._words(count)
        if self.lose:
            words = words[np.arange(self._next - count, self._next) % 1000 != 999]
        if self.garbage_blocks:
            self.garbage_blocks -= 1
            words = np.concatenate([np.full(10, 0x8899AABB, "<u4"), words])
        self._since += count / _RATE
        self._streaming = self._clock.loop.call_later(_CHUNK_S, self._burst)
        self._to_send = (self._to_send + words.astype("<u4").tobytes())[:_MOST_HELD]
        self._push()

    def _push(self) -> None:
        """USB has a flow control: what the host has not taken yet waits, up to what the kit can hold."""
        if self._to_send:
            self._to_send = self._to_send[self.wire.write(self._to_send):]
        if self._to_send and self._streaming is not None:
            self._clock.loop.call_later(_PUSH_S, self._push)

    def _words(self, count: int) -> NDArray[np.uint32]:
        """The next ``count`` samples: 14 bits of the converter, 3 of the range, 6 of a counter."""
        mean, _, maximum = self._current.render(self._since, self._since + (count + 0.5) / _RATE, 1 / _RATE)
        mean, maximum = mean[:count], maximum[:count]
        index = self.input.fixed(1.0, count) if self.range_locked else self.input.finest(maximum)
        shown = np.minimum(self.input.means(mean, np.minimum(maximum, 1.0), index, 1 / _RATE), 2.0)
        changed = np.diff(index, prepend=self._last_range) != 0
        self._last_range = int(index[-1]) if count else self._last_range
        codes = self._codes(np.where(changed, shown * _SPIKE, shown), index)
        counter = (self._next + np.arange(count)) & 0x3F
        self._next += count
        words: NDArray[np.uint32] = (codes | index << 14 | counter << 18).astype(np.uint32)
        return words

    def _codes(self, amperes: NDArray[np.float64], index: NDArray[np.intp]) -> NDArray[np.int64]:
        """What the converter says, so that the calibration makes ``amperes`` of it."""
        ohm, gs, gi, zero, slope, offset, gain = (np.array([constants[key] for constants in self.calibration])[index]
                                                  for key in ("R", "GS", "GI", "O", "S", "I", "UG"))
        wanted = amperes / gain - slope * self.millivolts / 1000 - offset
        raw = 2 * wanted / (gi + np.sqrt(np.maximum(gi * gi + 4 * gs * wanted, 0)))    # gs x2 + gi x = wanted
        codes: NDArray[np.int64] = np.clip(np.rint((raw * ohm * 163840 / 1.8 + zero) / 4), 0, _FULL_SCALE).astype(int)
        return codes
