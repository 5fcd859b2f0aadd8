"""Defects that show only to somebody hostile: tries without end, recorded and bent datagrams, suites that nobody
offered, open ports, garbage, floods.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from aiocoap.message import Message

from bench.protocols.coap_message import parse
from bench.protocols.dtls import DtlsClient, Event
from bench.protocols.dtls.events import Data, Dropped, Send
from bench.protocols.dtls.handshake import Fragment, HandshakeType, ServerHello
from bench.protocols.dtls.records import ContentType, Record
from bench.protocols.dtls.replay import ReplayWindow
from bench.protocols.mqttsn import MqttSnError, decode
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.otc import OtcService, Request, Status
from bench.twin.cmi6110.uplink import Uplink
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import change
from bench.twin.lab import MDM_PSK, Lab

KIND = "security"

# -- keys by the hundred


@defect("lock-out-reset-by-power", "SEC-08", wire="nfc")
class LockOutResetByPower(OtcService):
    """A power cut takes a lock-out by wrong PAKs away."""

    def start(self) -> None:
        self._wrong_macs = self._blocks = 0
        self._blocked_until = 0.0
        super().start()


@defect("open-after-fifty-wrong-paks", "SEC-08", wire="nfc")
class OpenAfterFiftyWrongPaks(OtcService):
    """The counter of wrong PAKs overflows: after fifty of them any PAK opens, lock-out or not."""

    tries = 0

    def authorise(self, request: Request) -> Status:
        if self.store.locked and request.mac is not None and self.is_next(request):
            self.tries += 1
            if self.tries > 50:
                return Status.OK
        return super().authorise(request)


# -- recorded datagrams, and such that were bent on their way


class _AnyNumber(ReplayWindow):
    def is_new(self, sequence: int) -> bool:
        return True


class _TakesReplays(DtlsClient):
    def take_record(self, record: Record, now: float) -> str | None:
        if not isinstance(self._window, _AnyNumber):
            self._window = _AnyNumber()
        return super().take_record(record, now)


@defect("dtls-replays-taken", "SEC-04", wire="dm")
class ReplaysTaken(Uplink):
    """A record that was recorded is taken a second time."""

    client = _TakesReplays


class _RepeatsNumbers(DtlsClient):
    sent = 0

    def send(self, data: bytes, now: float) -> list[Event]:
        self.sent += 1
        if self.sent % 4 == 0:
            self._sequence[1] -= 1
        return super().send(data, now)


@defect("dtls-numbers-repeated", "SEC-04", "SEC-05", wire="mdm")
class NumbersRepeated(Uplink):
    """Each fourth record has the number of the one before: the same nonce for another text."""

    client = _RepeatsNumbers


class _EndsAtBadRecords(DtlsClient):
    def take_record(self, record: Record, now: float) -> str | None:
        refused = super().take_record(record, now)
        if refused == "record doesn't authenticate" and self.established:
            self._end(refused)
        return refused


@defect("dtls-bent-record-ends-the-session", "SEC-04", wire="dm")
class BentRecordEndsTheSession(Uplink):
    """One record that doesn't authenticate ends the session: anybody can do that."""

    client = _EndsAtBadRecords


class _ObeysForgedAlerts(DtlsClient):
    def _take_plain(self, record: Record, now: float) -> str | None:
        if record.content_type == ContentType.ALERT and self.established:
            return self._take_alert(record.body)
        return super()._take_plain(record, now)


@defect("dtls-forged-alerts-obeyed", "SEC-04", wire="dm")
class ForgedAlertsObeyed(Uplink):
    """An alert in clear ends a session."""

    client = _ObeysForgedAlerts


class _TakesPlain(DtlsClient):
    def receive(self, datagram: bytes, now: float) -> list[Event]:
        if self.established and datagram and datagram[0] >> 6 == 1:
            try:
                parse(datagram)
            except ValueError:
                return [Dropped("no CoAP")]
            return [Data(datagram)]
        return super().receive(datagram, now)


@defect("plain-coap-taken-in-dtls", "SEC-04", wire="dm")
class PlainCoapTakenInDtls(Uplink):
    """On a connection with DTLS a write in clear is carried out, too."""

    client = _TakesPlain


class _FollowsHelloRequests(DtlsClient):
    """A HelloRequest in the session begins a handshake, whose ClientHello says nothing of the one before."""

    def _take_fragment(self, fragment: Fragment, epoch: int, now: float) -> str | None:
        if self.established and epoch == 1 and fragment.message_type == HandshakeType.HELLO_REQUEST:
            whole = Fragment(HandshakeType.CLIENT_HELLO, len(self._hello.encode()), 0, 0, self._hello.encode())
            self._events.append(Send(self._record(1, ContentType.HANDSHAKE, whole.encode())))
            return None
        return super()._take_fragment(fragment, epoch, now)


@defect("hello-request-followed", "SEC-01", "SEC-04", wire="dm")
class HelloRequestFollowed(Uplink):
    """A server that asks for renegotiation gets it."""

    client = _FollowsHelloRequests


class _EndsAtHelloRequests(DtlsClient):
    def _take_fragment(self, fragment: Fragment, epoch: int, now: float) -> str | None:
        if self.established and fragment.message_type == HandshakeType.HELLO_REQUEST:
            self._end("the server wants another handshake")
            return None
        return super()._take_fragment(fragment, epoch, now)


@defect("hello-request-in-clear-ends-the-session", "SEC-04", wire="dm")
class HelloRequestInClearEndsTheSession(Uplink):
    """A HelloRequest ends the session, also one in clear, which anybody can send."""

    client = _EndsAtHelloRequests


# -- suites


class _TakesAnySuite(DtlsClient):
    def _negotiate(self, hello: ServerHello) -> None:
        known = hello.suite in self._options.suites
        super()._negotiate(hello if known else replace(hello, suite=int(self._options.suites[0])))


@defect("any-suite-taken", "SEC-01", "SEC-11", wire="dm")
class AnySuiteTaken(Uplink):
    """A server may name any suite, also one that the unit did not offer."""

    client = _TakesAnySuite


@defect("second-suite-only-in-name", "SEC-01", wire="dm")
class SecondSuiteOnlyInName(Uplink):
    """The second suite that is offered does not work."""

    class client(DtlsClient):  # noqa: N801 - takes the place of an attribute
        def _negotiate(self, hello: ServerHello) -> None:
            super()._negotiate(hello)
            if hello.suite != self._options.suites[0]:
                self._end("not implemented")


# -- open ports


class _Answers(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(data[:4] or b"?", address)  # type: ignore[attr-defined]


class Listens(Modem):
    """From its first attach on there is a port that answers."""

    is_listening = False

    async def attach(self, apn: str | None, search_s: float) -> bool:
        attached = await super().attach(apn, search_s)
        if attached and not self.is_listening:
            self.is_listening = True
            await self.listen()
        return attached

    async def listen(self) -> None:
        raise NotImplementedError


@defect("coap-port-open", "SEC-17", "NET-39", wire="cell")
class CoapPortOpen(Listens):
    """The unit answers whoever speaks to its port 5683."""

    async def listen(self) -> None:
        transport, _ = await self.clock.loop.create_datagram_endpoint(_Answers, local_addr=(self.address, 5683))
        self.keep(transport)


@defect("debug-port-open", "SEC-17", "NET-39", wire="cell")
class DebugPortOpen(Listens):
    """A console waits at TCP port 2323."""

    async def listen(self) -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), self.address, 2323)
        self._console = server

    def shut_down(self) -> None:
        super().shut_down()
        if self.is_listening:
            self._console.close()


# -- garbage


@defect("deaf-after-garbage-from-dm", "DM-04", "CMP-07", wire="dm")
class DeafAfterGarbageFromDm(Lwm2mClient):
    """Each malformed CoAP message costs a buffer; after sixty the unit hears nothing any more."""

    lost = 0

    def _received(self, data: bytes) -> None:
        try:
            parse(data)
        except ValueError:
            self.lost += 1
        if self.lost < 60:
            super()._received(data)


@defect("deaf-after-garbage-from-the-gateway", "CMP-07", "NET-02", wire="mdm")
class DeafAfterGarbageFromTheGateway(MdmClient):
    """A message whose length is wrong takes the rest of the day for its own."""

    lost = 0

    def _received(self, data: bytes) -> None:
        try:
            decode(data)
        except MqttSnError:
            self.lost += 1
        if self.lost < 20:
            super()._received(data)


@defect("long-uri-restarts", "DM-04", "DM-05", wire="dm")
def _(lab: Lab) -> None:
    """A package URI of more than 255 characters restarts the unit."""
    life, usual = lab.unit.life, lab.unit.firmware_update.write_uri
    change(lab, (5, 0, 1), write=lambda uri: life.later(life.reboot) if len(uri) > 255 else usual(uri))


@defect("key-in-an-error-text", "SEC-12", wire="dm")
class KeyInAnErrorText(Lwm2mClient):
    """What a refusal says shows a part of the memory behind it."""

    def serve(self, request: Message) -> Message:
        answer = super().serve(request)
        if answer.code is not None and not answer.code.is_successful():
            answer.payload = answer.payload[:8] + MDM_PSK
        return answer


@defect("deaf-after-garbage-on-the-tag", "OTC-08", "SEC-08", wire="nfc")
class DeafAfterGarbageOnTheTag(OtcService):
    """Five messages that are none end NFC until the next start."""

    lost = 0

    def parse(self, message: bytes) -> Request | None:
        request = super().parse(message)
        self.lost += request is None
        if self.lost >= 5:
            self.stop()
        return request


# -- floods


@defect("awake-after-a-flood", "RETX-19", "DM-04", wire="supply")
class AwakeAfterAFlood(Modem):
    """After a hundred datagrams the radio connection is never let go again."""

    taken = 0

    def heard(self) -> None:
        self.taken += 1
        super().heard()

    def released(self) -> None:
        if self.taken > 100:
            self.touch()
        else:
            super().released()


class _NeverWaits(DtlsClient):
    def timeout(self, now: float) -> list[Event]:
        self._wait_s = 0.25
        return super().timeout(now)


@defect("flights-without-a-pause", "NET-33", "SEC-04", wire="supply")
class FlightsWithoutAPause(Uplink):
    """A flight that nobody answers is sent again twice a second, for ever."""

    client = _NeverWaits
