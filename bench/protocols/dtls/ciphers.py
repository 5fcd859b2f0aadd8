"""Protection of records: AES-128 in CCM and GCM (RFC 6655, RFC 5288) and CBC with HMAC-SHA256 (RFC 5246).

CBC is MAC-then-encrypt; encrypt-then-MAC (RFC 7366) is never negotiated.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from bench.protocols.dtls.records import DTLS_1_2, MAX_PLAINTEXT, ContentType, Record
from bench.protocols.dtls.suites import CipherSuite

_AES_BLOCK = 16
_EXPLICIT_NONCE = 8
_MAC = 32
_CID_PLACEHOLDER = b"\xff" * 8


class BadRecord(Exception):  # noqa: N818 - it is the record that is bad
    """A record doesn't authenticate: another key, or somebody changed it."""


class RecordCipher(Protocol):
    """One direction of one association. ``header`` is what is authenticated beside the content, without its length."""

    def seal(self, number: bytes, header: bytes, content: bytes) -> bytes:
        """``number`` is epoch and sequence number, 8 octets."""

    def open(self, number: bytes, header: bytes, body: bytes) -> bytes:
        """Raises BadRecord."""


def aead(suite: CipherSuite, key: bytes) -> tuple[AESCCM | AESGCM, int]:
    """The algorithm of a suite and the length of its tag in octets."""
    match suite:
        case CipherSuite.TLS_PSK_WITH_AES_128_CCM_8:
            return AESCCM(key, tag_length=8), 8
        case CipherSuite.TLS_PSK_WITH_AES_128_CCM:
            return AESCCM(key, tag_length=16), 16
        case CipherSuite.TLS_PSK_WITH_AES_128_GCM_SHA256:
            return AESGCM(key), 16
    raise ValueError(f"{suite.name} is no AEAD")


class AeadCipher:
    """The nonce is ``salt`` and the record's number, which is also sent as the explicit nonce."""

    def __init__(self, algorithm: AESCCM | AESGCM, tag_length: int, salt: bytes) -> None:
        self._algorithm = algorithm
        self._overhead = _EXPLICIT_NONCE + tag_length
        self._salt = salt

    def seal(self, number: bytes, header: bytes, content: bytes) -> bytes:
        additional = header + struct.pack("!H", len(content))
        return number + self._algorithm.encrypt(self._salt + number, content, additional)

    def open(self, number: bytes, header: bytes, body: bytes) -> bytes:
        length = len(body) - self._overhead
        if length < 0:
            raise BadRecord
        nonce = self._salt + body[:_EXPLICIT_NONCE]
        try:
            return self._algorithm.decrypt(nonce, body[_EXPLICIT_NONCE:], header + struct.pack("!H", length))
        except InvalidTag:
            raise BadRecord from None


class CbcCipher:
    """``random`` makes the explicit IVs."""

    def __init__(self, key: bytes, mac_key: bytes, random: Callable[[int], bytes]) -> None:
        self._aes = AES(key)
        self._mac_key = mac_key
        self._random = random

    def seal(self, number: bytes, header: bytes, content: bytes) -> bytes:
        iv = self._random(_AES_BLOCK)
        text = content + self._mac(header, content)
        padding = _AES_BLOCK - 1 - len(text) % _AES_BLOCK
        text += bytes([padding]) * (padding + 1)
        encryptor = Cipher(self._aes, CBC(iv)).encryptor()
        return iv + encryptor.update(text) + encryptor.finalize()

    def open(self, number: bytes, header: bytes, body: bytes) -> bytes:
        # IV, MAC and at least one octet of padding.
        if len(body) % _AES_BLOCK or len(body) < _AES_BLOCK + _MAC + _AES_BLOCK:
            raise BadRecord
        decryptor = Cipher(self._aes, CBC(body[:_AES_BLOCK])).decryptor()
        text = decryptor.update(body[_AES_BLOCK:]) + decryptor.finalize()
        padding = text[-1] + 1
        end = len(text) - padding - _MAC
        if end < 0 or text[-padding:] != text[-1:] * padding:
            raise BadRecord
        content = text[:end]
        if not hmac.compare_digest(text[end:end + _MAC], self._mac(header, content)):
            raise BadRecord
        return content

    def _mac(self, header: bytes, content: bytes) -> bytes:
        return hmac.digest(self._mac_key, header + struct.pack("!H", len(content)) + content, "sha256")


def protect(cipher: RecordCipher, content_type: int, epoch: int, sequence: int, content: bytes,
            connection_id: bytes = b"") -> bytes:
    """An encrypted record, ready for a datagram. With a connection id its content type is hidden (RFC 9146)."""
    if connection_id:
        content += bytes([content_type])
        content_type = ContentType.TLS12_CID
    empty = Record(content_type, DTLS_1_2, epoch, sequence, b"", connection_id)
    body = cipher.seal(_number(empty), _header(empty), content)
    return Record(content_type, DTLS_1_2, epoch, sequence, body, connection_id).encode()


def unprotect(cipher: RecordCipher, record: Record) -> tuple[int, bytes]:
    """Content type and content of an encrypted record. Raises BadRecord."""
    content = cipher.open(_number(record), _header(record), record.body)
    content_type = record.content_type
    if content_type == ContentType.TLS12_CID:
        content = content.rstrip(b"\0")
        if not content:
            raise BadRecord
        content_type, content = content[-1], content[:-1]
    if len(content) > MAX_PLAINTEXT:
        raise BadRecord
    return content_type, content


def _number(record: Record) -> bytes:
    return struct.pack("!HHI", record.epoch, record.sequence >> 32, record.sequence & 0xFFFFFFFF)


def _header(record: Record) -> bytes:
    """What is authenticated, up to the length that follows it: RFC 5246 section 6.2.3.3, RFC 9146 section 5."""
    if record.content_type != ContentType.TLS12_CID:
        return _number(record) + struct.pack("!BH", record.content_type, record.version)
    return (_CID_PLACEHOLDER
            + struct.pack("!BBBH", ContentType.TLS12_CID, len(record.connection_id), ContentType.TLS12_CID,
                          record.version)
            + _number(record) + record.connection_id)
