"""The twin's end of a serial cable: a pseudo-terminal.

The driver opens ``path`` as it would open /dev/ttyUSB0. Traps of ptys that are handled here: the slave is kept open
by the twin itself, else the master reads EIO between two clients; parity and byte size never show (the kernel forces
eight bits, no parity), so the wire carries eight-bit characters whatever the driver asked for.
"""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Callable

from bench.clock import Clock, WireCounts

_SPEEDS = {getattr(termios, f"B{baud}"): baud
           for baud in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
           if hasattr(termios, f"B{baud}")}


class PtyWire:
    """One serial cable of the twin. Construct, ``write`` and ``close`` it in the loop's thread.

    ``on_bytes`` is called with what the driver wrote. ``streaming`` wires carry bytes that nobody asked for (LED
    edges); on those both ends keep account of bytes in flight, so that virtual time does not overtake them.
    """

    def __init__(self, clock: Clock, on_bytes: Callable[[bytes], None], *, streaming: bool = False) -> None:
        self._clock = clock
        self._on_bytes = on_bytes
        self._streaming = streaming
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._counts = clock.wires[self.path] = WireCounts()
        clock.loop.add_reader(self._master, self._readable)

    @property
    def baud(self) -> int:
        """The speed that the driver has set."""
        return _SPEEDS.get(termios.tcgetattr(self._slave)[4], 0)

    def write(self, data: bytes) -> int:
        """Send ``data`` to the driver. What doesn't fit into the kernel's buffer is lost, as on a real cable; says how
        many bytes did."""
        self._counts.given += len(data)
        try:
            written = os.write(self._master, data)
        except BlockingIOError:
            written = 0
        self._counts.given -= len(data) - written
        if self._streaming:
            self._clock.in_flight.sent(f"{self.path} in", written)
        return written

    def close(self) -> None:
        if self._master >= 0:
            self._clock.wires.pop(self.path, None)
            self._clock.loop.remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1
            self._clock.in_flight.forget(f"{self.path} in")
            self._clock.in_flight.forget(f"{self.path} out")

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except (BlockingIOError, OSError):
            return
        self._on_bytes(data)
        self._counts.taken += len(data)
        if self._streaming:
            self._clock.in_flight.received(f"{self.path} out", len(data))
