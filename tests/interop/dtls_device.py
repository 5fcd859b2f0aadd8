"""An LwM2M client in DTLS of which nothing is ours: OpenSSL by pyOpenSSL, and aiocoap's messages. It keeps the accounts
that a bootstrap server writes, and knows no more of LwM2M than that.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any
from urllib.parse import urlsplit

import aiocoap
from aiocoap.numbers.types import ACK, CON
from OpenSSL import SSL

binding: Any = SSL._lib  # type: ignore[attr-defined,unused-ignore]
ffi: Any = SSL._ffi  # type: ignore[attr-defined,unused-ignore]
LONGEST, PATIENCE_S = 4096, 60.0


class Session:
    """A DTLS session with a PSK over a UDP socket, and CoAP in it. ``holds`` has the values of resources by path;
    ``written`` what the server has written, ``asked`` all that it has asked."""

    def __init__(self, uri: str, identity: bytes, key: bytes) -> None:
        place = urlsplit(uri)
        assert place.scheme == "coaps"
        self.holds: dict[str, bytes] = {}
        self.written: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect((place.hostname, place.port))
        self._number = 0

        @ffi.callback("unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)")  # type: ignore[untyped-decorator,unused-ignore]
        def psk(ssl: Any, hint: Any, name: Any, name_size: int, secret: Any, secret_size: int) -> int:
            ffi.memmove(name, identity + b"\0", len(identity) + 1)
            ffi.memmove(secret, key, len(key))
            return len(key)

        self._psk = psk    # or it is collected
        context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
        context.set_cipher_list(b"PSK-AES128-CCM8:@SECLEVEL=0")
        context.set_options(SSL.OP_NO_QUERY_MTU)
        binding.SSL_CTX_set_psk_client_callback(context._context, psk)  # type: ignore[attr-defined,unused-ignore]
        self._dtls: Any = SSL.Connection(context)
        self._dtls.set_connect_state()
        self._dtls.set_ciphertext_mtu(1200)
        while True:
            try:
                self._dtls.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self._dtls.bio_write(self._socket.recv(LONGEST))
            else:
                self._flush()
                return

    def post(self, path: str, *query: str, payload: bytes = b"") -> Any:
        """The answer to a POST; what the server asks meanwhile is answered."""
        self._number += 1
        message = aiocoap.Message(code=aiocoap.POST, payload=payload, _mtype=CON, _mid=self._number,
                                  _token=bytes([self._number]))
        message.opt.uri_path, message.opt.uri_query = tuple(path.strip("/").split("/")), query
        if payload:
            message.opt.content_format = 40
        self._send(message)
        while True:
            heard = self._next()
            if heard.token == bytes([self._number]) and heard.code.is_response():
                return heard

    def serve_until(self, method: str, path: str) -> None:
        """Answer what the server asks, until that has been."""
        while (method, path) not in self.asked:
            self._next()

    def close(self) -> None:
        with contextlib.suppress(SSL.Error):
            self._dtls.shutdown()
        self._flush()
        self._socket.close()

    def _next(self) -> Any:
        while True:
            try:
                message = aiocoap.Message.decode(self._dtls.recv(LONGEST))
                break
            except SSL.WantReadError:
                self._dtls.bio_write(self._socket.recv(LONGEST))
        if message.code.is_request():
            self._answer(message)
        return message

    def _answer(self, request: Any) -> None:
        method, path = str(request.code), "/" + "/".join(request.opt.uri_path)
        code, payload = aiocoap.CHANGED, b""
        if method == "GET":
            payload = self.holds.get(path, b"")
            code = aiocoap.CONTENT if path in self.holds else aiocoap.NOT_FOUND
        elif method == "PUT":
            self.written[path] = request.payload
        elif method == "DELETE":
            code = aiocoap.DELETED
        answer = aiocoap.Message(code=code, payload=payload, _mtype=ACK, _mid=request.mid, _token=request.token)
        if method == "GET" and payload:
            answer.opt.content_format = 40 if request.opt.accept == 40 else 0
        self._send(answer)
        self.asked.append((method, path))

    def _send(self, message: Any) -> None:
        self._dtls.send(message.encode())
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            octets = self._dtls.bio_read(65536)
            while octets:    # memory BIOs forget where datagrams ended; each record may as well have one
                end = 13 + int.from_bytes(octets[11:13], "big")
                self._socket.send(octets[:end])
                octets = octets[end:]


def tlv(octets: bytes) -> dict[int, bytes]:
    """The resources of an object instance in OMA's TLV."""
    found = {}
    while octets:
        head, wide = octets[0], octets[0] >> 5 & 1
        width = head >> 3 & 3
        body = 2 + wide + width
        size = int.from_bytes(octets[2 + wide:body], "big") if width else head & 7
        found[int.from_bytes(octets[1:2 + wide], "big")] = octets[body:body + size]
        octets = octets[body + size:]
    return found
