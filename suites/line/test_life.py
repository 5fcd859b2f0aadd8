"""The unit went through its whole life, and is again what it was; manual 5.3.5 and 6.2."""

import pytest

from fixtures.words import judges, over_nfc, req

pytestmark = judges

STAGES = {
    "power-up": ("PWR-03",), "delivery": ("PHY-17",), "passive": ("ACT-21",), "settings": ("ACT-12",),
    "activation": ("ACT-03", "BTN-01"), "join": ("ACT-14",), "device management": ("DM-01",),
    "telegrams": ("ACT-06", "PHY-17"), "sleep": ("PWR-04",), "switch-off": ("BTN-04",),
    "activation again": ("ACT-03",),
    "delivered again": ("OTC-09",), "dark": ("PWR-05",), "dark again": ("PWR-05",)}
"""With the statement that a unit breaks which does not get through; an ammeter without a zero judges no current."""


@pytest.mark.parametrize("stage", [pytest.param(name, id=name, marks=req(*ids)) for name, ids in STAGES.items()])
def test_the_unit_went_through(life, stage):
    life.went_through(stage)


def check_delivered(life):
    life.went_through("delivered again")
    assert not life.not_delivered, f"not as delivered: {'; '.join(life.not_delivered)}"
    assert life.settings("delivered again") == life.delivered, "not the settings of delivery"


@req("OTC-09")
def test_the_unit_is_as_it_was_delivered(life):
    """The last who writes settings wins: over NFC or over device management."""
    check_delivered(life)


@over_nfc
@req("OTC-01", "OTC-T8-02")
def test_the_unit_takes_the_settings_of_delivery_back_over_nfc(life):
    check_delivered(life)
