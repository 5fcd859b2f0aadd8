"""Any supply that speaks plain SCPI (SCPI-1999, instrument class "DC power supplies"): VOLT, CURR, OUTP, MEAS:VOLT?.

Its own readback of the current resolves a milliampere at best, so it measures no current here: put an ammeter in
series.
"""

from __future__ import annotations

from datetime import date

from bench.clock import Clock
from bench.timeline import Timeline
from drivers.supply.source import ScpiSource
from drivers.visa import VisaInstrument


class ScpiSupply(ScpiSource):
    """::

        [supply]
        driver = "scpi-supply"
        address = "TCPIP0::192.0.2.7::5025::SOCKET"
        channel = 2

        [ammeter]
        driver = "keithley-dmm6500"
        address = "TCPIP0::192.0.2.8::5025::SOCKET"

    ``channel`` other than 1 is chosen with INST:NSEL. Opening it sets limit and over-voltage protection and leaves
    the output as it is.
    """

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: int = 1,
                 current_limit_a: float = 1.0, overvoltage_v: float = 4.5, timeout_s: float = 5.0) -> None:
        super().__init__(VisaInstrument(address, subject="supply", timeout_s=timeout_s), clock=clock,
                         timeline=timeline, overvoltage_v=overvoltage_v)
        try:
            if channel != 1:
                self._visa.configure(f"INST:NSEL {channel}")
            self._visa.configure(f"VOLT:PROT {overvoltage_v:g}")
            self.set_current_limit(current_limit_a)
            self._note_output()
        except BaseException:
            self._visa.close()
            raise

    def _set_voltage(self, voltage_v: float) -> None:
        self._visa.configure(f"VOLT {voltage_v:.6g}")

    def _set_limit(self, limit_a: float) -> None:
        self._visa.configure(f"CURR {limit_a:.6g}")

    def _switch(self, on: bool) -> None:
        self._visa.configure(f"OUTP {'ON' if on else 'OFF'}")

    def _read_output(self) -> tuple[bool, float]:
        return self._visa.query_float("OUTP?") != 0, self._visa.query_float("VOLT?")

    def _tripped(self) -> str:
        return "over-voltage" if self._visa.query_float("VOLT:PROT:TRIP?") else ""

    def voltage(self) -> float:
        return self._visa.query_float("MEAS:VOLT?")

    def calibrated_on(self) -> date | None:
        """SCPI knows no command for it."""
        return None
