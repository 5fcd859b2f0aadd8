"""An HTTP server that takes documents.

What counts as taken is an answer with a 2xx status, whole, and not a page for people: a proxy or a portal that answers
in the target's place does so with HTML. A request goes over a connection of its own, so that an answer that comes late
or twice is never taken for that of the next document; no redirection is followed, for it would take the token along.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from bench.errors import BenchError
from bench.protocols.udp import refuse_public
from bench.secret_file import read_secrets
from reports.exports.document import Document, option
from reports.exports.exporter import TargetAway, TargetRefuses, TargetUnwell

PATIENCE_S = 30.0
"""For one document, from the connection to the last octet of the answer. Real seconds."""

_MOST = 1 << 16
_NOT_LET_IN = {401: "another token", 403: "a token that may send", 404: "another address", 405: "another method",
               407: "a way around the proxy"}
_LATER = {408, 409, 425, 429}


class HttpExporter:
    """Options: ``url`` (``{run_id}`` in it is replaced, then the method is PUT, else POST), ``token_file`` (mode 600,
    ``token = "..."``), ``scheme`` (``Bearer``), ``ca_file``, ``patience_s``, ``allow_public`` (hosts that are no lab's,
    by name). Each request has the run's id as ``Idempotency-Key``."""

    OPTIONS: ClassVar[Collection[str]] = ("url", "token_file", "scheme", "ca_file", "patience_s", "allow_public")

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        self._url, self._method = option(options, "url"), "PUT" if "{run_id}" in option(options, "url") else "POST"
        try:
            parts = urlsplit(self._url)
            host, self._port = parts.hostname, parts.port
        except ValueError as error:
            raise _wrong("a URL", "none") from error
        if parts.scheme not in ("http", "https") or not host or parts.username or parts.fragment:
            raise _wrong("http:// or https://, a host, and no password", ascii(self._url.rpartition("@")[2]))
        self._host, self._is_secure = host, parts.scheme == "https"
        public = options.get("allow_public", [])
        if not isinstance(public, list):
            raise _wrong("allow_public as a list of hosts", type(public).__name__)
        refuse_public(host, public)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        patience_s = options.get("patience_s", PATIENCE_S)
        if not isinstance(patience_s, int | float) or not 0 < patience_s <= 3600:
            raise _wrong("patience_s between 0 and 3600", repr(patience_s))
        self._patience_s = float(patience_s)
        self._token, self._scheme = _token(options, folder), option(options, "scheme", "Bearer")
        ca_file = option(options, "ca_file")
        try:
            self._tls = ssl.create_default_context(cafile=folder / ca_file if ca_file else None)
        except OSError as error:
            raise _wrong("ca_file with certificates", (error.strerror or str(error)).lower()) from error

    def __repr__(self) -> str:
        return f"HttpExporter({self._url!r})"

    def send(self, document: Document) -> None:
        status, kind, said = self._answer(document)
        if 200 <= status < 300:
            if kind.startswith("text/html") or said.lstrip()[:1] == b"<":
                raise self._away("the target's answer", "a page of HTML: something else answers in its place")
            return
        told = f"{status} {self._shown(said)}".strip()
        if status in _NOT_LET_IN:
            raise self._away(f"to be let in, which takes {_NOT_LET_IN[status]}", told)
        if 300 <= status < 400:
            raise self._away("an answer of its own", f"{status}: it has moved; no redirection is followed")
        if status >= 500 or status in _LATER:
            raise TargetUnwell(f"target {self._url}", expected="to take the document", seen=told, do=_WAITS)
        raise TargetRefuses(f"target {self._url}", expected=f"to take run {document.run_id}", seen=told,
                            do="look at what it asks for; then mcm-bench export retry")

    def _answer(self, document: Document) -> tuple[int, str, bytes]:
        connection = (HTTPSConnection(self._host, self._port, timeout=self._patience_s, context=self._tls)
                      if self._is_secure else HTTPConnection(self._host, self._port, timeout=self._patience_s))
        late = threading.Event()
        try:
            connection.connect()
            with _hung_up_after(self._patience_s, connection.sock, late):
                connection.request(self._method, self._target.replace("{run_id}", quote(document.run_id, safe="")),
                                   document.content, self._headers(document))
                answer = _read(connection.getresponse())
            if late.is_set():    # what looks like an end of the answer was ours
                raise TimeoutError
        except (OSError, HTTPException, ValueError) as error:
            seen = str(error) or type(error).__name__
            if isinstance(error, TimeoutError) or late.is_set():
                seen = f"no whole answer in {self._patience_s:g} s"
            raise self._away("an answer", self._shown(seen.encode("utf-8", "replace"))) from None
        finally:
            connection.close()
        return answer

    def _headers(self, document: Document) -> dict[str, str]:
        headers = {"Content-Type": document.media_type, "Idempotency-Key": document.run_id, "Connection": "close",
                   "Accept": "application/json"}
        return headers | ({"Authorization": f"{self._scheme} {self._token}"} if self._token else {})

    def _shown(self, said: bytes) -> str:
        """The beginning of an answer, on one line, without the token: a target may say it back."""
        text = " ".join(said[:400].decode("utf-8", "replace").split())
        if self._token:
            text = text.replace(self._token, "[token]")
        return "".join(letter if letter.isprintable() else "�" for letter in text)[:200]

    def _away(self, expected: str, seen: str) -> TargetAway:
        return TargetAway(f"target {self._url}", expected=expected, seen=seen, do=_WAITS)


_WAITS = "see to it; what is to be sent waits"


def _read(response: HTTPResponse) -> tuple[int, str, bytes]:
    """Raises ``ValueError`` for an answer that is cut off, or never ends."""
    said = response.read(_MOST + 1)
    if len(said) > _MOST:
        raise ValueError(f"an answer of more than {_MOST} octets")
    if response.length:
        raise ValueError(f"an answer that lacks {response.length} octets")
    return response.status, response.headers.get("Content-Type", ""), said


@contextmanager
def _hung_up_after(patience_s: float, connected: socket.socket, late: threading.Event) -> Iterator[None]:
    """The time-out of a socket begins anew with each octet: a target that trickles would hold us for ever."""
    def hang_up() -> None:
        late.set()
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    watch = threading.Timer(patience_s, hang_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _token(options: Mapping[str, Any], folder: Path) -> str:
    """From its file; never shown."""
    name = option(options, "token_file")
    if not name:
        return ""
    path = folder / Path(name).expanduser()
    token = read_secrets(path, f"token file {path}", "correct token_file").get("token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise BenchError(f"token file {path}", expected='token = "..."', seen="none", do="write it there")
    return token


def _wrong(expected: str, seen: str) -> BenchError:
    return BenchError("options of an HTTP export", expected=expected, seen=seen, do="correct the file of exports")
