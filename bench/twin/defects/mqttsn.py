"""Defects of the conversation with the MQTT-SN gateway."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.mqttsn import Connack, Message, Publish, QoS, ReturnCode
from bench.twin.cmi6110.mdm_client import MdmClient, MdmStatus
from bench.twin.defects.registry import defect
from bench.twin.lab import Lab


@defect("mqttsn-dup-missing", "RETX-19", wire="mdm")
class DupMissing(MdmClient):
    """A repeated PUBLISH does not say that it is one."""

    def repetition(self, message: Message) -> Message:
        return message


@defect("mqttsn-repetition-is-new", "RETX-19", wire="mdm")
class RepetitionIsNew(MdmClient):
    """A repeated PUBLISH has another message id."""

    def repetition(self, message: Message) -> Message:
        again = super().repetition(message)
        return replace(again, message_id=again.message_id % 0xFFFF + 1) if isinstance(again, Publish) else again


@defect("mqttsn-message-id-reused", "NET-02", wire="mdm")
class MessageIdReused(MdmClient):
    """Every message has the message id 7."""

    def next_message_id(self) -> int:
        return 7


@defect("mqttsn-one-attempt", "NET-32", "OTC-T12-02", wire="mdm")
class OneAttempt(MdmClient):
    """A message is not repeated."""

    def attempts(self) -> int:
        return 1


@defect("mqttsn-never-gives-up", "NET-32", "OTC-T12-02", wire="mdm")
class NeverGivesUp(MdmClient):
    """A message is repeated ten times, whatever is set."""

    def attempts(self) -> int:
        return 10


@defect("mqttsn-impatient", "NET-31", "OTC-T12-01", wire="mdm")
class Impatient(MdmClient):
    """A message is repeated after 10 s, whatever is set."""

    def timeout_s(self) -> float:
        return 10.0


@defect("mqttsn-session-outlives-silence", "RETX-19", wire="mdm")
class SessionOutlivesSilence(MdmClient):
    """The unit goes on in its session after it has given up on the gateway."""

    def given_up(self) -> bool:
        self.status = MdmStatus.COMMUNICATION_FAILED
        return False


@defect("mqttsn-disconnect-ignored", "ACT-15", wire="mdm")
class DisconnectIgnored(MdmClient):
    """A DISCONNECT of the gateway does not end the session."""

    def ends_session(self, message: Message) -> bool:
        return False


@defect("mqttsn-invalid-topic-ignored", "NET-37", wire="mdm")
class InvalidTopicIgnored(MdmClient):
    """The topic is not registered again when its id is invalid."""

    def new_topic(self) -> None:
        """Keep the old one."""


@defect("mqttsn-refusal-ignored", "ACT-15", wire="mdm")
class RefusalIgnored(MdmClient):
    """A refused CONNECT is taken for accepted."""

    async def say_hello(self) -> Message | None:
        answer = await super().say_hello()
        return Connack(ReturnCode.ACCEPTED) if isinstance(answer, Connack) else answer


@defect("mqttsn-client-id-wrong", "NET-02", wire="mdm")
class ClientIdWrong(MdmClient):
    """The client id is not the DevEUI."""

    def client_id(self) -> str:
        return "CMi6110"


@defect("mqttsn-qos-0", "NET-36", wire="mdm")
def _(lab: Lab) -> None:
    """Meter data are sent with QoS 0, and nobody knows whether they arrive."""
    lab.unit.mdm.qos = QoS.ZERO


@defect("mqttsn-always-compliant", "NET-36", "OTC-T11-09", wire="mdm")
class AlwaysCompliant(MdmClient):
    """An optimized unit connects for each transmission."""

    def is_compliant(self) -> bool:
        return True


@defect("mqttsn-always-optimized", "NET-36", "OTC-T11-09", wire="mdm")
class AlwaysOptimized(MdmClient):
    """A compliant unit publishes in sessions that have ended."""

    def is_compliant(self) -> bool:
        return False
