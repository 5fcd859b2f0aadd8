"""Defects of device management: writes of several resources, operations that should be refused, observations, and the
life of a registration.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import cbor2
from aiocoap.message import Message
from aiocoap.numbers import codes
from aiocoap.numbers.constants import TransportTuning

from bench.protocols.coap_pipe import transport_tuning
from bench.protocols.lwm2m import ContentFormat, Path, Type, Value
from bench.twin.cmi6110.accounts import DmAccount
from bench.twin.cmi6110.attributes import Attributes
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient, Site
from bench.twin.cmi6110.management import Management
from bench.twin.cmi6110.resource import BadValue, NotAllowed, NotFound, Resource
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.settings import Value as Setting
from bench.twin.defects.registry import defect

# -- reading


@defect("answers-in-a-format-of-its-own-choice", "LWM2M-3.0.0", wire="dm")
class AnswersInAFormatOfItsOwnChoice(Management):
    """A read that asks for a format is answered in the one that the unit prefers."""

    def _read(self, request: Message, path: Path, below: Mapping[Path, Resource]) -> Message:
        return super()._read(Message(code=request.code), path, below)


# -- writing


@defect("written-until-the-first-wrong-one", "DM-04", wire="dm")
class WrittenUntilTheFirstWrongOne(Management):
    """Of a write of several resources those before the first wrong one are taken."""

    def take(self, values: Mapping[Path, Value]) -> None:
        for path, value in values.items():
            super().take({path: value})


@defect("written-but-for-the-wrong-ones", "DM-04", wire="dm")
class WrittenButForTheWrongOnes(Management):
    """Of a write of several resources all but the wrong ones are taken; the answer is an error."""

    def take(self, values: Mapping[Path, Value]) -> None:
        failures: list[Exception] = []
        for path, value in values.items():
            try:
                super().take({path: value})
            except (BadValue, NotAllowed, NotFound) as failure:
                failures.append(failure)
        if failures:
            raise failures[0]


@defect("read-only-passed-over", "DM-05", "DM-04", wire="dm")
class ReadOnlyPassedOver(Management):
    """A read-only resource in a write of several is passed over without a word."""

    def take(self, values: Mapping[Path, Value]) -> None:
        super().take({path: value for path, value in values.items()
                      if len(values) == 1 or self.tree.get(path.resource) is None
                      or self.tree[path.resource].writable})


@defect("unknown-passed-over", "DM-02", "DM-04", wire="dm")
class UnknownPassedOver(Management):
    """A resource that is not there is passed over in a write of several."""

    def take(self, values: Mapping[Path, Value]) -> None:
        known = {path: value for path, value in values.items() if path.resource in self.tree}
        super().take(known if len(values) > 1 else values)


@defect("wrong-value-answered-with-success", "DM-04", "SCH-06", wire="dm")
class WrongValueAnsweredWithSuccess(Management):
    """A value out of range is answered with success, and not stored."""

    def take(self, values: Mapping[Path, Value]) -> None:
        with suppress(BadValue):
            super().take(values)


class Answers(Management):
    """Requests of ``method`` are answered with ``answer``."""

    method: Any = None
    answer: Any = codes.CHANGED

    def serve(self, request: Message, path: Path) -> Message:
        if request.code == self.method:
            return Message(code=self.answer)
        return super().serve(request, path)


@defect("delete-answered-with-success", "DM-03", wire="dm")
class DeleteAnsweredWithSuccess(Answers):
    """A Delete of the device object is answered with success."""

    method, answer = codes.DELETE, codes.DELETED


@defect("create-answered-with-success", "DM-03", wire="dm")
class CreateAnsweredWithSuccess(Management):
    """A Create of another device is answered with success."""

    def serve(self, request: Message, path: Path) -> Message:
        if request.code == codes.POST and len(path) == 1:
            return Message(code=codes.CREATED)
        return super().serve(request, path)


@defect("text-number-with-a-tail", "DM-04", wire="dm")
class TextNumberWithATail(Management):
    """A number in plain text counts up to its first character that is no digit."""

    def serve(self, request: Message, path: Path) -> Message:
        if request.code == codes.PUT and request.opt.content_format == 0 and request.payload:
            digits = request.payload.split(b".")[0]
            request = request.copy(payload=digits, remote=request.remote)
        return super().serve(request, path)


# -- observing


@defect("observation-dies-at-an-update", "DM-10", wire="dm")
class ObservationDiesAtAnUpdate(Lwm2mClient):
    """Observations end with the first update of the registration."""

    async def update(self) -> bool:
        self.site.forget_observations()
        return await super().update()


@defect("one-observation-at-a-time", "DM-10", wire="dm")
class OneObservationAtATime(Site):
    """A new observation ends the one before."""

    async def add_observation(self, request: Message, serverobservation: Any) -> None:
        self.forget_observations()
        await super().add_observation(request, serverobservation)


class FewNotifications(Site):
    """``most`` notifications, and then no more."""

    most = 1000

    async def watch(self, path: Path, request: Message, serverobservation: Any) -> None:
        await super().watch(path, request, Counting(serverobservation, self.most))


class Counting:
    """Lets the first ``most`` notifications through."""

    def __init__(self, observation: Any, most: int) -> None:
        self._observation = observation
        self._left = most

    def trigger(self, message: Message) -> None:
        self._left -= 1
        if self._left >= 0:
            self._observation.trigger(message)


@defect("three-notifications-and-no-more", "DM-10", wire="dm")
class ThreeNotifications(FewNotifications):
    """After three notifications an observation is silent."""

    most = 3


@defect("twenty-notifications-and-no-more", "DM-10", wire="dm")
class TwentyNotifications(FewNotifications):
    """After twenty notifications an observation is silent."""

    most = 20


class Stale:
    """Each notification is what should have been the first one."""

    def __init__(self, observation: Any) -> None:
        self._observation = observation
        self._payload: bytes | None = None

    def trigger(self, message: Message) -> None:
        self._payload = message.payload if self._payload is None else self._payload
        self._observation.trigger(Message(code=message.code, payload=self._payload,
                                          content_format=message.opt.content_format))


@defect("notifications-of-the-first-value", "DM-10", wire="dm")
class NotificationsOfTheFirstValue(Site):
    """Each notification carries the value of the first one."""

    async def watch(self, path: Path, request: Message, serverobservation: Any) -> None:
        await super().watch(path, request, Stale(serverobservation))


# -- registration


@defect("update-with-other-timers", "NET-23", "NET-24", "LWM2M-33906.0.30", "OTC-T9-04", wire="dm")
class UpdateWithOtherTimers(Lwm2mClient):
    """A registration update has the timers of RFC 7252, not those that are set."""

    def timers(self, message: Message) -> TransportTuning:
        if self.location and tuple(message.opt.uri_path) == self.location:
            return transport_tuning(confirmable=True)
        return super().timers(message)


@defect("send-with-other-timers", "NET-23", "NET-24", "LWM2M-33906.0.30", wire="dm")
class SendWithOtherTimers(Lwm2mClient):
    """An LwM2M Send has the timers of RFC 7252, not those that are set."""

    def timers(self, message: Message) -> TransportTuning:
        if tuple(message.opt.uri_path) == ("dp",):
            return transport_tuning(confirmable=True)
        return super().timers(message)


@defect("long-lifetime-updated-late", "LWM2M-1.1.1", wire="dm")
class LongLifetimeUpdatedLate(Connection):
    """A registration of more than an hour is updated a minute after its end."""

    def update_after_s(self) -> float:
        lifetime_s = self.servers.dm.lifetime_s
        return lifetime_s + 60.0 if lifetime_s > 3600 else super().update_after_s()


@defect("short-lifetime-updated-late", "LWM2M-1.1.1", wire="dm")
class ShortLifetimeUpdatedLate(Connection):
    """A registration is updated each four minutes at most."""

    def update_after_s(self) -> float:
        return max(super().update_after_s(), 240.0)


@defect("lost-registration-not-made-again", "ACT-14", "LWM2M-1.1.1", wire="dm")
class LostRegistrationNotMadeAgain(Connection):
    """A unit whose registration the server has lost goes on updating it."""

    async def renew(self, client: Lwm2mClient) -> bool:
        return await super().renew(client) or client.refused


@defect("update-trigger-registers-anew", "LWM2M-1.1.8", wire="dm")
class UpdateTriggerRegistersAnew(Connection):
    """1/1/8 makes a new registration instead of an update."""

    async def update(self, client: Lwm2mClient) -> None:
        await client.register(self.servers.dm)


@defect("registers-without-its-last-object", "DM-01", "DM-03", "ACT-14", wire="dm")
class RegistersWithoutAnObject(Lwm2mClient):
    """A registration does not name the last instance of the unit's objects."""

    async def register(self, account: DmAccount) -> bool:
        usual = self.tree
        last = max(path[:2] for path in usual)
        self.tree = {path: resource for path, resource in usual.items() if path[:2] != last}
        try:
            return await super().register(account)
        finally:
            self.tree = usual


@defect("queue-mode-taken-back-by-an-update", "DM-09", wire="dm")
class QueueModeTakenBack(Lwm2mClient):
    """The unit is one of LwM2M 1.0, whose updates say the binding without queue mode; and it goes on sleeping."""

    def presents(self, account: DmAccount) -> list[str]:
        return ["lwm2m=1.0", f"b={account.binding}"]

    def renews(self) -> list[str]:
        return ["b=U"]


class _WithExponents(Attributes):
    def shown(self, value: float) -> str:
        return f"{value:g}"


@defect("attributes-with-exponents", "DM-10", wire="dm")
class AttributesWithExponents(Management):
    """Discover shows attributes of many digits with six of them, and an exponent."""

    def __init__(self, settings: Settings, tree: Mapping[Path, Resource]) -> None:
        super().__init__(settings, tree)
        self.attributes = _WithExponents()


@defect("registers-in-no-format", "DM-01", "CMP-06", wire="dm")
class RegistersInNoFormat(Lwm2mClient):
    """The objects of a registration come without a Content-Format."""

    def timers(self, message: Message) -> TransportTuning:
        if message.opt.uri_path[:1] == ("rd",):
            message.opt.content_format = None
        return super().timers(message)


# -- in one kind of write only


@defect("bootstrap-uri-by-composite", "LWM2M-0.0.0", wire="dm", kind="security")
class BootstrapUriByComposite(Management):
    """A Write-Composite may write 0/0/0, and the bootstrap server is another one from then on; a Write may not."""

    uri = Path(0, 0, 0)

    def take(self, values: Mapping[Path, Value]) -> None:
        if self.uri in values:
            self.store({"bootstrap_ip": str(values[self.uri]).partition("://")[2].partition(":")[0]})
        super().take({path: value for path, value in values.items() if path != self.uri})

    def _type_of(self, path: Path) -> Type:
        return Type.STRING if path == self.uri else super()._type_of(path)


@defect("eco-mode-not-beside-others", "PWR-18", "LWM2M-33906.0.3", wire="dm")
class EcoModeNotBesideOthers(Management):
    """Eco mode is switched by a write of its own, and stays what it is in a write of several resources."""

    def store(self, staged: Mapping[str, Setting]) -> None:
        super().store({name: value for name, value in staged.items() if name != "eco_mode" or len(staged) == 1})


@defect("model-with-a-zero-in-a-read-of-several", "LWM2M-3.0.1", wire="dm", kind="values")
class ModelWithAZeroInAReadOfSeveral(Management):
    """In a read of the whole object the model number ends in an octet 0."""

    def _values(self, path: Path, below: Mapping[Path, Resource]) -> dict[Path, Value]:
        values, model = super()._values(path, below), Path(3, 0, 1)
        return values | {model: f"{values[model]!s}\0"} if model in values and len(path) < 3 else values


@defect("eight-settings-at-a-time", "DM-05", wire="dm")
class EightSettingsAtATime(Management):
    """Of a write of many settings over DM the first eight are stored."""

    def store(self, staged: Mapping[str, Setting]) -> None:
        super().store(dict(list(staged.items())[:8]))


@defect("lwm2m-1-0-after-an-outage", "CMP-10", wire="dm", kind="protocol")
class Lwm2m10AfterAnOutage(Lwm2mClient):
    """A unit that has come back to the network registers as one of LwM2M 1.0, which has no Send."""

    def presents(self, account: DmAccount) -> list[str]:
        old = self.modem.registrations > 1
        return ["lwm2m=1.0" if old and item == "lwm2m=1.1" else item for item in super().presents(account)]


@defect("boolean-taken-for-a-number", "DM-04", wire="dm")
class BooleanTakenForANumber(Management):
    """In a Write-Composite in CBOR a Boolean is taken for the Integer 0 or 1."""

    def _write_composite(self, request: Message) -> Message:
        with suppress(cbor2.CBORError, AttributeError):
            if request.opt.content_format == ContentFormat.SENML_CBOR:
                request.payload = cbor2.dumps([self.number(record) for record in cbor2.loads(request.payload)])
        return super()._write_composite(request)

    def number(self, record: dict[int, Any]) -> dict[int, Any]:
        path = str(record.get(-2, "")) + str(record.get(0, ""))
        is_number = 4 in record and self._type_of(Path.parse(path)) is Type.INTEGER
        return {key: value for key, value in record.items() if key != 4} | {2: int(record[4])} if is_number else record


@defect("registers-anew-for-tcp", "NET-01", wire="dm", kind="protocol")
class RegistersAnewForTcp(Lwm2mClient):
    """When the server has lost the registration, the unit registers anew with the binding of TCP."""

    def presents(self, account: DmAccount) -> list[str]:
        return ["b=T" if self.location and item == "b=U" else item for item in super().presents(account)]
