"""Defects of updates that are interrupted, or made for the second time: firmware, the modem's firmware, the APN."""

from __future__ import annotations

import asyncio

from bench.twin.cmi6110.apn import MANUAL, ApnTrial, Profile
from bench.twin.cmi6110.download import Download
from bench.twin.cmi6110.firmware import FirmwareUpdate, State
from bench.twin.cmi6110.firmware import Result as FirmwareResult
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.modem_firmware import ModemUpdate
from bench.twin.cmi6110.modem_firmware import Result as ModemResult
from bench.twin.cmi6110.package import HEADER_SIZE, DamagedPackage, NoPackage, Package, is_older
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.settings import RULES
from bench.twin.defects.registry import defect


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


# -- the unit's firmware


class _HangsAfterACut(FirmwareUpdate):
    """A restart in the state ``hangs_in`` leaves a unit that does not start."""

    hangs_in = State.DOWNLOADING

    async def start_up(self) -> None:
        if self.state is self.hangs_in:
            await _for_ever()
        await super().start_up()


@defect("firmware-hangs-cut-while-downloading", "FOTA-04", "FOTA-05", wire="supply")
class HangsCutWhileDownloading(_HangsAfterACut):
    """A power cut while a package is downloaded leaves a unit that does not start."""

    hangs_in = State.DOWNLOADING


@defect("firmware-hangs-cut-once-downloaded", "FOTA-05", wire="supply")
class HangsCutOnceDownloaded(_HangsAfterACut):
    """A power cut when a package has been downloaded leaves a unit that does not start."""

    hangs_in = State.DOWNLOADED


@defect("firmware-hangs-at-a-second-cut", "FOTA-05", wire="supply")
class HangsAtASecondCut(FirmwareUpdate):
    """A second power cut while the firmware is put in leaves a unit that does not start."""

    starts = 0

    async def start_up(self) -> None:
        self.starts += self.state is State.UPDATING
        if self.starts > 2:
            await _for_ever()
        await super().start_up()
        self.starts = 0


@defect("firmware-settings-lost-in-a-cut", "FOTA-05", "FOTA-06", wire="supply")
class SettingsLostInACut(FirmwareUpdate):
    """A power cut while the firmware is put in puts the settings of the schedule back."""

    starts = 0

    async def start_up(self) -> None:
        self.starts += self.state is State.UPDATING
        if self.starts == 2:
            self.settings.write({"readout_interval": 60, "report_interval": 60})
        await super().start_up()
        self.starts = 0


@defect("firmware-truncated-taken", "FOTA-03", wire="files")
class TruncatedTaken(FirmwareUpdate):
    """A package that breaks off is taken for whole."""

    def check(self, content: bytes) -> Package:
        try:
            return super().check(content)
        except DamagedPackage:
            if len(content) - HEADER_SIZE >= int.from_bytes(content[41:45], "big"):    # the length of the payload
                raise
            return Package(self.identity.model, self.identity.hardware, "9.9.9", content)


@defect("firmware-result-of-the-last-update", "LWM2M-5.0.5", wire="dm")
class ResultOfTheLast(FirmwareUpdate):
    """5/0/5 keeps the result of an earlier update when another package is fetched."""

    def write_uri(self, uri: str) -> None:
        before = self.result
        super().write_uri(uri)
        if uri and self.state is State.DOWNLOADING:
            self.result = before


@defect("firmware-accounts-lost", "FOTA-06", wire="files")
class AccountsLost(Life):
    """A new firmware has forgotten the servers: it asks the bootstrap server, and without it nobody."""

    async def install_firmware(self) -> None:
        due = self.firmware_update.state is State.UPDATING
        await super().install_firmware()
        if due:
            self.connection.forget_accounts()
            self._bootstrap_due = True


@defect("firmware-sends-all-again", "FOTA-06", "RETX-18", wire="mdm")
class SendsAllAgain(Life):
    """A new firmware does not know what the old one has sent, and sends it again."""

    async def install_firmware(self) -> None:
        due = self.firmware_update.state is State.UPDATING
        await super().install_firmware()
        if due:
            storage = self.readouts.storage
            kept = storage.history()
            storage.clear()
            for reading in kept:
                storage.add(reading, extra=True)


@defect("firmware-readouts-stop", "FOTA-06", "FOTA-10", wire="mdm")
class ReadoutsStop(Life):
    """After an update there are no readouts on schedule until the next restart."""

    updated = False

    async def install_firmware(self) -> None:
        self.updated = self.firmware_update.state is State.UPDATING
        await super().install_firmware()

    async def read(self, *, extra: bool) -> None:
        if extra or not self.updated:
            await super().read(extra=extra)


@defect("firmware-older-taken-at-the-second-offer", "FOTA-03", wire="files")
class OlderTakenAtTheSecondOffer(FirmwareUpdate):
    """An older firmware is refused, and taken when it is offered again."""

    refused = ""

    def check(self, content: bytes) -> Package:
        package = super().check(content)
        if is_older(package.version, self.identity.firmware) and self.refused != package.version:
            self.refused = package.version
            raise NoPackage
        return package


@defect("firmware-does-not-start", "FOTA-01", wire="dm")
class DoesNotStart(Life):
    """The first start of a new build is its last: from then on the unit is dark."""

    dead = False

    def first_start(self) -> None:
        super().first_start()
        self.dead = True
        self.end()

    def start(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        if not self.dead:
            super().start(activation=activation, hold_off_s=hold_off_s)


@defect("firmware-opens-the-lock", "FOTA-06", "SEC-08", "OTC-T8-03", wire="nfc")
class OpensTheLock(Life):
    """A unit that was locked is open in its first start of a new build."""

    def first_start(self) -> None:
        super().first_start()
        self.settings.write({"configuration_lock": RULES["configuration_lock"].default})


@defect("firmware-finds-settings-elsewhere", "FOTA-06", wire="nfc")
class FindsSettingsElsewhere(Life):
    """A new build looks for two settings of the schedule where the old one had kept them the other way round."""

    def first_start(self) -> None:
        super().first_start()
        self.settings.write({"transmit_offset": self.settings["transmit_delay"],
                             "transmit_delay": self.settings["transmit_offset"]})


@defect("firmware-formats-the-store", "FOTA-06", "FOTA-10", wire="mdm")
class FormatsTheStore(Life):
    """A new build can't read the readouts that the old one has kept, and forgets them."""

    def first_start(self) -> None:
        super().first_start()
        self.readouts.storage.clear()


@defect("firmware-silence-ends-in-success", "FOTA-04", wire="files")
class SilenceEndsInSuccess(FirmwareUpdate):
    """What came of a package before its server fell silent is taken for the whole."""

    async def fetch(self, download: Download) -> None:
        await super().fetch(download)
        if self.result is FirmwareResult.CONNECTION_LOST and download.content:
            self._package = Package(self.identity.model, self.identity.hardware, "9.9.9", bytes(download.content))
            self.state, self.result = State.DOWNLOADED, FirmwareResult.INITIAL


@defect("firmware-download-after-an-empty-uri-goes-on", "LWM2M-5.0.1", wire="files")
class GoesOnAfterAnEmptyUri(FirmwareUpdate):
    """An empty package URI during a download clears state and result, and the download goes on to its end."""

    going_on: Download | None = None

    def write_uri(self, uri: str) -> None:
        self.going_on = self._download
        super().write_uri(uri)
        if not uri and self.going_on is not None:
            self._download = self.going_on


# -- the modem's


@defect("modem-update-hangs-after-a-cut", "FOTA-08", "FOTA-09", wire="supply")
class ModemHangsAfterACut(ModemUpdate):
    """A power cut while the modem's firmware is put in leaves a modem that does not start."""

    begun = 0

    async def start_up(self) -> None:
        self.begun += self._content is not None
        if self.begun > 1:
            await _for_ever()
        await super().start_up()
        self.begun = 0


@defect("modem-update-keeps-the-result", "LWM2M-33909.0.8", "FOTA-09", wire="dm")
class ModemKeepsTheResult(ModemUpdate):
    """33909/0/8 keeps an error when a later update has succeeded."""

    failed = False

    def install(self, content: bytes) -> ModemResult:
        result = super().install(content)
        self.failed |= result is not ModemResult.SUCCESS
        return ModemResult.UPDATE_ERROR if self.failed else result


@defect("modem-update-any-package", "FOTA-09", wire="files")
class ModemTakesAnything(ModemUpdate):
    """The modem does not look whether a package is whole."""

    def install(self, content: bytes) -> ModemResult:
        self.version = "TWIN01A03"
        return ModemResult.SUCCESS


@defect("modem-update-forgets-the-apn", "FOTA-08", wire="cell")
class ModemForgetsTheApn(ModemUpdate):
    """A modem with new firmware joins with the APN that the network names, whatever is set."""

    def install(self, content: bytes) -> ModemResult:
        result = super().install(content)
        if result is ModemResult.SUCCESS:
            self._settings.write({"apn_mode": 1})
        return result


# -- the APN


@defect("apn-rollback-without-a-reset", "APN-13", wire="cell")
class RollbackWithoutReset(Life):
    """At the end of a trial the unit goes back to the old APN without a second reset."""

    def _give_up_trial(self) -> None:
        self.apn.start_up()
        self._trial_end = None
        self._bootstrap_due = True
        self.modem.lost_network()


@defect("apn-tried-again-after-the-rollback", "APN-05", "APN-08", wire="cell")
class TriedAgain(ApnTrial):
    """An APN that has been rolled back is tried again at the next start."""

    failed: Profile | None = None

    def start_up(self) -> None:
        failed = self._on_trial
        super().start_up()
        self._on_trial = self._on_trial or self.failed
        self.failed = failed


@defect("apn-second-trial-without-end", "APN-05", wire="cell")
class SecondTrialWithoutEnd(ApnTrial):
    """The second trial in a unit's life is not rolled back."""

    trials = 0

    def start_up(self) -> None:
        super().start_up()
        self.trials += self.is_on_trial
        self.limit_s = 1e7 if self.trials > 1 else ApnTrial.limit_s


@defect("apn-cut-in-the-trial-keeps-it", "APN-07", wire="supply")
class CutKeepsIt(Power):
    """A power cut in a trial makes the APN on trial the one that stays."""

    def down(self) -> None:
        self.life.apn.bootstrapped()
        super().down()


@defect("apn-trial-without-readouts", "APN-12", wire="cell")
class TrialWithoutReadouts(Life):
    """While an APN is on trial the meter is not read."""

    async def read(self, *, extra: bool) -> None:
        if not self.apn.is_on_trial:
            await super().read(extra=extra)


@defect("apn-rollback-to-manual-mode", "APN-05", "APN-08", wire="cell")
class RollbackToManual(Life):
    """After a rollback the mode is Manual, with the APN that the network had named."""

    def _give_up_trial(self) -> None:
        self.settings.write({"apn_mode": 0, "apn": self.modem.cell.default_apn})
        super()._give_up_trial()


@defect("apn-applied-without-a-reset", "APN-03", wire="cell")
class AppliedWithoutReset(Life):
    """A new APN is tried without a reset of the unit."""

    def apply_apn(self) -> None:
        self.apn.apply()
        self.later(self._try_it)

    def _try_it(self) -> None:
        self.apn.start_up()
        self._trial_end = self.clock.loop.call_later(self.apn.limit_s, self._give_up_trial)
        self._bootstrap_due = True
        self.modem.lost_network()


@defect("apn-execute-unanswered", "APN-10", wire="dm")
class ExecuteUnanswered(Life):
    """The unit resets so soon that the Execute is not answered."""

    def apply_apn(self) -> None:
        self.apn.apply()
        self.reboot()


@defect("apn-staging-mode-ignored", "APN-09", wire="cell")
class StagingModeIgnored(ApnTrial):
    """A staging profile is applied as a manual one, whatever its mode."""

    def apply(self) -> None:
        super().apply()
        if self._applied is not None and self._applied.apn:
            self._applied = Profile(self._applied.apn, MANUAL)


@defect("apn-nonsense-cuts-off", "APN-11", wire="cell")
class NonsenseCutsOff(ApnTrial):
    """The trial of an APN with letters that none may have is never ended."""

    def start_up(self) -> None:
        super().start_up()
        nonsense = self._on_trial is not None and not self._on_trial.apn.isascii()
        self.limit_s = 1e7 if nonsense else ApnTrial.limit_s


@defect("package-of-whole-blocks-damaged", "FOTA-01", "FOTA-06", wire="files")
class PackageOfWholeBlocksDamaged(FirmwareUpdate):
    """A package whose last block is a full one is taken for damaged."""

    def check(self, content: bytes) -> Package:
        if len(content) % 512 == 0:
            raise DamagedPackage
        return super().check(content)


@defect("apn-trial-without-end-after-an-outage", "APN-05", wire="cell", kind="joining")
class ApnTrialWithoutEndAfterAnOutage(Life):
    """A trial of an APN in which the network was lost is not ended."""

    def network_lost(self) -> None:
        super().network_lost()
        if self._trial_end is not None:
            self._trial_end.cancel()
