"""The twin unit's rule for offset, delay and interval (manual 7.3.3), and what it refuses."""

from __future__ import annotations

import pytest

from bench.twin.cmi6110.settings import Refused, Settings, Value

WINDOW = ("transmit_interval", "transmit_offset", "transmit_delay")


@pytest.fixture
def settings() -> Settings:
    """As delivered: interval 1440, offset 30, delay 240 minutes."""
    return Settings()


def window(settings: Settings) -> tuple[Value, ...]:
    return tuple(settings[name] for name in WINDOW)


def test_offset_and_delay_may_fill_the_interval_and_no_more(settings: Settings) -> None:
    settings.write({"transmit_offset": 1200, "transmit_delay": 240})
    assert window(settings) == (1440, 1200, 240)
    for wrong in ({"transmit_offset": 1201}, {"transmit_delay": 241}, {"transmit_offset": 721, "transmit_delay": 720}):
        with pytest.raises(Refused, match="rule"):
            settings.write(wrong)
        assert window(settings) == (1440, 1200, 240)


def test_an_interval_reduced_below_offset_and_delay_opens_the_window_over_all_of_it(settings: Settings) -> None:
    settings.write({"transmit_interval": 269})
    assert window(settings) == (269, 0, 269)


def test_an_interval_that_still_holds_offset_and_delay_leaves_them(settings: Settings) -> None:
    settings.write({"transmit_interval": 270})
    assert window(settings) == (270, 30, 240)


def test_interval_offset_and_delay_written_at_once_are_judged_together(settings: Settings) -> None:
    settings.write({"transmit_interval": 60, "transmit_offset": 15, "transmit_delay": 30})
    assert window(settings) == (60, 15, 30)
    with pytest.raises(Refused, match="rule"):
        settings.write({"transmit_interval": 40, "transmit_offset": 15, "transmit_delay": 30})
    assert window(settings) == (60, 15, 30)


def test_a_write_is_stored_whole_or_not_at_all(settings: Settings) -> None:
    changes: list[frozenset[str]] = []
    settings.on_change = changes.append
    with pytest.raises(Refused):
        settings.write({"t3324": 7, "readout_interval": 4})
    assert settings["t3324"] == 120
    assert changes == []
    settings.write({"t3324": 7, "t3412": 252000})
    assert changes == [frozenset({"t3324"})]


@pytest.mark.parametrize(("name", "value"), [
    ("readout_interval", 4), ("readout_interval", 1441), ("readout_interval", "60"), ("readout_interval", 60.0),
    ("readout_interval", True), ("message_encoding", 3), ("message_format", 41), ("utc_offset", 721),
    ("mqttsn_topic", "x" * 129), ("mqttsn_topic", "ö" * 65), ("restart_backoff", "5-1"), ("restart_backoff", ""),
    ("restart_backoff", "0-5,"), ("restart_backoff", "a-b"), ("power_mode", 2), ("no such setting", 1)])
def test_values_out_of_range_or_of_the_wrong_type_are_refused(settings: Settings, name: str, value: Value) -> None:
    before = {rule: settings[rule] for rule in settings.rules}
    with pytest.raises(Refused):
        settings.write({name: value})
    assert {rule: settings[rule] for rule in settings.rules} == before


def test_a_factory_reset_gives_all_defaults_and_an_active_unit(settings: Settings) -> None:
    delivered = {name: settings[name] for name in settings.rules}
    settings.write({"t3324": 7, "transmit_interval": 60, "configuration_lock": 1, "apn": "x"})
    settings.reset()
    assert {name: settings[name] for name in settings.rules} == delivered | {"power_mode": 1}
