"""What a NAS message says of PSM, eDRX and release assistance, and where the datagram goes that it carries.

Source: 3GPP TS 24.301, chapters 8.2 and 8.3 (messages) and 9.9 (elements); TS 24.008, 10.5.7.4, 10.5.7.4a (timers) and
10.5.5.32 (extended DRX parameters).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

ATTACH_REQUEST, ATTACH_ACCEPT, ATTACH_REJECT, DETACH_REQUEST = 0x41, 0x42, 0x44, 0x45
UPDATE_REQUEST, UPDATE_ACCEPT, ESM_DATA_TRANSPORT = 0x48, 0x49, 0xEB

_EMM, _ESM = 0x7, 0x2
_SECURITY_HEADER = 6
"""Octets of security header, message authentication code and sequence number."""

_T3324, _T3412_EXTENDED, _EDRX = 0x6A, 0x5E, 0x6E
_RELEASE_ASSISTANCE = 0xF
_IPV4_HEADER, _UDP = 20, 17

_FIXED = {0x19: 4, 0x52: 6, 0x5C: 3, 0x13: 6, 0x55: 5, 0x56: 5, 0x5A: 2, 0x53: 2, 0x17: 2, 0x59: 2}
"""Optional elements without a length octet: how long they are, with their identifier."""

_MANDATORY = {
    ATTACH_REQUEST: ("V1", "LV", "LV", "LV-E"), ATTACH_ACCEPT: ("V1", "V1", "LV", "LV-E"), ATTACH_REJECT: ("V1",),
    DETACH_REQUEST: ("V1",), UPDATE_REQUEST: ("V1", "LV"), UPDATE_ACCEPT: ("V1",), ESM_DATA_TRANSPORT: ("LV-E",),
}

_TIMER_2_UNITS_S = {0: 2, 1: 60, 2: 360}
_TIMER_3_UNITS_S = {0: 600, 1: 3600, 2: 36000, 3: 2, 4: 30, 5: 60, 6: 1152000}


@dataclass(frozen=True, slots=True)
class NasPdu:
    """``kind`` is the message type. None: the element is not in the message, or it says "deactivated".

    ``destination`` is that of the UDP datagram which the message carries, "192.0.2.1:5683"; None: it carries another
    packet, or one whose header is compressed.
    """

    kind: int
    t3324_s: int | None = None
    t3412_s: int | None = None
    edrx: int | None = None
    cause: int | None = None
    release_assistance: int | None = None
    destination: str | None = None


def decode(pdu: bytes) -> NasPdu | None:
    """None: a message of another kind. Raises ``ValueError`` for one that breaks off."""
    if pdu and pdu[0] & 0x0F == _EMM and pdu[0] >> 4:
        if pdu[0] >> 4 >= 12:
            return None     # a service request has no message type
        pdu = pdu[_SECURITY_HEADER:]
    at = {_EMM: 2, _ESM: 3}.get(pdu[0] & 0x0F, 0) if pdu else 1
    if len(pdu) < at:
        raise ValueError("no message type")
    kind = pdu[at - 1]
    if not at or kind not in _MANDATORY:
        return None
    first = pdu[at] if at < len(pdu) else None
    carried = at + 2
    for form in _MANDATORY[kind]:
        at += _length(pdu, at, form)
    if at > len(pdu):
        raise ValueError("a mandatory element breaks off")
    elements = _optional(pdu, at)
    return NasPdu(
        kind, _timer(elements.get(_T3324), _TIMER_2_UNITS_S), _timer(elements.get(_T3412_EXTENDED), _TIMER_3_UNITS_S),
        _octet(elements.get(_EDRX)), cause=first if kind == ATTACH_REJECT else None,
        release_assistance=_octet(elements.get(_RELEASE_ASSISTANCE)),
        destination=_destination(pdu[carried:at]) if kind == ESM_DATA_TRANSPORT else None)


def _destination(packet: bytes) -> str | None:
    """Of a UDP datagram in IPv4 (RFC 791, RFC 768)."""
    header = (packet[0] & 0x0F) * 4 if packet else 0
    if len(packet) < header + 8 or header < _IPV4_HEADER or packet[0] >> 4 != 4 or packet[9] != _UDP:
        return None
    return f"{ipaddress.IPv4Address(packet[16:20])}:{int.from_bytes(packet[header + 2:header + 4], 'big')}"


def _length(pdu: bytes, at: int, form: str) -> int:
    if form == "V1":
        return 1
    size = 1 if form == "LV" else 2
    if at + size > len(pdu):
        raise ValueError("a mandatory element breaks off")
    return size + int.from_bytes(pdu[at:at + size], "big")


def _optional(pdu: bytes, at: int) -> dict[int, bytes]:
    """Values by identifier: its octet, or its half octet for elements of half an octet."""
    elements: dict[int, bytes] = {}
    while at < len(pdu):
        identifier = pdu[at]
        if identifier & 0x80:
            elements.setdefault(identifier >> 4, bytes((identifier & 0x0F,)))
            at += 1
            continue
        if identifier in _FIXED:
            start, end = at + 1, at + _FIXED[identifier]
        elif at + 2 > len(pdu):
            raise ValueError(f"element {identifier:#04x} breaks off")
        else:
            start, end = at + 2, at + 2 + pdu[at + 1]
        if end > len(pdu):
            raise ValueError(f"element {identifier:#04x} breaks off")
        elements.setdefault(identifier, pdu[start:end])
        at = end
    return elements


def _octet(value: bytes | None) -> int | None:
    return value[0] if value else None


def _timer(value: bytes | None, units_s: dict[int, int]) -> int | None:
    octet = _octet(value)
    if octet is None or octet >> 5 == 7:
        return None
    return (octet & 0x1F) * units_s.get(octet >> 5, 60)    # an unknown unit counts as 1 min
