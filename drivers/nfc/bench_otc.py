"""The built-in settings codec "bench-otc/1".

It is the bench's reference format, NOT Elvaco's OTC format, which is not public: a real CMi6110 will not understand it.

The format is described at the head of ``bench/twin/cmi6110/otc.py``, which is the unit's side of it, written apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import cbor2
import ndef

from bench.manual import settings
from bench.manual.settings import Value
from drivers.nfc import ApplyResult, CodecInfo, Pak, Snapshot, Status, UnitIdentity
from drivers.nfc.tag_session import TagFormatError, TagSession

_TYPE = "urn:nfc:ext:bench.example:"
_VERSION = 1


class BenchOtcCodec:
    """Settings on a tag in the bench's own reference format; a ``SettingsCodec``."""

    info = CodecInfo(name="bench-otc", version=str(_VERSION), vendor_format=False,
                     note="bench reference format, NOT Elvaco's OTC format; a real CMi6110 will not understand it")

    def recognises(self, tag: TagSession) -> bool:
        try:
            return self._identity(tag).get(0) == _VERSION
        except TagFormatError:
            return False

    def read(self, tag: TagSession) -> Snapshot:
        records = _records(tag)
        identity = self._identity(tag, records)
        numbers = _content(tag, records, "otc-cfg")
        if not all(type(number) is int and type(value) in (int, str) for number, value in numbers.items()):
            raise _malformed(tag, "otc-cfg with numbers and texts", "something else in it")
        known = settings.by_number()
        return Snapshot(
            identity=UnitIdentity(identity[1], identity[2].hex().upper(), identity[3]),
            values={known[number].key: known[number].decode(value)
                    for number, value in sorted(numbers.items()) if number in known},
            locked=identity[4],
            unknown={number: value for number, value in sorted(numbers.items()) if number not in known})

    def write(self, tag: TagSession, changes: Mapping[str, Value], pak: Pak | None) -> bytes:
        identity = self._identity(tag)
        deveui, sequence, nonce = identity[2], identity[5] + 1, identity[6]
        numbers = {settings.find(key).number: settings.find(key).encode(value) for key, value in changes.items()}
        # Unique for each request, as the nonce is, and the same when a lost request is sent again.
        transaction = hashlib.sha256(nonce + sequence.to_bytes(8, "big")).digest()[:8]
        request: dict[int, Any] = {0: transaction, 1: sequence, 2: numbers}
        if pak is not None:
            signed = cbor2.dumps([sequence, transaction, numbers], canonical=True)
            request[3] = pak.mac(b"otc-req/1" + deveui + nonce + signed)
        record = ndef.Record(_TYPE + "otc-req", "", cbor2.dumps(request, canonical=True))
        tag.write_ndef(b"".join(ndef.message_encoder([record])))
        return transaction

    def result(self, tag: TagSession, ticket: bytes) -> ApplyResult | None:
        try:
            records = _records(tag, again=True)
        except TagFormatError:
            return None                     # the unit is writing its answer
        if "otc-res" not in records:
            return None
        answer = _content(tag, records, "otc-res")
        if answer.get(0) not in (ticket, b""):
            return None
        per_setting = answer.get(2)
        if not isinstance(per_setting, dict):
            raise _malformed(tag, "an outcome for each setting in otc-res", repr(per_setting))
        known = settings.by_number()
        return ApplyResult(_status(tag, answer.get(1)),
                           {known[number].key: _status(tag, each) for number, each in per_setting.items()
                            if number in known})

    def _identity(self, tag: TagSession, records: Mapping[str, bytes] | None = None) -> Mapping[int, Any]:
        """otc-id, every field of the right type."""
        identity = _content(tag, _records(tag) if records is None else records, "otc-id")
        for number, right in _IDENTITY.items():
            if number not in identity or not right(identity[number]):
                raise _malformed(tag, f"a good field {number} in otc-id", "a missing or malformed one")
        return identity


_IDENTITY: Mapping[int, Callable[[Any], bool]] = {
    0: lambda version: version == _VERSION,
    1: lambda model: isinstance(model, str),
    2: lambda deveui: isinstance(deveui, bytes) and len(deveui) == 8,
    3: lambda firmware: isinstance(firmware, str),
    4: lambda locked: isinstance(locked, bool),
    5: lambda sequence: type(sequence) is int and 0 <= sequence < 2 ** 63,
    6: lambda nonce: isinstance(nonce, bytes) and len(nonce) == 16,
}


def _records(tag: TagSession, *, again: bool = False) -> Mapping[str, bytes]:
    """The records of our domain on the tag: name -> payload."""
    message = tag.read_ndef(again=again)
    try:
        records = list(ndef.message_decoder(message, errors="strict"))
    except (ndef.DecodeError, ValueError) as error:
        raise _malformed(tag, "an NDEF message", str(error)) from error
    return {record.type.removeprefix(_TYPE): bytes(record.data)
            for record in records if record.type.startswith(_TYPE)}


def _content(tag: TagSession, records: Mapping[str, bytes], name: str) -> Mapping[int, Any]:
    if name not in records:
        raise _malformed(tag, f"the record {name}", f"{', '.join(records) or 'no record of this codec'}")
    try:
        content = cbor2.loads(records[name])
        canonical = cbor2.dumps(content, canonical=True) == records[name]
    except (cbor2.CBORError, ValueError, TypeError, RecursionError) as error:
        raise _malformed(tag, f"CBOR in {name}", str(error)) from error
    if not isinstance(content, dict) or not canonical:
        raise _malformed(tag, f"a canonical CBOR map in {name}", "something else")
    return content


def _status(tag: TagSession, number: object) -> Status:
    try:
        return Status(number)  # type: ignore[arg-type]  # anything else than a status is a ValueError
    except ValueError:
        raise _malformed(tag, "a status 0..14 in otc-res", repr(number)) from None


def _malformed(tag: TagSession, expected: str, seen: str) -> TagFormatError:
    return TagFormatError(tag.subject, expected=expected, seen=seen,
                          do="check that the settings codec in the station file fits this unit")
