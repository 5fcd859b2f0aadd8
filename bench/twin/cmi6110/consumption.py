"""What the unit's activities draw: the ``Waveform`` of current.py, put on the trace."""

from __future__ import annotations

import math
from collections.abc import Callable

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace, Waveform

_MOST_BLOCKS = 200


class Consumption:
    """Puts on ``trace`` what the unit does. ``waveform`` gives the table that holds at the time."""

    def __init__(self, clock: Clock, trace: CurrentTrace, waveform: Callable[[], Waveform]) -> None:
        self._clock = clock
        self._trace = trace
        self._waveform = waveform
        self._modem = "off"
        self._transmitter_free_at = 0.0

    def powered(self) -> None:
        """The supply comes: capacitors charge, the clock ticks, the controller boots."""
        wave = self._waveform()
        self._modem, self._transmitter_free_at = "off", 0.0
        step_s = wave.inrush_s / 2
        for step in range(6):      # exp(-3) of it is left after the last
            self._trace.pulse("inrush", wave.inrush_a * math.exp(-step / 2), step_s, self._clock.time() + step * step_s)
        self._trace.set("floor", wave.floor_a)
        self._trace.repeat("tick", wave.tick_a, wave.tick_s, wave.tick_period_s)
        self.boot()

    def boot(self) -> None:
        """Controller or modem boots: a plateau with spikes."""
        wave = self._waveform()
        now = self._clock.time()
        self._trace.pulse("boot", wave.wake_a, wave.wake_s)
        for spike in range(round(wave.wake_s / wave.boot_spike_period_s)):
            self._trace.pulse("boot.spike", wave.boot_spike_a - wave.wake_a, wave.boot_spike_s,
                              now + spike * wave.boot_spike_period_s)

    def readout(self) -> None:
        """The meter is read."""
        wave = self._waveform()
        self._trace.pulse("readout", wave.readout_a, wave.readout_s)

    def modem(self, state: str, level: int, edrx_cycle_s: float) -> None:
        """The modem enters ``state`` at coverage enhancement ``level``. ``edrx_cycle_s`` 0 is plain paging."""
        wave, trace = self._waveform(), self._trace
        before, self._modem = self._modem, state
        trace.set("modem.base", {"connected": wave.connected_a, "idle": wave.idle_a}.get(state, 0.0))
        if state == "searching":
            trace.repeat("modem", wave.receive_a, wave.search_s, wave.search_period_s)
        elif state == "connected":
            trace.repeat("modem", wave.receive_a, wave.connected_receive_s, wave.connected_period_s)
            if before == "psm":     # it finds the cell again before it transmits
                trace.pulse("modem.sync", wave.receive_a - wave.connected_a, wave.synchronise_s[level])
                self._transmitter_free_at = max(self._transmitter_free_at,
                                                self._clock.time() + wave.synchronise_s[level])
        elif state == "idle":
            on_s, period_s = ((2 * wave.paging_s, edrx_cycle_s) if edrx_cycle_s
                              else (wave.paging_s, wave.paging_period_s))
            trace.repeat("modem", wave.receive_a, on_s, period_s)
        else:
            trace.set("modem", 0.0)

    def transmit(self, air_s: float, level: int) -> None:
        """An uplink of so long through the air: blocks with ramps, and pauses to listen. One at a time."""
        wave = self._waveform()
        on_s = air_s + wave.random_access_s
        block_s = max(wave.block_s[level], on_s / _MOST_BLOCKS)
        begin = max(self._clock.time(), self._transmitter_free_at)
        self._trace.pulse("transmitter.peak", wave.transmit_peak_a - wave.transmit_a, wave.peak_s,
                          begin + wave.ramp_s)
        while on_s > 2 * wave.ramp_s:
            length_s = min(block_s, on_s)
            self._trace.pulse("transmitter", wave.transmit_a / 2, length_s, begin)
            self._trace.pulse("transmitter", wave.transmit_a / 2, length_s - 2 * wave.ramp_s, begin + wave.ramp_s)
            on_s -= length_s
            begin += length_s + wave.block_pause_s
        self._transmitter_free_at = begin
