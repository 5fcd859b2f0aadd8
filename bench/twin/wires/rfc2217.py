"""The twin's end of a serial cable behind a network port server (RFC 2217), as ser2net and terminal servers give it.

The same face as ``PtyWire``. Unlike a pty it shows every line setting of the driver: speed, byte size, parity.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from serial.rfc2217 import PortManager

from bench.clock import Clock, WireCounts


class LineSettings:
    """What the driver has set on the line. ``PortManager`` reads and writes these by their pyserial names."""

    def __init__(self) -> None:
        self.baudrate = 9600
        self.bytesize = 8
        self.parity = "N"
        self.stopbits: float = 1
        self.xonxoff = self.rtscts = False
        self.dtr = self.rts = True
        self.cts = self.dsr = self.cd = True
        self.ri = False
        self.break_condition = False

    def reset_input_buffer(self) -> None:
        """Nothing is buffered here."""

    def reset_output_buffer(self) -> None:
        """Nothing is buffered here."""


class Rfc2217Wire:
    """One serial cable of the twin, reached at ``path``. Construct, ``write`` and ``close`` it in the loop's thread.

    ``on_bytes`` is called with what the driver wrote. One driver at a time: a newcomer takes the port over.
    Raises OSError when ``host`` and ``port`` can't be listened on.
    """

    def __init__(self, clock: Clock, on_bytes: Callable[[bytes], None], *, host: str = "127.0.0.1", port: int = 0,
                 ) -> None:
        self._loop = clock.loop
        self._wires = clock.wires
        self._on_bytes = on_bytes
        self._listener = socket.create_server((host, port))
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        self._peer: socket.socket | None = None
        self.settings = LineSettings()
        self._telnet: Any = None
        self.path = f"rfc2217://{host}:{self._listener.getsockname()[1]}"
        self._counts = self._wires[self.path] = WireCounts()

    @property
    def baud(self) -> int:
        """The speed that the driver has set."""
        return self.settings.baudrate

    def write(self, data: bytes) -> None:
        """Send ``data`` to the driver; lost when there is none."""
        if self._telnet is not None:
            self._counts.given += len(data)
            self._send(b"".join(self._telnet.escape(data)))

    def set_lines(self, **lines: bool) -> None:
        """Switch handshake inputs of the port (``cts``, ``dsr``, ``cd``, ``ri``); the driver is told."""
        for name, is_on in lines.items():
            setattr(self.settings, name, is_on)
        if self._telnet is not None:
            self._telnet.check_modem_lines()

    def close(self) -> None:
        self._hang_up()
        self._wires.pop(self.path, None)
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            peer, _ = self._listener.accept()
            self._hang_up()
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peer = peer
            self.settings = LineSettings()
            manager: Any = PortManager      # its stubs ask for real ports; it uses the attributes given here
            self._telnet = manager(self.settings, _Connection(self._send))
            self._loop.add_reader(peer, self._readable)

    def _readable(self) -> None:
        if self._peer is None:
            return
        try:
            received = self._peer.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._hang_up()
            return
        data = b"".join(self._telnet.filter(received))
        if data:
            self._on_bytes(data)
            self._counts.taken += len(data)

    def _send(self, data: bytes) -> None:
        if self._peer is not None:
            with contextlib.suppress(OSError):    # a driver that went away, or does not read: lost, as on a cable
                self._peer.send(data)

    def _hang_up(self) -> None:
        if self._peer is not None:
            self._loop.remove_reader(self._peer)
            self._peer.close()
            self._peer = self._telnet = None


class _Connection:
    """What ``PortManager`` writes its answers to."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
