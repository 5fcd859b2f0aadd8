"""Faults of what supplies the unit, and of the way from there to it."""

from __future__ import annotations

from bench.twin.faults.registry import fault
from bench.twin.faults.tools import module
from bench.twin.lab import Lab
from bench.twin.supply.line import SupplyLine, Terminals


@fault("supply-dead", instrument="supply")
def _(lab: Lab) -> None:
    """The supply takes the connection and never answers."""
    lab.power.supply.dead = True


@fault("supply-other-instrument", instrument="supply")
def _(lab: Lab) -> None:
    """Another instrument answers at the supply's address."""
    lab.power.supply.identity = "Siglent Technologies,SPD3303X,TWIN0001,1.0"


@fault("supply-late-answer", instrument="supply")
def _(lab: Lab) -> None:
    """The first answer of the supply comes after the time-out."""
    lab.power.supply.late_replies = 1


@fault("supply-self-test", instrument="supply")
def _(lab: Lab) -> None:
    """The supply's self-test finds something."""
    lab.power.supply.self_test_result = 1


@fault("supply-answers-end-with-crlf", instrument="supply")
def _(lab: Lab) -> None:
    """Each answer of the supply ends with CR LF."""
    lab.power.supply.line_end = b"\r\n"


@fault("supply-answers-end-with-blanks", instrument="supply")
def _(lab: Lab) -> None:
    """Each answer of the supply has blanks before its end."""
    lab.power.supply.line_end = b"  \n"


@fault("supply-sags-200-mv", instrument="supply")
class Sags(Terminals):
    """The supply sags by 200 mV when the unit sends."""

    source_ohm = 0.2 / 0.44


@fault("supply-sags-800-mv", instrument="supply")
class SagsMore(Terminals):
    """The supply sags by 800 mV when the unit sends."""

    source_ohm = 0.8 / 0.44


@fault("supply-lead-with-resistance", instrument="supply")
class BadLead(SupplyLine):
    """A lead behind the sense terminals has 1 ohm: the voltage at the unit falls with its current, unseen."""

    contact_ohm = 1.0


@fault("supply-gives-more-than-it-says", instrument="supply")
class MoreThanItSays(SupplyLine):
    """The supply gives 3 % more than it was told, and measures what it was told."""

    gain = 1.03


@fault("supply-gives-less-than-it-says", instrument="supply")
class LessThanItSays(SupplyLine):
    """The supply gives 3 % less than it was told, and measures what it was told."""

    gain = 0.97


@fault("supply-voltmeter-off", instrument="supply")
def _(lab: Lab) -> None:
    """The voltage that the supply measures is 70 mV too high."""
    module(lab).volt_offset_v += 0.07


@fault("supply-voltmeter-off-by-much", instrument="supply")
def _(lab: Lab) -> None:
    """The voltage that the supply measures is 0.5 V too high."""
    module(lab).volt_offset_v += 0.5


@fault("supply-output-stuck-off", instrument="supply")
def _(lab: Lab) -> None:
    """The output stays off, and says that it is on."""
    module(lab).jammed = True


@fault("supply-output-stuck-on", instrument="supply")
def _(lab: Lab) -> None:
    """The output stays on, and says that it is off."""
    module(lab).voltage_v, module(lab).output = 3.6, True
    module(lab).drive()
    module(lab).jammed = True


@fault("supply-clips", instrument="supply")
class Clips(SupplyLine):
    """The way to the unit has so much resistance that no more than a quarter of an ampere flows."""

    contact_ohm = 6.0


@fault("supply-protection-tripped", instrument="supply")
def _(lab: Lab) -> None:
    """A protection of the supply has tripped and its cause is still there."""
    module(lab).causes = 16
    module(lab).trip(16)
