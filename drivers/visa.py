"""The one way the bench talks to a VISA instrument: pyvisa with pyvisa-py, with its traps closed.

The traps (measured with pyvisa 1.16 and pyvisa-py 0.8) and their cures:

* Nagle's algorithm costs 44 ms for two writes and a query: TCP_NODELAY is set on the session's socket.
* Opening a closed port succeeds: *IDN? is asked on opening.
* Failures come as OSError or as VisaIOError: both become one ``BenchError``.
* When the peer closes, reading spins until the time-out and says "time-out": the socket is looked at first.
* After a time-out the late answer would be read by the next query: the session is closed, the next use opens anew.
* A raw socket is read in pieces of 4 kB, which takes a third of a second for a million values: blocks are taken from
  the socket itself.
* ``list_resources()`` broadcasts: never called; addresses come from the station file.
"""

from __future__ import annotations

import functools
import logging
import re
import select
import socket
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pyvisa
from numpy.typing import NDArray

from bench.errors import BenchError

T = TypeVar("T")

_NOT_A_NUMBER = 9e37
"""SCPI's 9.9E37 (infinity) and 9.91E37 (not a number) mean an overload or no reading."""

_MOST_ERRORS = 64
_ERROR = re.compile(r'\s*([+-]?\d+)\s*,\s*"?(.*?)"?\s*$')


class VisaInstrument:
    """An instrument at a VISA address: a raw socket such as ``TCPIP0::192.0.2.5::5025::SOCKET``, or HiSLIP such as
    ``TCPIP0::192.0.2.5::hislip0::INSTR`` (``hislip0,4881`` for another port).

    Every method raises ``BenchError`` naming ``subject`` and the address. After a failure the session is closed and
    the next call opens it anew, provided that the same instrument answers.
    """

    def __init__(self, address: str, *, subject: str, timeout_s: float = 5.0) -> None:
        self.address = address
        self.subject = f"{subject} at {address}"
        self.identity = ""
        self._timeout_s = timeout_s
        self._resource: Any = None
        self._socket: socket.socket | None = None
        self._open()
        self._guarded("*CLS", lambda resource: resource.write("*CLS"))   # old errors are not ours

    # -- public -----------------------------------------------------------------------------------------------------

    def write(self, command: str) -> None:
        """Send a command that has no answer."""
        self._guarded(command, lambda resource: resource.write(command))

    def configure(self, *commands: str) -> None:
        """Send commands, then make sure that the instrument took all of them."""
        for command in commands:
            self.write(command)
        self.check_errors()

    def query(self, command: str) -> str:
        """The answer to ``command``, without its line end."""
        return self._guarded(command, lambda resource: self._ask(resource, command, lambda: str(resource.read())))

    def query_float(self, command: str) -> float:
        """The answer as a number. An overload (9.9E37) is a ``BenchError``."""
        answer = self.query(command)
        try:
            value = float(answer)
        except ValueError:
            value = np.nan
        if not abs(value) < _NOT_A_NUMBER:
            raise BenchError(self.subject, expected=f"a number in answer to {command}", seen=repr(answer[:80]),
                             do="check the range and the wiring")
        return value

    def query_block(self, command: str, dtype: str) -> NDArray[Any]:
        """The values (numpy ``dtype``, e.g. ">f4") of the definite-length block that ``command`` is answered with."""
        data = self._guarded(command, lambda resource: self._ask(resource, command,
                                                                 lambda: self._read_block(resource, command)))
        size = np.dtype(dtype).itemsize
        if len(data) % size:
            raise BenchError(self.subject, expected=f"a block of {size}-byte values in answer to {command}",
                             seen=f"{len(data)} bytes", do="check the FORMat setting")
        return np.frombuffer(data, dtype)

    def self_test(self) -> None:
        """Let the instrument test itself. Raises ``BenchError`` when it finds something."""
        answer = self.query("*TST?")
        if answer.strip("+ ").split(",")[0] != "0":
            raise BenchError(self.subject, expected="0 in answer to *TST?", seen=repr(answer[:80]),
                             do="read the instrument's display; have it repaired")

    def check_errors(self) -> None:
        """Empty the instrument's error queue; a ``BenchError`` tells what was in it."""
        errors: list[str] = []
        for _ in range(_MOST_ERRORS):
            answer = self.query("SYST:ERR?")
            match = _ERROR.match(answer)
            if match is None:
                raise BenchError(self.subject, expected="a code and a text in answer to SYST:ERR?",
                                 seen=repr(answer[:80]), do="check that this is a SCPI instrument")
            if int(match[1]) == 0:
                break
            errors.append(f"{match[1]} {match[2]}")
        if errors:
            raise BenchError(self.subject, expected="commands that the instrument takes", seen="; ".join(errors),
                             do="check model, firmware and options against the driver")

    def close(self) -> None:
        """Close the session. Idempotent; never raises for a session that is already broken."""
        resource, self._resource, self._socket = self._resource, None, None
        if resource is not None:
            try:
                resource.close()
            except (OSError, pyvisa.Error):
                return

    # -- inside -----------------------------------------------------------------------------------------------------

    def _open(self) -> Any:
        if self._resource is not None:
            return self._resource
        timeout_ms = max(1, round(self._timeout_s * 1000))
        try:
            resource = _manager().open_resource(self.address, open_timeout=timeout_ms)
        except Exception as error:   # pyvisa-py raises bare Exceptions here
            raise BenchError(self.subject, expected="an instrument", seen=_reason(error),
                             do="switch it on and check the address in the station file") from error
        resource.timeout = timeout_ms
        resource.read_termination = resource.write_termination = "\n"
        self._resource = resource
        self._socket = _socket_of(resource)
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        identity = self._mapped("*IDN?", lambda: self._ask(resource, "*IDN?", lambda: str(resource.read())))
        if self.identity and identity != self.identity:
            self.close()
            raise BenchError(self.subject, expected=f"{self.identity!r}, as before", seen=repr(identity[:120]),
                             do="check that nobody exchanged the instrument")
        self.identity = identity
        return resource

    def _guarded(self, command: str, use: Callable[[Any], T]) -> T:
        resource = self._open()
        if self._answer_waits(resource):
            self.close()
            resource = self._open()
        return self._mapped(command, lambda: use(resource))

    def _mapped(self, command: str, use: Callable[[], T]) -> T:
        """What ``use`` returns. After any failure the session is closed, and the failure is a ``BenchError``."""
        try:
            return use()
        except BenchError:
            self.close()
            raise
        except (OSError, pyvisa.Error, ValueError, RuntimeError) as error:   # the last: HiSLIP of pyvisa-py
            self.close()
            raise BenchError(self.subject, expected=f"an answer to {command}" if "?" in command
                             else f"an instrument that takes {command}", seen=_reason(error),
                             do="switch it on and check the address in the station file") from error
        except BaseException:
            self.close()             # Ctrl-C in the middle of an exchange: the answer may still be on its way
            raise

    def _ask(self, resource: Any, command: str, read: Callable[[], T]) -> T:
        resource.write(command)
        if self._socket is not None:
            readable, _, _ = select.select([self._socket], [], [], self._timeout_s)
            if not readable:
                raise BenchError(self.subject, expected=f"an answer to {command}",
                                 seen=f"none within {self._timeout_s:g} s",
                                 do="check that the instrument is not busy, and its firmware")
            if not self._socket.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError("the instrument closed the connection")
        return read()

    def _answer_waits(self, resource: Any) -> bool:
        """Whether something is there to be read that nobody asked for. It must not answer the next query."""
        if self._socket is None:
            return False
        return bool(_pending(resource)) or bool(select.select([self._socket], [], [], 0)[0])

    def _read_block(self, resource: Any, command: str) -> bytes:
        read = self._reader(resource)
        lead = read(2)
        if lead[:1] != b"#" or lead[1:] not in {b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"}:
            raise self._bad_block(command, lead)
        length = read(int(lead[1:]))
        if not length.isdigit():
            raise self._bad_block(command, lead + length)
        data = read(int(length))
        if read(1) != b"\n":
            raise self._bad_block(command, lead + length)
        return data

    def _reader(self, resource: Any) -> Callable[[int], bytes]:
        """What reads so many bytes of an answer."""
        raw, pending = self._socket, _pending(resource)
        if raw is None or not isinstance(pending, bytearray):
            return lambda count: bytes(resource.read_bytes(count)) if count else b""

        def read(count: int) -> bytes:
            data = bytearray(count)
            got = min(count, len(pending))
            data[:got] = pending[:got]
            del pending[:got]
            raw.settimeout(self._timeout_s)
            while got < count:
                part = raw.recv_into(memoryview(data)[got:])
                if not part:
                    raise ConnectionResetError("the instrument closed the connection")
                got += part
            return bytes(data)
        return read

    def _bad_block(self, command: str, seen: bytes) -> BenchError:
        return BenchError(self.subject, expected=f"a definite-length block in answer to {command}",
                          seen=repr(seen[:20]), do="check the FORMat setting")


@functools.cache
def _manager() -> Any:
    """One for the process: making one costs more than everything else a fresh lab opens."""
    logging.getLogger("pyvisa").setLevel(logging.CRITICAL)    # it logs tracebacks of what is told here in a sentence
    return pyvisa.ResourceManager("@py")


def _session_of(resource: Any) -> Any:
    """The session of pyvisa-py; ``None`` with any other backend."""
    sessions = getattr(resource.visalib, "sessions", None)
    return sessions.get(resource.session) if isinstance(sessions, dict) else None


def _socket_of(resource: Any) -> socket.socket | None:
    """The socket that answers come in by: of a raw-socket or HiSLIP session of pyvisa-py; ``None`` for any other."""
    interface = getattr(_session_of(resource), "interface", None)
    answers = getattr(interface, "_sync", interface)
    return answers if isinstance(answers, socket.socket) else None


def _pending(resource: Any) -> Any:
    """What pyvisa-py has read from the socket and not given out yet: bytes, or for HiSLIP their number."""
    session = _session_of(resource)
    if hasattr(session, "_pending_buffer"):
        return session._pending_buffer
    return getattr(getattr(session, "interface", None), "_payload_remaining", 0)


def _reason(error: BaseException) -> str:
    if isinstance(error, pyvisa.VisaIOError):
        return str(error.abbreviation)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return (str(error) or type(error).__name__).splitlines()[0][:200]
