"""What passes between a server and its peers, written down: on the timeline and in the capture.

Addresses and ports of peers are the machine's affair and differ from run to run, so they appear nowhere: the timeline
has the peer's number, the capture has addresses made of it, and one for each server. Equal runs give equal bytes. Keys
of units appear nowhere either.

What passes in DTLS is on the timeline in clear (``message``, marked ``secure``) and as it was on the wire
(``datagram``); in the capture it is encrypted, with the session keys beside it, so that a reader of captures shows it.
The capture holds no session keys of a session in which a key of a unit passed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bench.backend.masks import KnownKeys, Masks
from bench.clock import Clock
from bench.key_forms import without_keys_in_text
from bench.protocols import coap_message, mqttsn
from bench.protocols.pcapng import PcapngWriter, Secrets
from bench.timeline import Timeline

Source = Literal["bootstrap", "dm", "mdm", "files", "dm-2", "mdm-2"]
Direction = Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class Advertised:
    """The ports of a server that are advertised to units behind a translating network, plain and DTLS (0: none)."""

    plain: int
    secure: int = 0


ADVERTISED: dict[Source, Advertised] = {
    "bootstrap": Advertised(5694, 5695), "dm": Advertised(5683, 5684), "mdm": Advertised(1884, 1885),
    "files": Advertised(5685), "dm-2": Advertised(5783, 5784), "mdm-2": Advertised(1984, 1985)}
"""5683 and 5684 are the registered ports of CoAP and CoAPS; the others are choices of the bench."""

_COAP, _MQTTSN = (5683, 5684), (1884, 1885)
CAPTURED: dict[Source, tuple[str, tuple[int, int]]] = {
    "bootstrap": ("10.0.0.1", _COAP), "dm": ("10.0.0.2", _COAP), "mdm": ("10.0.0.3", _MQTTSN),
    "files": ("10.0.0.4", _COAP), "dm-2": ("10.0.0.5", _COAP), "mdm-2": ("10.0.0.6", _MQTTSN)}
"""Address and ports (plain, DTLS) of the servers in captures: the registered ones, so that a reader knows the protocol.
MQTT-SN has none."""

UNIT_NETWORK = ipaddress.IPv4Address("10.64.0.0")
UNIT_PORT = 49152

Explain = Callable[[Direction, int, bytes, Masks], tuple[bytes, str, dict[str, Any]]]
"""The datagram as it is written down, one line for a person, and the fields by name; raises ValueError for what is no
message."""


def explain_coap(direction: Direction, peer: int, data: bytes, masks: Masks) -> tuple[bytes, str, dict[str, Any]]:
    """Raises CoapError, a ValueError."""
    message = coap_message.parse(data)
    shown = masks.sent(peer, data, message) if direction == "out" else masks.received(peer, data, message)
    told = message if shown == data else coap_message.parse(shown)
    return shown, coap_message.describe(told), coap_message.fields_of(told)


def explain_mqttsn(direction: Direction, peer: int, data: bytes, masks: Masks) -> tuple[bytes, str, dict[str, Any]]:
    """What the specification forbids is listed as ``deviations``. Raises MqttSnError, a ValueError."""
    message = mqttsn.decode(data)
    shown = masks.without_keys(data)
    told = message if shown == data else mqttsn.decode(shown)
    found = mqttsn.deviations(message)
    return shown, mqttsn.describe(told), mqttsn.fields(told) | ({"deviations": found} if found else {})


class Tap:
    """Sees every datagram of the server ``source``, in and out.

    Each gives an observation ``datagram`` (direction, peer, hex) and then ``message`` (direction, peer, text and the
    protocol's fields), or ``malformed`` (direction, peer, text: why) when it is none; and a packet of the capture.
    Octets of keys are written down as zeros, and ``masked`` says so. ``known_keys`` are those of all servers.

    In DTLS (``secure``) the two are apart: ``saw_record`` and ``saw_inside``, with ``capture`` and ``keep_secrets``
    for the capture, where a packet must come after the session keys that open it.
    """

    def __init__(self, timeline: Timeline, clock: Clock, source: Source, pcap: PcapngWriter | None, explain: Explain,
                 known_keys: KnownKeys | None = None) -> None:
        self.source = source
        self.masks = Masks(known_keys)
        self._timeline = timeline
        self._clock = clock
        self._pcap = pcap
        self._explain = explain

    def saw(self, direction: Direction, peer: int, data: bytes) -> None:
        """A plain datagram. ``direction`` is the server's view: "in" comes from the unit."""
        shown, kind, explained = self._explained(direction, peer, data)
        masked = {"masked": True} if shown != data else {}
        self._timeline.append(self.source, "datagram", {"direction": direction, "peer": peer, "hex": shown.hex(),
                                                        **masked})
        self._timeline.append(self.source, kind, explained)
        self.capture(direction, peer, shown, comment="keys are masked by zeros" if masked else None)

    def saw_record(self, direction: Direction, peer: int, data: bytes, text: str) -> None:
        """A datagram of DTLS, as it is on the wire; ``text`` says what can be seen of it."""
        self._timeline.append(self.source, "datagram", {"direction": direction, "peer": peer, "hex": data.hex(),
                                                        "secure": True, "text": text})

    def saw_inside(self, direction: Direction, peer: int, data: bytes) -> bool:
        """A message that passes in DTLS; whether there is a key in it."""
        shown, kind, explained = self._explained(direction, peer, data)
        masked = {"masked": True} if shown != data else {}
        self._timeline.append(self.source, kind, {**explained, "secure": True, **masked})
        return bool(masked)

    def _explained(self, direction: Direction, peer: int, data: bytes) -> tuple[bytes, str, dict[str, Any]]:
        common: dict[str, Any] = {"direction": direction, "peer": peer}
        try:
            shown, text, fields = self._explain(direction, peer, data, self.masks)
        except ValueError as malformed:
            text = without_keys_in_text(str(malformed), self.masks.keys)
            return self.masks.without_keys(data), "malformed", {**common, "text": text}
        return shown, "message", {**fields, **common, "text": text}

    # -- the capture

    def capture(self, direction: Direction, peer: int, data: bytes, *, secure: bool = False,
                comment: str | None = None) -> None:
        """One packet."""
        if self._pcap is None:
            return
        unit = (str(UNIT_NETWORK + peer), UNIT_PORT)
        address, ports = CAPTURED[self.source]
        server = (address, ports[secure])
        inbound = direction == "in"
        self._pcap.packet(self.source, self._clock.time(), unit if inbound else server, server if inbound else unit,
                          data, inbound=inbound, comment=comment)

    def keep_secrets(self, key_log: str) -> Secrets | None:
        """Write the keys of a session, before the packet that shows them to be in use; for ``forget_secrets``."""
        return self._pcap.secrets(key_log) if self._pcap is not None else None

    def forget_secrets(self, secrets: Secrets) -> None:
        """A key of a unit is about to pass in that session: nobody shall read it from the capture."""
        if self._pcap is not None:
            self._pcap.forget(secrets)

    def note(self, kind: str, **data: Any) -> None:
        """An observation of the server itself."""
        self._timeline.append(self.source, kind, data)
