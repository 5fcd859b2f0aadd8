"""A Keysight N6705C mainframe with up to four modules; an N6781A source/measure unit is in channel 1."""

from __future__ import annotations

import asyncio
import random

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import (
    IEEE_488_2,
    Boolean,
    Choice,
    Number,
    Parameters,
    ScpiError,
    ScpiInstrument,
    command,
    restore_defaults,
)
from bench.twin.signal import Signal
from bench.twin.supply.n6700_module import CONFIRMED, GUIDE, PROT, SHORTEST_S, N6700Module

_RESOLUTION_S = {"RES20": 20.48e-6, "RES40": 40.96e-6}
_MOST_PARAMETERS = {"RES20": 4, "RES40": 24}
_SLOWER_IN_ASCII = 5


class N6705(ScpiInstrument, source=CONFIRMED, module=N6700Module):
    """The mainframe: format, resolution, error queue and watchdog are common to its channels.

    The watchdog disables all outputs when no message has come on any interface for its delay (guide p. 158). Its state
    is volatile.
    """

    installed_channels = frozenset({1, 2, 3, 4})
    not_in_this_model = -113

    resolution = Choice("SENSe:SWEep:TINTerval:RESolution", ("RES20", "RES40"), source=f"{GUIDE} p. 145")
    data_format = Choice("FORMat[:DATA]", ("ASCII", "REAL"), source=f"{GUIDE} p. 245")
    byte_order = Choice("FORMat:BORDer", ("NORMal", "SWAPped"), source=f"{GUIDE} p. 245")
    watchdog = Boolean("OUTPut:PROTection:WDOG[:STATe]", False, changed="watch", source=f"{GUIDE} p. 158")
    watchdog_delay_s = Number("OUTPut:PROTection:WDOG:DELay", 60, low=1, high=3600, whole=True, unit="S",
                              changed="watch", source=f"{GUIDE} p. 158")

    def __init__(self, clock: Clock, supply: Signal[float], current: CurrentTrace, rng: random.Random,
                 model: str = "N6781A") -> None:
        super().__init__()
        self.identity = "Keysight Technologies,N6705C,TWIN0001,E.02.11"
        self._clock = clock
        self.modules: dict[int, N6700Module] = {}
        self._fed_s = clock.time()
        self._timer: asyncio.TimerHandle | None = None
        self.add_module(1, supply, current, rng, model)

    def add_module(self, channel: int, supply: Signal[float], current: CurrentTrace, rng: random.Random,
                   model: str = "N6781A") -> N6700Module:
        """Plug a module into ``channel``, from 1 to 4."""
        self.modules[channel] = N6700Module(self, self._clock, supply, current, rng, model)
        return self.modules[channel]

    def module(self, channel: int) -> N6700Module:
        if channel not in self.modules:
            raise ScpiError(-222, "channel")
        return self.modules[channel]

    def reset(self) -> None:
        for module in self.modules.values():
            restore_defaults(module)
            module.reset()
        self.watch()        # which *RST switches off

    def questionable_condition(self) -> int:
        bits = 0
        for module in self.modules.values():
            bits |= module.tripped
        return bits

    @command("SYSTem:CHANnel[:COUNt]?", answer="a count")
    def _count(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(len(self.modules))

    # -- watchdog ---------------------------------------------------------------------------------------------------

    def execute(self, message: str) -> bytes | None:
        self._fed_s = self._clock.time()
        return super().execute(message)

    def watch(self) -> None:
        """Look again when the delay is over, if the watchdog is on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left_s = self._fed_s + self.watchdog_delay_s - self._clock.time()
        if self.watchdog:
            self._timer = self._clock.loop.call_later(max(left_s, 1e-3), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._clock.time() - self._fed_s < self.watchdog_delay_s - 1e-6:
            self.watch()
            return
        for module in self.modules.values():
            module.trip(PROT)

    # -- external data log --------------------------------------------------------------------------------------------

    @property
    def resolution_s(self) -> float:
        return _RESOLUTION_S[self.resolution]

    def check_log(self, new: N6700Module) -> None:
        """Raise ``ScpiError`` when ``new`` can't log beside the modules that do: each parameter of each channel needs
        its time (that they add up over channels is inferred from 24 = 6 x 4 of guide p. 145)."""
        logging = [module for module in self.modules.values() if module.is_logging or module is new]
        count = sum(module.parameters_logged() for module in logging)
        shortest = count * SHORTEST_S * (1 if self.data_format == "REAL" else _SLOWER_IN_ASCII)
        if (not new.parameters_logged() or count > _MOST_PARAMETERS[self.resolution]
                or min(module.log_period_s for module in logging) < shortest * 0.999):
            raise ScpiError(-221, "too many parameters for the period")

    @command("*TRG", source=IEEE_488_2)
    def _bus_trigger(self, parameters: Parameters) -> None:
        parameters.expect(0)
        if not sum(module.bus_trigger() for module in self.modules.values()):
            raise ScpiError(-211)
