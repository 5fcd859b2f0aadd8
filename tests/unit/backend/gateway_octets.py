"""The gateway without its socket: octets in, octets out. Times are in seconds."""

from __future__ import annotations

from bench.backend.gateway_policy import PATIENT, GatewayPolicy
from bench.backend.mqttsn_answers import MqttSnAnswers
from bench.backend.mqttsn_client import ReceivedTelegram
from bench.protocols.mqttsn import decode

# Captured from a real unit.
CONNECT = "16040401fd2039343139334130343031303032304238"
REGISTER = "270a0000ffcb" + b"mr/94193A04010020B8/standard/json".hex()
UNIT = "94193A04010020B8"
TOPIC = "mr/94193A04010020B8/standard/json"


class Gateway:
    """``others``: what it has sent to other places than the one that was answered."""

    def __init__(self, predefined_topics: dict[int, str] | None = None, policy: GatewayPolicy = PATIENT) -> None:
        self.sessions = MqttSnAnswers(predefined_topics, policy, host_of=lambda place: int(str(place)) // 10)
        self.time_s = 100.0

    def sent(self, datagram: str, peer: int = 1) -> list[str]:
        answers = self.sessions.handle(peer, decode(bytes.fromhex(datagram)), self.time_s)
        return [answer.encode().hex() for answer in answers]

    def others(self) -> list[tuple[object, str]]:
        outbox, self.sessions.outbox = self.sessions.outbox, []
        return [(place, message.encode().hex()) for place, message in outbox]

    @property
    def telegrams(self) -> list[ReceivedTelegram]:
        return self.sessions.telegrams
