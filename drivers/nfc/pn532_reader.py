"""An NFC reader with a PN532 on a serial port (HSU), driven by nfcpy's own driver."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import termios
from collections.abc import Iterator
from typing import Any

import nfc.clf
import nfc.tag
import serial
from nfc.clf import pn532, transport

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.nfc import ntag_i2c_plus
from drivers.nfc.tag_session import NoTagError, TagLostError, TagSession

# At debug level nfcpy logs every frame, passwords of tags included.
logging.getLogger("nfc").setLevel(logging.INFO)

# nfcpy's driver puts the port's name into a shell command.
_SAFE_PORT = re.compile(r"/dev/[A-Za-z0-9._/:-]+")
_PATIENCE_MS = 500
_SPEEDS = (921600, 460800, 230400)
_WAKE_UP = bytes(10)
_GET_FIRMWARE_VERSION = bytes.fromhex("0000ff02fed4022a00")
_SET_115200_BAUD = bytes.fromhex("0000ff03fdd410041800")
_READER_ERRORS = (OSError, serial.SerialException, termios.error, IndexError, pn532.Chipset.Error)
"""What escapes from nfcpy when the port dies or the chip answers nonsense; termios.error is no OSError."""


class Pn532Reader:
    """A PN532 board on ``port`` (for example /dev/serial/by-id/usb-...); any path below /dev, no root needed.

    The port is opened at the first tap, and again after an error. Everything blocks, in real time. Raises
    ``BenchError`` when the reader is dead, ``NoTagError`` when no tag comes within the time-out, ``TagLostError`` when
    it goes away too early. What goes wrong is on the timeline as ("nfc", "mute").
    """

    def __init__(self, port: str, clock: Clock, timeline: Timeline) -> None:
        self.subject = f"NFC reader at {port}"
        if not _SAFE_PORT.fullmatch(port):
            raise BenchError("NFC reader", expected="a port such as /dev/ttyUSB0", seen=repr(port),
                             do="correct the port in the station file")
        self._port = port
        self._clock = clock
        self._timeline = timeline
        self._frontend: Any = None          # nfcpy has no types

    @contextlib.contextmanager
    def tap(self, timeout_s: float = 1.0) -> Iterator[TagSession]:
        """Hold the reader's field on, wait up to ``timeout_s`` for a tag, and end with the field off.

        Don't tap again inside a tap.
        """
        session = TagSession(self._find(timeout_s), _READER_ERRORS, self._failed, self._field_off)
        try:
            yield session
        except TagLostError as error:
            self._note(error)
            raise
        finally:
            self._field_off()

    def identify(self) -> str:
        """The reader's chip and firmware, for example PN532v1.6."""
        try:
            return str(self._open().device.chipset_name)
        except _READER_ERRORS as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Idempotent; never fails."""
        if self._frontend is not None:
            self._frontend.shut()
            self._frontend = None

    def _open(self) -> Any:
        if self._frontend is None:
            self._frontend = _PortFrontend(self._port)
        return self._frontend

    def _find(self, timeout_s: float) -> Any:
        """nfcpy's tag, activated."""
        try:
            return self._search(timeout_s)
        except DeadlinePassed:
            self._field_off()
            error = NoTagError(self.subject, expected="a tag of ISO 14443 (Type 2 or 4) in the field",
                               seen=f"no ISO 14443 tag found in {timeout_s:g} s",
                               do="place the unit on the coil and check that NFC is enabled in it; a tag of ISO 15693 "
                                  "(Type 5) can't be read with this reader")
            self._note(error)
            raise error from None
        except _READER_ERRORS as error:
            raise self._failed(error) from error

    def _search(self, timeout_s: float) -> Any:
        """Look for a tag. A garbled or late frame is no dead reader yet: the port gets one more try, opened anew."""
        deadline = self._clock.time() + timeout_s
        try:
            frontend = self._open()
            return self._clock.poll(lambda: _activate(frontend), timeout_s, every=0.1)
        except _READER_ERRORS:
            if self._frontend is not None:
                self._frontend.drop()
                self._frontend = None
        frontend = self._open()
        return self._clock.poll(lambda: _activate(frontend), deadline - self._clock.time(), every=0.1)

    def _failed(self, error: BaseException) -> BenchError:
        """The reader doesn't answer as it should: forget it without another word to the chip."""
        if self._frontend is not None:
            self._frontend.drop()
            self._frontend = None
        failure = BenchError(self.subject, expected="an answering PN532", seen=_reason(error),
                             do="check cable and power of the reader, then the port in the station file")
        self._note(failure)
        return failure

    def _note(self, error: BenchError) -> None:
        self._timeline.append("nfc", "mute", {"expected": error.expected, "seen": error.seen})

    def _field_off(self) -> None:
        if self._frontend is not None:
            try:
                self._frontend.sense()          # with no targets this only switches the field off
            except _READER_ERRORS:
                self._frontend.drop()           # the next tap opens it anew, or says what is wrong
                self._frontend = None


class _PortFrontend(nfc.clf.ContactlessFrontend):
    """nfcpy's frontend on any port: its own ``open`` takes only names directly in /dev."""

    device: Any

    def __init__(self, port: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        tty: Any = None
        try:
            tty = _PatientTty(port)  # type: ignore[no-untyped-call]
            try:
                self.device = _init(tty)
            except OSError as error:
                if error.errno not in (errno.ENODEV, errno.ETIMEDOUT, errno.EIO) or not _slow_down(tty, port):
                    raise
                self.device = _init(tty)
        except BaseException:
            if tty is not None:
                _close_quietly(tty)
            raise
        self.device._path = port

    def shut(self) -> None:
        """Send the chip to sleep and close the port, dead or alive."""
        tty = self.device.chipset.transport
        with contextlib.suppress(*_READER_ERRORS):
            self.close()  # type: ignore[no-untyped-call]
        self.device = None
        _close_quietly(tty)

    def drop(self) -> None:
        """Close the port without a word to the chip."""
        tty = self.device.chipset.transport
        self.device = None
        _close_quietly(tty)


class _PatientTty(transport.TTY):
    """nfcpy waits 100 ms for an acknowledgement; USB adapters and busy machines may need more."""

    def read(self, timeout: int) -> Any:
        """One frame, within ``timeout`` (ms) or our own patience."""
        return super().read(max(timeout, _PATIENCE_MS))  # type: ignore[no-untyped-call]


def _init(tty: Any) -> Any:
    """nfcpy's PN532 driver on an open port."""
    return pn532.init(tty)


def _activate(frontend: Any) -> Any:
    """The tag in the field, or None. (nfcpy's ``connect`` would do, but swallows Ctrl-C and port errors.)"""
    try:
        target = frontend.sense(nfc.clf.RemoteTarget("106A"))
        if target is None:
            return None
        tag = ntag_i2c_plus.activate(frontend, target)
        if tag is not None:
            return tag
        target = frontend.sense(nfc.clf.RemoteTarget("106A"))
        return nfc.tag.activate(frontend, target) if target is not None else None
    except nfc.clf.CommunicationError:
        return None


def _slow_down(tty: Any, port: str) -> bool:
    """Bring back to 115200 baud a chip that a crashed host left at a higher speed. Whether there was one."""
    for speed in _SPEEDS:
        tty.open(port, speed)
        if _asked(tty, _GET_FIRMWARE_VERSION) and _asked(tty, _SET_115200_BAUD):
            tty.write(pn532.Chipset.ACK)
            tty.tty.flush()
            return True
    return False


def _asked(tty: Any, command: bytes) -> bool:
    """Whether the chip acknowledged and answered ``command``."""
    try:
        tty.write(_WAKE_UP + command)
        if transport.TTY.read(tty, timeout=100) != pn532.Chipset.ACK:
            return False
        transport.TTY.read(tty, timeout=100)
    except _READER_ERRORS:                  # nothing, or noise
        return False
    return True


def _close_quietly(tty: Any) -> None:
    port = tty.tty
    tty.tty = None
    if port is not None:
        with contextlib.suppress(*_READER_ERRORS):
            port.close()


def _reason(error: BaseException) -> str:
    code = error.errno if isinstance(error, OSError) else error.args[0] if error.args else None
    if code in (errno.ENODEV, errno.ETIMEDOUT):
        return "no answer"
    return os.strerror(code).lower() if isinstance(code, int) else str(error) or type(error).__name__
