"""An NFC reader with a PN532 on a serial port (HSU), driven by nfcpy's own driver."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import select
import subprocess
import termios
import time
from types import SimpleNamespace
from typing import Any

import nfc.clf
import nfc.tag
import serial
from nfc.clf import pn532, transport

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.nfc import ntag_i2c_plus
from drivers.nfc.nfc_reader import NfcReader
from drivers.recorder import came, sent
from drivers.serial_port import check_port, reason_of
from drivers.wire_account import WireAccount

# At debug level nfcpy logs every frame, passwords of tags included.
logging.getLogger("nfc").setLevel(logging.INFO)


def _call(command: str) -> int:
    """nfcpy's ``stty -F PORT SPEED 2> /dev/null``, without a shell."""
    return subprocess.call(command.split()[:4], stderr=subprocess.DEVNULL)


# While system(3) runs a command this process ignores SIGINT and SIGQUIT: who ends a run just then is not heard.
vars(pn532)["os"] = SimpleNamespace(**{**vars(os), "system": _call})

_PATIENCE_MS = 500
_LOOK_S = 0.02
_SPEEDS = (921600, 460800, 230400)
_WAKE_UP = bytes(10)
_GET_FIRMWARE_VERSION = bytes.fromhex("0000ff02fed4022a00")
_NO_SETTINGS = re.compile(rb"\x00*\xff..\xd4(\x02|\x4a.*|[\x40\x42].?\x60)..", re.DOTALL)
"""Frames whose answers may be shown to others: firmware version, search for a tag, the tag's GET_VERSION."""
_SET_115200_BAUD = bytes.fromhex("0000ff03fdd410041800")


class Pn532Reader(NfcReader):
    """A PN532 board on ``port`` (for example /dev/serial/by-id/usb-...); any path below /dev, no root needed.

    ::

        [nfc]
        driver = "pn532"
        port = "/dev/ttyUSB0"
    """

    ports = {"port": False}
    assumptions = (ntag_i2c_plus.ASSUMPTION,)
    expected = "an answering PN532"
    do = "check cable and power of the reader, then the port in the station file"
    no_tag_do = (f"{NfcReader.no_tag_do}; a tag of ISO 15693 (Type 5) can't be read with this reader, but with an "
                 "ACR1552U (driver pcsc)")

    def __init__(self, port: str, clock: Clock, timeline: Timeline) -> None:
        # nfcpy's driver puts the port's name into a command.
        self._port = check_port("NFC reader", port, remote=False)
        super().__init__(f"NFC reader at {port}", clock, timeline)
        self._frontend: Any = None          # nfcpy has no types

    def close(self) -> None:
        if self._frontend is not None:
            self._frontend.shut()
            self._frontend = None

    def _identify(self) -> str:
        return str(self._open().device.chipset_name)

    def _open(self) -> Any:
        if self._frontend is None:
            self._frontend = _PortFrontend(self._port, self._clock)
        return self._frontend

    def _search(self, timeout_s: float) -> Any:
        """Look for a tag. A garbled or late frame is no dead reader yet: the port gets one more try, opened anew."""
        deadline = self._clock.time() + timeout_s
        try:
            frontend = self._open()
            return self._clock.poll(lambda: _activate(frontend), timeout_s, every=0.1)
        except (BenchError, DeadlinePassed):
            raise
        except Exception:
            self._drop()
        frontend = self._open()
        return self._clock.poll(lambda: _activate(frontend), deadline - self._clock.time(), every=0.1)

    def _drop(self) -> None:
        if self._frontend is not None:
            self._frontend.drop()
            self._frontend = None

    def _switch_field_off(self) -> None:
        if self._frontend is not None:
            self._frontend.sense()          # with no targets this only switches the field off

    def _reason(self, error: Exception) -> str:
        code = error.errno if isinstance(error, OSError) else error.args[0] if error.args else None
        if code in (errno.ENODEV, errno.ETIMEDOUT):
            return "no answer"
        if isinstance(error, OSError | termios.error):
            return reason_of(error)
        text = os.strerror(code).lower() if isinstance(code, int) else str(error) or type(error).__name__
        return f"{type(error).__name__}: {text}"


class _PortFrontend(nfc.clf.ContactlessFrontend):
    """nfcpy's frontend on any port: its own ``open`` takes only names directly in /dev."""

    device: Any

    def __init__(self, port: str, clock: Clock) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        tty: Any = None
        try:
            tty = _PatientTty(port, clock)
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
        with contextlib.suppress(Exception):
            self.close()  # type: ignore[no-untyped-call]
        self.device = None
        _close_quietly(tty)

    def drop(self) -> None:
        """Close the port without a word to the chip."""
        tty = self.device.chipset.transport
        self.device = None
        _close_quietly(tty)


class _PatientTty(transport.TTY):
    """nfcpy waits 100 ms for an acknowledgement; USB adapters and busy machines may need more. Nobody else may open
    the port meanwhile.
    """

    def __init__(self, port: str, clock: Clock) -> None:
        self._clock, self._port = clock, port
        self._shown = False                 # whether the answer to come has no settings in it
        super().__init__(port)  # type: ignore[no-untyped-call]

    def open(self, port: str, baudrate: int = 115200) -> None:
        self.close()
        self.tty = serial.Serial(port, baudrate, timeout=0.05, exclusive=True)
        self._account = WireAccount(port, self._clock)

    def close(self) -> None:
        if self.tty is not None:
            self.wait_until_taken()
        super().close()  # type: ignore[no-untyped-call]

    def wait_until_taken(self) -> None:
        """Closing a pty throws away what its other end has not read yet, such as nfcpy's last ACK; so not before."""
        self._account.wait_until_taken()

    def write(self, frame: Any) -> None:
        self._account.discarded()       # super throws away what had come before
        self._account.written(len(frame))
        self._shown = _NO_SETTINGS.fullmatch(bytes(frame)) is not None
        if self._shown:
            sent(self._port, bytes(frame))
        super().write(frame)  # type: ignore[no-untyped-call]

    def read(self, timeout: int) -> Any:
        """One frame, within ``timeout`` (ms) or our own patience."""
        patience_ms = max(timeout, _PATIENCE_MS)
        deadline = time.monotonic() + patience_ms / 1000
        tty: Any = self.tty
        while not select.select([tty.fd], [], [], _LOOK_S)[0]:
            if self._account.is_over(deadline):
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        frame = super().read(patience_ms)  # type: ignore[no-untyped-call]
        self._account.read(len(frame))
        if self._shown:
            came(self._port, bytes(frame))
        return frame


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
        if tty.read(100) != pn532.Chipset.ACK:
            return False
        tty.read(100)
    except Exception:                       # nothing, or noise
        return False
    return True


def _close_quietly(tty: Any) -> None:
    port = tty.tty
    tty.tty = None
    if port is not None:
        with contextlib.suppress(Exception):
            tty.wait_until_taken()
        with contextlib.suppress(Exception):
            port.close()
