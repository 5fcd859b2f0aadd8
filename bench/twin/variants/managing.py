"""Units that offer more or less over device management, and do it at other times, than the twin's usual one."""

from __future__ import annotations

import asyncio
from functools import partial

from aiocoap.message import Message
from aiocoap.numbers import codes
from aiocoap.numbers.constants import TransportTuning

from bench.protocols.coap_pipe import transport_tuning
from bench.protocols.dtls import DtlsClient
from bench.protocols.dtls.handshake import Fragment, HandshakeType
from bench.protocols.lwm2m import ContentFormat, Path, Type, Value
from bench.twin.cmi6110.accounts import SERVER, BootstrapDraft, DmAccount
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient, Site
from bench.twin.cmi6110.management import Management
from bench.twin.cmi6110.resource import NotAllowed, Resource
from bench.twin.cmi6110.servers import Servers
from bench.twin.cmi6110.statistics import TransactionStatistics
from bench.twin.cmi6110.uplink import Uplink
from bench.twin.defects.tools import change, report
from bench.twin.lab import Lab
from bench.twin.variants.registry import variant

# -- what is offered


@variant("object-0-readable", place="U07")
def _(lab: Lab) -> None:
    """A DM server may read object 0, but for the keys."""
    unit, servers, settings = lab.unit, lab.unit.servers, lab.unit.settings
    unit.tree.update({
        Path(0, 0, 0): Resource(Type.STRING, lambda: f"coap://{settings.text('bootstrap_ip')}"
                                                     f":{settings.number('bootstrap_port')}"),
        Path(0, 0, 1): Resource(Type.BOOLEAN, lambda: True),
        Path(0, 0, 2): Resource(Type.INTEGER, lambda: settings.number("bootstrap_security")),
        Path(0, 0, 3): Resource(Type.OPAQUE, servers.shown_as),
        Path(0, 0, 10): Resource(Type.INTEGER, lambda: 1),
        Path(0, 1, 0): Resource(Type.STRING, lambda: servers.dm.uri),
        Path(0, 1, 1): Resource(Type.BOOLEAN, lambda: False),
        Path(0, 1, 2): Resource(Type.INTEGER, lambda: servers.dm.security),
        Path(0, 1, 3): Resource(Type.OPAQUE, servers.shown_as),
        Path(0, 1, 10): Resource(Type.INTEGER, lambda: servers.dm.short_server_id)})


@variant("apn-in-object-10-too", place="C03")
def _(lab: Lab) -> None:
    """The staged APN is at 10/1/1 and 10/1/2, as chapter 6.4 has it, and in object 11."""
    for number in (1, 2):
        lab.unit.tree[Path(10, 1, number)] = lab.unit.tree[Path(11, 1, number)]


def _more_statistics(lab: Lab, usual: int, other: int) -> None:
    """Instance ``usual`` of 33910 counts the meter data, and ``other`` something that stands still."""
    found = {path: resource for path, resource in lab.unit.tree.items() if path[0] == 33910}
    still = TransactionStatistics()
    for path, resource in found.items():
        lab.unit.tree[Path(33910, usual, path[2])] = resource
        lab.unit.tree[Path(33910, other, path[2])] = (
            Resource(None, execute=lambda _: still.reset()) if resource.execute else
            Resource(Type.INTEGER, lambda: 0))


@variant("statistics-of-two-servers", place="G10")
def _(lab: Lab) -> None:
    """33910 has two instances: the second counts another server."""
    _more_statistics(lab, usual=0, other=1)


@variant("statistics-of-meter-data-second", place="G10")
def _(lab: Lab) -> None:
    """33910 has two instances: the second counts the meter data."""
    _more_statistics(lab, usual=1, other=0)


@variant("statistics-in-seconds", place="G10")
def _(lab: Lab) -> None:
    """Response times are in seconds."""
    statistics = lab.unit.mdm.statistics
    report(lab, (33910, 0, 4), lambda: round(statistics.average_ms / 1000))
    report(lab, (33910, 0, 5), lambda: max(round(statistics.minimum_ms / 1000), 1))
    report(lab, (33910, 0, 6), lambda: round(statistics.maximum_ms / 1000))


@variant("obsolete-resources-absent", place="printed OBSOLETE!")
def _(lab: Lab) -> None:
    """33906/0/26 to /29 are not there."""
    for number in (26, 27, 28, 29):
        del lab.unit.tree[Path(33906, 0, number)]


@variant("obsolete-resources-read-only", place="printed OBSOLETE!")
def _(lab: Lab) -> None:
    """33906/0/26 to /29 take no value."""
    for number in (26, 27, 28, 29):
        change(lab, (33906, 0, number), write=None)


@variant("obsolete-resources-keep-a-value", place="printed OBSOLETE!")
def _(lab: Lab) -> None:
    """33906/0/26 to /29 read as they were written, and do nothing."""
    for number in (26, 27, 28, 29):
        kept = [0]
        change(lab, (33906, 0, number), read=partial(kept.__getitem__, -1), write=kept.append)


@variant("mandatory-by-oma", place="the manual lists less than OMA")
def _(lab: Lab) -> None:
    """What OMA makes mandatory and the manual does not list is there."""
    lab.unit.tree.update({
        Path(1, 1, 6): Resource(Type.BOOLEAN, lambda: False), Path(1, 1, 7): Resource(Type.STRING, lambda: "U"),
        Path(3, 0, 16): Resource(Type.STRING, lambda: "U"),
        Path(4, 0, 4): Resource(Type.STRING, lambda: "10.0.0.2", multiple=True)})


@variant("no-composite-operations", place="the manual names no composite operation")
class NoCompositeOperations(Management):
    """Read-Composite and Write-Composite are methods that the unit has not got."""

    def serve(self, request: Message, path: Path) -> Message:
        if request.code in (codes.FETCH, codes.iPATCH):
            raise NotAllowed("no such method")
        return super().serve(request, path)


@variant("numbers-of-its-own-in-33911", place="G12")
def _(lab: Lab) -> None:
    """33911 has numbers of its own for type and encoding."""
    settings = lab.unit.settings
    report(lab, (33911, 0, 0), lambda: {42: 1, 43: 2}[settings.number("message_format")])
    report(lab, (33911, 0, 1), lambda: 10 + settings.number("message_encoding"))


@variant("meter-info-of-the-last-readout", place="33908 live or of the last readout")
def _(lab: Lab) -> None:
    """33908 tells each ten seconds what the meter says, not live."""
    known: dict[int, object] = {}

    async def look() -> None:
        while True:
            for number in (2, 3):
                usual = live[number].read
                assert usual is not None
                known[number] = usual()
            await asyncio.sleep(10.0)

    live = {number: lab.unit.tree[Path(33908, 0, number)] for number in (2, 3)}
    for number in live:
        report(lab, (33908, 0, number), partial(known.__getitem__, number))
    lab.clock.spawn(look())


@variant("external-battery", place="3/0/6: 1 or 2")
def _(lab: Lab) -> None:
    """A battery is an external one."""
    usual = lab.unit.tree[Path(3, 0, 6)].read
    assert usual is not None
    report(lab, (3, 0, 6), lambda: 2 if usual() == 1 else usual())


@variant("battery-level-in-quarters", place="how fine 3/0/9 is, is not printed")
def _(lab: Lab) -> None:
    """The battery level is 0, 25, 50, 75 or 100 %; low begins at 25 %."""
    usual = lab.unit.tree[Path(3, 0, 9)].read
    assert usual is not None
    report(lab, (3, 0, 9), lambda: usual() // 25 * 25)
    report(lab, (3, 0, 11), lambda: int(usual() < 25))


@variant("status-ok-when-idle", place="33907/0/10: 0 or 7 between telegrams")
def _(lab: Lab) -> None:
    """The MDM connection status is 0 as long as the last communication was good."""
    mdm = lab.unit.mdm
    report(lab, (33907, 0, 10), lambda: 0 if int(mdm.status) == 7 else int(mdm.status))


@variant("rssi-of-a-quiet-cell", place="an NRSRQ of -3 to -25 dB")
def _(lab: Lab) -> None:
    """The RSSI is 20 dB above the RSRP."""
    report(lab, (33907, 0, 4), lambda: (round(lab.cell.rsrp_dbm) + 20) * 10)


# -- when


@variant("updates-at-half-time", place="when a registration is updated")
class UpdatesAtHalfTime(Connection):
    """A registration is updated when half of its lifetime is over."""

    def update_after_s(self) -> float:
        return self.servers.dm.lifetime_s / 2


@variant("updates-at-the-last-moment", place="when a registration is updated")
class UpdatesAtTheLastMoment(Connection):
    """A registration is updated 15 s before its end."""

    def update_after_s(self) -> float:
        return max(self.servers.dm.lifetime_s - 15.0, self.servers.dm.lifetime_s * 0.8)


@variant("coap-timeout-without-chance", place="RFC 7252, 4.8: ACK_RANDOM_FACTOR")
class CoapTimeoutWithoutChance(Lwm2mClient):
    """The first repetition comes after the time-out, exactly."""

    def timers(self, message: Message) -> TransportTuning:
        return transport_tuning(ack_timeout_s=self.settings.number("coap_ack_timeout"), ack_random_factor=1.0,
                                max_retransmit=self.settings.number("coap_max_retransmit"), confirmable=True)


@variant("looks-each-3-s", place="how often a unit looks at what is observed")
class LooksEach3S(Site):
    """What is observed is looked at each three seconds."""

    LOOK_EVERY_S = 3.0


@variant("queue-mode-asked-for-only", place="the registration's binding")
class QueueModeNever(Lwm2mClient):
    """The unit has no queue mode."""

    async def register(self, account: DmAccount) -> bool:
        return await super().register(DmAccount(account.uri, account.security, account.short_server_id,
                                                account.lifetime_s, "U"))


@variant("updates-name-the-binding", place="LwM2M 1.1 core, 6.2.2: an update may say what it was registered with")
class UpdatesNameTheBinding(Lwm2mClient):
    """An update says the binding again, which has no word of queue mode in LwM2M 1.1."""

    def renews(self) -> list[str]:
        return ["b=U"]


@variant("registers-by-lwm2m-1.0", place="6.2 names no version of LwM2M")
class RegistersByLwm2m10(Lwm2mClient):
    """The unit is one of LwM2M 1.0: queue mode is a part of its binding."""

    def presents(self, account: DmAccount) -> list[str]:
        return ["lwm2m=1.0", f"b={account.binding}"]


@variant("registers-by-lwm2m-1.2", place="6.2 names no version of LwM2M")
class RegistersByLwm2m12(Lwm2mClient):
    """The unit is one of LwM2M 1.2: it says more of itself, and reports in LwM2M CBOR."""

    report_format = ContentFormat.LWM2M_CBOR

    def presents(self, account: DmAccount) -> list[str]:
        return ["lwm2m=1.2", *super().presents(account)[1:], "profile=71", "later"]


@variant("objects-below-a-root-of-their-own", place="LwM2M 1.1 core, 6.2.1: an alternate path")
class ObjectsBelowARoot(Lwm2mClient):
    """The objects are below /lwm2m, as the registration says."""

    root = "/lwm2m"


@variant("first-readout-after-a-minute", place="U11")
class FirstReadoutAfterAMinute(Life):
    """The readout after joining is sent a minute later."""

    first_readout_delay_s = 60.0


@variant("grid-runs-on-after-a-change", place="SCH-24: what was planned may still come")
class GridRunsOn(Life):
    """A new interval counts from the next planned moment on."""

    def settings_changed(self, names: frozenset[str]) -> None:
        super().settings_changed(names - {"readout_interval"})


@variant("radio-settings-from-the-next-attach", place="when Table 10 counts")
class RadioSettingsFromTheNextAttach(Life):
    """Timers and power saving count from the next attach on."""

    def settings_changed(self, names: frozenset[str]) -> None:
        super().settings_changed(names - {"t3324", "t3412", "power_saving_mode", "edrx_mode", "edrx_value"})


@variant("trigger-after-ten-seconds", place="33906/0/10: how soon")
class TriggerAfterTenSeconds(Life):
    """A readout that is asked for is made ten seconds later."""

    def trigger_readout(self) -> None:
        self.clock.loop.call_later(10.0, super().trigger_readout)


# -- bootstrap


@variant("bootstraps-at-each-start", place="6.2: whether a unit that has its servers asks again")
class BootstrapsAtEachStart(Life):
    """The unit bootstraps whenever it starts."""

    def start(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        super().start(activation=True, hold_off_s=hold_off_s)


@variant("bootstrap-server-reads-nothing", place="LwM2M 1.0 has no Bootstrap-Read")
class BootstrapServerReadsNothing(BootstrapDraft):
    """A bootstrap server may read nothing."""

    def read(self, path: Path) -> dict[Path, Value]:
        raise NotAllowed("not for a bootstrap server to read")


STRICT = "an account without what OMA makes mandatory"


@variant("accounts-are-whole-or-refused", place="the manual lists less of object 1 than OMA")
class AccountsAreWholeOrRefused(BootstrapDraft):
    """An account without notification storing and binding (1/x/6 and 1/x/7) is refused."""

    def problem(self) -> str:
        missing = {6, 7} - {known[2] for known in self.values if known[0] == SERVER}
        return super().problem() or (STRICT if missing else "")


@variant("dtls-connection-id", place="RFC 9146: whether a unit offers a connection id is not printed")
class DtlsConnectionId(Uplink):
    """The unit takes part in connection ids: it puts in those of the servers, and wants none itself."""

    def connection_id(self) -> bytes:
        return b""


@variant("dtls-connection-id-of-its-own", place="RFC 9146: whether a unit offers a connection id is not printed")
class DtlsConnectionIdOfItsOwn(Uplink):
    """The unit has a connection id of four octets for what servers send, and puts in theirs."""

    def connection_id(self) -> bytes:
        return self._modem.rng.randbytes(8)


@variant("identity-in-octets", place="G14")
class IdentityInOctets(Servers):
    """The PSK identity is the DevEUI in octets, not in characters."""

    def shown_as(self) -> bytes:
        return bytes.fromhex(self.identity.deveui)


class _SilentAboutHelloRequests(DtlsClient):
    def _take_fragment(self, fragment: Fragment, epoch: int, now: float) -> str | None:
        if self.established and fragment.message_type == HandshakeType.HELLO_REQUEST:
            return "renegotiation is not spoken of"
        return super()._take_fragment(fragment, epoch, now)


@variant("hello-requests-ignored", place="RFC 5246, 7.4.1.1: a client may ignore a HelloRequest, or send an alert")
class HelloRequestsIgnored(Uplink):
    """Who asks for renegotiation hears nothing."""

    client = _SilentAboutHelloRequests
