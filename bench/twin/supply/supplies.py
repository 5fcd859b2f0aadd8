"""What may supply the twin unit and measure its current: one combination of instruments at a time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiInstrument, ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.dmm6500 import Dmm6500
from bench.twin.supply.keysight_e36312 import KeysightE36312
from bench.twin.supply.korad_ka3005p import KoradKa3005p
from bench.twin.supply.n6705 import N6705
from bench.twin.supply.ngu import Ngu201
from bench.twin.supply.otii import OtiiArc
from bench.twin.supply.ppk2 import Ppk2
from bench.twin.supply.rigol_dp832 import RigolDp832
from bench.twin.supply.rohde_schwarz_hmp import RohdeSchwarzHmp, RohdeSchwarzNge
from bench.twin.supply.scpi_supply import ScpiSupply
from bench.twin.supply.siglent_spd3303x import SiglentSpd3303x
from bench.twin.supply.tti_mx180 import TtiMx180


class Wire(Protocol):
    """Where an instrument is reached."""

    @property
    def address(self) -> str: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def wire_of(instrument: Any, port: int = 0) -> Wire:
    """A SCPI instrument gets a TCP port; any other is its own wire."""
    if isinstance(instrument, ScpiInstrument):
        return ScpiServer(instrument, port=port)
    wire: Wire = instrument
    return wire


@dataclass(frozen=True, slots=True)
class PowerBench:
    """``supply`` drives the unit's connector. With an ``ammeter`` in series, that one measures. The drivers are what
    a station file calls them."""

    supply_driver: str
    supply: Any
    ammeter_driver: str | None = None
    ammeter: Any = None

    @property
    def instruments(self) -> tuple[Any, ...]:
        return (self.supply,) if self.ammeter is None else (self.supply, self.ammeter)

    @property
    def measuring(self) -> Any:
        """The instrument that measures the current."""
        return self.supply if self.ammeter is None else self.ammeter


Build = Callable[[Clock, Signal[float], CurrentTrace, random.Random], PowerBench]


def _alone(driver: str, make: Callable[..., Any]) -> Build:
    """An instrument that supplies and measures."""
    def build(clock: Clock, connector: Signal[float], current: CurrentTrace, rng: random.Random) -> PowerBench:
        return PowerBench(driver, make(clock, connector, current, rng))
    return build


def _with_dmm6500(make: Callable[..., Any]) -> Build:
    """A laboratory supply with a multimeter in series."""
    def build(clock: Clock, connector: Signal[float], current: CurrentTrace, rng: random.Random) -> PowerBench:
        terminals = Signal(0.0)
        return PowerBench("scpi-supply", make(clock, terminals, current, rng),
                          "keithley-dmm6500", Dmm6500(clock, terminals, connector, current, rng))
    return build


SUPPLIES: dict[str, Build] = {
    "n6705": _alone("keysight-n6700", N6705), "ngu": _alone("rohde-schwarz-ngu", Ngu201),
    "ppk2": _alone("nordic-ppk2", Ppk2), "otii": _alone("qoitech-otii", OtiiArc),
    "dmm6500": _with_dmm6500(ScpiSupply), "e36312": _with_dmm6500(KeysightE36312),
    "dp832": _with_dmm6500(RigolDp832), "spd3303x": _with_dmm6500(SiglentSpd3303x),
    "hmp4040": _with_dmm6500(RohdeSchwarzHmp), "nge103": _with_dmm6500(RohdeSchwarzNge),
    "mx180": _with_dmm6500(TtiMx180), "ka3005p": _with_dmm6500(KoradKa3005p)}
"""The combinations, by the instrument that measures, or by the supply that a DMM6500 is in series with; at "dmm6500"
itself that is a supply of no known dialect."""
