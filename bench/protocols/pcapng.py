"""A writer of pcapng captures, with decryption secrets and a comment on every packet.

Source: IETF draft "PCAP Now Generic (pcapng) Capture File Format". Datagrams become raw IPv4/UDP packets (link type
101) with right checksums, so that any reader of captures can dissect them. The bytes depend on the arguments only.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

INTERFACES = ("bootstrap", "dm", "mdm", "files", "dm-2", "mdm-2")
"""One capture interface for each server that the unit calls."""

_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE_DESCRIPTION = 1
_ENHANCED_PACKET = 6
_DECRYPTION_SECRETS = 10
_TLS_KEY_LOG = 0x544C534B
_LINKTYPE_RAW = 101
_OPTION_COMMENT = 1
_OPTION_IF_NAME = 2
_OPTION_EPB_FLAGS = 2
_OPTION_IF_TSRESOL = 9
_NANOSECONDS = 9
_UDP = 17
_MAX_UDP_PAYLOAD = 65507
_SECRETS_HEADER = 16
"""Octets of a block of secrets before their text: its type and length, the type and length of the text."""


class Secrets(NamedTuple):
    """Where the text of some session keys is in the file, in octets."""

    offset: int
    length: int


class PcapngWriter:
    """Writes one capture. ``epoch_s`` is the Unix time at which the time axis of ``packet`` begins (seconds).

    Use as a context manager, or call ``close``. A file given as a path is closed then, a stream is flushed only.
    """

    def __init__(self, target: Path | BinaryIO, *, epoch_s: int = 0, interfaces: Sequence[str] = INTERFACES) -> None:
        self._owned = isinstance(target, Path)
        self._file: BinaryIO = target.open("wb") if isinstance(target, Path) else target
        self._epoch_ns = epoch_s * 1_000_000_000
        self._interfaces = {name: index for index, name in enumerate(interfaces)}
        # Byte-order magic, version 1.0, section length unknown.
        self._block(_SECTION_HEADER, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        for name in interfaces:
            self._block(_INTERFACE_DESCRIPTION, struct.pack("<HHI", _LINKTYPE_RAW, 0, 0) + _options(
                (_OPTION_IF_NAME, name.encode()), (_OPTION_IF_TSRESOL, bytes([_NANOSECONDS]))))

    def packet(self, interface: str, time_s: float, source: tuple[str, int], destination: tuple[str, int],
               payload: bytes, *, comment: str | None = None, inbound: bool) -> None:
        """Write a UDP datagram seen at ``time_s`` (seconds since the epoch given at construction).

        ``inbound`` is true for what the unit sends to the bench. Raises ValueError for an unknown interface, an
        address that is not IPv4, or a payload that no datagram can carry.
        """
        if interface not in self._interfaces:
            raise ValueError(f"unknown capture interface {interface!r}, known are {', '.join(self._interfaces)}")
        packet = _ipv4_udp(source, destination, payload)
        # Whole seconds apart, so that a float keeps its microseconds also years after the epoch.
        time_ns = self._epoch_ns + round(time_s * 1_000_000) * 1000
        options = [(_OPTION_EPB_FLAGS, struct.pack("<I", 1 if inbound else 2))]
        if comment:
            options.insert(0, (_OPTION_COMMENT, comment.encode()))
        self._block(_ENHANCED_PACKET, struct.pack("<IIIII", self._interfaces[interface], time_ns >> 32,
                                                  time_ns & 0xFFFFFFFF, len(packet), len(packet))
                    + _padded(packet) + _options(*options))

    def secrets(self, key_log: str) -> Secrets:
        """Write lines of an SSLKEYLOGFILE (also used for DTLS); gives what ``forget`` needs to undo it.

        They must come before the packet with the ClientKeyExchange; a reader doesn't look back.
        """
        text = key_log.encode("ascii")
        written = Secrets(self._file.tell() + _SECRETS_HEADER, len(text))
        self._block(_DECRYPTION_SECRETS, struct.pack("<II", _TLS_KEY_LOG, len(text)) + _padded(text))
        return written

    def forget(self, secrets: Secrets) -> None:
        """Overwrite session keys that were written: nobody can decrypt their session any more."""
        end = self._file.tell()
        self._file.seek(secrets.offset)
        self._file.write(b"#".ljust(secrets.length - 1) + b"\n")
        self._file.seek(end)

    def close(self) -> None:
        """Everything is on disk afterwards. Doing it twice does no harm."""
        if self._owned:
            self._file.close()
        else:
            self._file.flush()

    def __enter__(self) -> PcapngWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _block(self, block_type: int, body: bytes) -> None:
        length = struct.pack("<I", 12 + len(body))
        self._file.write(struct.pack("<I", block_type) + length + body + length)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def _options(*options: tuple[int, bytes]) -> bytes:
    end = struct.pack("<HH", 0, 0)
    return b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options) + end


def _checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return int(total) ^ 0xFFFF


def _ipv4_udp(source: tuple[str, int], destination: tuple[str, int], payload: bytes) -> bytes:
    if len(payload) > _MAX_UDP_PAYLOAD:
        raise ValueError(f"{len(payload)} octets don't fit a UDP datagram over IPv4")
    addresses = ipaddress.IPv4Address(source[0]).packed + ipaddress.IPv4Address(destination[0]).packed
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", source[1], destination[1], length, 0) + payload
    # A computed checksum of 0 is sent as 0xFFFF, for 0 means "none" (RFC 768).
    checksum = _checksum(addresses + struct.pack("!HH", _UDP, length) + udp) or 0xFFFF
    udp = udp[:6] + checksum.to_bytes(2, "big") + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, _UDP, 0) + addresses
    return header[:10] + _checksum(header).to_bytes(2, "big") + header[12:] + udp
