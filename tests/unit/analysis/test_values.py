"""A readout is held against what the meter told the unit at its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bench.analysis.values import Log, Reads, Told
from bench.payload.optical import OpticalReadout, parse_optical
from bench.payload.readout import Quantity, Readout

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def mwh(text: str) -> Quantity:
    return Quantity(Decimal(text), "MWh")


def readout(time: datetime = NOON, **others: object) -> Readout:
    whole = Readout(
        time=time, time_valid=True, meter_id="63502759", energy=mwh("83.875"),
        volume=Quantity(Decimal("2000.12"), "m3"), power=Quantity(Decimal("-10.1"), "kW"),
        flow=Quantity(Decimal("0.350"), "m3/h"), forward_temperature=Quantity(Decimal("80.1"), "C"),
        return_temperature=Quantity(Decimal("-0.4"), "C"), error_flags=0, missing_time=Quantity(Decimal(12), "h"))
    return replace(whole, **others)  # type: ignore[arg-type]


def log(*told: Readout, oldest: datetime | None = NOON - timedelta(days=1)) -> Log:
    return Log([Told(one, "00000012") for one in told], None if oldest is None else oldest.replace(tzinfo=None))


def test_the_same_values_are_right_whichever_number_is_sent() -> None:
    assert log(readout()).fault_of(readout(), [0]) == ""
    assert log(readout()).fault_of(readout(meter_id="00000012"), [0]) == ""
    assert log(readout()).fault_of(readout(energy=None, meter_id=None), [0]) == "", "what is not sent is not compared"


@pytest.mark.parametrize(("field", "value"), [
    ("energy", mwh("83.876")), ("volume", Quantity(Decimal("2000.13"), "m3")),
    ("power", Quantity(Decimal("10.1"), "kW")), ("flow", Quantity(Decimal("0.351"), "m3/h")),
    ("forward_temperature", Quantity(Decimal("80.2"), "C")), ("return_temperature", Quantity(Decimal("0.4"), "C")),
    ("error_flags", 1), ("missing_time", Quantity(Decimal(13), "h")), ("meter_id", "63502758"),
    ("tariffs", (Quantity(Decimal(1), "MWh"), None, None)),
])
def test_each_other_value_is_found(field: str, value: object) -> None:
    said = log(readout()).fault_of(readout(**{field: value}), [0])
    assert said.startswith("the readout of 2026-03-02 12:00: ")
    assert field.replace("_", " ").rstrip("s") in said


def test_values_of_another_hour_are_found() -> None:
    earlier = readout(NOON - timedelta(hours=1), energy=mwh("83.865"))
    assert "it is too small" in log(earlier, readout()).fault_of(readout(energy=mwh("83.865")), [0])


def test_the_stamp_may_have_any_of_the_offsets_and_be_a_minute_off() -> None:
    sent = readout(NOON - timedelta(hours=5, minutes=31))
    assert log(readout()).fault_of(sent, [0, 330]) == ""
    assert "the meter was not read then" in log(readout()).fault_of(sent, [0, 60])


def test_of_two_answers_in_one_minute_either_will_do() -> None:
    again = readout(NOON + timedelta(seconds=40), energy=mwh("83.876"))
    assert log(readout(), again).fault_of(readout(energy=mwh("83.876")), [0]) == ""
    assert log(readout(), again).fault_of(readout(energy=mwh("83.877")), [0])


def test_nobody_can_tell_of_what_was_before_the_log() -> None:
    sent = readout(NOON - timedelta(hours=1))
    assert log(readout(), oldest=NOON).fault_of(sent, [0]) == ""
    assert log(oldest=None).fault_of(sent, [0]) == ""


def test_of_two_answers_in_the_oldest_minute_one_may_be_forgotten() -> None:
    """Resent weeks later, from the edge of what the meter simulator remembers (seen in a run of many lives)."""
    told, sent = Told(readout(), "00000012"), readout(flow=Quantity(Decimal("0.304"), "m3/h"))
    naive = NOON.replace(tzinfo=None)
    assert "flow" in Log([told], naive).fault_of(sent, [0])
    long_ago = naive - timedelta(days=400)    # the clock was set back when the oldest answer was told
    assert Log([told], long_ago, lambda first, last: first <= naive <= last).fault_of(sent, [0]) == ""
    assert "flow" in Log([told], long_ago, lambda first, last: last < naive).fault_of(sent, [0])
    assert log(readout()).fault_of(replace(sent, time_valid=False), [0]) == ""


def read_at(time: datetime, mwh: str) -> OpticalReadout:
    found = parse_optical(f"6.8({mwh}*MWh)\n6.26(02000.12*m3)\n9.21(63502759)\n"
                          f"9.36({time:%Y-%m-%d}&{time:%H:%M:%S})\n!")
    assert found.meter_time == time.replace(tzinfo=None)
    return found


def test_without_a_log_what_counts_up_must_lie_between_two_reads() -> None:
    reads = Reads([read_at(NOON - timedelta(hours=2), "0083.865"), read_at(NOON + timedelta(hours=1), "0083.880")])
    sent = readout(volume=None, missing_time=None)
    assert reads.fault_of(sent, [0]) == ""
    assert "it is too large" in reads.fault_of(replace(sent, energy=mwh("83.881")), [0])
    assert "it is too small" in reads.fault_of(replace(sent, energy=mwh("83.864")), [0])
    assert reads.fault_of(replace(sent, time=NOON + timedelta(hours=2), energy=mwh("1.000")), [0]) == "", \
        "after the last read nobody can tell"
    assert reads.fault_of(replace(sent, time=NOON + timedelta(hours=2), energy=mwh("1.000")), [0, -120]) != ""
    assert Reads([]).fault_of(sent, [0]) == ""
