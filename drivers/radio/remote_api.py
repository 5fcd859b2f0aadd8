"""One component of an Amarisoft box: a message in JSON over WebSocket, and its answer."""

from __future__ import annotations

import json
import time
from typing import Any

from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from bench.errors import BenchError
from drivers.recorder import came, sent

Json = dict[str, Any]

_ADDRESS = "check the address in the station file, and com_addr in the component's configuration"
_PASSWORD = "take com_auth out of the component's configuration: the bench does not log in"

_LONGEST = 1 << 24
"""Octets of an answer. A thousand logs of long messages have some millions."""


class RemoteApi:
    """``kind`` is what the component calls itself: ENB, MME. Every method raises ``BenchError`` naming the address, at
    the latest when ``timeout_s`` has passed since it was called, whatever else the component tells meanwhile.

    After a failure the connection is closed, and the next message opens it anew. Logs are read per connection: after
    that the box may repeat what it has told before.
    """

    def __init__(self, address: str, kind: str, *, timeout_s: float) -> None:
        self.subject = f"cell, {kind} at {address}"
        self.name = self.version = ""
        self._address = address
        self._kind = kind
        self._timeout_s = timeout_s
        self._connection: ClientConnection | None = None
        self._asked = 0
        self._open()

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def ask(self, message: str, **fields: object) -> Json:
        """The answer to ``message``. What the component answers with ``error`` is a ``BenchError``."""
        until = time.monotonic() + self._timeout_s
        connection = self._open()
        self._asked += 1
        try:
            text = json.dumps({"message": message, "message_id": self._asked, **fields})
            sent(self._address, text.encode())
            connection.send(text)
            answer = self._receive(connection, until)
            while answer.get("message_id") != self._asked:      # an event, or a late answer
                answer = self._receive(connection, until)
        except (OSError, WebSocketException, TimeoutError) as error:
            self.close()
            raise self._failed(f"an answer to {message}", error) from error
        except BaseException:
            self.close()
            raise
        if "error" in answer:
            raise BenchError(self.subject, expected=f"to take {message}", seen=repr(answer["error"])[:200],
                             do="check the box's software and configuration against the driver")
        return answer

    def garbage(self, expected: str, seen: object) -> BenchError:
        """An answer that is not as it should be."""
        return BenchError(self.subject, expected=expected, seen=repr(seen)[:120],
                          do="check that this is an Amarisoft component, and its software against the driver")

    def close(self) -> None:
        """Idempotent; never raises for a connection that is broken already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (OSError, WebSocketException):
                return

    def _open(self) -> ClientConnection:
        if self._connection is not None:
            return self._connection
        until = time.monotonic() + self._timeout_s
        try:
            connection = connect(self._address, origin=Origin("mcm-bench"), open_timeout=self._timeout_s,
                                 close_timeout=self._timeout_s, ping_interval=None, compression=None, proxy=None,
                                 max_size=_LONGEST)
        except (InvalidURI, ValueError) as error:
            raise BenchError(self.subject, expected="an address like ws://192.0.2.20:9001", seen=repr(self._address),
                             do="correct it in the station file") from error
        except InvalidStatus as error:
            status = error.response.status_code
            refused = status in (401, 403)
            raise BenchError(self.subject, expected="a WebSocket", seen=f"HTTP status {status}",
                             do=_PASSWORD if refused else _ADDRESS) from error
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise self._failed("a WebSocket", error) from error
        self._connection = connection
        try:
            self._greet(connection, until)
        except (OSError, WebSocketException, TimeoutError) as error:
            self.close()
            raise self._failed("a greeting", error) from error
        except BaseException:
            self.close()
            raise
        return connection

    def _greet(self, connection: ClientConnection, until: float) -> None:
        greeting = self._receive(connection, until)
        if greeting.get("message") == "authenticate":
            raise BenchError(self.subject, expected="to be let in", seen="a request for a password", do=_PASSWORD)
        if greeting.get("message") != "ready":
            raise self.garbage("the greeting 'ready'", greeting)
        kind = str(greeting.get("type"))
        if kind != self._kind:
            raise BenchError(self.subject, expected=f"a component of type {self._kind}", seen=repr(kind[:40]),
                             do="correct address and core_address in the station file: eNB 9001, MME 9000")
        self.name, self.version = str(greeting.get("name", "")), str(greeting.get("version", ""))

    def _receive(self, connection: ClientConnection, until: float) -> Json:
        """The next message, if all of it is there by ``until`` (monotonic)."""
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        text = connection.recv(timeout=left_s)
        came(self._address, text.encode() if isinstance(text, str) else text)
        try:
            message = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.garbage("JSON", text) from error
        if not isinstance(message, dict):
            raise self.garbage("a JSON object", message)
        return message

    def _failed(self, expected: str, error: Exception) -> BenchError:
        if isinstance(error, TimeoutError):
            seen = f"nothing within {self._timeout_s:g} s"
        elif isinstance(error, OSError) and error.strerror:
            seen = error.strerror.lower()
        else:
            seen = (str(error) or type(error).__name__).splitlines()[0][:200]
        return BenchError(self.subject, expected=expected, seen=seen, do=_ADDRESS)
