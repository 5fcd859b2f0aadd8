"""What gateways do differently from each other, and from the specification: each difference is a field.

Source: MQTT-SN specification 1.2 (section 6), and one series of 45 frames sent to two public gateways, Eclipse RSMB 1.3
and the Eclipse Paho gateway 1.5.1; the third, Utilitarian's, was read only. None of them was made for the bench.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum


class ToStranger(StrEnum):
    """What a message gets that belongs to no session."""

    SILENCE = "silence"
    DISCONNECT = "DISCONNECT"
    DISCONNECT_IF_KNOWN = "DISCONNECT once the source was known, else silence"


class ToUnknownTopic(StrEnum):
    """What a PUBLISH gets whose topic id says nothing to the gateway."""

    SILENCE = "silence"
    INVALID_TOPIC_ID = "PUBACK 02"
    END_OF_SESSION = "DISCONNECT, and the session is gone"


class ToReservedType(StrEnum):
    """What a PUBLISH with the reserved topic id type 0b11 gets."""

    SILENCE = "silence"
    INVALID_TOPIC_ID = "PUBACK 02"
    ACCEPTED = "PUBACK 00, and the payload is lost"


class ToExcessOctets(StrEnum):
    """What a datagram gets that is longer than its Length says."""

    SILENCE = "silence"
    DISCONNECT = "DISCONNECT"
    END_OF_SESSION = "DISCONNECT, and the session is gone"


class Expiry(StrEnum):
    """What ends the session of a silent client."""

    NEVER = "never"
    KEEP_ALIVE = "the keep-alive time and 10 %, or 50 % when it is a minute or less (7.2)"
    FIXED = "a fixed time"


class ClientIs(StrEnum):
    """By what the gateway tells which client a message comes from."""

    ADDRESS_AND_PORT = "address and port"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """The defaults are the bench's own: as specified, but patient (no session expires, any client id is welcome)."""

    to_stranger: ToStranger = ToStranger.DISCONNECT
    pings_strangers_back: bool = False
    """PINGREQ of a stranger gets PINGRESP."""
    refuses_other_protocols: bool = True
    """A CONNECT with another protocol id gets CONNACK 03, else silence."""
    takes_any_client_id: bool = True
    """Also an empty one, or one of more than 23 characters; else CONNACK 03."""
    gives_new_id_to_known_name: bool = False
    takes_any_topic_name: bool = False
    """REGISTER also of wildcards and the empty name; else REGACK 03."""
    acknowledges_with_topic_id_0: bool = False
    """PUBACK with topic id 0000 in place of that of the PUBLISH."""
    to_unknown_topic: ToUnknownTopic = ToUnknownTopic.INVALID_TOPIC_ID
    to_unknown_topic_at_qos_0: ToUnknownTopic = ToUnknownTopic.INVALID_TOPIC_ID
    to_unknown_predefined_topic: ToUnknownTopic = ToUnknownTopic.INVALID_TOPIC_ID
    to_reserved_topic_type: ToReservedType = ToReservedType.INVALID_TOPIC_ID
    takes_qos_2: bool = True
    """Else PUBACK 03."""
    takes_long_connect: bool = True
    """CONNECT also with the Length of 3 octets; else silence."""
    acknowledges_qos_0: bool = False
    """A superfluous PUBACK 00."""
    to_excess_octets: ToExcessOctets = ToExcessOctets.SILENCE
    topics_survive_session: bool = True
    """Topic ids still count after a CONNECT without CleanSession, though the session had ended."""
    client_is: ClientIs = ClientIs.ADDRESS_AND_PORT
    connack_after_s: float = 0.0
    takes_only_meter_messages: bool = False
    """Only CONNECT (without a will), REGISTER, PUBLISH and PINGREQ are understood; else silence."""
    takes_repetition_for_new: bool = False
    """A PUBLISH with DUP counts once more, though its message id and payload are those of the one before."""
    expiry: Expiry = Expiry.NEVER
    lifetime_s: float = 7 * 86400.0
    """With ``Expiry.FIXED``; each message of the client extends it."""

    def __str__(self) -> str:
        """What is not as with the bench's own gateway."""
        usual = GatewayPolicy()
        return ", ".join(f"{one.name} = {getattr(self, one.name)}" for one in fields(self)
                         if getattr(self, one.name) != getattr(usual, one.name)) or "the bench's own"


PATIENT = GatewayPolicy()

SPECIFICATION = GatewayPolicy(takes_any_client_id=False, expiry=Expiry.KEEP_ALIVE)

RSMB = GatewayPolicy(
    to_stranger=ToStranger.SILENCE, refuses_other_protocols=False, takes_any_topic_name=True,
    acknowledges_with_topic_id_0=True, to_unknown_topic=ToUnknownTopic.SILENCE,
    to_unknown_topic_at_qos_0=ToUnknownTopic.SILENCE, to_unknown_predefined_topic=ToUnknownTopic.SILENCE,
    to_reserved_topic_type=ToReservedType.ACCEPTED, to_excess_octets=ToExcessOctets.END_OF_SESSION,
    topics_survive_session=False, expiry=Expiry.KEEP_ALIVE)

PAHO = GatewayPolicy(
    to_stranger=ToStranger.DISCONNECT_IF_KNOWN, refuses_other_protocols=False, takes_any_topic_name=True,
    to_unknown_topic_at_qos_0=ToUnknownTopic.SILENCE, to_unknown_predefined_topic=ToUnknownTopic.END_OF_SESSION,
    to_excess_octets=ToExcessOctets.DISCONNECT, connack_after_s=0.5, expiry=Expiry.KEEP_ALIVE)

UTILITARIAN = GatewayPolicy(
    pings_strangers_back=True, refuses_other_protocols=False, gives_new_id_to_known_name=True,
    takes_any_topic_name=True, to_reserved_topic_type=ToReservedType.SILENCE, takes_qos_2=False,
    takes_long_connect=False, acknowledges_qos_0=True, client_is=ClientIs.ADDRESS, takes_only_meter_messages=True,
    expiry=Expiry.FIXED)

PRESETS = {"patient": PATIENT, "specification": SPECIFICATION, "RSMB": RSMB, "Paho": PAHO, "Utilitarian": UTILITARIAN}
"""Keep-alive as RSMB and Paho keep it was not measured: the specification's is taken."""
