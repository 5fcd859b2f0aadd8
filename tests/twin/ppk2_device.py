"""A Power Profiler Kit II on a pty, as far as the package ppk2-api speaks with it. It draws 10 % of a range."""

from __future__ import annotations

import os
import threading
import tty

import numpy as np

METADATA = ("Calibrated: 1\n" + "".join(f"R{index}: {ohm}\n" for index, ohm in enumerate((1000, 100, 10, 1, 0.05)))
            + "HW: 9173\nIA: 1\nEND")
START, STOP, VOLTAGE, POWER, MODE, METADATA_WANTED = 0x06, 0x07, 0x0D, 0x0C, 0x11, 0x19
PARAMETERS = {VOLTAGE: 2, POWER: 1, MODE: 1}


class Ppk2Device(threading.Thread):
    """``lose`` leaves out one sample of each thousand; ``silent`` has no calibration data."""

    def __init__(self, *, lose: bool = False, silent: bool = False) -> None:
        super().__init__(daemon=True)
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.powered = False
        self.millivolts = 0
        self._lose, self._silent = lose, silent
        self._streaming = threading.Event()
        self._counter = 0
        self.start()

    def run(self) -> None:
        try:
            while True:
                command = os.read(self._master, 1)[0]
                parameters = b"".join(os.read(self._master, 1) for _ in range(PARAMETERS.get(command, 0)))
                self._do(command, parameters)
        except OSError:      # the test is over
            self._streaming.clear()

    def _do(self, command: int, parameters: bytes) -> None:
        if command == METADATA_WANTED and not self._silent:
            os.write(self._master, METADATA.encode())
        elif command == VOLTAGE:
            self.millivolts = 800 + (parameters[0] - 3) * 256 + parameters[1] - 32
        elif command == POWER:
            self.powered = bool(parameters[0])
        elif command == START:
            self._streaming.set()
            threading.Thread(target=self._stream, daemon=True).start()
        elif command == STOP:
            self._streaming.clear()

    def _stream(self) -> None:
        try:
            while self._streaming.is_set():
                os.write(self._master, self._samples(500))
        except OSError:
            return

    def _samples(self, count: int) -> bytes:
        """Range 0 (1000 ohm), ADC code 137 of the 14 bits: 4 x 137 x 1.8 / 163840 / 1000 ohm = 6.02 uA."""
        numbers = self._counter + np.arange(count)
        self._counter += count
        if self._lose:
            numbers = numbers[numbers % 1000 != 999]
        return (137 | (numbers % 64) << 18).astype("<u4").tobytes()

    def close(self) -> None:
        self._streaming.clear()
        os.close(self._slave)
        os.close(self._master)
