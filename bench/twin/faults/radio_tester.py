"""Faults of the radio tester: options, calibration, the way to the unit, measurements without a good result."""

from __future__ import annotations

from datetime import date

from bench.twin.faults.registry import fault
from bench.twin.lab import CABLE_DB, Lab
from bench.twin.radio.burst import Allocation
from bench.twin.radio.cmw500 import Cmw500

SUITES = ("suites/test_radio_transmitter.py", "suites/test_radio_receiver.py")


@fault("tester-without-option", instrument="tester", suites=SUITES)
class WithoutOption(Cmw500):
    """The option for measurements, KM300, is not installed."""

    options = ("CMW-KS300",)


@fault("tester-calibration-overdue", instrument="tester", suites=SUITES)
class CalibrationOverdue(Cmw500):
    """The last calibration was three years before the unit's life began at the earliest."""

    calibrated = date(2021, 3, 1)


@fault("tester-way-loses-6-db-more", instrument="tester", suites=SUITES)
def _(lab: Lab) -> None:
    """The cable to the unit loses 6 dB more than the station file knows."""
    lab.cmw500.cable_db = {band: (up + 6.0, down + 6.0) for band, (up, down) in CABLE_DB.items()}


@fault("tester-way-loses-6-db-less", instrument="tester", suites=SUITES)
def _(lab: Lab) -> None:
    """An attenuator of 6 dB that the station file knows has been taken out of the way."""
    lab.cmw500.cable_db = {band: (up - 6.0, down - 6.0) for band, (up, down) in CABLE_DB.items()}


@fault("tester-overdriven", instrument="tester", suites=SUITES)
class Overdriven(Cmw500):
    """The receiver of the tester is overdriven."""

    disturbed = 3


@fault("tester-does-not-synchronise", instrument="tester", suites=SUITES)
class DoesNotSynchronise(Cmw500):
    """The tester does not find the unit's signal."""

    disturbed = 8


@fault("tester-never-triggers", instrument="tester", suites=SUITES)
class NeverTriggers(Cmw500):
    """The tester sees nothing that it could trigger on."""

    def _allocation(self) -> Allocation | None:
        return None


@fault("tester-without-values", instrument="tester", suites=SUITES)
class WithoutValues(Cmw500):
    """The tester says that its results are good, and has none."""

    def _answer(self, reliability: int, fields: int, values: object) -> str:
        return super()._answer(reliability, fields, None)
