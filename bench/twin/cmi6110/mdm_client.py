"""The unit's way to the meter data server: MQTT-SN over UDP, plain or in DTLS.

The shapes of the conversation follow frames captured from real devices: CONNECT with CleanSession, protocol 1,
keep-alive 64800 s and the DevEUI in 16 upper-case hex digits; REGISTER of ``mr/<DevEUI>/<format>/<encoding>`` unless a
topic is configured; PUBLISH with QoS 1, repeated with DUP. What "optimized" and "compliant" mean is not printed
anywhere (G13). Hypotheses of the twin:

* optimized: CONNECT and REGISTER once, then only PUBLISH, also beyond the keep-alive time; anew after a DISCONNECT of
  the gateway, or when an exchange was given up; REGISTER again after PUBACK 02.
* compliant: CONNECT, REGISTER, PUBLISH ..., DISCONNECT for each transmission; no PINGREQ, as no session lasts.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum

from bench.protocols.mqttsn import (
    Connack,
    Connect,
    Disconnect,
    Flags,
    Message,
    MqttSnError,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    QoS,
    Regack,
    Register,
    ReturnCode,
    decode,
)
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.statistics import TransactionStatistics
from bench.twin.cmi6110.uplink import HandshakeFailed, MakeUplink, NoCredentials, Uplink
from bench.twin.radio.cell import Address

KEEP_ALIVE_S = 64800

ROUNDS = 3
"""How often a telegram is tried against a gateway that answers, but not with success, before it stays unsent."""

_FORMAT_NAMES = {42: "standard", 43: "extended"}
_ENCODING_NAMES = {0: "senml", 1: "json", 2: "mbus"}


class MdmStatus(IntEnum):
    """MDM connection status: 33907/0/10. 5 has no meaning printed (G11)."""

    OK = 0
    CONNECTING = 1
    NO_CREDENTIALS = 2
    DTLS_FAILED = 3
    COMMUNICATION_FAILED = 4
    SOCKET_FAILED = 6
    IDLE = 7


class MdmClient:
    """One MQTT-SN session with the gateway at ``server``.

    ``failures`` counts the telegrams and connections given up in a row: 33906/0/47 says how many break the connection.
    """

    congestion_wait_s = 330.0
    """TWAIT: the specification (6.6) recommends more than 5 minutes."""
    keep_alive_s = KEEP_ALIVE_S
    clean_session = True

    def __init__(self, modem: Modem, settings: Settings, deveui: str, rng: random.Random,
                 make_uplink: MakeUplink) -> None:
        self.modem = modem
        self.settings = settings
        self.deveui = deveui
        self.server: Address | None = None
        self.status = MdmStatus.IDLE
        self.statistics = TransactionStatistics()
        self.failures = 0
        self.qos = QoS.ONE
        self._message_id = rng.randrange(0x10000)
        self.make_uplink = make_uplink
        self._uplink: Uplink | None = None
        self._connected = False
        self._topic_id: int | None = None
        self._sent_at_s = 0.0
        self._expected: Callable[[Message], bool] = lambda message: False
        self._answer: asyncio.Future[Message] | None = None
        self._exchanging = asyncio.Lock()

    def topic_name(self) -> str:
        """The configured topic, or the usual one."""
        return self.settings.text("mqttsn_topic") or self.usual_topic()

    def usual_topic(self) -> str:
        """The one made of identity, format and encoding."""
        return (f"mr/{self.deveui}/{_FORMAT_NAMES[self.settings.number('message_format')]}"
                   f"/{_ENCODING_NAMES[self.settings.number('message_encoding')]}")

    def is_compliant(self) -> bool:
        return self.settings.number("mqttsn_connection") == 1

    # -- what the unit asks for

    async def connect(self) -> bool:
        """CONNECT and REGISTER if that has not been done; whether the way is open."""
        async with self._exchanging:
            return self._counted(await self._connect())

    async def publish(self, payload: bytes, *, last: bool = False) -> bool:
        """PUBLISH ``payload``; whether the gateway has taken it. ``last``: nothing follows in this transmission, so
        the network may be told that only the PUBACK is still to come (RAI).
        """
        async with self._exchanging:
            return self._counted(await self._publish(payload, last))

    def end_transmission(self) -> None:
        """After the last telegram of a transmission: a compliant client says good-bye."""
        if self.is_compliant() and self._connected:
            self._send(Disconnect())
            self.forget()
        if self.status is MdmStatus.OK:
            self.status = MdmStatus.IDLE

    def forget(self) -> None:
        """The session is gone: connect anew next time."""
        self._connected = False
        self._topic_id = None

    def new_topic(self) -> None:
        self._topic_id = None

    def close(self) -> None:
        self.forget()
        self._close()

    # -- conversations

    async def _connect(self) -> bool:
        if self.server is None:
            return False
        if self._uplink is None or self._uplink.server != self.server or not self._uplink.is_open:
            self.forget()
        if self.is_compliant() and self.modem.clock.time() - self._sent_at_s > self.keep_alive_s:
            self.forget()
        for _ in range(ROUNDS):
            if self._connected and self._topic_id is not None:
                self.status = MdmStatus.OK
                return True
            self.status = MdmStatus.CONNECTING
            if not await self._open():
                return False
            answer = await (self._register() if self._connected else self.say_hello())
            match answer:
                case Connack(return_code=ReturnCode.ACCEPTED):
                    self._connected = True
                    answer = await self._register()
                    if isinstance(answer, Disconnect):
                        continue
                case Disconnect():
                    continue
            match answer:
                case Regack(return_code=ReturnCode.ACCEPTED):
                    self._topic_id = answer.topic_id
                case Connack(return_code=ReturnCode.CONGESTION) | Regack(return_code=ReturnCode.CONGESTION):
                    await asyncio.sleep(self.congestion_wait_s)
                case _:
                    return self.given_up()
        return self.given_up()

    async def say_hello(self) -> Message | None:
        return await self._exchange(
            Connect(Flags(clean_session=self.clean_session), 1, self.keep_alive_s, self.client_id()),
            lambda m: isinstance(m, Connack))

    async def _register(self) -> Message | None:
        message_id = self.next_message_id()
        return await self._exchange(Register(0, message_id, self.topic_name()),
                                    lambda m: isinstance(m, Regack) and m.message_id == message_id)

    async def _publish(self, payload: bytes, last: bool) -> bool:
        for _ in range(ROUNDS):
            if not await self._connect():
                return False
            assert self._topic_id is not None
            if self.qos is not QoS.ONE:
                self._send(Publish(Flags(qos=self.qos), self._topic_id, 0, payload))
                return True
            match await self._acknowledged(self._topic_id, payload, last):
                case Puback(return_code=ReturnCode.ACCEPTED):
                    return True
                case Puback(return_code=ReturnCode.CONGESTION):
                    await asyncio.sleep(self.congestion_wait_s)
                case Puback(return_code=ReturnCode.INVALID_TOPIC_ID):
                    self.new_topic()
                case Disconnect():
                    continue
                case _:
                    return self.given_up()
        return self.given_up()

    async def _acknowledged(self, topic_id: int, payload: bytes, last: bool) -> Message | None:
        """Only the message id tells that a PUBACK belongs to the PUBLISH: there are gateways that answer with topic
        id 0."""
        message_id = self.next_message_id()
        return await self._exchange(Publish(Flags(qos=self.qos), topic_id, message_id, payload),
                                    lambda m: isinstance(m, Puback) and m.message_id == message_id, last=last)

    def client_id(self) -> str:
        return self.deveui

    def next_message_id(self) -> int:
        """1 to 65535, and then 1 again: 0 stands for a message that wants no answer."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def _counted(self, succeeded: bool) -> bool:
        self.failures = 0 if succeeded else self.failures + 1
        return succeeded

    def given_up(self) -> bool:
        self.forget()
        if self._uplink is not None:
            self._uplink.drop()
        self.status = MdmStatus.COMMUNICATION_FAILED
        return False

    # -- one exchange

    async def _exchange(self, message: Message, expected: Callable[[Message], bool], *, last: bool = False,
                        ) -> Message | None:
        """Send ``message`` until it is answered: attempts in all, a time-out apart (33906/0/24 and /25, C20). The
        answer may be a DISCONNECT; None when there was none.
        """
        statistics, clock = self.statistics, self.modem.clock
        statistics.transactions += 1
        for attempt in range(self.attempts()):
            if attempt:
                statistics.retransmissions += 1
                message = self.repetition(message)
            self._expected = expected
            self._answer = asyncio.get_running_loop().create_future()
            self._send(message, last=last)
            sent_at = clock.time()
            try:
                answer = await asyncio.wait_for(self._answer, self.timeout_s())
            except TimeoutError:
                continue
            finally:
                self._answer = None
            statistics.answered_after(clock.time() - sent_at)
            return answer
        statistics.lost += 1
        return None

    def attempts(self) -> int:
        return self.settings.number("mdm_communication_attempts")

    def timeout_s(self) -> float:
        return self.settings.number("mdm_communication_timeout")

    def repetition(self, message: Message) -> Message:
        """The same once more; a PUBLISH says that it is (6.13)."""
        return replace(message, flags=replace(message.flags, dup=True)) if isinstance(message, Publish) else message

    def _received(self, data: bytes) -> None:
        try:
            message = decode(data)
        except MqttSnError:
            return
        ended = self.ends_session(message)
        if ended:
            self.forget()
        if self._answer is not None and not self._answer.done() and (ended or self._expected(message)):
            self._answer.set_result(message)
        match message:
            case Pingreq() if self._connected:
                self._send(Pingresp())
            case Register() if self._connected:
                self._send(Regack(message.topic_id, message.message_id, ReturnCode.NOT_SUPPORTED))
            case Publish() if self._connected and message.flags.qos is QoS.ONE:
                self._send(Puback(message.topic_id, message.message_id, ReturnCode.INVALID_TOPIC_ID))

    def ends_session(self, message: Message) -> bool:
        return isinstance(message, Disconnect)

    # -- the way to the gateway: all that knows of sockets

    async def _open(self) -> bool:
        """Be able to send; else the status says why not."""
        assert self.server is not None
        if self._uplink is None or self._uplink.server != self.server:
            self._close()
            self._uplink = self.make_uplink(self.server, self._received)
        try:
            await self._uplink.connect()
        except (OSError, NoCredentials, HandshakeFailed) as failure:
            self.forget()
            match failure:
                case NoCredentials():
                    self.status = MdmStatus.NO_CREDENTIALS
                case HandshakeFailed():
                    self.status = MdmStatus.DTLS_FAILED
                case _:
                    self.status = MdmStatus.SOCKET_FAILED
            return False
        return True

    def _send(self, message: Message, *, last: bool = False) -> None:
        assert self._uplink is not None
        self._sent_at_s = self.modem.clock.time()
        # RAI 2 for QoS 1 (33906/0/51): the acknowledgement is still to come, and nothing after it.
        assisted = last and self.settings.number("rai") == 1
        self._uplink.send(message.encode(), release_assistance=2 if assisted else 0)

    def _close(self) -> None:
        if self._uplink is not None:
            self._uplink.close()
            self._uplink = None
