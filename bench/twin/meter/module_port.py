"""The meter's module interface as a host build of the firmware sees it: lines over TCP (docs/host-build.md).

What a real module and its UH50 say to each other is not public. So the module gets what the meter's optical port tells
(IEC 62056-21, the extended telegram), and the clock's own data set (9.36) is what both set it with.
"""

from __future__ import annotations

from datetime import datetime

from bench.twin.meter.optical_port import framed, telegram
from bench.twin.meter.uh50 import UH50
from bench.twin.wires.tcp import TcpConnection, TcpServer

ACKNOWLEDGE = b"\x06"
READ = "/#!"
CLOCK = "9.36("


class ModulePort(TcpServer):
    """Serves ``meter`` to its module. It tells of a time that was set by others; while the meter is not ``connected``,
    it says nothing."""

    def __init__(self, meter: UH50) -> None:
        super().__init__()
        self._meter = meter
        self._module_sets = False
        meter.on_clock_set = self._clock_set

    def connection(self) -> _Module:
        return _Module(self)

    def answer(self, line: str) -> bytes:
        """Raises ValueError for a time that is none."""
        if not self._meter.connected:
            return b""
        if line == READ:
            return framed(telegram(self._meter.answer_module(), extended=True))
        if line.startswith(CLOCK) and line.endswith(")"):
            moment = datetime.fromisoformat(line.removeprefix(CLOCK)[:-1].replace("&", " "))
            self._module_sets = True
            try:
                self._meter.set_clock(moment)
            finally:
                self._module_sets = False
            return ACKNOWLEDGE
        return b""

    def _clock_set(self) -> None:
        if self._meter.connected and not self._module_sets:
            for transport in self.connections:
                transport.write(f"{CLOCK}{self._meter.clock_now():%Y-%m-%d&%H:%M:%S.%f})\r\n".encode("ascii"))


class _Module(TcpConnection):
    def __init__(self, port: ModulePort) -> None:
        super().__init__(port)
        self._port = port
        self._heard = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._heard = (self._heard + data)[-256:].split(b"\r\n")
        for line in lines:
            try:
                self._transport.write(self._port.answer(line.decode("ascii", "replace")))
            except ValueError:
                continue    # a meter does not explain itself
