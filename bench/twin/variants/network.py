"""Units that search, attach, start and update otherwise where the manual leaves it open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bench.protocols.lwm2m import ObjLink, Path
from bench.twin.cmi6110.apn import ApnTrial
from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.firmware import FirmwareUpdate, Result, State
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.modem_firmware import ModemUpdate
from bench.twin.cmi6110.package import NoPackage, Package, is_older
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.resource import BadValue, NotAllowed
from bench.twin.lab import Lab
from bench.twin.radio.nas import T3324_STEPS, T3412_EXTENDED_STEPS, PowerSaving
from bench.twin.variants.registry import variant

# -- searches and starts


@variant("attach-asked-for-five-times", place="3GPP TS 24.301, T3411: a refused attach is tried again at once")
class AskedForFiveTimes(Modem):
    """A search in which the network refuses the unit asks five times."""

    def register(self, band: int, apn: str) -> PowerSaving | None:
        granted = None
        for _ in range(5):
            granted = granted or super().register(band, apn)
        return granted


@variant("hold-off-fixed", place="U02")
class HoldOffFixed(Power):
    """After a power cut the unit always waits for the whole brown-out delay."""

    def hold_off_s(self) -> float:
        return float(self.settings.number("brown_out_delay"))


@variant("bootstrap-at-each-start", place="6.2: upon activation; nothing is printed on other starts")
class BootstrapAtEachStart(Life):
    """The unit asks the bootstrap server at each start, and goes on with the servers it has when there is no answer.
    """

    asked = False

    def start(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        self.asked = False
        super().start(activation=activation, hold_off_s=hold_off_s)

    async def _work(self) -> None:
        if not (self.asked or self._bootstrap_due):
            await self.connection.bootstrap_once()
        self.asked = True
        await super()._work()


@variant("telegram-at-each-synchronisation", place="U04")
class TelegramAtEachSync(Life):
    """Each synchronisation with the network is followed by a readout and a telegram."""

    def reached(self, stage: str) -> None:
        super().reached(stage)
        if stage == "registration":
            self.clock.loop.call_later(20.0, self._send_if_connected)

    def _send_if_connected(self) -> None:
        if self.modem.attached:
            self.trigger_readout()


@variant("counts-are-retries", place="C21")
class CountsAreRetries(Backoff):
    """Retry counts of Table 9 count what follows the first attempt."""

    def attempts(self) -> Iterator[float]:
        number = self.settings.number
        for sequence in range(number("sequence_retry_count") + 1):
            for attempt in range(number("communication_retry_count") + 1):
                if attempt:
                    yield float(number("communication_retry_delay"))
                else:
                    yield float(number("sequence_retry_delay")) if sequence else 0.0


@variant("leaves-without-a-detach", place="tolerance: that a unit says good-bye to the network is not printed")
class LeavesWithoutADetach(Modem):
    """The modem is switched off without a word to the network."""

    def detach(self) -> None:
        self.attached = False
        self._enter("off")
        self._stop_periodic()
        if self.cell.rrc_connected:
            self.cell.enter("idle")


# -- what it asks the network for


@variant("timers-rounded-down", place="tolerance: what becomes of a time that an element can't hold is not printed")
class TimersRoundedDown(Modem):
    """A time that an information element can't hold becomes the next shorter that it can."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        if asked.t3324_s is None or asked.t3412_s is None:
            return asked
        return replace(asked, t3324_s=_not_above(self.settings.number("t3324"), T3324_STEPS),
                       t3412_s=_not_above(self.settings.number("t3412"), T3412_EXTENDED_STEPS))


def _not_above(seconds: int, steps: tuple[tuple[int, int, int], ...]) -> int:
    return max(value for first, last, step in steps for value in range(first, last + 1, step) if value <= seconds)


@variant("edrx-automatic-of-20-s", place="Table 10: what Automatic asks for is not printed")
class EdrxAutomaticOf20S(Modem):
    """In automatic mode the unit asks for a cycle of 20.48 s."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        automatic = self.settings.number("edrx_mode") == 0
        return replace(asked, edrx=0x02) if automatic and asked.edrx is not None else asked


@variant("assisted-release-of-4-s", place="Table 2: how soon the network lets go is the network's affair")
class AssistedReleaseOf4S(Modem):
    """With release assistance the connection ends after 4 s."""

    assisted_release_s = 4.0


# -- what it reports


@variant("uptime-of-the-registration-before", place="U32")
def _(lab: Lab) -> None:
    """33909/0/6 tells how long the registration before lasted; none before the second."""
    unit, kept = lab.unit, {"registrations": 0, "began": 0.0, "lasted": 0.0}

    def lasted() -> int:
        modem = unit.modem
        if modem.registrations != kept["registrations"]:
            kept["lasted"] = modem.attached_at - kept["began"] if kept["registrations"] else 0.0
            kept["registrations"], kept["began"] = modem.registrations, modem.attached_at
        return round(kept["lasted"])

    path = Path(33909, 0, 6)
    unit.tree[path] = replace(unit.tree[path], read=lasted)


# -- a new APN


@variant("apn-trial-of-2-min", place="G01")
class TrialOf2Min(ApnTrial):
    """A new APN has two minutes to lead to a bootstrap."""

    limit_s = 120.0


@variant("apn-trial-of-a-day", place="G01")
class TrialOfADay(ApnTrial):
    """A new APN has a day to lead to a bootstrap."""

    limit_s = 86_400.0


@variant("apn-link-tells-the-profile-in-use", place="C03")
def _(lab: Lab) -> None:
    """10/0/11 links to 11/1 when the APN of it has become the one in use; 11/0 keeps the APN before."""
    unit, tree = lab.unit, lab.unit.tree
    before = unit.settings

    def second() -> bool:
        return before.number("apn_mode") == before.number("staged_apn_mode") == 0 and (
            before.text("apn") == before.text("staged_apn"))

    for path, read in ((Path(10, 0, 11), lambda: ObjLink(11, 1 if second() else 0)),
                       (Path(11, 0, 1), lambda: "" if second() else before.text("apn")),
                       (Path(11, 0, 2), lambda: second() or before.number("apn_mode") == 1)):
        tree[path] = replace(tree[path], read=read)


@variant("apn-staged-at-10-1", place="C03")
def _(lab: Lab) -> None:
    """The APN is staged at /10/1/1 and /10/1/2, as chapter 6.4 prints it, and 11/1 is read-only."""
    tree = lab.unit.tree
    for number in (1, 2):
        staged = tree[Path(11, 1, number)]
        tree[Path(10, 1, number)] = staged
        tree[Path(11, 1, number)] = replace(staged, stage=None)


# -- new firmware


@variant("failed-updates-all-have-result-8", place="G15")
class AllHaveResult8(FirmwareUpdate):
    """Whatever goes wrong with a package, the result is 8."""

    def _give_up(self, result: Result) -> None:
        super()._give_up(result if result is Result.INITIAL else Result.UPDATE_FAILED)


@variant("foreign-packages-are-damaged-ones", place="G15")
class ForeignIsDamaged(FirmwareUpdate):
    """A package that is none, or another product's, has result 5."""

    def _give_up(self, result: Result) -> None:
        super()._give_up(Result.DAMAGED if result is Result.WRONG_PACKAGE else result)


@variant("download-survives-a-restart", place="G15")
class DownloadSurvives(FirmwareUpdate):
    """A download goes on after a restart."""

    async def start_up(self) -> None:
        if self.state is not State.DOWNLOADING:
            await super().start_up()


@variant("outage-ends-the-download", place="G15")
class OutageEndsTheDownload(FirmwareUpdate):
    """A download that an outage has cut off has failed."""

    def go_on(self) -> None:
        if self._download is not None and self._download.content:
            self._give_up(Result.CONNECTION_LOST)
        super().go_on()


@variant("interrupted-update-is-given-up", place="G15")
class InterruptedIsGivenUp(FirmwareUpdate):
    """An update that a power cut has interrupted has failed; the old firmware goes on."""

    begun = False

    async def start_up(self) -> None:
        if self.state is State.UPDATING and self.begun:
            self.begun = False
            self._give_up(Result.UPDATE_FAILED)
        self.begun = self.state is State.UPDATING
        await super().start_up()
        self.begun = False


@variant("older-firmware-is-refused", place="G15")
class OlderIsRefused(FirmwareUpdate):
    """A package that is older than what the unit runs is not taken."""

    def check(self, content: bytes) -> Package:
        package = super().check(content)
        if is_older(package.version, self.identity.firmware):
            raise NoPackage
        return package


@variant("update-without-a-package-is-a-bad-request", place="G16")
class UpdateIsABadRequest(FirmwareUpdate):
    """An update that can't be made is refused with 4.00."""

    def update(self) -> None:
        try:
            super().update()
        except NotAllowed as refusal:
            raise BadValue(str(refusal)) from None


@variant("firmware-put-in-for-4-min", place="tolerance: how long an update takes is not printed")
class PutInFor4Min(FirmwareUpdate):
    """It takes four minutes to put a firmware in."""

    install_s = 240.0


@variant("modem-refuses-other-protocols-at-once", place="G20")
class ModemRefusesAtOnce(ModemUpdate):
    """A modem update from another place than a CoAP server is refused, and changes nothing."""

    def update(self, argument: str) -> None:
        if "https:" in argument:
            raise BadValue("CoAP only")
        super().update(argument)


@variant("modem-put-in-for-10-min", place="tolerance: how long an update takes is not printed")
class ModemPutInFor10Min(ModemUpdate):
    """It takes ten minutes to put the modem's firmware in."""

    install_s = 600.0
