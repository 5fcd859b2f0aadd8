"""The abilities of a station: what a test may ask for with ``needs``. A name that is not in this table is refused.

Which of them a station has follows from its file and its drivers (``bench/station.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

ABILITIES: Mapping[str, str] = {
    "battery": "the figures of the unit's battery are known",
    "cell.apns": "the network takes a second APN, and has one that leads nowhere",
    "cell.assistance": "the network's log tells the release assistance of what the unit sends",
    "cell.bands": "the cell changes to another band",
    "cell.bands.several": "the cell is in more than one band",
    "cell.detach": "the network detaches the unit",
    "cell.level": "the level at the unit is set, and so the coverage level",
    "cell.measures": "the unit's transmitter and receiver are measured, and the way to the unit is known",
    "cell.nas": "the network's log tells its messages with the unit",
    "cell.nat": "an APN leads through an address translation that forgets",
    "cell.noise": "noise is added",
    "cell.outage": "the cell goes off and on at will",
    "cell.release": "the network releases the radio connection at once",
    "cell.state": "the network tells whether the unit is attached, connected or asleep",
    "cell.timers": "the network grants timers at will",
    "dtls": "the keys that the unit shares with its servers are known",
    "dtls.handshakes": "the unit shakes hands when it is told to",
    "firmware": "packages of two firmware versions",
    "firmware.modem": "packages of two versions of the modem's firmware",
    "firmware.unfit": "a package that is whole and not for this unit",
    "meter.mbus": "the meter is read over M-Bus",
    "meter.optical": "the meter is read over its optical port as often as wanted",
    "meter.simulator": "an instrument stands in for the meter",
    "panel.button": "the button is pressed and its contact sensed",
    "panel.leds": "both LEDs are seen",
    "second.servers": "units reach a second set of servers",
    "settings.dm": "settings are read and written over device management",
    "settings.nfc.read": "settings are read over NFC",
    "settings.nfc.write": "settings are written over NFC",
    "supply.battery": "the supply is in the place of the battery",
    "supply.charge": "the current is followed without a gap",
    "supply.current": "the current is measured",
    "supply.voltage": "the voltage is set",
}
