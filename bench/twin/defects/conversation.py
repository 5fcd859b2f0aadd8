"""Defects of topics, times and counts in the conversation with the gateway and with device management."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bench.protocols.mqttsn import Connect, Flags, Message, Puback, Publish, Register
from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.mdm_client import KEEP_ALIVE_S, MdmClient, MdmStatus
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report
from bench.twin.lab import Lab

# -- topics


@defect("topic-cut-to-64", "NET-37", "LWM2M-33905.0.11", "OTC-T11-10", wire="mdm")
class TopicCut(MdmClient):
    """A topic of more than 64 characters is cut."""

    def topic_name(self) -> str:
        return super().topic_name()[:64]


@defect("topic-in-lower-case", "NET-37", "LWM2M-33905.0.11", wire="mdm")
class TopicInLowerCase(MdmClient):
    """Capital letters of a configured topic are made small."""

    def topic_name(self) -> str:
        return super().topic_name().lower() if self.settings.text("mqttsn_topic") else super().topic_name()


@defect("topic-in-ascii", "NET-37", "LWM2M-33905.0.11", wire="mdm")
class TopicInAscii(MdmClient):
    """Letters beyond ASCII become question marks in the topic."""

    def topic_name(self) -> str:
        return super().topic_name().encode("ascii", "replace").decode()


@defect("one-letter-topic-ignored", "NET-37", "LWM2M-33905.0.11", wire="mdm")
class OneLetterTopicIgnored(MdmClient):
    """A topic of one character is taken for none."""

    def topic_name(self) -> str:
        if len(self.settings.text("mqttsn_topic")) != 1:
            return super().topic_name()
        return f"mr/{self.deveui}/standard/senml"


class _KeepsItsTopic(Life):
    """A change of some settings does not lead to a new REGISTER."""

    kept: frozenset[str] = frozenset()

    def settings_changed(self, names: frozenset[str]) -> None:
        super().settings_changed(names - self.kept)


@defect("encoding-change-without-a-register", "NET-37", "LWM2M-33906.0.1", wire="mdm")
class EncodingWithoutRegister(_KeepsItsTopic):
    """After a change of the encoding telegrams still go to the topic that names the old one."""

    kept = frozenset({"message_encoding"})


@defect("format-change-without-a-register", "NET-37", "LWM2M-33906.0.2", wire="mdm")
class FormatWithoutRegister(_KeepsItsTopic):
    """After a change of the message format telegrams still go to the topic that names the old one."""

    kept = frozenset({"message_format"})


@defect("topic-change-at-a-restart-only", "NET-37", "LWM2M-33905.0.11", wire="mdm")
class TopicAtARestartOnly(_KeepsItsTopic):
    """A topic that was written counts from the next restart on."""

    kept = frozenset({"mqttsn_topic"})


@defect("topic-lost-at-a-restart", "NET-37", "LWM2M-33905.0.11", wire="mdm")
class TopicLost(MdmClient):
    """A configured topic is used in the first session after it was written, and not in the next."""

    used = ""

    def topic_name(self) -> str:
        configured = self.settings.text("mqttsn_topic")
        return super().topic_name() if configured != self.used else f"mr/{self.deveui}/standard/senml"

    def close(self) -> None:
        self.used = self.settings.text("mqttsn_topic")
        super().close()


# -- message ids and flags


@defect("message-id-0", "NET-02", wire="mdm")
class MessageId0(MdmClient):
    """After the message id 65,535 comes 0, which stands for a message without one."""

    def next_message_id(self) -> int:
        self._message_id = (self._message_id + 1) % 0x10000
        return self._message_id


@defect("message-ids-of-one-octet", "NET-02", wire="mdm")
class MessageIdsOfOneOctet(MdmClient):
    """Message ids count to 255."""

    def next_message_id(self) -> int:
        return super().next_message_id() % 255 + 1


@defect("dup-from-the-first", "RETX-19", "CMP-07", wire="mdm")
class DupFromTheFirst(MdmClient):
    """A PUBLISH says from the first time on that it is a repetition."""

    def _send(self, message: Message, *, last: bool = False) -> None:
        if isinstance(message, Publish):
            message = replace(message, flags=replace(message.flags, dup=True))
        super()._send(message, last=last)


@defect("telegrams-retained", "CMP-07", wire="mdm")
class Retained(MdmClient):
    """Telegrams have the flag Retain."""

    def _send(self, message: Message, *, last: bool = False) -> None:
        if isinstance(message, Publish):
            message = replace(message, flags=replace(message.flags, retain=True))
        super()._send(message, last=last)


@defect("protocol-id-2", "CMP-07", wire="mdm")
class ProtocolId2(MdmClient):
    """CONNECT has protocol id 2."""

    async def say_hello(self) -> Message | None:
        return await self._exchange(Connect(Flags(clean_session=True), 2, KEEP_ALIVE_S, self.client_id()),
                                    lambda message: True)


@defect("register-with-id-0", "NET-02", "CMP-07", wire="mdm")
class RegisterWithId0(MdmClient):
    """REGISTER has the message id 0, as its answer is told by the topic."""

    def _send(self, message: Message, *, last: bool = False) -> None:
        super()._send(replace(message, message_id=0) if isinstance(message, Register) else message, last=last)


@defect("any-puback-will-do", "RETX-19", "NET-32", wire="mdm")
class AnyPubackWillDo(MdmClient):
    """A PUBACK for another message is taken for that of the telegram."""

    async def _acknowledged(self, topic_id: int, payload: bytes, last: bool) -> Message | None:
        message_id = self.next_message_id()
        return await self._exchange(Publish(Flags(qos=self.qos), topic_id, message_id, payload),
                                    lambda message: isinstance(message, Puback), last=last)


@defect("refused-telegram-counts-as-sent", "RETX-19", "ACT-15", wire="mdm")
class RefusedCountsAsSent(MdmClient):
    """A PUBACK with "not supported" is taken for one with "accepted"."""

    async def _acknowledged(self, topic_id: int, payload: bytes, last: bool) -> Message | None:
        answer = await super()._acknowledged(topic_id, payload, last)
        if isinstance(answer, Puback) and answer.return_code == 3:
            return replace(answer, return_code=0)
        return answer


@defect("hangs-on-an-empty-datagram", "CMP-07", wire="mdm")
class HangsOnAnEmptyDatagram(MdmClient):
    """After an empty datagram the unit hears nothing of the gateway any more."""

    deaf = False

    def _received(self, data: bytes) -> None:
        self.deaf |= not data
        if not self.deaf:
            super()._received(data)


# -- times and counts


@defect("mqttsn-timeout-of-8-bit", "NET-31", "OTC-T12-01", "LWM2M-33906.0.24", wire="mdm")
class TimeoutOf8Bit(MdmClient):
    """The MQTT-SN time-out is used modulo 256."""

    def timeout_s(self) -> float:
        return super().timeout_s() % 256


@defect("mqttsn-timeout-of-10-s-at-least", "NET-31", "OTC-T12-01", "LWM2M-33906.0.24", wire="mdm")
class TimeoutOf10SAtLeast(MdmClient):
    """An MQTT-SN time-out of less than 10 s is taken for 10 s."""

    def timeout_s(self) -> float:
        return max(super().timeout_s(), 10.0)


@defect("mqttsn-timeout-of-the-first-contact", "NET-31", "LWM2M-33906.0.24", wire="mdm")
class TimeoutOfTheFirstContact(MdmClient):
    """A time-out written over DM counts from the next restart on."""

    at_start_s = 0.0

    def timeout_s(self) -> float:
        self.at_start_s = self.at_start_s or super().timeout_s()
        return self.at_start_s

    def close(self) -> None:
        self.at_start_s = 0.0
        super().close()


@defect("mqttsn-attempts-of-five-at-most", "NET-32", "OTC-T12-02", "LWM2M-33906.0.25", wire="mdm")
class AttemptsOfFive(MdmClient):
    """A message is sent five times at most, whatever is set."""

    def attempts(self) -> int:
        return min(super().attempts(), 5)


@defect("mqttsn-attempts-of-three-at-least", "NET-32", "OTC-T12-02", "LWM2M-33906.0.25", wire="mdm")
class AttemptsOfThree(MdmClient):
    """A message is sent three times at least, whatever is set."""

    def attempts(self) -> int:
        return max(super().attempts(), 3)


@defect("coap-timeout-of-8-bit", "NET-23", "OTC-T9-04", "LWM2M-33906.0.30", wire="dm")
class CoapTimeoutOf8Bit(Settings):
    """The CoAP ACK timeout is used modulo 256."""

    def number(self, name: str) -> int:
        value = super().number(name)
        return max(value % 256, 1) if name == "coap_ack_timeout" else value


@defect("coap-repetitions-of-four-at-most", "NET-24", "OTC-T9-05", "LWM2M-33906.0.31", wire="dm")
class CoapRepetitionsOfFour(Settings):
    """A CoAP request is repeated four times at most."""

    def number(self, name: str) -> int:
        return min(super().number(name), 4) if name == "coap_max_retransmit" else super().number(name)


@defect("coap-repeats-though-set-to-0", "NET-24", "OTC-T9-05", "LWM2M-33906.0.31", wire="dm")
class CoapRepeatsAnyway(Settings):
    """A CoAP request is repeated once where no repetition is set."""

    def number(self, name: str) -> int:
        return max(super().number(name), 1) if name == "coap_max_retransmit" else super().number(name)


@defect("retry-delay-of-16-bit", "NET-26", "OTC-T9-09", "LWM2M-33906.0.35", wire="dm")
class RetryDelayOf16Bit(Settings):
    """The communication retry delay is used modulo 65,536."""

    def number(self, name: str) -> int:
        value = super().number(name)
        return value % 65_536 if name == "communication_retry_delay" else value


@defect("sequence-pauses-go-on", "NET-28", "NET-43", wire="dm")
class SequencePausesGoOn(Backoff):
    """After a second failure of all servers the pauses go on where they were at the first."""

    failures = 0

    def pause_s(self, setting: str, failures: int) -> float:
        if setting == "sequence_backoff":
            failures, self.failures = self.failures, self.failures + 1
        return super().pause_s(setting, failures)


@defect("sequences-end-after-four", "NET-28", "NET-43", wire="dm")
class SequencesEnd(Backoff):
    """After four rounds without an answer of any server the unit leaves device management alone."""

    def pause_s(self, setting: str, failures: int) -> float:
        return 1e9 if setting == "sequence_backoff" and failures >= 4 else super().pause_s(setting, failures)


# -- broken connections


@defect("reconnect-pauses-go-on", "NET-30", "LWM2M-33906.0.41", wire="mdm")
class ReconnectPausesGoOn(Backoff):
    """At a second outage of the gateway the pauses go on where they were at the first."""

    failures = 0

    def pause_s(self, setting: str, failures: int) -> float:
        if setting == "reconnect_backoff":
            failures, self.failures = self.failures, self.failures + 1
        return super().pause_s(setting, failures)


@defect("reconnect-pauses-of-the-restart-list", "NET-30", "LWM2M-33906.0.41", wire="mdm")
class ReconnectPausesOfTheOther(Backoff):
    """A broken connection to the gateway follows the restart list: both have the same default."""

    def pause_s(self, setting: str, failures: int) -> float:
        return super().pause_s("restart_backoff" if setting == "reconnect_backoff" else setting, failures)


@defect("first-failure-breaks-the-connection", "NET-34", "LWM2M-33906.0.47", wire="mdm")
class FirstFailureBreaks(Settings):
    """The connection counts as broken with the first failure, whatever is set."""

    def number(self, name: str) -> int:
        return 1 if name == "mdm_communication_failures" else super().number(name)


@defect("meter-data-end-after-a-day-without-dm", "NET-21", wire="dm")
class EndsWithoutDm(Transmissions):
    """Meter data stop when device management has been silent for a day."""

    last_seen_s = 0.0

    async def run(self) -> None:
        now = self.mdm.modem.clock.time()
        if self.connection.dm is not None and self.connection.dm.location:
            self.last_seen_s = now
        if now - self.last_seen_s < 86_400.0:
            await super().run()


@defect("dm-ends-with-the-gateway", "NET-21", wire="dm")
class DmEndsWithTheGateway(Transmissions):
    """With a broken connection to the gateway the unit leaves device management, too."""

    async def _reconnect(self) -> None:
        if self.connection.dm is not None:
            await self.connection.dm.close()
        await super()._reconnect()


@defect("mdm-status-ok-until-told", "LWM2M-33907.0.10", wire="dm")
def _(lab: Lab) -> None:
    """33907/0/10 tells "OK" as long as the gateway has not been tried in vain twice."""
    mdm = lab.unit.mdm
    report(lab, (33907, 0, 10), lambda: MdmStatus.OK if mdm.failures < 2 else mdm.status)


# -- what is said beside


@defect("optimized-until-a-restart", "NET-36", "LWM2M-33905.0.10", wire="mdm")
class OptimizedUntilARestart(MdmClient):
    """A unit set to Compliant over DM stays Optimized until it is restarted."""

    compliant: bool | None = None

    def is_compliant(self) -> bool:
        if self.compliant is None:
            self.compliant = super().is_compliant()
        return self.compliant

    def close(self) -> None:
        self.compliant = None
        super().close()


@defect("compliant-unit-never-says-good-bye", "NET-36", "CMP-07", wire="mdm")
class ForgetsTheKeepAlive(MdmClient):
    """A compliant unit keeps its session beyond the keep-alive time."""

    def end_transmission(self) -> None:
        if self.status is MdmStatus.OK:
            self.status = MdmStatus.IDLE

    async def _connect(self) -> bool:
        self._sent_at_s = self.modem.clock.time()
        return await super()._connect()


@defect("disconnect-of-the-gateway-silences-for-a-day", "ACT-15", wire="mdm")
class SilencedByDisconnect(MdmClient):
    """After a DISCONNECT of the gateway the unit waits for a day."""

    silenced_until_s = 0.0

    def ends_session(self, message: Message) -> bool:
        ended = super().ends_session(message)
        if ended:
            self.silenced_until_s = self.modem.clock.time() + 86_400.0
        return ended

    async def _connect(self) -> bool:
        await asyncio.sleep(max(self.silenced_until_s - self.modem.clock.time(), 0.0))
        return await super()._connect()


@defect("publish-waits-longer-each-time", "NET-44", wire="mdm", kind="timing")
class PublishWaitsLongerEachTime(MdmClient):
    """Each repetition of a PUBLISH is waited for one communication time-out longer than the one before."""

    waits = -1

    async def _acknowledged(self, topic_id: int, payload: bytes, last: bool) -> Message | None:
        self.waits = 0
        try:
            return await super()._acknowledged(topic_id, payload, last)
        finally:
            self.waits = -1

    def timeout_s(self) -> float:
        self.waits += self.waits >= 0
        return super().timeout_s() * max(self.waits, 1)
