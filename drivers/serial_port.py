"""The one way the bench opens a serial port: pyserial, with its traps closed.

A port is a device (/dev/ttyUSB0, /dev/serial/by-id/...), a port server (rfc2217://HOST:PORT) or a bare connection
(socket://HOST:PORT). What else pyserial takes as a URL is no wire: spy:// writes files, hwgrep:// opens whatever fits,
loop:// answers itself, alt:// runs a class of one's choice.
"""

from __future__ import annotations

import errno
import os
import re
import time
from typing import Any

import serial

from bench.clock import Clock
from bench.errors import BenchError
from drivers.recorder import came, sent
from drivers.wire_account import WireAccount

_DEVICE = re.compile(r"/dev/[A-Za-z0-9_][A-Za-z0-9._/:+=@-]*")
_REMOTE = re.compile(r"(rfc2217|socket)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}"
                     r"(\?(ign_set_control|poll_modem|timeout=[0-9]+)(&(ign_set_control|poll_modem|timeout=[0-9]+))*)?")

_BITS_PER_CHARACTER = 10
_STEP_S = 0.05
_WRITE_TIMEOUT_S = 5.0


def check_port(subject: str, port: str, *, remote: bool = True) -> str:
    """``port``, when it is one of the kinds that the bench opens; ``remote``: also over the network.

    Raises ``BenchError`` before anything is opened. The name of a device is safe in a shell's command.
    """
    if (_DEVICE.fullmatch(port) and ".." not in port) or (remote and _REMOTE.fullmatch(port)):
        return port
    kinds = "a device such as /dev/ttyUSB0" + (", rfc2217://HOST:PORT or socket://HOST:PORT" if remote else "")
    raise BenchError(subject, expected=kinds, seen=ascii(port[:80]), do="correct the port in the station file")


class SerialPort:
    """An open serial port for exchanges of request and answer; nobody else can open it meanwhile.

    Raises ``BenchError`` naming ``subject`` and the port when it is no port, can't be opened, or dies in use.

    Time-outs are real seconds, for a whole answer: a peer that drips bytes does not stretch them. With ``clock`` in
    virtual time they are the twin's own word (``WireAccount``).
    """

    def __init__(self, url: str, *, subject: str, baudrate: int, bytesize: int = 8, parity: str = "N",
                 stopbits: float = 1, clock: Clock | None = None) -> None:
        self.url = check_port(subject, url)
        self.subject = f"{subject} at {url}"
        try:
            # The time-out is set once, here: setting it later reconfigures the port, which a pty may refuse.
            self._serial = _open(url, baudrate=baudrate, bytesize=bytesize, parity=parity, stopbits=stopbits,
                                 timeout=_STEP_S)
        except (OSError, ValueError, serial.SerialException) as error:
            raise BenchError(self.subject, expected="a serial port", seen=reason_of(error),
                             do="check the cable and the port's name in the station file") from error
        self._account = WireAccount(url, clock)
        self._written_at = 0.0

    def write(self, data: bytes, *, drain: bool = True) -> None:
        """Send ``data``; with ``drain`` wait until a local port has sent it."""
        self._account.written(len(data))
        self._written_at = time.monotonic()
        sent(self.url, data)
        self._guarded(self._serial.write, data)
        if drain:
            self._guarded(self._serial.flush)

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Up to ``limit`` bytes; fewer when ``timeout_s`` passes without them."""
        deadline = time.monotonic() + timeout_s
        data = bytearray()
        while len(data) < limit:
            data += self._receive(min(limit - len(data), max(1, self._waiting())))
            if self._account.is_over(deadline):
                break
        return bytes(data)

    def read_until(self, terminator: bytes, limit: int, timeout_s: float) -> bytes:
        """Bytes up to and with ``terminator``, or what came until ``timeout_s`` or ``limit``."""
        deadline = time.monotonic() + timeout_s
        data = bytearray()
        while not data.endswith(terminator) and len(data) < limit:
            data += self._receive(1)
            if self._account.is_over(deadline):
                break
        return bytes(data)

    def discard_input(self) -> None:
        self._guarded(self._serial.reset_input_buffer)
        self._account.discarded()

    def set_baudrate(self, baudrate: int) -> None:
        if self._serial.baudrate != baudrate:
            self._guarded(setattr, self._serial, "baudrate", baudrate)

    def wait_until_sent(self, characters: int, baudrate: int) -> None:
        """Wait until so many characters, written last, are on the line: before the speed is changed. Only a real local
        port knows this itself (``write`` drains it); a port server does not say, and a pty sends nothing.
        """
        self._account.wait_until_taken(self._written_at + characters * _BITS_PER_CHARACTER / baudrate)

    def line(self, name: str) -> bool:
        """Whether a handshake input ("cts", "dsr", "cd", "ri") is on."""
        return bool(self._guarded(getattr, self._serial, name))

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
        return self._receive(self._waiting() or 1)

    def _receive(self, limit: int) -> bytes:
        """Up to ``limit`` bytes, after a short while perhaps none."""
        data = bytes(self._guarded(self._serial.read, limit))
        self._account.read(len(data))
        came(self.url, data)
        return data

    def _waiting(self) -> int:
        return int(self._guarded(lambda: self._serial.in_waiting))

    def _guarded(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except (OSError, serial.SerialException, TypeError) as error:
            raise self._dead(error) from error
        except Exception as error:
            # termios.error is no OSError; it escapes from pyserial when the port dies under it.
            if type(error).__name__ != "error":
                raise
            raise self._dead(error) from error

    def _dead(self, error: BaseException) -> BenchError:
        return BenchError(self.subject, expected="an open port", seen=reason_of(error),
                          do="check that the cable is still plugged in")


def _open(url: str, **settings: Any) -> Any:
    if "://" in url:
        return serial.serial_for_url(url, **settings)
    return _Serial(url, exclusive=True, write_timeout=_WRITE_TIMEOUT_S, **settings)


class _Serial(serial.Serial):
    """A local port. On a pty glibc answers EINVAL to parity or 7 bits when nothing else changes; it means nothing."""

    def _reconfigure_port(self, force_update: bool = False) -> None:
        try:
            super()._reconfigure_port(force_update=force_update)  # type: ignore[misc]  # private, not in its stubs
        except Exception as error:
            is_pty = self.fd is not None and os.ttyname(self.fd).startswith("/dev/pts/")
            if not (is_pty and error.args and error.args[0] == errno.EINVAL):
                raise


def reason_of(error: BaseException) -> str:
    """Why a port could not be opened or died, in the system's words."""
    code = getattr(error, "errno", None)
    cause = error if code is None and not isinstance(error, serial.SerialException) else error.__context__
    if code is None and type(cause).__name__ == "error" and cause is not None and cause.args:
        code = cause.args[0]    # termios.error is no OSError, and pyserial hides it in a text
    if code == errno.EAGAIN:
        return "a port that another program has open"
    if isinstance(code, int) and code > 0:    # a name that can't be resolved has a number below 0
        return os.strerror(code).lower()
    return str(error) or type(error).__name__
