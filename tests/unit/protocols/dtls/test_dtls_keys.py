"""The key schedule against numbers of others: the public PRF vector of the IETF's TLS list, and ``openssl kdf``."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from bench.protocols.dtls import ALL_SUITES, CipherSuite
from bench.protocols.dtls.ciphers import BadRecord, protect, unprotect
from bench.protocols.dtls.keys import (
    extended_master_secret,
    master_secret,
    premaster_secret,
    prf,
    record_ciphers,
    verify_data,
)
from bench.protocols.dtls.records import split

PSK = bytes.fromhex("404142434445464748494a4b4c4d4e4f")
CLIENT_RANDOM, SERVER_RANDOM, HASH = b"\x11" * 32, b"\x22" * 32, b"\x33" * 32
MASTER = bytes.fromhex(
    "6bc4a6d91d1405999addd55b72a4da61289550c079b6908ded604195f2933772f11452cb153be257332b207f520647e4")


def test_prf_gives_the_published_vector_of_sha_256() -> None:
    """"Test vectors for TLS 1.2's PRF", IETF mailing list tls, msg03416."""
    assert prf(bytes.fromhex("9bbe436ba940f017b17652849a71db35"), b"test label",
               bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c"), 100).hex() == (
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
        "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab"
        "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66")


def test_the_premaster_secret_is_zeros_and_the_key_behind_their_lengths() -> None:
    assert premaster_secret(PSK).hex() == "0010" + 32 * "0" + "0010" + "404142434445464748494a4b4c4d4e4f"
    assert premaster_secret(bytes(64))[:2].hex() == "0040"
    assert len(premaster_secret(bytes(64))) == 132


def test_master_secrets_and_verify_data_are_those_of_openssl_kdf() -> None:
    """openssl kdf -keylen N -kdfopt digest:SHA256 -kdfopt hexsecret:.. -kdfopt hexseed:.. TLS1-PRF"""
    premaster = premaster_secret(PSK)
    assert master_secret(premaster, CLIENT_RANDOM, SERVER_RANDOM) == MASTER
    assert extended_master_secret(premaster, HASH).hex() == (
        "06a3b39db0fff7f30574aabec9012b7211c4a476ed163b8e9de59badba4569d407a71875c6b8e77100c7a1528d317a2a")
    assert verify_data(MASTER, b"client finished", HASH).hex() == "c55449babb99128a7ec3afe4"


KEY_BLOCK = bytes.fromhex(
    "0dff34d5ad9fff0db1a2c952916a285e12a6732d14b21cece661eeeb72c9dc0cff357db4184cd64ff0108f0c69e32fa9"
    "84ac7f15b30d4ee59d7b2e194c256da1cc7224b5a0ea6de79a528f05df742647f1c40b847f840fe80780317020e21c50")
"""Of ``openssl kdf`` too."""


def test_keys_are_cut_from_the_key_block_in_the_order_of_rfc_5246() -> None:
    """A record of each direction, opened with `cryptography` alone."""
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    client, server = record_ciphers(CipherSuite.TLS_PSK_WITH_AES_128_CCM_8, MASTER, CLIENT_RANDOM, SERVER_RANDOM,
                                    os.urandom)
    for cipher, key, salt in ((client, KEY_BLOCK[0:16], KEY_BLOCK[32:36]),
                              (server, KEY_BLOCK[16:32], KEY_BLOCK[36:40])):
        datagram = protect(cipher, 23, 1, 7, b"some data")
        assert datagram[:13].hex() == "17fefd" "0001" "000000000007" "0019"
        assert datagram[13:21] == datagram[3:11], "the explicit nonce is the record's number"
        additional = bytes.fromhex("0001000000000007" "17" "fefd" "0009")
        assert AESCCM(key, tag_length=8).decrypt(salt + datagram[13:21], datagram[21:], additional) == b"some data"


def test_a_record_with_connection_id_authenticates_what_rfc_9146_says() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    client, _ = record_ciphers(CipherSuite.TLS_PSK_WITH_AES_128_CCM_8, MASTER, CLIENT_RANDOM, SERVER_RANDOM,
                               os.urandom)
    datagram = protect(client, 23, 1, 7, b"some data", b"\xbe\xef")
    assert datagram[:15].hex() == "19fefd" "0001" "000000000007" "beef" "001a"
    additional = bytes.fromhex("ffffffffffffffff" "19" "02" "19" "fefd" "0001000000000007" "beef" "000a")
    assert AESCCM(KEY_BLOCK[0:16], tag_length=8).decrypt(
        KEY_BLOCK[32:36] + datagram[15:23], datagram[23:], additional) == b"some data\x17"


@pytest.mark.parametrize("suite", ALL_SUITES)
@pytest.mark.parametrize("connection_id", [b"", b"\xbe\xef"])
def test_a_record_changed_in_any_octet_or_cut_does_not_authenticate(suite: CipherSuite, connection_id: bytes) -> None:
    client, server = record_ciphers(suite, MASTER, CLIENT_RANDOM, SERVER_RANDOM, os.urandom)
    datagram = protect(client, 23, 1, 7, b"some data", connection_id)
    (record,), _ = split(datagram, len(connection_id))
    assert unprotect(client, record) == (23, b"some data")
    with pytest.raises(BadRecord):
        unprotect(server, record)
    changed = [replace(record, body=record.body[:at] + bytes([record.body[at] ^ 1]) + record.body[at + 1:])
               for at in range(len(record.body))]
    changed += [replace(record, sequence=8), replace(record, epoch=2), replace(record, version=0xFEFF)]
    changed += [replace(record, connection_id=b"\xbe\xee")] if connection_id else [replace(record, content_type=21)]
    changed += [replace(record, body=record.body[:length]) for length in range(len(record.body))]
    for bent in changed:
        with pytest.raises(BadRecord):
            unprotect(client, bent)
