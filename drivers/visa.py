"""The one way the bench talks to a VISA instrument: pyvisa with pyvisa-py, with its traps closed.

The traps (measured with pyvisa 1.16 and pyvisa-py 0.8) and their cures:

* Nagle's algorithm costs 44 ms for two writes and a query: TCP_NODELAY is set on the session's socket.
* Opening a closed port succeeds: *IDN? is asked on opening.
* Failures come as exceptions of any class, assertions among them: all become one ``BenchError``.
* Time-outs count from the last piece that came, so that an instrument which drips a byte a second is waited for without
  end, in HiSLIP also one that sends foreign messages: the socket is wrapped, and all that is read for one answer must
  be there by one moment.
* When the peer closes, reading spins until the time-out and says "time-out": the wrapped socket tells.
* After a time-out the late answer would be read by the next query: the session is closed, the next use opens anew.
* A raw socket is read in pieces of 4 kB, which takes a third of a second for a million values, and a HiSLIP answer that
  ends too early is read without end: blocks are taken from the socket, or from the HiSLIP messages, themselves.
* ``list_resources()`` broadcasts: never called; addresses come from the station file.
"""

from __future__ import annotations

import functools
import logging
import re
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pyvisa
from numpy.typing import NDArray

from bench.errors import BenchError
from drivers.recorder import came, sent

T = TypeVar("T")

_NOT_A_NUMBER = 9e37
"""SCPI's 9.9E37 (infinity), -9.9E37 and 9.91E37 (not a number) mean an overload or no reading."""

_MOST_ERRORS = 64
_ERROR = re.compile(r'([+-]?\d+)[\s,]+"?(.*?)"?$')
_SELF_TEST_S = 90.0
"""Real instruments take up to a minute for *TST?."""
_LONGEST_BLOCK, _LONGEST_TEXT = 64 << 20, 1 << 20
_SLOWEST_OCTETS_PER_S = 100_000
"""A block may take that much longer than a short answer."""
_WHITE = b" \t\r\n"


def is_reading(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of ``values`` are readings: not NaN, infinite, or one of SCPI's words for an overload, of either sign."""
    return np.asarray(np.abs(values) < _NOT_A_NUMBER)


class VisaInstrument:
    """An instrument at a VISA address: a raw socket such as ``TCPIP0::192.0.2.5::5025::SOCKET``, or HiSLIP such as
    ``TCPIP0::192.0.2.5::hislip0::INSTR`` (``hislip0,4881`` for another port).

    Every method raises ``BenchError`` naming ``subject`` and the address, at the latest when ``timeout_s`` has passed
    since the command (longer for a block of many octets). After a failure the session is closed and the next call opens
    it anew, provided that the same instrument answers; a new session begins with an empty error queue, unless others
    use the instrument at the same time (``shared``).
    """

    def __init__(self, address: str, *, subject: str, timeout_s: float = 5.0, shared: bool = False) -> None:
        self.address = address
        self.subject = f"{subject} at {address}"
        self.identity = ""
        self._timeout_s = timeout_s
        self._lock = threading.RLock()
        self._shared = shared
        self._resource: Any = None
        self._answers: _Answers | None = None
        self._sessions = 0
        self._preparation: tuple[str, ...] = ()
        self._open()

    # -- public -----------------------------------------------------------------------------------------------------

    def write(self, command: str) -> None:
        """Send a command that has no answer."""
        self._guarded(command, lambda resource: self._send(resource, command))

    def configure(self, *commands: str) -> None:
        """Send commands, then make sure that the instrument took all of them."""
        session = 0
        for command in commands:
            self.write(command)
            session = session or self._sessions
        self.check_errors()
        if self._sessions != session:
            raise BenchError(self.subject, expected="the connection to hold while commands are sent",
                             seen=f"a new one between {commands[0]} and its confirmation",
                             do="check the network, and that nobody switched the instrument off and on")

    def prepare(self, *commands: str) -> None:
        """The same, now and at the beginning of each later session: what the instrument forgets with its power."""
        self.configure(*commands)
        self._preparation += commands

    def takes(self, command: str) -> bool:
        """Send a command, and whether the instrument took it: for what is spelled otherwise in another firmware."""
        self.write(command)
        return not self._errors()

    def query(self, command: str, *, timeout_s: float | None = None) -> str:
        """The answer to ``command``, without line end and blanks around it."""
        return self._guarded(command, lambda resource: self._ask(resource, command, timeout_s, self._read_text))

    def query_float(self, command: str) -> float:
        """The answer as a number. An overload (9.9E37 of either sign), infinity or NaN is a ``BenchError``."""
        answer = self.query(command)
        try:
            value = float(answer)
        except ValueError:
            value = np.nan
        if not is_reading(np.array(value)):
            raise BenchError(self.subject, expected=f"a number in answer to {command}", seen=repr(answer[:80]),
                             do="check the range and the wiring")
        return value

    def query_whole(self, command: str) -> int:
        """The answer as a whole number, such as a count or the bits of a register."""
        value = self.query_float(command)
        if value != int(value):
            raise BenchError(self.subject, expected=f"a whole number in answer to {command}", seen=f"{value:g}",
                             do="check model and firmware against the driver")
        return int(value)

    def query_switch(self, command: str) -> bool:
        """The answer as on or off, however the maker writes it: 1, +1, ON, 0, OFF."""
        answer = self.query(command)
        word = answer.upper().lstrip("+")
        if word not in ("0", "1", "ON", "OFF"):
            raise BenchError(self.subject, expected=f"ON, OFF, 1 or 0 in answer to {command}", seen=repr(answer[:80]),
                             do="check model and firmware against the driver")
        return word in ("1", "ON")

    def query_block(self, command: str, dtype: str, *, count: int | None = None) -> NDArray[Any]:
        """The values (numpy ``dtype``, e.g. ">f4") of the block that ``command`` is answered with.

        ``count`` is how many values there must be. A block of indefinite length (``#0``) needs it on a raw socket,
        where nothing else tells its end: its data may hold line feeds.
        """
        size = np.dtype(dtype).itemsize
        octets = None if count is None else count * size
        data = self._guarded(command, lambda resource: self._ask(
            resource, command, None, lambda answers: self._read_block(answers, command, octets)))
        if len(data) % size:
            raise BenchError(self.subject, expected=f"a block of {size}-byte values in answer to {command}",
                             seen=f"{len(data)} bytes", do="check the FORMat setting")
        return np.frombuffer(data, dtype)

    def self_test(self) -> None:
        """Let the instrument test itself. Raises ``BenchError`` when it finds something."""
        answer = self.query("*TST?", timeout_s=max(_SELF_TEST_S, self._timeout_s))
        if answer.strip("+ ").split(",")[0] != "0":
            raise BenchError(self.subject, expected="0 in answer to *TST?", seen=repr(answer[:80]),
                             do="read the instrument's display; have it repaired")

    def check_errors(self) -> None:
        """Empty the instrument's error queue; a ``BenchError`` tells what was in it."""
        errors = self._errors()
        if errors:
            raise BenchError(self.subject, expected="commands that the instrument takes", seen="; ".join(errors),
                             do="check model, firmware and options against the driver")

    def _errors(self) -> list[str]:
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
        return errors

    def close(self) -> None:
        """Close the session. Idempotent; never raises for a session that is already broken."""
        resource, self._resource, self._answers = self._resource, None, None
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
        self._answers = _answers_of(resource, self.address)
        identity = self._mapped("*IDN?", lambda: self._ask(resource, "*IDN?", None, self._read_text))
        if self.identity and identity != self.identity:
            self.close()
            raise BenchError(self.subject, expected=f"{self.identity!r}, as before", seen=repr(identity[:120]),
                             do="check that nobody exchanged the instrument")
        self.identity = identity
        self._sessions += 1
        if not self._shared:         # old errors are not ours, those of others are not ours to throw away
            self._mapped("*CLS", lambda: self._send(resource, "*CLS"))
        for command in self._preparation:
            self.write(command)
        return resource

    def _guarded(self, command: str, use: Callable[[Any], T]) -> T:
        with self._lock:    # a watchdog is fed in a thread of its own
            resource = self._open()
            if self._answers is not None and self._answers.waiting():
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
        except Exception as error:   # pyvisa-py raises OSError, ValueError, RuntimeError, AssertionError, ...
            self.close()
            raise BenchError(self.subject, expected=f"an answer to {command}" if "?" in command
                             else f"an instrument that takes {command}", seen=_reason(error),
                             do="switch it on and check the address in the station file") from error
        except BaseException:
            self.close()             # Ctrl-C in the middle of an exchange: the answer may still be on its way
            raise

    def _ask(self, resource: Any, command: str, timeout_s: float | None, read: Callable[[_Answers], T]) -> T:
        answers, timeout_s = self._answers, timeout_s or self._timeout_s
        assert answers is not None
        answers.begin(timeout_s)
        try:
            self._send(resource, command)
            return read(answers)
        except TimeoutError as error:
            raise BenchError(self.subject, expected=f"an answer to {command}",
                             seen=f"{'a part of one' if answers.begun else 'none'} within {timeout_s:g} s",
                             do="check that the instrument is not busy, and its firmware") from error

    def _send(self, resource: Any, command: str) -> None:
        sent(self.address, f"{command}\n".encode())
        resource.write(command)

    @staticmethod
    def _read_text(answers: _Answers) -> str:
        raw = answers.text()
        text = raw.strip(_WHITE)
        if not text or not all(0x20 <= octet < 0x7F or octet == 0x09 for octet in text):
            raise ValueError(repr(raw[:80]))
        return text.decode("ascii")

    def _read_block(self, answers: _Answers, command: str, octets: int | None) -> bytes:
        """The data of a block, all of them or a ``BenchError``. ``octets`` is how many there must be."""
        read = answers.exactly
        lead = read(2)
        if lead == b"#0":
            if octets is None:
                raise self._bad_block(command, "of a stated length", lead)
            data = read(octets)
        else:
            if lead[:1] != b"#" or not lead[1:].isdigit():
                raise self._bad_block(command, "in binary", lead)
            length = read(int(lead[1:]))
            if not length.isdigit() or int(length) > _LONGEST_BLOCK:
                raise self._bad_block(command, "of a possible length", lead + length)
            if octets is not None and int(length) != octets:
                raise self._bad_block(command, f"of {octets} octets", lead + length)
            data = read(int(length))
        while (end := read(1)) != b"\n":
            if end not in (b"\r", b" "):
                raise self._bad_block(command, "that ends where it should", lead + data[:8])
        if answers.waiting():        # of a longer block, that had a line feed in this place
            raise self._bad_block(command, "that ends where it should", lead + data[:8])
        return data

    def _bad_block(self, command: str, expected: str, seen: bytes) -> BenchError:
        return BenchError(self.subject, expected=f"a block {expected} in answer to {command}",
                          seen=repr(seen[:20]), do="check the FORMat setting, and the firmware")


class _Answers:
    """What reads the answers of a session: of any VISA library, with the library's own time-out."""

    def __init__(self, resource: Any, place: str) -> None:
        self._resource = resource
        self._place = place

    def _came(self, octets: bytes) -> bytes:
        """``octets``, told to whoever records."""
        came(self._place, octets)
        return octets

    @property
    def begun(self) -> bool:
        """Whether a part of the present answer has come."""
        return False

    def begin(self, timeout_s: float) -> None:
        """An answer is awaited from now on, all of it within ``timeout_s``."""
        self._resource.timeout = max(1, round(timeout_s * 1000))

    def text(self) -> bytes:
        """The rest of the answer, with its line end."""
        return self._came(bytes(self._resource.read_raw()))

    def exactly(self, count: int) -> bytes:
        """So many octets. Raises ValueError when the answer ends before."""
        return self._came(bytes(self._resource.read_bytes(count))) if count else b""

    def waiting(self) -> bool:
        """Whether something is there to be read that nobody asked for. It must not answer the next query."""
        return False


class _WireAnswers(_Answers):
    """Of a socket of pyvisa-py."""

    def __init__(self, resource: Any, place: str, wire: _Wire) -> None:
        super().__init__(resource, place)
        self._wire = wire

    @property
    def begun(self) -> bool:
        return self._wire.begun

    def begin(self, timeout_s: float) -> None:
        self._wire.begin(timeout_s)


class _SocketAnswers(_WireAnswers):
    """Of a raw socket: a line, or so many octets."""

    def __init__(self, resource: Any, place: str, wire: _Wire) -> None:
        super().__init__(resource, place, wire)
        self._pending = bytearray()

    def text(self) -> bytes:
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0:
            searched = len(self._pending)
            if searched > _LONGEST_TEXT:
                raise ValueError(f"{searched} octets without a line end")
            self._pending += self._came(self._wire.recv(4096))
        line = bytes(self._pending[:end + 1])
        del self._pending[:end + 1]
        return line

    def exactly(self, count: int) -> bytes:
        self._wire.until += count / _SLOWEST_OCTETS_PER_S
        data = bytearray(count)
        got = min(count, len(self._pending))
        data[:got] = self._pending[:got]
        del self._pending[:got]
        while got < count:
            size = self._wire.recv_into(memoryview(data)[got:])
            came(self._place, memoryview(data)[got:got + size])
            got += size
        return bytes(data)

    def waiting(self) -> bool:
        """Blanks and line ends that came after an answer are none."""
        if self._pending.strip(_WHITE):
            return True
        self._pending.clear()
        return not self._wire.drop(_WHITE)


class _HislipAnswers(_WireAnswers):
    """Of a HiSLIP session, where the messages tell where an answer ends."""

    def __init__(self, resource: Any, place: str, wire: _Wire, messages: Any) -> None:
        super().__init__(resource, place, wire)
        self._messages = messages

    def text(self) -> bytes:
        parts = bytearray()
        while part := self._messages.receive(4096):
            parts += self._came(part)
            if len(parts) > _LONGEST_TEXT:
                raise ValueError(f"{len(parts)} octets of text")
        return bytes(parts)

    def exactly(self, count: int) -> bytes:
        self._wire.until += count / _SLOWEST_OCTETS_PER_S
        data = self._came(bytes(self._messages.receive(count))) if count else b""   # fewer only when the answer ends
        if len(data) < count:
            raise ValueError(f"the end of the answer {count - len(data)} octets early")
        return data

    def waiting(self) -> bool:
        return self._messages._payload_remaining > 0 or not self._wire.drop(b"")


class _Wire:
    """A socket whose reads for one answer all end at the moment ``until`` (of the monotonic clock), and which tells
    when the peer closes."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self.until = 0.0
        self.begun = False
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def begin(self, timeout_s: float) -> None:
        self.until, self.begun = time.monotonic() + timeout_s, False

    def recv(self, count: int) -> bytes:
        return bytes(self._taken(lambda: self._raw.recv(count)))

    def recv_into(self, buffer: Any, count: int = 0) -> int:
        return int(self._taken(lambda: self._raw.recv_into(buffer, count)))

    def drop(self, octets: bytes) -> bool:
        """Take off what is there of ``octets``, without waiting. Whether nothing else is there, nor the end of the
        connection."""
        try:
            while select.select([self._raw], [], [], 0)[0]:
                there = self._raw.recv(4096, socket.MSG_PEEK)
                unwanted = len(there) - len(there.lstrip(octets)) if octets else 0
                if not unwanted:
                    return False
                self._raw.recv(unwanted)
        except OSError:
            return False
        return True

    def _taken(self, take: Callable[[], Any]) -> Any:
        # A select of its own: a time-out of the socket would be one for sending too.
        left_s = self.until - time.monotonic()
        if left_s <= 0 or not select.select([self._raw], [], [], left_s)[0]:
            raise TimeoutError
        taken = take()
        if not taken:
            raise ConnectionResetError("the instrument closed the connection")
        self.begun = True
        return taken


@functools.cache
def _manager() -> Any:
    """One for the process: making one costs more than everything else a fresh lab opens."""
    logging.getLogger("pyvisa").setLevel(logging.CRITICAL)    # it logs tracebacks of what is told here in a sentence
    return pyvisa.ResourceManager("@py")


def _session_of(resource: Any) -> Any:
    """The session of pyvisa-py; ``None`` with any other backend."""
    sessions = getattr(resource.visalib, "sessions", None)
    return sessions.get(resource.session) if isinstance(sessions, dict) else None


def _answers_of(resource: Any, place: str) -> _Answers:
    """What reads the answers of ``resource``: a raw-socket or HiSLIP session of pyvisa-py gets a ``_Wire``."""
    session: Any = _session_of(resource)
    interface: Any = getattr(session, "interface", None)
    if isinstance(interface, socket.socket):
        session.interface = _Wire(interface)
        return _SocketAnswers(resource, place, session.interface)
    if isinstance(getattr(interface, "_sync", None), socket.socket):
        interface._sync = _Wire(interface._sync)
        return _HislipAnswers(resource, place, interface._sync, interface)
    return _Answers(resource, place)


def _reason(error: BaseException) -> str:
    if isinstance(error, pyvisa.VisaIOError):
        return str(error.abbreviation)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return (str(error) or type(error).__name__).splitlines()[0][:200]
