"""Defects of firmware updates, of the APN and of the bootstrap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import repeat

from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.download import Download
from bench.twin.cmi6110.firmware import Result as FirmwareResult
from bench.twin.cmi6110.firmware import State
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.package import DamagedPackage, Package
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import SENML_CBOR
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report, resource
from bench.twin.lab import Lab

# -- firmware, APN, bootstrap


@defect("bootstrap-skipped", "ACT-12", wire="bootstrap")
def _(lab: Lab) -> None:
    """The unit goes to the gateway without a bootstrap."""
    lab.unit.provisioned = True
    lab.unit.mdm_uri = "udp://10.0.0.1:1884"
    lab.unit.dm_account.uri = "coap://10.0.0.1:5683"
    lab.unit.bootstrap_on_activation = False


@defect("firmware-crc-unchecked", "FOTA-03", wire="files")
def _(lab: Lab) -> None:
    """A corrupt firmware package is taken."""
    update = lab.unit.firmware_update
    check = update.check

    def taken(content: bytes) -> Package:
        try:
            return check(content)
        except DamagedPackage:
            return Package(lab.unit.model, lab.unit.hardware, "9.9.9", content)
    update.check = taken  # type: ignore[method-assign]


@defect("firmware-old-version-kept", "FOTA-01", "LWM2M-3.0.3", wire="files")
def _(lab: Lab) -> None:
    """An update is reported as done, and the old firmware runs."""
    lab.unit.firmware_update.install = lambda package: FirmwareResult.SUCCESS  # type: ignore[method-assign]


@defect("firmware-settings-lost", "FOTA-06", wire="files")
def _(lab: Lab) -> None:
    """An update puts settings back to their defaults."""
    _after_update(lab, lambda: lab.unit.settings.write({"readout_interval": 60, "message_encoding": SENML_CBOR}))


@defect("firmware-readouts-lost", "FOTA-06", "FOTA-10", wire="files")
def _(lab: Lab) -> None:
    """An update forgets the readouts that have not been sent."""
    _after_update(lab, lambda: setattr(lab.unit, "storage", Storage()))


@defect("firmware-update-unasked", "LWM2M-5.0.2", wire="dm")
def _(lab: Lab) -> None:
    """An update without a download is taken for one, and fails."""
    update = lab.unit.firmware_update

    def always() -> None:
        update.state = State.UPDATING
        lab.unit.later(lab.unit.reboot)
    resource(lab, (5, 0, 2)).execute = lambda _: always()


@defect("firmware-cut-off", "FOTA-05", wire="supply")
def _(lab: Lab) -> None:
    """A power cut while the firmware is put in leaves a unit that does not start."""
    update = lab.unit.firmware_update
    start_up, starts = update.start_up, [0]

    async def only_once() -> None:
        starts[0] += update.state is State.UPDATING
        if starts[0] > 1:
            await asyncio.get_running_loop().create_future()
        await start_up()
        starts[0] = 0
    update.start_up = only_once  # type: ignore[method-assign]


@defect("firmware-uri-not-cleared", "LWM2M-5.0.1", wire="dm")
def _(lab: Lab) -> None:
    """An empty package URI is ignored."""
    write = lab.unit.firmware_update.write_uri
    resource(lab, (5, 0, 1)).write = lambda uri: write(uri) if uri else None


@defect("firmware-silence-endured", "FOTA-04", wire="files")
def _(lab: Lab) -> None:
    """A download from a server that has fallen silent never ends."""
    update = lab.unit.firmware_update
    fetch = update.fetch

    async def patient(download: Download) -> None:
        content = bytes(download.content)
        await fetch(download)
        if update.result is FirmwareResult.CONNECTION_LOST and download.content != content:
            update.state, update.result = State.DOWNLOADING, FirmwareResult.INITIAL
    update.fetch = patient  # type: ignore[method-assign]


@defect("modem-results-swapped", "FOTA-09", "LWM2M-33909.0.8", wire="dm")
def _(lab: Lab) -> None:
    """Results 2 and 3 of the modem update are swapped."""
    update = lab.unit.modem_update
    report(lab, (33909, 0, 8), lambda: {2: 3, 3: 2}.get(update.result, int(update.result)))


@defect("modem-version-stale", "FOTA-08", "LWM2M-33909.0.5", wire="dm")
def _(lab: Lab) -> None:
    """The modem's old version is shown after an update."""
    report(lab, (33909, 0, 5), lambda version=lab.unit.modem_update.version: version)  # type: ignore[misc]


@defect("apn-never-rolled-back", "APN-05", "APN-06", wire="cell")
def _(lab: Lab) -> None:
    """The unit stays with a new APN that leads nowhere."""
    lab.unit.apn.limit_s = 1e7


@defect("apn-saved-at-once", "APN-05", "APN-07", wire="cell")
def _(lab: Lab) -> None:
    """A new APN is saved before it has led to a bootstrap."""
    apn, settings = lab.unit.apn, lab.unit.settings
    apn.apply = lambda: settings.write(  # type: ignore[method-assign]
        {"apn": settings["staged_apn"], "apn_mode": settings["staged_apn_mode"]})


@defect("apn-used-when-staged", "APN-02", wire="cell")
def _(lab: Lab) -> None:
    """A staged APN is used at the next attach, applied or not."""
    apn = lab.unit.apn
    start_up = apn.start_up

    def start_up_with_the_staged_one() -> None:
        apn.apply()
        start_up()
    apn.start_up = start_up_with_the_staged_one  # type: ignore[method-assign]


@defect("apn-not-kept", "APN-04", wire="cell")
def _(lab: Lab) -> None:
    """A new APN that works is not saved."""
    lab.unit.apn.bootstrapped = lambda: None  # type: ignore[method-assign]


@defect("bootstrap-trigger-ignored", "LWM2M-1.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The bootstrap trigger is answered and ignored."""
    resource(lab, (1, 0, 9)).execute = lambda _: None


@defect("bootstrap-unchecked", "ACT-13", wire="bootstrap")
def _(lab: Lab) -> None:
    """Bootstrap contents are taken without a look at whether they fit together."""
    unit = lab.unit
    unit.connection.new_draft = lambda: _CredulousDraft(  # type: ignore[method-assign]
        unit.dm_account, unit.mdm_uri, unit.mdm_security)


class _CredulousDraft(BootstrapDraft):
    def problem(self) -> str:
        return ""


@defect("bootstrap-never-again", "NET-26", "NET-27", "NET-43", wire="bootstrap")
def _(lab: Lab) -> None:
    """A DM server that can't be reached is tried for ever."""
    lab.unit.connection.attempts = lambda: repeat(60.0)  # type: ignore[method-assign]


@defect("update-too-late", "LWM2M-1.1.1", wire="dm")
def _(lab: Lab) -> None:
    """The registration is updated after its lifetime has ended."""
    lab.unit.connection.update_after_s = lambda: lab.unit.dm_account.lifetime_s * 1.1  # type: ignore[method-assign]


@defect("discarded-update-ignored", "ACT-14", wire="dm")
def _(lab: Lab) -> None:
    """When the server does not know the registration any more, the unit goes on as if it did."""
    async def content_with_any_answer(client: Lwm2mClient) -> bool:
        await client.update()
        return True
    lab.unit.connection.renew = content_with_any_answer  # type: ignore[method-assign]


@defect("lifetime-ignored", "LWM2M-1.1.1", wire="bootstrap")
def _(lab: Lab) -> None:
    """The unit keeps to a lifetime of a day, whatever the bootstrap server writes."""
    adopt = lab.unit.connection.adopt

    def adopt_but_for_the_lifetime(draft: BootstrapDraft) -> None:
        adopt(draft)
        lab.unit.dm_account.lifetime_s = 86400
    lab.unit.connection.adopt = adopt_but_for_the_lifetime  # type: ignore[method-assign]


def _after_update(lab: Lab, damage: Callable[[], None]) -> None:
    """Let ``damage`` be done by each update of the firmware."""
    update = lab.unit.firmware_update
    install = update.install

    def spoiled(package: Package | None) -> FirmwareResult:
        result = install(package)
        damage()
        return result
    update.install = spoiled  # type: ignore[method-assign]
