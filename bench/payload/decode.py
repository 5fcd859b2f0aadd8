"""The one entrance: bytes of an upload to a telegram."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import get_args

from bench.payload.json_telegram import decode_json
from bench.payload.mbus import decode_mbus, field_of
from bench.payload.readout import Encoding, PayloadError, Telegram, quoted
from bench.payload.senml import decode_senml

MAX_BYTES = 65536
"""No datagram is longer."""

_DECODERS = {"mbus": decode_mbus, "json": decode_json, "senml-cbor": decode_senml}


def decode(data: bytes, encoding: str | None = None) -> Telegram:
    """The telegram in ``data``.

    ``encoding`` is "mbus", "json" or "senml-cbor"; None finds it out from the first bytes (see ``detect``).
    Raises PayloadError when the bytes are not decodable, and nothing else.
    """
    if len(data) > MAX_BYTES:
        raise PayloadError(f"{len(data)} bytes are too many, {MAX_BYTES} is the limit")
    if not data:
        raise PayloadError("the telegram is empty")
    decoder = _DECODERS.get(encoding or detect(data))
    if decoder is None:
        raise PayloadError(f"unknown encoding {quoted(encoding)}, choose {', '.join(get_args(Encoding))}")
    return decoder(bytes(data))


def is_likely(telegram: Telegram) -> bool:
    """Whether at least half of an M-Bus telegram is what a heat meter says: the octets of anything may be records.
    Other encodings can be told from their first octets."""
    known = sum(len(one.raw) for readout in telegram.readouts for one in readout.records
                if field_of(one) is not None and isinstance(one.value, Decimal | datetime))
    return telegram.encoding != "mbus" or not telegram.readouts or 2 * known >= len(telegram.raw)


def detect(data: bytes) -> Encoding:
    """The encoding that the first bytes show.

    JSON starts with a brace, SenML with the head of a CBOR array and the head of a map; everything else is M-Bus.
    """
    if data.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] in (b"{", b"["):
        return "json"
    first = data[0] if data else 0
    head = {0x98: 2, 0x99: 3, 0x9A: 5, 0x9B: 9}.get(first, 1)
    is_array = 0x80 <= first <= 0x9B or first == 0x9F
    if is_array and (len(data) <= head or 0xA0 <= data[head] <= 0xBF):
        return "senml-cbor"
    return "mbus"
