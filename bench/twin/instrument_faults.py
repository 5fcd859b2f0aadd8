"""Deliberate faults of the twin's instruments. Each must end as a fault of the bench, never of the unit.

A fault is a name, the instrument that has it, and a few lines that spoil a healthy lab after it is built and before it
is switched on: as a defect, but of the bench's side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bench.errors import BenchError
from bench.twin.lab import Lab, Spoil


@dataclass(frozen=True, slots=True)
class Fault:
    """``text`` says what is wrong with ``instrument``, in a few words."""

    name: str
    instrument: str
    text: str
    spoil: Spoil


FAULTS: dict[str, Fault] = {}


def find_faults(names: Iterable[str]) -> list[Fault]:
    """The faults called so. Raises ``BenchError`` for a name that is none."""
    unknown = sorted(set(names) - FAULTS.keys())
    if unknown:
        raise BenchError(f"fault {unknown[0]}", expected="one of " + ", ".join(sorted(FAULTS)), seen="that name",
                         do="choose a name from the list")
    return [FAULTS[name] for name in names]


def fault(name: str, *, instrument: str) -> Callable[[Spoil], Spoil]:
    """Register the decorated function as the fault ``name``; its docstring says what is wrong."""
    def register(spoil: Spoil) -> Spoil:
        if name in FAULTS:
            raise ValueError(f"two faults are called {name}")
        FAULTS[name] = Fault(name, instrument, (spoil.__doc__ or "").strip().rstrip("."), spoil)
        return spoil
    return register


def _input(lab: Lab) -> Any:
    """What measures the current."""
    return getattr(lab.power.measuring, "input", lab.power.measuring)


# -- supply and ammeter


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


@fault("ammeter-garbage-block", instrument="ammeter")
def _(lab: Lab) -> None:
    """The length of a block of readings is no number."""
    lab.power.measuring.garbage_blocks = 1


@fault("ammeter-wrong-range", instrument="ammeter")
def _(lab: Lab) -> None:
    """The ammeter stays in its highest range, whatever it is told."""
    instrument: Any = lab.power.measuring
    instrument.range_locked = True


@fault("ammeter-fifo-overrun", instrument="ammeter")
def _(lab: Lab) -> None:
    """The ammeter buffers a second only and overwrites what is older, without a word."""
    instrument: Any = lab.power.measuring
    instrument.fifo_s = 1.0
    instrument.buffer_pairs = 500


@fault("ammeter-offset", instrument="ammeter")
def _(lab: Lab) -> None:
    """The ammeter shows 3 uA without a current."""
    _input(lab).offset_a = 3e-6


@fault("ammeter-calibration-overdue", instrument="ammeter")
def _(lab: Lab) -> None:
    """The last calibration was three years ago."""
    instrument: Any = lab.power.measuring
    instrument.calibrated = lab.clock.utc().date() - timedelta(days=3 * 365)


# -- panel


@fault("panel-dead", instrument="panel")
def _(lab: Lab) -> None:
    """The edge box says nothing."""
    lab.panel.dead = True


@fault("panel-late", instrument="panel")
def _(lab: Lab) -> None:
    """Everything that the edge box says comes two seconds late."""
    lab.panel.late_s = 2.0


@fault("panel-clock-drifts", instrument="panel")
def _(lab: Lab) -> None:
    """The clock of the edge box is 0.5 % fast: a ceramic resonator in place of a quartz."""
    lab.panel.clock_ppm = 5000.0


@fault("panel-loses-edges", instrument="panel")
def _(lab: Lab) -> None:
    """An edge of the LEDs is lost on its way."""
    lab.panel.lose_light = True


@fault("led-sensor-stuck", instrument="panel")
def _(lab: Lab) -> None:
    """The sensor of the green LED sees darkness, whatever shines on it."""
    lab.panel.stuck_green = False


@fault("led-sensors-swapped", instrument="panel")
def _(lab: Lab) -> None:
    """The two LED sensors are plugged in the wrong way round."""
    lab.panel.swapped = True


@fault("contact-bent", instrument="panel")
def _(lab: Lab) -> None:
    """The actuator moves and the button does not."""
    lab.panel.bent_contact = True


@fault("contact-loose", instrument="panel")
def _(lab: Lab) -> None:
    """The contact of the button opens for 0.3 s in the middle of each press."""
    lab.panel.contact_gap_s = 0.3


# -- NFC


@fault("reader-unplugged", instrument="NFC reader")
def _(lab: Lab) -> None:
    """The NFC reader's plug is out."""
    lab.reader.close()


@fault("reader-mute", instrument="NFC reader")
def _(lab: Lab) -> None:
    """The NFC reader takes commands and says nothing."""
    lab.reader.mute = True


@fault("reader-garbles", instrument="NFC reader")
def _(lab: Lab) -> None:
    """Every answer of the NFC reader has a wrong checksum."""
    lab.reader.bad_checksum = True
