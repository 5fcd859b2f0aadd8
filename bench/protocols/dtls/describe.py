"""What a DTLS datagram holds, as far as anybody on the way can see."""

from __future__ import annotations

from bench.protocols.dtls.handshake import HandshakeError, HandshakeType, split_fragments
from bench.protocols.dtls.records import ContentType, Record, split

_ENCRYPTED: dict[int, str] = {
    ContentType.HANDSHAKE: "encrypted handshake", ContentType.ALERT: "encrypted alert",
    ContentType.APPLICATION_DATA: "application data", ContentType.TLS12_CID: "record with connection id"}


def describe(datagram: bytes, connection_id_length: int | None = None) -> str:
    """One line for a person: ``ServerHello, ServerHelloDone``. Never raises."""
    records, rest = split(datagram, connection_id_length)
    names = [name for record in records for name in _names(record)]
    return ", ".join([*names, rest] if rest is not None else names) or "nothing"


def _names(record: Record) -> list[str]:
    if record.epoch:
        return [_ENCRYPTED.get(record.content_type, "encrypted record")]
    if record.content_type == ContentType.CHANGE_CIPHER_SPEC:
        return ["ChangeCipherSpec"]
    if record.content_type == ContentType.ALERT:
        return ["alert"]
    if record.content_type != ContentType.HANDSHAKE:
        return [f"plaintext record of type {record.content_type}"]
    try:
        fragments = split_fragments(record.body)
    except HandshakeError as malformed:
        return [str(malformed)]
    return [_message_name(fragment.message_type) for fragment in fragments if fragment.offset == 0]


def _message_name(message_type: int) -> str:
    try:
        name = HandshakeType(message_type).name
    except ValueError:
        return f"handshake message {message_type}"
    return "".join(part.capitalize() for part in name.split("_"))
