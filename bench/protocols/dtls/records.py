"""The record layer's framing (RFC 6347 section 4.1, with connection ids RFC 9146 section 4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

DTLS_1_0 = 0xFEFF
DTLS_1_2 = 0xFEFD

MAX_PLAINTEXT = 2**14
MAX_RECORDS = 64
"""More of them in one datagram than any handshake needs; the rest is dropped."""


class ContentType(IntEnum):
    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23
    TLS12_CID = 25


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it is on the wire; ``body`` is encrypted from epoch 1 on."""

    content_type: int
    version: int
    epoch: int
    sequence: int
    body: bytes
    connection_id: bytes = b""

    def encode(self) -> bytes:
        return (struct.pack("!BHHHI", self.content_type, self.version, self.epoch, self.sequence >> 32,
                            self.sequence & 0xFFFFFFFF)
                + self.connection_id + struct.pack("!H", len(self.body)) + self.body)


def split(datagram: bytes, connection_id_length: int | None) -> tuple[list[Record], str | None]:
    """The records of a datagram, and why its rest is dropped (None when nothing is left).

    ``connection_id_length`` is the length of the connection ids that the receiver has handed out, in octets. None:
    it isn't known, so what comes after the head of a record with one is not taken apart.
    """
    records: list[Record] = []
    start = 0
    while start < len(datagram):
        if len(records) == MAX_RECORDS:
            return records, f"more than {MAX_RECORDS} records in a datagram"
        if len(datagram) - start < 13:
            return records, "record header cut short"
        content_type, version, epoch, high, low = struct.unpack_from("!BHHHI", datagram, start)
        if version not in (DTLS_1_0, DTLS_1_2):
            return records, f"record version 0x{version:04x}"
        start += 11
        connection_id = b""
        if content_type == ContentType.TLS12_CID:
            if connection_id_length is None:
                records.append(Record(content_type, version, epoch, high << 32 | low, datagram[start:]))
                return records, None
            connection_id = datagram[start:start + connection_id_length]
            start += connection_id_length
        length = int.from_bytes(datagram[start:start + 2], "big")
        start += 2
        if start + length > len(datagram):
            return records, "record body cut short"
        records.append(Record(content_type, version, epoch, high << 32 | low, datagram[start:start + length],
                              connection_id))
        start += length
    return records, None if records else "empty datagram"
