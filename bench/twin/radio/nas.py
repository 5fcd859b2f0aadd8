"""What a unit and the network agree on: PSM timers and eDRX, as their information elements can hold them.

Source: 3GPP TS 24.008, 10.5.7.4 (T3324), 10.5.7.4a (T3412 extended) and 10.5.5.32 (extended DRX, NB-S1 mode).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

T3324_STEPS = ((0, 62, 2), (120, 1860, 60), (2160, 11160, 360))
T3412_EXTENDED_STEPS = ((0, 62, 2), (90, 930, 30), (960, 1860, 60), (2400, 18600, 600), (21600, 111600, 3600),
                        (144000, 1116000, 36000), (2304000, 35712000, 1152000))
"""(first, last, step) in seconds."""

T3412_UNLESS_EXTENDED_S = 3240
"""54 min: what a unit gets that asks for no longer one (the usual value of T3412)."""

EDRX_CYCLES_S = {0b0010: 20.48, 0b0011: 40.96, 0b0101: 81.92, 0b1001: 163.84, 0b1010: 327.68, 0b1011: 655.36,
                 0b1100: 1310.72, 0b1101: 2621.44, 0b1110: 5242.88, 0b1111: 10485.76}
"""By the lower half of the octet; any other value counts as 0010."""


@dataclass(frozen=True, slots=True)
class PowerSaving:
    """What a unit asks for, or what a network grants; None: the information element is not there.

    ``t3412_s`` 0 is "deactivated". ``edrx`` is the octet: paging time window in the upper half, cycle in the lower.
    """

    t3324_s: int | None = None
    t3412_s: int | None = None
    edrx: int | None = None

    @property
    def edrx_cycle_s(self) -> float:
        """How long a unit that is idle may be out of reach; 0 without eDRX."""
        return 0.0 if self.edrx is None else EDRX_CYCLES_S.get(self.edrx & 0x0F, EDRX_CYCLES_S[0b0010])


@dataclass(frozen=True, slots=True)
class AirMessage:
    """One message between unit and network, as the network's log has it. ``layer`` is NAS or RRC; ``uplink``: from the
    unit; ``details`` are what is in the message, by name; ``packet`` is the IP packet that it carries.
    """

    time_s: float
    layer: str
    uplink: bool
    message: str
    details: Mapping[str, int] = field(default_factory=dict)
    packet: bytes = field(default=b"", repr=False)


def not_below(seconds: float, steps: tuple[tuple[int, int, int], ...]) -> int:
    """The shortest time of at least ``seconds`` that a timer of these steps can hold; the longest if none is."""
    held = [value for first, last, step in steps for value in range(first, last + 1, step)]
    return next((value for value in held if value >= seconds), held[-1])


# -- messages as octets (3GPP TS 24.301, chapter 8), as far as the bench can learn something from them

_EMM, _ESM_BEARER_5 = 0x07, 0x52
_UNIT_ADDRESS = bytes((192, 168, 2, 2))
_IMSI = bytes.fromhex("08 09 10 10 10 32 54 76 98")    # 001010123456789
_CAPABILITY = bytes.fromhex("02 e0 60")
_GUTI = bytes.fromhex("0b f6 00 f1 10 80 01 01 12 34 56 78")
_TAI_LIST = bytes.fromhex("06 00 00 f1 10 00 01")
_PDN_REQUEST = bytes.fromhex("00 04 02 01 d0 11")
_DEFAULT_BEARER = bytes.fromhex("00 10 52 01 c1 01 09 04 03 69 6f 74 05 01 c0 a8 02 02")

_T3324_UNITS = ((2, 0), (60, 1), (360, 2))
_T3412_UNITS = ((2, 3), (30, 4), (60, 5), (600, 0), (3600, 1), (36000, 2), (1152000, 6))
"""(seconds, code) from fine to coarse."""

_HEADS: dict[str, bytes] = {
    "Attach request": bytes((_EMM, 0x41, 0x72)) + _IMSI + _CAPABILITY + _PDN_REQUEST,
    "Attach accept": bytes((_EMM, 0x42, 0x01, 0x49)) + _TAI_LIST + _DEFAULT_BEARER,
    "Attach reject": bytes((_EMM, 0x44)),
    "Detach request": bytes((_EMM, 0x45, 0x01)),
    "Tracking area update request": bytes((_EMM, 0x48, 0x73)) + _GUTI,
    "Tracking area update accept": bytes((_EMM, 0x49, 0x00)),
    "ESM data transport": bytes((_ESM_BEARER_5, 0x00, 0xEB)),
}
"""What each message begins with; its parts that never change are those of a test network."""


_ORDER = {True: ("T3324", "T3412 extended", "eDRX"), False: ("T3412 extended", "T3324", "eDRX")}
"""Of the optional elements, in what the unit sends and in what the network sends."""


def octets(signal: AirMessage) -> bytes:
    """A message of layer NAS as it is before ciphering."""
    message = bytearray(_HEADS[signal.message])
    if signal.message == "ESM data transport":
        message += len(signal.packet).to_bytes(2, "big") + signal.packet
    for name in ("cause", "release assistance", *_ORDER[signal.uplink]):
        value = signal.details.get(name)
        if value is None:
            continue
        match name:
            case "T3324":
                message += bytes((0x6A, 1, _timer(value, _T3324_UNITS)))
            case "T3412 extended":
                message += bytes((0x5E, 1, _timer(not_below(value, T3412_EXTENDED_STEPS), _T3412_UNITS)))
            case "eDRX":
                message += bytes((0x6E, 1, value))
            case "cause":
                message.append(value)
            case "release assistance":
                message.append(0xF0 | value)
    return bytes(message)


def udp_packet(destination: str, port: int, data: bytes) -> bytes:
    """IPv4 and UDP (RFC 791, RFC 768) of the unit around ``data``, without checksums and with a made-up source port, so
    that each run has the same."""
    udp = b"".join(number.to_bytes(2, "big") for number in (49152, port, 8 + len(data), 0)) + data
    head = bytes((0x45, 0)) + (20 + len(udp)).to_bytes(2, "big") + bytes((0, 0, 0, 0, 64, 17, 0, 0))
    return head + _UNIT_ADDRESS + ipaddress.IPv4Address(destination).packed + udp


def _timer(seconds: int, units: tuple[tuple[int, int], ...]) -> int:
    return next(code << 5 | seconds // unit for unit, code in units if seconds % unit == 0 and seconds // unit < 32)
