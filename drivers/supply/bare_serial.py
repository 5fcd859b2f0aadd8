"""A supply at a serial port that knows no line ends: an answer ends by its length, or when nothing more comes."""

from __future__ import annotations

from bench.errors import BenchError
from drivers.serial_port import SerialPort

_SILENCE_S = 0.15
_LONGEST = 64


class BareSerial:
    """Speaks as ``VisaInstrument`` does, as far as a supply of the desk needs it.

    After a failure the port is closed and opened anew by the next call, provided that the same instrument answers.
    """

    def __init__(self, port: str, *, subject: str, timeout_s: float, baudrate: int = 9600) -> None:
        self.subject = f"{subject} at {port}"
        self.identity = ""
        self._url, self._what = port, subject
        self._baudrate = baudrate
        self._timeout_s = timeout_s
        self._port: SerialPort | None = None
        self._open()

    def write(self, command: str) -> None:
        self._exchange(command, 0)

    def query(self, command: str, length: int | None = None) -> str:
        """The answer: so many characters, or without ``length`` all until silence."""
        return self._exchange(command, _LONGEST if length is None else length)

    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _open(self) -> SerialPort:
        if self._port is not None:
            return self._port
        self._port = SerialPort(self._url, subject=self._what, baudrate=self._baudrate)
        identity = self._exchange("*IDN?", _LONGEST)
        if self.identity and identity != self.identity:
            self.close()
            raise BenchError(self.subject, expected=f"{self.identity!r}, as before", seen=repr(identity[:80]),
                             do="check that nobody exchanged the instrument")
        self.identity = identity
        return self._port

    def _exchange(self, command: str, length: int) -> str:
        """Send ``command``; the answer of up to ``length`` characters."""
        port = self._open()
        try:
            port.discard_input()     # some units send one octet too many, and it must not answer this command
            port.write(command.encode("ascii"))
            data = self._read(port, length) if length else b""
        except BaseException:
            self.close()
            raise
        if length and (not data or (length != _LONGEST and len(data) < length)):
            self.close()
            raise BenchError(self.subject, expected=f"an answer to {command}", seen=repr(data) if data else
                             f"none within {self._timeout_s:g} s", do="check the cable, and that it is switched on")
        return data.decode("latin-1") if length == 1 else data.decode("latin-1").strip(" \t\r\n\0")

    def _read(self, port: SerialPort, length: int) -> bytes:
        if length != _LONGEST:
            return port.read(length, self._timeout_s)
        first = port.read(1, self._timeout_s)
        return first + port.read(length, _SILENCE_S) if first else b""
