"""Defects of uploads that go wrong on one way only: with DTLS, by LwM2M, in one encoding, in one kind of session."""

from __future__ import annotations

from aiocoap.message import Message

from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.mdm_client import MdmClient, MdmStatus
from bench.twin.cmi6110.telegram import JSON, MBUS, SENML_CBOR
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.cmi6110.uplink import NO_SECURITY
from bench.twin.defects.registry import defect


class _SomeCountAsSent(Transmissions):
    """Telegrams that were given up in vain count as sent where ``believes`` says so."""

    def believes(self, payload: bytes, last: bool) -> bool:
        raise NotImplementedError

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        sent = await super().upload(payload, last=last)
        return sent or self.believes(payload, last)

    @property
    def by_lwm2m(self) -> bool:
        return self.settings.number("upload_protocol") == 1

    @property
    def secured(self) -> bool:
        mode = self.connection.servers.dm.security if self.by_lwm2m else self.connection.servers.mdm_security
        return mode != NO_SECURITY

    @property
    def encoding(self) -> int:
        return self.settings.number("message_encoding")


@defect("long-telegram-with-dtls-dropped", "RETX-19", "NET-02", wire="mdm")
class LongWithDtls(Transmissions):
    """A telegram of more than 1,000 octets is dropped where there is DTLS, as if it had been acknowledged."""

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        if len(payload) > 1000 and self.connection.servers.mdm_security != NO_SECURITY:
            return True
        return await super().upload(payload, last=last)


@defect("lwm2m-silence-counts-as-sent", "RETX-01", "NET-38", wire="dm")
class Lwm2mSilence(_SomeCountAsSent):
    """A Send without an answer counts as sent."""

    def believes(self, payload: bytes, last: bool) -> bool:
        return self.by_lwm2m


@defect("lwm2m-silence-with-dtls-counts-as-sent", "RETX-01", "NET-38", wire="dm")
class Lwm2mSilenceWithDtls(_SomeCountAsSent):
    """A Send without an answer counts as sent where there is DTLS."""

    def believes(self, payload: bytes, last: bool) -> bool:
        return self.by_lwm2m and self.secured


@defect("json-compliant-last-telegram-lost", "RETX-01", "RETX-19", wire="mdm")
class JsonCompliantLast(_SomeCountAsSent):
    """In JSON and Compliant the last telegram of a transmission counts as sent whatever becomes of it."""

    def believes(self, payload: bytes, last: bool) -> bool:
        return last and self.encoding == JSON and self.mdm.is_compliant() and not self.by_lwm2m


@defect("json-by-lwm2m-lost", "RETX-01", "NET-38", wire="dm")
class JsonByLwm2m(_SomeCountAsSent):
    """In JSON and by LwM2M a telegram counts as sent whatever becomes of it."""

    def believes(self, payload: bytes, last: bool) -> bool:
        return self.by_lwm2m and self.encoding == JSON


@defect("m-bus-with-dtls-lost", "RETX-01", "RETX-19", wire="mdm")
class MBusWithDtls(_SomeCountAsSent):
    """In M-Bus and with DTLS a telegram counts as sent whatever becomes of it."""

    def believes(self, payload: bytes, last: bool) -> bool:
        return self.encoding == MBUS and self.secured and not self.by_lwm2m


@defect("senml-compliant-with-dtls-lost", "RETX-01", "RETX-19", wire="mdm")
class SenmlCompliantWithDtls(_SomeCountAsSent):
    """In SenML, Compliant and with DTLS a telegram counts as sent whatever becomes of it."""

    def believes(self, payload: bytes, last: bool) -> bool:
        return (self.encoding == SENML_CBOR and self.mdm.is_compliant() and self.secured and not self.by_lwm2m)


@defect("failed-handshake-counts-as-sent", "RETX-01", "RETX-19", wire="mdm")
class FailedHandshake(MdmClient):
    """A telegram for which no DTLS session could be made counts as sent."""

    async def publish(self, payload: bytes, *, last: bool = False) -> bool:
        sent = await super().publish(payload, last=last)
        return sent or self.status is MdmStatus.DTLS_FAILED


@defect("compliant-backlog-cut-short", "RETX-02", "RETX-18", "NET-36", wire="mdm")
class CompliantBacklog(Transmissions):
    """A compliant unit forgets what an outage held back but for the newest telegram."""

    was_in_vain = False

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        sent = await super().upload(payload, last=last)
        if sent and self.was_in_vain and self.mdm.is_compliant():
            for _, readings in list(self.pending_telegrams())[1:]:
                self.storage.mark_sent(readings)
        self.was_in_vain = not sent
        return sent


@defect("lwm2m-upload-refused-counts-as-sent", "NET-38", "RETX-01", wire="dm")
class Lwm2mRefused(Lwm2mClient):
    """A Send that the server refuses counts as sent."""

    def took(self, response: Message | None) -> bool:
        return response is not None


@defect("outage-forgotten-in-json", "RETX-02", wire="cell")
class OutageForgottenInJson(Transmissions):
    """In JSON what could not be sent is not tried a second time."""

    tried: frozenset[bytes] = frozenset()

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        if self.settings.number("message_encoding") != JSON:
            return await super().upload(payload, last=last)
        if payload in self.tried:
            return True
        self.tried |= {payload}
        return await super().upload(payload, last=last)
