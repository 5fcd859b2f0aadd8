"""The cipher suites of the engine. All of them exchange keys by PSK only and use SHA-256 in the PRF."""

from __future__ import annotations

from enum import IntEnum


class CipherSuite(IntEnum):
    """IANA's numbers (RFC 6655 for CCM, RFC 5487 for GCM and CBC)."""

    TLS_PSK_WITH_AES_128_CCM_8 = 0xC0A8
    TLS_PSK_WITH_AES_128_CCM = 0xC0A4
    TLS_PSK_WITH_AES_128_GCM_SHA256 = 0x00A8
    TLS_PSK_WITH_AES_128_CBC_SHA256 = 0x00AE


ALL_SUITES = tuple(CipherSuite)
"""In the order in which both roles prefer them: the fewest octets on the air first."""

EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF
"""Not a suite: a client says by it that it knows secure renegotiation (RFC 5746)."""
