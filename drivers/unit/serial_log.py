"""The unit's own log on a serial port: a UART of the device, or what a debugger makes of RTT (socket://HOST:PORT)."""

from __future__ import annotations

import threading
from contextlib import suppress

from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.serial_port import SerialPort
from drivers.unit.log_lines import LogLines

_LOOK_S = 0.2


class SerialLog:
    """Nothing is ever sent. In real time: a line's time is that at which it was read, within ``_LOOK_S`` seconds.

    Raises ``BenchError`` when the port is none. One that goes away later is told by ``raise_if_gone``.
    """

    def __init__(self, port: str, baudrate: int, timeline: Timeline) -> None:
        self._port = SerialPort(port, subject="unit's log", baudrate=baudrate)
        self._lines = LogLines(timeline)
        self._error: BenchError | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._follow, name="unit-log", daemon=True)
        self._thread.start()

    def raise_if_gone(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self._is_closed = True
        self._thread.join(5)
        with suppress(BenchError):
            self._port.close()

    def _follow(self) -> None:
        try:
            while not self._is_closed:
                self._lines.take(self._port.read(4096, _LOOK_S))
        except BenchError as error:
            self._error = error
        self._lines.end()
