"""The key schedule of TLS 1.2 with PSK and SHA-256 (RFC 5246, RFC 4279, RFC 7627).

Nothing here keeps a secret; the results belong to the caller.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from bench.protocols.dtls.ciphers import AeadCipher, CbcCipher, RecordCipher, aead
from bench.protocols.dtls.suites import CipherSuite

KEY_OCTETS = range(16, 65)
"""Lengths of pre-shared keys that the bench uses."""


def prf(secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """``length`` octets of the pseudo-random function P_SHA256 (RFC 5246 section 5)."""
    seed = label + seed
    output, a = b"", seed
    while len(output) < length:
        a = hmac.digest(secret, a, "sha256")
        output += hmac.digest(secret, a + seed, "sha256")
    return output[:length]


def premaster_secret(psk: bytes) -> bytes:
    """RFC 4279 section 2: as many zeros as the key is long, and the key, each behind its length."""
    length = len(psk).to_bytes(2, "big")
    return length + bytes(len(psk)) + length + psk


def master_secret(premaster: bytes, client_random: bytes, server_random: bytes) -> bytes:
    return prf(premaster, b"master secret", client_random + server_random, 48)


def extended_master_secret(premaster: bytes, session_hash: bytes) -> bytes:
    """RFC 7627 section 4; ``session_hash`` covers the handshake up to and with the ClientKeyExchange."""
    return prf(premaster, b"extended master secret", session_hash, 48)


def verify_data(master: bytes, label: bytes, handshake_hash: bytes) -> bytes:
    """The content of a Finished; ``label`` is b"client finished" or b"server finished"."""
    return prf(master, label, handshake_hash, 12)


def record_ciphers(suite: CipherSuite, master: bytes, client_random: bytes, server_random: bytes,
                   random: Callable[[int], bytes]) -> tuple[RecordCipher, RecordCipher]:
    """The ciphers of what the client writes and of what the server writes (RFC 5246 section 6.3)."""
    seed = server_random + client_random
    if suite is CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256:
        block = prf(master, b"key expansion", seed, 96)
        return (CbcCipher(block[64:80], block[0:32], random), CbcCipher(block[80:96], block[32:64], random))
    block = prf(master, b"key expansion", seed, 40)
    return (AeadCipher(*aead(suite, block[0:16]), block[32:36]),
            AeadCipher(*aead(suite, block[16:32]), block[36:40]))


def key_log_line(client_random: bytes, master: bytes) -> str:
    """One line of an SSLKEYLOGFILE. It opens the whole session: it goes to a capture, never to a log."""
    return f"CLIENT_RANDOM {client_random.hex()} {master.hex()}\n"
