"""The one way the bench opens a serial port: pyserial, with its traps closed.

``url`` is anything ``serial.serial_for_url`` takes: /dev/ttyUSB0, rfc2217://host:port, socket://host:port.
"""

from __future__ import annotations

import errno
import os
import time
from typing import Any

import serial

from bench.errors import BenchError


class SerialPort:
    """An open serial port for exchanges of request and answer.

    Raises ``BenchError`` naming ``subject`` and the port when it can't be opened, or dies in use.
    """

    def __init__(self, url: str, *, subject: str, baudrate: int, bytesize: int = 8, parity: str = "N",
                 stopbits: float = 1) -> None:
        self.url = url
        self.subject = f"{subject} at {url}"
        try:
            # The time-out is set once, here: setting it later reconfigures the port, which a pty may refuse.
            self._serial = _open(url, baudrate=baudrate, bytesize=bytesize, parity=parity, stopbits=stopbits,
                                 timeout=0.05)
        except (OSError, ValueError, serial.SerialException) as error:
            raise BenchError(self.subject, expected="a serial port", seen=_reason(error),
                             do="check the cable and the port's name in the station file") from error

    def write(self, data: bytes) -> None:
        self._guarded(self._serial.write, data)
        self._guarded(self._serial.flush)

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Up to ``limit`` bytes; fewer when ``timeout_s`` (real seconds, monotonic) passes without them."""
        deadline = time.monotonic() + timeout_s
        data = bytearray()
        while len(data) < limit:
            data += self._guarded(self._serial.read, min(limit - len(data), max(1, self._waiting())))
            if time.monotonic() > deadline:
                break
        return bytes(data)

    def read_until(self, terminator: bytes, limit: int, timeout_s: float) -> bytes:
        """Bytes up to and with ``terminator``, or what came until ``timeout_s`` or ``limit``."""
        deadline = time.monotonic() + timeout_s
        data = bytearray()
        while not data.endswith(terminator) and len(data) < limit and time.monotonic() <= deadline:
            data += self._guarded(self._serial.read, 1)
        return bytes(data)

    def discard_input(self) -> None:
        self._guarded(self._serial.reset_input_buffer)

    def set_baudrate(self, baudrate: int) -> None:
        if self._serial.baudrate != baudrate:
            self._guarded(setattr, self._serial, "baudrate", baudrate)

    def close(self) -> None:
        self._serial.close()

    def fileno(self) -> int:
        """The file descriptor, for wires on which bytes come unasked. Not every kind of URL has one."""
        try:
            return int(self._serial.fileno())
        except (AttributeError, OSError) as error:
            raise BenchError(self.subject, expected="a local port or socket://", seen="a port without descriptor",
                             do="connect this instrument locally") from error

    def read_waiting(self) -> bytes:
        """What has arrived, without waiting."""
        return bytes(self._guarded(self._serial.read, self._waiting() or 1))

    def _waiting(self) -> int:
        return int(self._guarded(lambda: self._serial.in_waiting))

    def _guarded(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except (OSError, serial.SerialException, TypeError) as error:
            raise BenchError(self.subject, expected="an open port", seen=_reason(error),
                             do="check that the cable is still plugged in") from error
        except Exception as error:
            # termios.error is no OSError; it escapes from pyserial when the port dies under it.
            if type(error).__name__ != "error":
                raise
            raise BenchError(self.subject, expected="an open port", seen=_reason(error),
                             do="check that the cable is still plugged in") from error


def _open(url: str, **settings: Any) -> Any:
    if "://" in url:
        return serial.serial_for_url(url, **settings)
    return _Serial(url, **settings)


class _Serial(serial.Serial):
    """A local port. On a pty glibc answers EINVAL to parity or 7 bits when nothing else changes; it means nothing."""

    def _reconfigure_port(self, force_update: bool = False) -> None:
        try:
            super()._reconfigure_port(force_update=force_update)  # type: ignore[misc]  # private, not in its stubs
        except Exception as error:
            is_pty = self.fd is not None and os.ttyname(self.fd).startswith("/dev/pts/")
            if not (is_pty and error.args and error.args[0] == errno.EINVAL):
                raise


def _reason(error: BaseException) -> str:
    if isinstance(error, serial.SerialException) or not str(error):
        code = getattr(error, "errno", None)
        return os.strerror(code).lower() if code else (str(error) or type(error).__name__)
    return str(error)
