"""What units report by themselves: LwM2M Send.

Source: OMA LightweightM2M 1.1 core, section 6.4.6 (Send operation).
"""

from __future__ import annotations

from dataclasses import dataclass

from aiocoap.message import Message

from bench.protocols import lwm2m
from bench.protocols.lwm2m import Lwm2mError, Path, Record, TypeOf


@dataclass(frozen=True, slots=True)
class ReceivedSend:
    """One Send of ``endpoint`` at ``time_s`` (seconds since the timeline began), its records in their order.

    The times of records are seconds since 1970 UTC, or count from the moment of sending: see ``Record``.
    """

    time_s: float
    endpoint: str
    content_format: int
    records: tuple[Record, ...]
    payload: bytes


def read_send(time_s: float, endpoint: str, message: Message, type_of: TypeOf) -> ReceivedSend:
    """Raises Lwm2mError when it can't be read."""
    content_format = message.opt.content_format
    if content_format is None:
        raise Lwm2mError("a Send without Content-Format")
    records = lwm2m.decode_records(message.payload, Path(), int(content_format), type_of)
    return ReceivedSend(time_s, endpoint, int(content_format), tuple(records), message.payload)
