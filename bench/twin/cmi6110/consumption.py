"""What the unit's activities draw: the ``Waveform`` of current.py, put on the trace."""

from __future__ import annotations

import math

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace, Waveform

_MOST_BLOCKS = 200


class Consumption:
    """Puts on ``trace`` what the unit does, and keeps count of it since boot."""

    def __init__(self, clock: Clock, trace: CurrentTrace, waveform: Waveform) -> None:
        self.waveform = waveform
        self.trace = trace
        self.clock = clock
        self._modem = "off"
        self._transmitter_free_at = 0.0
        self.booted_at_s = 0.0

    def powered(self) -> None:
        """The supply comes: capacitors charge, the clock ticks, the controller boots."""
        wave = self.waveform
        self._modem, self._transmitter_free_at = "off", 0.0
        step_s = wave.inrush_s / 2
        for step in range(6):      # exp(-3) of it is left after the last
            self.trace.pulse("inrush", wave.inrush_a * math.exp(-step / 2), step_s, self.clock.time() + step * step_s)
        self.trace.set("floor", wave.floor_a)
        self.trace.repeat("tick", wave.tick_a, wave.tick_s, wave.tick_period_s)
        self.boot()

    def boot(self) -> None:
        """Controller or modem boots: a plateau with spikes."""
        wave = self.waveform
        now = self.booted_at_s = self.clock.time()
        self.trace.pulse("boot", wave.wake_a, wave.wake_s)
        for spike in range(round(wave.wake_s / wave.boot_spike_period_s)):
            self.trace.pulse("boot.spike", wave.boot_spike_a - wave.wake_a, wave.boot_spike_s,
                              now + spike * wave.boot_spike_period_s)

    def readout(self) -> None:
        """The meter is read."""
        wave = self.waveform
        self.trace.pulse("readout", wave.readout_a, wave.readout_s)

    def led(self, colour: str, on: bool) -> None:
        self.trace.set(f"led.{colour}", self.waveform.led_a * on)

    def modem(self, state: str, level: int, edrx_cycle_s: float) -> None:
        """The modem enters ``state`` at coverage enhancement ``level``. ``edrx_cycle_s`` 0 is plain paging."""
        wave, trace = self.waveform, self.trace
        before, self._modem = self._modem, state
        trace.set("modem.base", {"connected": wave.connected_a, "idle": wave.idle_a}.get(state, 0.0))
        if state == "searching":
            trace.repeat("modem", wave.receive_a, wave.search_s, wave.search_period_s)
        elif state == "connected":
            trace.repeat("modem", wave.receive_a, wave.connected_receive_s, wave.connected_period_s)
            if before == "psm":     # it finds the cell again before it transmits
                trace.pulse("modem.sync", wave.receive_a - wave.connected_a, wave.synchronise_s[level])
                self._transmitter_free_at = max(self._transmitter_free_at,
                                                self.clock.time() + wave.synchronise_s[level])
        elif state == "idle":
            on_s, period_s = ((2 * wave.paging_s, edrx_cycle_s) if edrx_cycle_s
                              else (wave.paging_s, wave.paging_period_s))
            trace.repeat("modem", wave.receive_a, on_s, period_s)
        else:
            trace.set("modem", 0.0)

    def transmit(self, air_s: float, level: int) -> None:
        """An uplink of so long through the air: blocks with ramps, and pauses to listen. One at a time."""
        wave = self.waveform
        on_s = air_s + wave.random_access_s
        block_s = max(wave.block_s[level], on_s / _MOST_BLOCKS)
        begin = max(self.clock.time(), self._transmitter_free_at)
        self.trace.pulse("transmitter.peak", wave.transmit_peak_a - wave.transmit_a, wave.peak_s,
                          begin + wave.ramp_s)
        while on_s > 2 * wave.ramp_s:
            length_s = min(block_s, on_s)
            self.trace.pulse("transmitter", wave.transmit_a / 2, length_s, begin)
            self.trace.pulse("transmitter", wave.transmit_a / 2, length_s - 2 * wave.ramp_s, begin + wave.ramp_s)
            on_s -= length_s
            begin += length_s + wave.block_pause_s
        self._transmitter_free_at = begin

    # -- what it tells of itself

    def uptime_s(self) -> int:
        """33907/0/0."""
        return int(self.clock.time() - self.booted_at_s)

    def average_current_ua(self) -> int:
        """33907/0/1: the mean since boot, at most of the last hour."""
        now = self.clock.time()
        since = max(self.booted_at_s, now - 3600.0)
        return round(self.trace.charge(since, now) / (now - since) * 1e6) if now > since else 0
