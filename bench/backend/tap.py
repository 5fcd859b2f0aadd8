"""What passes between a server and its peers, written down: on the timeline and in the capture.

Addresses and ports of peers are the machine's affair and differ from run to run, so they appear nowhere: the timeline
has the peer's number, the capture has addresses made of it. Equal runs give equal bytes. Keys appear nowhere either.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Literal

from bench.backend.masks import Masks
from bench.clock import Clock
from bench.protocols import coap_message, mqttsn
from bench.protocols.pcapng import PcapngWriter
from bench.timeline import Timeline

Source = Literal["bootstrap", "dm", "mdm", "files"]
Direction = Literal["in", "out"]

SERVER_PORTS: dict[Source, int] = {"bootstrap": 5694, "dm": 5683, "mdm": 1884, "files": 5685}
"""The ports of the servers in captures, and those that are advertised to units behind a translating network.

5683 is CoAP's registered port; 5694, 1884 and 5685 are choices of the bench.
"""

SERVER_ADDRESS = "10.0.0.1"
UNIT_NETWORK = ipaddress.IPv4Address("10.64.0.0")
UNIT_PORT = 49152

Explain = Callable[[Direction, int, bytes, Masks], tuple[bytes, str, dict[str, Any]]]
"""The datagram as it is written down, one line for a person, and the fields by name; raises ValueError for what is no
message."""


def explain_coap(direction: Direction, peer: int, data: bytes, masks: Masks) -> tuple[bytes, str, dict[str, Any]]:
    """Raises CoapError, a ValueError."""
    message = coap_message.parse(data)
    shown = masks.sent(peer, data, message) if direction == "out" else masks.received(peer, data, message)
    return shown, coap_message.describe(message), coap_message.fields_of(message)


def explain_mqttsn(direction: Direction, peer: int, data: bytes, masks: Masks) -> tuple[bytes, str, dict[str, Any]]:
    """What the specification forbids is listed as ``deviations``. Raises MqttSnError, a ValueError."""
    message = mqttsn.decode(data)
    fields = mqttsn.fields(message)
    found = mqttsn.deviations(message)
    return data, mqttsn.describe(message), fields | ({"deviations": found} if found else {})


class Tap:
    """Sees every datagram of the server ``source``, in and out.

    Each gives an observation ``datagram`` (direction, peer, hex) and then ``message`` (direction, peer, text and the
    protocol's fields), or ``malformed`` (direction, peer, text: why) when it is none; and a packet of the capture.
    Octets of keys are written down as zeros, and ``masked`` says so.
    """

    def __init__(self, timeline: Timeline, clock: Clock, source: Source, pcap: PcapngWriter | None,
                 explain: Explain) -> None:
        self.masks = Masks()
        self._timeline = timeline
        self._clock = clock
        self._source = source
        self._pcap = pcap
        self._explain = explain

    def saw(self, direction: Direction, peer: int, data: bytes) -> None:
        """``direction`` is the server's view: "in" comes from the unit."""
        common: dict[str, Any] = {"direction": direction, "peer": peer}
        shown = data
        try:
            shown, text, fields = self._explain(direction, peer, data, self.masks)
        except ValueError as malformed:
            kind, explained = "malformed", {**common, "text": str(malformed)}
        else:
            kind, explained = "message", {**fields, **common, "text": text}
        masked = {"masked": True} if shown != data else {}
        self._timeline.append(self._source, "datagram", {**common, "hex": shown.hex(), **masked})
        self._timeline.append(self._source, kind, explained)
        if self._pcap is not None:
            unit = (str(UNIT_NETWORK + peer), UNIT_PORT)
            server = (SERVER_ADDRESS, SERVER_PORTS[self._source])
            inbound = direction == "in"
            self._pcap.packet(self._source, self._clock.time(), unit if inbound else server,
                              server if inbound else unit, shown, inbound=inbound,
                              comment="keys are masked by zeros" if masked else None)

    def note(self, kind: str, **data: Any) -> None:
        """An observation of the server itself."""
        self._timeline.append(self._source, kind, data)
