"""What passes between a server and its peers, written down: on the timeline and in the capture.

Addresses and ports of peers are the machine's affair and differ from run to run, so they appear nowhere: the timeline
has the peer's number, the capture has addresses made of it. Equal runs give equal bytes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Literal

from bench.clock import Clock
from bench.protocols import coap_message, mqttsn
from bench.protocols.pcapng import PcapngWriter
from bench.timeline import Timeline

Source = Literal["bootstrap", "dm", "mdm"]

SERVER_PORTS: dict[Source, int] = {"bootstrap": 5694, "dm": 5683, "mdm": 1884}
"""The ports of the three servers in captures, and those that are advertised to units behind a translating network.

5683 is CoAP's registered port; 5694 and 1884 are choices of the bench.
"""

SERVER_ADDRESS = "10.0.0.1"
UNIT_NETWORK = ipaddress.IPv4Address("10.64.0.0")
UNIT_PORT = 49152

Explain = Callable[[bytes], tuple[str, dict[str, Any]]]
"""One line for a person and the fields by name; raises ValueError for what is no message."""


def explain_coap(data: bytes) -> tuple[str, dict[str, Any]]:
    """Raises CoapError, a ValueError."""
    return coap_message.describe(coap_message.parse(data)), coap_message.fields(data)


def explain_mqttsn(data: bytes) -> tuple[str, dict[str, Any]]:
    """What the specification forbids is listed as ``deviations``. Raises MqttSnError, a ValueError."""
    message = mqttsn.decode(data)
    fields = mqttsn.fields(message)
    found = mqttsn.deviations(message)
    return mqttsn.describe(message), fields | ({"deviations": found} if found else {})


class Tap:
    """Sees every datagram of the server ``source``, in and out.

    Each gives an observation ``datagram`` (direction, peer, hex) and then ``message`` (direction, peer, text and the
    protocol's fields), or ``malformed`` (direction, peer, text: why) when it is none; and a packet of the capture.
    """

    def __init__(self, timeline: Timeline, clock: Clock, source: Source, pcap: PcapngWriter | None,
                 explain: Explain) -> None:
        self._timeline = timeline
        self._clock = clock
        self._source = source
        self._pcap = pcap
        self._explain = explain

    def saw(self, direction: Literal["in", "out"], peer: int, data: bytes) -> None:
        """``direction`` is the server's view: "in" comes from the unit."""
        common = {"direction": direction, "peer": peer}
        self._timeline.append(self._source, "datagram", {**common, "hex": data.hex()})
        try:
            text, fields = self._explain(data)
        except ValueError as malformed:
            self._timeline.append(self._source, "malformed", {**common, "text": str(malformed)})
        else:
            self._timeline.append(self._source, "message", {**fields, **common, "text": text})
        if self._pcap is not None:
            unit = (str(UNIT_NETWORK + peer), UNIT_PORT)
            server = (SERVER_ADDRESS, SERVER_PORTS[self._source])
            inbound = direction == "in"
            self._pcap.packet(self._source, self._clock.time(), unit if inbound else server,
                              server if inbound else unit, data, inbound=inbound)
