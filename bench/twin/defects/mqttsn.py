"""Defects of the conversation with the MQTT-SN gateway."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.mqttsn import Connack, Message, Publish, QoS, ReturnCode
from bench.twin.cmi6110.mdm_client import MdmStatus
from bench.twin.defects.registry import defect
from bench.twin.lab import Lab


@defect("mqttsn-dup-missing", "RETX-19", wire="mdm")
def _(lab: Lab) -> None:
    """A repeated PUBLISH does not say that it is one."""
    lab.unit.mdm.repetition = lambda message: message  # type: ignore[method-assign]


@defect("mqttsn-repetition-is-new", "RETX-19", wire="mdm")
def _(lab: Lab) -> None:
    """A repeated PUBLISH has another message id."""
    mdm = lab.unit.mdm
    repetition = mdm.repetition

    def renumbered(message: Message) -> Message:
        again = repetition(message)
        return replace(again, message_id=again.message_id % 0xFFFF + 1) if isinstance(again, Publish) else again
    mdm.repetition = renumbered  # type: ignore[method-assign]


@defect("mqttsn-message-id-reused", "NET-02", wire="mdm")
def _(lab: Lab) -> None:
    """Every message has the message id 7."""
    lab.unit.mdm.next_message_id = lambda: 7  # type: ignore[method-assign]


@defect("mqttsn-one-attempt", "NET-32", "OTC-T12-02", wire="mdm")
def _(lab: Lab) -> None:
    """A message is not repeated."""
    lab.unit.mdm.attempts = lambda: 1  # type: ignore[method-assign]


@defect("mqttsn-never-gives-up", "NET-32", "OTC-T12-02", wire="mdm")
def _(lab: Lab) -> None:
    """A message is repeated ten times, whatever is set."""
    lab.unit.mdm.attempts = lambda: 10  # type: ignore[method-assign]


@defect("mqttsn-impatient", "NET-31", "OTC-T12-01", wire="mdm")
def _(lab: Lab) -> None:
    """A message is repeated after 10 s, whatever is set."""
    lab.unit.mdm.timeout_s = lambda: 10.0  # type: ignore[method-assign]


@defect("mqttsn-session-outlives-silence", "RETX-19", wire="mdm")
def _(lab: Lab) -> None:
    """The unit goes on in its session after it has given up on the gateway."""
    mdm = lab.unit.mdm

    def unmoved() -> bool:
        mdm.status = MdmStatus.COMMUNICATION_FAILED
        return False
    mdm._failed = unmoved  # type: ignore[method-assign]


@defect("mqttsn-disconnect-ignored", "ACT-15", wire="mdm")
def _(lab: Lab) -> None:
    """A DISCONNECT of the gateway does not end the session."""
    lab.unit.mdm.ends_session = lambda message: False  # type: ignore[method-assign]


@defect("mqttsn-invalid-topic-ignored", "NET-37", wire="mdm")
def _(lab: Lab) -> None:
    """The topic is not registered again when its id is invalid."""
    lab.unit.mdm.new_topic = lambda: None  # type: ignore[method-assign]


@defect("mqttsn-refusal-ignored", "ACT-15", wire="mdm")
def _(lab: Lab) -> None:
    """A refused CONNECT is taken for accepted."""
    mdm = lab.unit.mdm
    say_hello = mdm._say_hello

    async def deaf() -> Message | None:
        answer = await say_hello()
        return Connack(ReturnCode.ACCEPTED) if isinstance(answer, Connack) else answer
    mdm._say_hello = deaf  # type: ignore[method-assign]


@defect("mqttsn-client-id-wrong", "NET-02", wire="mdm")
def _(lab: Lab) -> None:
    """The client id is not the DevEUI."""
    lab.unit.mdm.client_id = lambda: "CMi6110"  # type: ignore[method-assign]


@defect("mqttsn-qos-0", "NET-36", wire="mdm")
def _(lab: Lab) -> None:
    """Meter data are sent with QoS 0, and nobody knows whether they arrive."""
    lab.unit.mdm.qos = QoS.ZERO


@defect("mqttsn-always-compliant", "NET-36", "OTC-T11-09", wire="mdm")
def _(lab: Lab) -> None:
    """An optimized unit connects for each transmission."""
    lab.unit.mdm.is_compliant = lambda: True  # type: ignore[method-assign]


@defect("mqttsn-always-optimized", "NET-36", "OTC-T11-09", wire="mdm")
def _(lab: Lab) -> None:
    """A compliant unit publishes in sessions that have ended."""
    lab.unit.mdm.is_compliant = lambda: False  # type: ignore[method-assign]
