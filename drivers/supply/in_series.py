"""A supply and an ammeter in series, as one instrument that supplies and measures."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from bench.errors import BenchError
from drivers.supply import Ammeter, CurrentLog, CurrentReading, Supply


class InSeries:
    """Keeps the protocol of a ``MeasuringSupply``. Voltages are those at the terminals of the supply: what the
    ammeter's shunt takes away is not in them."""

    def __init__(self, supply: Supply, ammeter: Ammeter) -> None:
        self.supply = supply
        self.ammeter = ammeter

    # -- Ammeter ----------------------------------------------------------------------------------------------------

    def mean_current(self, duration_s: float) -> CurrentReading:
        voltage_v = self.supply.voltage()
        return replace(self.ammeter.mean_current(duration_s), voltage_v=voltage_v)

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        voltage_v = self.supply.voltage()
        log = self.ammeter.log(duration_s, period_s)
        return replace(log, voltage_v=voltage_v, limit_a=min(log.limit_a, self.supply.current_limit_a))

    # -- Supply -----------------------------------------------------------------------------------------------------

    def set_voltage(self, voltage_v: float) -> None:
        self.supply.set_voltage(voltage_v)

    def set_current_limit(self, limit_a: float) -> None:
        self.supply.set_current_limit(limit_a)

    @property
    def current_limit_a(self) -> float:
        return self.supply.current_limit_a

    def ramp(self, voltage_v: float, duration_s: float) -> None:
        self.supply.ramp(voltage_v, duration_s)

    def output_on(self) -> None:
        self.supply.output_on()

    def output_off(self) -> None:
        self.supply.output_off()

    def voltage(self) -> float:
        return self.supply.voltage()

    def make_safe(self) -> None:
        self.supply.make_safe()

    # -- Instrument -------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> str:
        return f"{self.supply.identity} with {self.ammeter.identity}"

    def check(self) -> None:
        self.supply.check()
        self.ammeter.check()

    def self_test(self) -> None:
        self.supply.self_test()
        self.ammeter.self_test()

    def calibrated_on(self) -> date | None:
        """That of the ammeter: it is the one that measures."""
        return self.ammeter.calibrated_on()

    def close(self) -> None:
        try:
            self.ammeter.close()
        finally:
            self.supply.close()


class NoAmmeter:
    """In the place of an ammeter where a station has none."""

    identity = "no ammeter"

    def mean_current(self, duration_s: float) -> CurrentReading:
        raise self._missing()

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        raise self._missing()

    def check(self) -> None: ...

    def self_test(self) -> None: ...

    def calibrated_on(self) -> date | None:
        return None

    def close(self) -> None: ...

    @staticmethod
    def _missing() -> BenchError:
        return BenchError("ammeter", expected="an instrument that measures current", seen="none",
                          do="add a table [ammeter] to the station file")
