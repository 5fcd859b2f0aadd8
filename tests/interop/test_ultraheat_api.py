"""A third party's reader of the optical port (``ultraheat-api``, which Home Assistant uses) reads the twin meter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ultraheat_api import HeatMeterService, UltraheatReader

from bench.clock import WallClock
from bench.timeline import Timeline
from bench.twin.meter.optical_port import OpticalPort
from bench.twin.meter.uh50 import UH50
from drivers.meter.optical import OpticalReader


@pytest.mark.parametrize(("energy_step", "field", "energy"), [
    ("0.001 GJ", "heat_usage_gj", Decimal("328.871")),
    ("0.001 MWh", "heat_usage_mwh", Decimal("71.873")),
])
def test_ultraheat_api_reads_the_same_energy_and_volume_as_our_driver(energy_step: Any, field: str,
                                                                      energy: Decimal) -> None:
    with WallClock() as clock:
        meter = UH50(clock, seed=11, energy_step=energy_step)
        meter.hold(energy=energy, volume_m3=Decimal("3329.67"), missing_time_h=5)
        # Paced: serialx drops what arrives before it has changed its speed.
        port = clock.call(lambda: OpticalPort(meter, clock, paced=True))
        theirs = HeatMeterService(UltraheatReader(port.path, timeout=30)).read()
        port.paced = False
        reader = OpticalReader(port.path, timeline=Timeline(clock.time), clock=clock)
        ours = reader.read()
        reader.close()
        clock.call(port.close)

    assert theirs.model == "LUGCUH50"
    assert Decimal(str(getattr(theirs, field))) == energy == ours.energy.value  # type: ignore[union-attr]
    assert Decimal(str(theirs.volume_usage_m3)) == Decimal("3329.67") == ours.volume.value  # type: ignore[union-attr]
    assert theirs.fault_hours == 5
    assert theirs.device_number == ours.fabrication_number == meter.fabrication_number
    assert theirs.ownership_number == ours.property_number
