"""Units that speak otherwise with their gateway where the manual has no word on it (G13, C20)."""

from __future__ import annotations

from bench.protocols.mqttsn import Disconnect
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.variants.registry import variant


@variant("connects-for-each-transmission", place="G13")
class ConnectsEachTime(MdmClient):
    """An optimized unit says CONNECT, REGISTER, PUBLISH for each transmission; a compliant one DISCONNECT, too."""

    def end_transmission(self) -> None:
        super().end_transmission()
        self.forget()


@variant("registers-for-each-transmission", place="G13")
class RegistersEachTime(MdmClient):
    """An optimized unit says REGISTER and PUBLISH for each transmission."""

    def end_transmission(self) -> None:
        super().end_transmission()
        self.new_topic()


@variant("connects-anew-after-an-invalid-topic", place="MQTT-SN 1.2, 6.6")
class ConnectsAfterInvalidTopic(MdmClient):
    """A unit whose topic id is invalid begins a new session."""

    def new_topic(self) -> None:
        self.forget()


@variant("session-not-clean", place="G13")
class SessionNotClean(MdmClient):
    """CONNECT asks for a session that is kept, and for a keep-alive time of an hour."""

    clean_session = False
    keep_alive_s = 3600


@variant("keep-alive-of-65535-s", place="G13")
class LongestKeepAlive(MdmClient):
    """CONNECT asks for the longest keep-alive time."""

    keep_alive_s = 65_535


@variant("usual-topic-of-the-maker", place="G13")
class UsualTopicOfTheMaker(MdmClient):
    """Where no topic is set telegrams go to one that names neither format nor encoding."""

    def usual_topic(self) -> str:
        return f"elvaco/meter/{self.deveui}"


@variant("attempts-are-retries", place="C20")
class AttemptsAreRetries(MdmClient):
    """A message is sent once more than Communication attempts says."""

    def attempts(self) -> int:
        return super().attempts() + 1


@variant("congestion-waits-10-min", place="MQTT-SN 1.2, 6.6")
class CongestionWaits10Min(MdmClient):
    """After "congestion" the unit waits for ten minutes."""

    congestion_wait_s = 600.0


@variant("good-bye-also-when-optimized", place="G13")
class GoodByeWhenOptimized(MdmClient):
    """An optimized unit says DISCONNECT before it is restarted."""

    def close(self) -> None:
        if self._connected:
            self._send(Disconnect())
        super().close()


@variant("time-out-3-s-late", place="tolerance: Table 12, seconds of a radio that has to connect first")
class TimeoutLate(MdmClient):
    """A message that is not answered is repeated 3 s after its time-out."""

    def timeout_s(self) -> float:
        return super().timeout_s() + 3.0


@variant("first-telegram-after-30-s", place="U11")
class After30S(Life):
    """The first telegram waits for 30 s after the registration."""

    first_readout_delay_s = 30.0


@variant("dtls-timers-for-packets", place="U34")
class DtlsTimersForPackets(MdmClient):
    """With DTLS a message that is not answered is repeated after the DTLS min timeout."""

    def timeout_s(self) -> float:
        secured = self._uplink is not None and self._uplink.is_secured
        return self.settings.number("mdm_dtls_min_timeout") if secured else super().timeout_s()


@variant("reconnects-with-a-restart-of-the-modem", place="C37")
class ReconnectsWithARestart(Transmissions):
    """Before each attempt to reach the gateway again the modem attaches anew."""

    async def reconnect_once(self) -> bool:
        modem = self.mdm.modem
        modem.detach()
        await modem.attach(self.connection.apn.asked_for(), self.settings.number("search_period"))
        return await super().reconnect_once()
