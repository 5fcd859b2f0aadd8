"""NAS messages by octets that were put together by hand from 3GPP TS 24.301 and TS 24.008."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.radio.nas_pdu import NasPdu, decode

IMSI, CAPABILITY, ESM = "08091010103254769 8", "02e060", "00040201d011"
ATTACH_REQUEST = f"074172{IMSI}{CAPABILITY}{ESM}".replace(" ", "")
ATTACH_ACCEPT = "07420149" "060000f1100001" "0003520 1c1".replace(" ", "")


@pytest.mark.parametrize(("octets", "pdu"), [
    (ATTACH_REQUEST, NasPdu(0x41)),
    (ATTACH_REQUEST + "6a0122" "5e0147" "6e0113", NasPdu(0x41, 120, 252000, 0x13)),
    (ATTACH_REQUEST + "5c0a00" "9f" "6a01e0", NasPdu(0x41)),      # DRX parameter; deactivated
    (ATTACH_REQUEST + "5200f1100001" "6a0105" "5e0168", NasPdu(0x41, 10, 16)),           # last visited TAI
    ("17aabbccdd05" + ATTACH_REQUEST + "6a0143", NasPdu(0x41, 1080)),       # integrity protected
    (ATTACH_ACCEPT + "5949" "1749" "640102" "6a0121" "5e0138", NasPdu(0x42, 60, 86400)),
    ("074413", NasPdu(0x44, cause=19)),
    ("07440f" "9e", NasPdu(0x44, cause=15)),
    ("074501", NasPdu(0x45)),
    ("0748730bf600f1108001011234567 8".replace(" ", "") + "5e01c1", NasPdu(0x48, None, 1152000)),
    ("074900" "5a49" "6a0100", NasPdu(0x49, 0)),
    ("5200eb0003aabbcc" "f2", NasPdu(0xEB, release_assistance=2)),
    ("5200eb0000", NasPdu(0xEB)),
    ("5200eb001e" "4500001e0000400040110000c0a80202cb007109" "c00014e7000a0000" "4801" "f2",
     NasPdu(0xEB, release_assistance=2, destination="203.0.113.9:5351")),
    ("5200eb001c" "4500001c0000400040060000c0a80202cb007109" "c00014e700080000", NasPdu(0xEB)),    # TCP
    ("c70102ab", None), ("0752" + "00" * 20, None), ("62020203", None)])
def test_messages_by_hand(octets, pdu):
    assert decode(bytes.fromhex(octets)) == pdu


@pytest.mark.parametrize("octets", ["", "07", "0741", "074172", "07417208", ATTACH_REQUEST[:-2], ATTACH_REQUEST + "6a",
                                    ATTACH_REQUEST + "6a0222", ATTACH_REQUEST + "5200", "5200", "5200eb",
                                    "5200eb0005aa", "0749", "17aabb"])
def test_a_message_that_breaks_off_is_a_value_error(octets):
    with pytest.raises(ValueError, match=r"breaks off|no message type"):
        decode(bytes.fromhex(octets))


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=20).map(bytes.fromhex(ATTACH_REQUEST).__add__)))
def test_any_octets_are_decoded_or_a_value_error(octets):
    try:
        decode(octets)
    except ValueError:
        return
