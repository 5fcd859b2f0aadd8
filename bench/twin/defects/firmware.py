"""Defects of firmware updates, of the APN and of the bootstrap."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import repeat

from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.apn import ApnTrial
from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.download import Download
from bench.twin.cmi6110.firmware import FirmwareUpdate, State
from bench.twin.cmi6110.firmware import Result as FirmwareResult
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.modem_firmware import ModemUpdate
from bench.twin.cmi6110.package import DamagedPackage, Package
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.telegram import SENML_CBOR
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report
from bench.twin.lab import Lab

# -- firmware


@defect("firmware-crc-unchecked", "FOTA-03", wire="files")
class CrcUnchecked(FirmwareUpdate):
    """A corrupt firmware package is taken."""

    def check(self, content: bytes) -> Package:
        try:
            return super().check(content)
        except DamagedPackage:
            return Package(self.identity.model, self.identity.hardware, "9.9.9", content)


@defect("firmware-old-version-kept", "FOTA-01", "LWM2M-3.0.3", wire="files")
class OldVersionKept(FirmwareUpdate):
    """An update is reported as done, and the old firmware runs."""

    def install(self, package: Package | None) -> FirmwareResult:
        return FirmwareResult.SUCCESS


@defect("firmware-settings-lost", "FOTA-06", wire="files")
class SettingsLost(FirmwareUpdate):
    """An update puts settings back to their defaults."""

    def install(self, package: Package | None) -> FirmwareResult:
        result = super().install(package)
        self.settings.write({"readout_interval": 60, "message_encoding": SENML_CBOR})
        return result


@defect("firmware-readouts-lost", "FOTA-06", "FOTA-10", wire="files")
class ReadoutsLost(Life):
    """A restart into a new firmware forgets the readouts that have not been sent."""

    async def install_firmware(self) -> None:
        due = self.firmware_update.state is State.UPDATING
        await super().install_firmware()
        if due:
            self.readouts.storage.clear()


@defect("firmware-keys-lost", "FOTA-06", wire="dm")
class KeysLost(Life):
    """A new build has forgotten the keys for device management and meter data."""

    def first_start(self) -> None:
        super().first_start()
        self.servers.dm_key = self.servers.mdm_key = bytes(16)


class _ShiftedSchedule(Schedule):
    """Counts from another midnight than the meter's, once it is told to."""

    shift_s = 0.0

    def _since_midnight_s(self) -> float:
        return (super()._since_midnight_s() + self.shift_s) % 86_400.0


@defect("firmware-schedule-shifted", "FOTA-06", "SCH-07", wire="mdm", beside=(_ShiftedSchedule,))
class ScheduleShifted(Life):
    """A new build reads and sends four minutes earlier than the old one."""

    def first_start(self) -> None:
        super().first_start()
        if isinstance(self.schedule, _ShiftedSchedule):
            self.schedule.shift_s = 240.0


@defect("firmware-update-unasked", "LWM2M-5.0.2", wire="dm")
class UpdateUnasked(FirmwareUpdate):
    """An update without a download is taken for one, and fails."""

    def update(self) -> None:
        self.state = State.UPDATING
        self.restart()


@defect("firmware-cut-off", "FOTA-05", wire="supply")
class CutOff(FirmwareUpdate):
    """A power cut while the firmware is put in leaves a unit that does not start."""

    starts = 0

    async def start_up(self) -> None:
        self.starts += self.state is State.UPDATING
        if self.starts > 1:
            await asyncio.get_running_loop().create_future()
        await super().start_up()
        self.starts = 0


@defect("firmware-uri-not-cleared", "LWM2M-5.0.1", wire="dm")
class UriNotCleared(FirmwareUpdate):
    """An empty package URI is ignored."""

    def write_uri(self, uri: str) -> None:
        if uri:
            super().write_uri(uri)


@defect("firmware-silence-endured", "FOTA-04", wire="files")
class SilenceEndured(FirmwareUpdate):
    """A download from a server that has fallen silent never ends."""

    async def fetch(self, download: Download) -> None:
        content = bytes(download.content)
        await super().fetch(download)
        if self.result is FirmwareResult.CONNECTION_LOST and download.content != content:
            self.state, self.result = State.DOWNLOADING, FirmwareResult.INITIAL


@defect("modem-results-swapped", "FOTA-09", "LWM2M-33909.0.8", wire="dm")
def _(lab: Lab) -> None:
    """Results 2 and 3 of the modem update are swapped."""
    update = lab.unit.modem_update
    report(lab, (33909, 0, 8), lambda: {2: 3, 3: 2}.get(update.result, int(update.result)))


@defect("modem-version-stale", "FOTA-08", "LWM2M-33909.0.5", wire="dm")
def _(lab: Lab) -> None:
    """The modem's old version is shown after an update."""
    report(lab, (33909, 0, 5), lambda: ModemUpdate.first_version)


# -- APN


@defect("apn-never-rolled-back", "APN-05", "APN-06", wire="cell")
class NeverRolledBack(ApnTrial):
    """The unit stays with a new APN that leads nowhere."""

    limit_s = 1e7


@defect("apn-saved-at-once", "APN-05", "APN-07", wire="cell")
class SavedAtOnce(ApnTrial):
    """A new APN is saved before it has led to a bootstrap."""

    def apply(self) -> None:
        self.settings.write({"apn": self.settings["staged_apn"], "apn_mode": self.settings["staged_apn_mode"]})


@defect("apn-used-when-staged", "APN-02", wire="cell")
class UsedWhenStaged(ApnTrial):
    """A staged APN is used at the next attach, applied or not."""

    def start_up(self) -> None:
        self.apply()
        super().start_up()


@defect("apn-not-kept", "APN-04", wire="cell")
class NotKept(ApnTrial):
    """A new APN that works is not saved."""

    def bootstrapped(self) -> None:
        """Go on trying."""


# -- bootstrap and registration


@defect("bootstrap-skipped", "ACT-12", wire="bootstrap")
class BootstrapSkipped(Life):
    """The unit goes to the gateway without a bootstrap."""

    bootstraps_on_activation = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.servers.provisioned = True
        self.servers.mdm_uri = "udp://10.0.0.1:1884"
        self.servers.dm.uri = "coap://10.0.0.1:5683"


@defect("bootstrap-trigger-ignored", "LWM2M-1.0.9", wire="dm")
class BootstrapTriggerIgnored(Life):
    """The bootstrap trigger is answered and ignored."""

    def bootstrap_again(self) -> None:
        """Stay."""


@defect("bootstrap-unchecked", "ACT-13", wire="bootstrap")
class CredulousDraft(BootstrapDraft):
    """Bootstrap contents are taken without a look at whether they fit together."""

    def problem(self) -> str:
        return ""


@defect("bootstrap-never-again", "NET-26", "NET-27", "NET-43", wire="bootstrap")
class BootstrapNeverAgain(Backoff):
    """A DM server that can't be reached is tried for ever."""

    def attempts(self) -> Iterator[float]:
        return repeat(60.0)


@defect("update-too-late", "LWM2M-1.1.1", wire="dm")
class UpdateTooLate(Connection):
    """The registration is updated after its lifetime has ended."""

    def update_after_s(self) -> float:
        return self.servers.dm.lifetime_s * 1.1


@defect("discarded-update-ignored", "ACT-14", wire="dm")
class DiscardedUpdateIgnored(Connection):
    """When the server does not know the registration any more, the unit goes on as if it did."""

    async def renew(self, client: Lwm2mClient) -> bool:
        await client.update()
        return True


@defect("lifetime-ignored", "LWM2M-1.1.1", wire="bootstrap")
class LifetimeIgnored(Connection):
    """The unit keeps to a lifetime of a day, whatever the bootstrap server writes."""

    def adopt(self, draft: BootstrapDraft) -> None:
        super().adopt(draft)
        self.servers.dm.lifetime_s = 86400
