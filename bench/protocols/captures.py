"""A reader of captures: the UDP datagrams in a pcap or pcapng file, and the session keys that the latter may hold.

Sources: IETF drafts "PCAP Capture File Format" and "PCAP Now Generic (pcapng) Capture File Format", and the registry of
link types at tcpdump.org. A file that is cut off is read up to there.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

Address = tuple[str, int]

_PCAP = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_BEFORE_IP = {1: 14, 0: 4, 108: 4, 101: 0, 12: 0, 228: 0, 229: 0, 113: 16, 276: 20}
"""Octets before the IP header, by link type: Ethernet, loopback (two), raw IP (four), Linux cooked captures."""

ETHERNET, RAW_IP = 1, 101
_UDP = 17
_VLAN = b"\x81\x00"
_SECRETS = re.compile(rb"CLIENT_RANDOM ([0-9a-fA-F]{64}) ([0-9a-fA-F]{96})")


class Datagram(NamedTuple):
    """``frame`` counts from 1, as Wireshark does."""

    frame: int
    source: Address
    destination: Address
    payload: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """``secrets``: master secrets of sessions, by their clients' randoms; never to be printed. ``frames``: how many
    packets there are, of whatever kind."""

    datagrams: tuple[Datagram, ...]
    secrets: dict[bytes, bytes]
    frames: int

    def __repr__(self) -> str:
        return f"Capture({len(self.datagrams)} datagrams of {self.frames} frames)"


def is_capture(octets: bytes) -> bool:
    return octets[:4] in _PCAP or octets[:4] == _PCAPNG


def read_capture(octets: bytes) -> Capture:
    """What is in a file for which ``is_capture`` holds. Never raises for what stands in it."""
    secrets: dict[bytes, bytes] = {}
    packets = list(_pcapng(octets, secrets) if octets[:4] == _PCAPNG else _pcap(octets, _PCAP[octets[:4]]))
    found = ((number, datagram_in(packet, link)) for number, (link, packet) in enumerate(packets, start=1))
    return Capture(tuple(Datagram(number, *one) for number, one in found if one is not None), secrets, len(packets))


def datagram_in(packet: bytes, link: int = ETHERNET) -> tuple[Address, Address, bytes] | None:
    """Source, destination and payload of the UDP datagram in a packet; None where there is no whole one."""
    before = _BEFORE_IP.get(link)
    if before is None:
        return None
    if link == ETHERNET and packet[12:14] == _VLAN:
        before += 4
    ip = packet[before:]
    version = ip[0] >> 4 if ip else 0
    if version == 4 and len(ip) >= 20:
        header, protocol, total = (ip[0] & 0x0F) * 4, ip[9], int.from_bytes(ip[2:4], "big")
        addresses = [str(ipaddress.IPv4Address(ip[at:at + 4])) for at in (12, 16)]
        if int.from_bytes(ip[6:8], "big") & 0x3FFF:    # a fragment
            return None
    elif version == 6 and len(ip) >= 40:
        header, protocol, total = 40, ip[6], 40 + int.from_bytes(ip[4:6], "big")
        addresses = [str(ipaddress.IPv6Address(ip[at:at + 16])) for at in (8, 24)]
    else:
        return None
    udp = ip[header:total]
    if protocol != _UDP or len(udp) < 8 or int.from_bytes(udp[4:6], "big") != len(udp):
        return None
    ports = struct.unpack("!HH", udp[:4])
    return (addresses[0], ports[0]), (addresses[1], ports[1]), udp[8:]


def _pcap(octets: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    if len(octets) < 24:
        return
    link = struct.unpack_from(order + "I", octets, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(octets):
        length = struct.unpack_from(order + "I", octets, at + 8)[0]
        yield link, octets[at + 16:at + 16 + length]
        at += 16 + length


def _pcapng(octets: bytes, secrets: dict[bytes, bytes]) -> Iterator[tuple[int, bytes]]:
    at, order, links = 0, "<", list[int]()
    while at + 12 <= len(octets):
        if octets[at:at + 4] == _PCAPNG:    # a new section, which has its own octet order and interfaces
            order, links = "<" if octets[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">", []
        kind, length = struct.unpack_from(order + "II", octets, at)
        body = octets[at + 8:at + length - 4]
        if length < 12 or at + length > len(octets):
            return
        if kind == 1 and len(body) >= 2:
            links.append(struct.unpack_from(order + "H", body)[0])
        elif kind == 6 and len(body) >= 20:
            interface, _, _, captured = struct.unpack_from(order + "IIII", body)
            yield links[interface] if interface < len(links) else ETHERNET, body[20:20 + captured]
        elif kind == 3:
            yield links[0] if links else ETHERNET, body[4:]
        elif kind == 10:
            secrets.update((bytes.fromhex(random.decode()), bytes.fromhex(master.decode()))
                           for random, master in _SECRETS.findall(body))
        at += length
