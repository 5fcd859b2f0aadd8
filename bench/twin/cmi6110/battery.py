"""What the unit makes of its supply: 3/0/6, 3/0/9 and 3/0/11."""

from __future__ import annotations

INTERNAL_BATTERY, MAINS = 1, 6
"""3/0/6."""

NO_ERROR, LOW_BATTERY = 0, 1
"""3/0/11."""

_FRESH_V, _EMPTY_V = 3.6, 2.4
"""Nominal, and the manual's lowest battery voltage."""
_BATTERY_AT_MOST_V = 3.75
"""More than that no lithium thionyl chloride cell gives: the unit can tell that it is a power supply."""
_LOW_PERCENT = 10


def source(volts: float, configured: int) -> int:
    """The power source; ``configured`` is 33906/0/52 (0 battery, 1 PSU), which counts where the voltage can't tell."""
    return MAINS if volts > _BATTERY_AT_MOST_V or configured == 1 else INTERNAL_BATTERY


def level_percent(volts: float, configured: int) -> int:
    """Between the manual's lowest voltage and the nominal one; a mains supply is always full."""
    if source(volts, configured) == MAINS:
        return 100
    return round(100 * min(max((volts - _EMPTY_V) / (_FRESH_V - _EMPTY_V), 0.0), 1.0))


def error_code(volts: float, configured: int) -> int:
    return LOW_BATTERY if level_percent(volts, configured) < _LOW_PERCENT else NO_ERROR
