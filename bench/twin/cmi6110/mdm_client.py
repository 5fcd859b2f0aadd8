"""The unit's way to the meter data server: MQTT-SN over UDP.

The shapes of the conversation follow frames captured from real devices: CONNECT with CleanSession, protocol 1,
keep-alive 64800 s and the DevEUI in 16 upper-case hex digits; REGISTER of ``mr/<DevEUI>/<format>/<encoding>`` unless a
topic is configured; PUBLISH with QoS 1, repeated with DUP. What "optimized" and "compliant" mean is not printed
anywhere; the twin takes them as: keep the session until it breaks, and CONNECT ... DISCONNECT for each transmission.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from bench.protocols.mqttsn import (
    Connack,
    Connect,
    Disconnect,
    Flags,
    Message,
    MqttSnError,
    Puback,
    Publish,
    QoS,
    Regack,
    Register,
    ReturnCode,
    decode,
)
from bench.twin.cell import Address
from bench.twin.cmi6110.modem import Modem, ModemSocket
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.statistics import TransactionStatistics

KEEP_ALIVE_S = 64800

OK, CONNECTING, COMMUNICATION_FAILED, IDLE = 0, 1, 4, 7
"""MDM connection status of 33907/0/10, as far as plain UDP reaches."""

_FORMAT_NAMES = {42: "standard", 43: "extended"}
_ENCODING_NAMES = {0: "senml", 1: "json", 2: "mbus"}


class MdmClient:
    """One MQTT-SN session with the gateway at ``server``."""

    def __init__(self, modem: Modem, settings: Settings, deveui: str, rng: random.Random) -> None:
        self.modem = modem
        self.settings = settings
        self.deveui = deveui
        self.server: Address | None = None
        self.topic = ""
        self.status = IDLE
        self.statistics = TransactionStatistics()
        self.qos = QoS.ONE
        self._message_id = rng.randrange(0x10000)
        self._socket: ModemSocket | None = None
        self._connected = False
        self._topic_id: int | None = None
        self._expected: Callable[[Message], bool] = lambda message: False
        self._answer: asyncio.Future[Message] | None = None

    def topic_name(self) -> str:
        """The configured topic, or the one made of identity, format and encoding."""
        return (self.topic or self.settings.text("mqttsn_topic")
                or f"mr/{self.deveui}/{_FORMAT_NAMES[self.settings.number('message_format')]}"
                   f"/{_ENCODING_NAMES[self.settings.number('message_encoding')]}")

    async def connect(self) -> bool:
        """CONNECT and REGISTER if that has not been done."""
        if self.server is None:
            return False
        if self._socket is None:
            self._socket = await self.modem.open(self._received)
        self.status = CONNECTING
        if not self._connected:
            connack = await self._exchange(
                Connect(Flags(clean_session=True), 1, KEEP_ALIVE_S, self.deveui), lambda m: isinstance(m, Connack))
            if not (isinstance(connack, Connack) and connack.return_code == ReturnCode.ACCEPTED):
                return self._failed()
            self._connected = True
        if self._topic_id is None:
            message_id = self._next_message_id()
            regack = await self._exchange(
                Register(0, message_id, self.topic_name()),
                lambda m: isinstance(m, Regack) and m.message_id == message_id)
            if not (isinstance(regack, Regack) and regack.return_code == ReturnCode.ACCEPTED):
                return self._failed()
            self._topic_id = regack.topic_id
        self.status = OK
        return True

    async def publish(self, payload: bytes) -> bool:
        """PUBLISH ``payload``; whether the gateway has taken it. Registers anew when it says that it must."""
        for _ in range(2):
            if not await self.connect():
                return False
            assert self._topic_id is not None
            topic_id, message_id = self._topic_id, self._next_message_id()
            publish = Publish(Flags(qos=self.qos), topic_id, message_id, payload)
            if self.qos is not QoS.ONE:
                self._send(publish)
                return True
            puback = await self._exchange(
                publish, lambda m, expected=message_id: isinstance(m, Puback) and m.message_id == expected)  # type: ignore[misc]
            if puback is None:
                return self._failed()
            if isinstance(puback, Puback) and puback.return_code == ReturnCode.ACCEPTED:
                return True
            self._topic_id = None
        return self._failed()

    def end_transmission(self) -> None:
        """After the last telegram of a transmission: a compliant client says good-bye."""
        if self.settings.number("mqttsn_connection") == 1 and self._connected:
            self._send(Disconnect())
            self.forget()
        if self.status == OK:
            self.status = IDLE

    def forget(self) -> None:
        """The session is gone: connect anew next time."""
        self._connected = False
        self._topic_id = None

    def new_topic(self) -> None:
        self._topic_id = None

    def close(self) -> None:
        self.forget()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _failed(self) -> bool:
        self.forget()
        self.status = COMMUNICATION_FAILED
        return False

    def _next_message_id(self) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def _send(self, message: Message) -> None:
        assert self._socket is not None
        assert self.server is not None
        self._socket.send(self.server, message.encode())

    async def _exchange(self, message: Message, expected: Callable[[Message], bool]) -> Message | None:
        """Send ``message`` until it is answered: attempts in all, a time-out apart (33906/0/24 and /25)."""
        statistics, clock = self.statistics, self.modem.clock
        statistics.transactions += 1
        for attempt in range(self.settings.number("mdm_communication_attempts")):
            if attempt:
                statistics.retransmissions += 1
                if isinstance(message, Publish):
                    message = Publish(Flags(dup=True, qos=message.flags.qos), message.topic_id, message.message_id,
                                      message.data)
            self._expected = expected
            self._answer = asyncio.get_running_loop().create_future()
            self._send(message)
            sent_at = clock.time()
            try:
                answer = await asyncio.wait_for(self._answer, self.settings.number("mdm_communication_timeout"))
            except TimeoutError:
                continue
            finally:
                self._answer = None
            statistics.answered_after(clock.time() - sent_at)
            return answer
        statistics.lost += 1
        return None

    def _received(self, data: bytes) -> None:
        try:
            message = decode(data)
        except MqttSnError:
            return
        if isinstance(message, Disconnect):
            self.forget()
        if self._answer is not None and not self._answer.done() and (
                self._expected(message) or isinstance(message, Disconnect)):
            self._answer.set_result(message)
