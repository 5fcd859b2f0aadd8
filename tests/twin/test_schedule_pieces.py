"""The twin's schedule and store by themselves, for any interval, clock and backlog."""

from __future__ import annotations

import random
from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.clock import WarpClock
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import SENML_CBOR, STANDARD, Reading, TelegramWriter

MIDNIGHT = datetime(2026, 3, 2)  # noqa: DTZ001 - the meter knows no zone

moments = st.datetimes(datetime(2020, 1, 1), datetime(2039, 12, 31))  # noqa: DTZ001
intervals = st.integers(5, 1440)


class AtMoment(Schedule):
    """A schedule whose meter clock stands still at ``now``."""

    def __init__(self, now: datetime, **values: int) -> None:
        stored = Settings()
        stored.write(values)

        async def nothing() -> None: ...

        super().__init__(WarpClock(), random.Random(1), stored, lambda: now, nothing, lambda: None)


def reading(moment: datetime, energy: int = 1) -> Reading:
    return Reading(time=moment, meter_id="12345678", energy=Decimal(energy), energy_unit="kWh",
                   volume_m3=Decimal("3456.78"), power_kw=Decimal("5.0"), flow_m3ph=Decimal("0.212"),
                   forward_c=Decimal("80.3"), return_c=Decimal("53.8"), error_flags=0, tariffs=(None, None, None),
                   missing_time_h=0)


@given(now=moments, interval=intervals)
def test_the_next_moment_is_on_the_grid_from_midnight_or_the_next_midnight(now: datetime, interval: int) -> None:
    wait_s = AtMoment(now).seconds_to_grid(interval)
    following = now + timedelta(seconds=wait_s)
    nearest = (following + timedelta(milliseconds=500)).replace(microsecond=0)
    assert abs((following - nearest).total_seconds()) < 0.6
    assert nearest.second == 0
    assert (nearest.hour * 60 + nearest.minute) % interval == 0
    assert 0 < wait_s <= interval * 60 + 0.6


@given(now=moments, interval=intervals)
def test_waking_up_a_hair_early_does_not_plan_the_same_moment_again(now: datetime, interval: int) -> None:
    schedule = AtMoment(now)
    following = now + timedelta(seconds=schedule.seconds_to_grid(interval))
    again = AtMoment(following - timedelta(milliseconds=1)).seconds_to_grid(interval)
    day_ends = following.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert again > min(interval * 60, (day_ends - following).total_seconds()) - 1.1


@given(now=moments, interval=intervals, share=st.floats(0, 1))
def test_what_is_left_of_a_window_ends_where_the_window_ends(now: datetime, interval: int, share: float) -> None:
    offset = int(share * (interval - 1))
    schedule = AtMoment(now, transmit_interval=interval, transmit_offset=offset, transmit_delay=interval - offset)
    since_s = (now.hour * 3600 + now.minute * 60 + now.second + now.microsecond / 1e6) % (interval * 60)
    if since_s > interval * 60 - 1:
        return
    later_s = since_s + schedule._rest_of_delay_s()
    assert max(offset * 60, since_s) - 1 <= later_s <= interval * 60 + 1


@given(seed=st.integers(0, 1000))
def test_delays_lie_between_offset_and_offset_plus_delay(seed: int) -> None:
    schedule = AtMoment(MIDNIGHT)
    schedule.rng = random.Random(seed)
    assert 30 * 60 <= schedule.random_delay_s() <= 270 * 60


@settings(max_examples=50)
@given(hours=st.lists(st.integers(0, 500), min_size=1, max_size=60), limit=st.integers(60, 700))
def test_packs_carry_all_readouts_in_order_each_as_long_as_it_may_be(hours: list[int], limit: int) -> None:
    writer = TelegramWriter(SENML_CBOR, STANDARD, 0)
    writer.largest_payload = limit
    readings = [reading(MIDNIGHT + timedelta(hours=one)) for one in hours]
    packs = list(writer.telegrams(readings))
    assert sum(len(carried) for _, carried in packs) == len(readings)
    begin = 0
    for payload, carried in packs:
        end = begin + len(carried)
        assert sorted(map(id, carried)) == sorted(map(id, readings[begin:end]))
        assert len(payload) <= limit or len(carried) == 1
        if end < len(readings):
            newest_first = sorted(readings[begin:end + 1], key=lambda one: one.time, reverse=True)
            assert len(writer.senml(newest_first)) > limit, "there was room for another"
        begin = end


def test_a_transmission_of_a_full_store_writes_only_what_it_sends() -> None:
    writer = TelegramWriter(SENML_CBOR, STANDARD, 0)
    written: list[int] = []
    senml = writer.senml

    def counted(readings: object) -> bytes:
        written.append(1)
        return senml(readings)  # type: ignore[arg-type]

    writer.senml = counted  # type: ignore[method-assign]
    readings = [reading(MIDNIGHT + timedelta(minutes=5 * number)) for number in range(8000)]
    packs = writer.telegrams(readings)
    for _ in range(4):
        next(packs)
    assert len(written) < 60
    rest = sum(1 for _ in packs)
    assert len(written) < 5 * (rest + 4) + 60, "some packs are written a few times over, but none for each readout"


operations = st.lists(st.one_of(
    st.tuples(st.just("add"), st.integers(1, 5)), st.tuples(st.just("send"), st.integers(0, 4))), max_size=60)


@given(steps=operations, capacity=st.integers(1, 12))
def test_the_store_is_a_queue_of_the_newest_readouts(steps: list[tuple[str, int]], capacity: int) -> None:
    """Against a deque and a set of what has been sent."""
    storage, kept, sent, number = Storage(capacity), deque[int](maxlen=capacity), set[int](), 0
    for what, count in steps:
        if what == "add":
            for _ in range(count):
                storage.add(reading(MIDNIGHT, number), extra=True)
                kept.append(number)
                number += 1
        elif what == "send":
            waiting = storage.unsent(MIDNIGHT, timedelta(0), 1)[:count]
            storage.mark_sent(waiting)
            sent |= {int(one.energy) for one in waiting}
        assert [int(one.energy) for one in storage.history()] == list(kept)
        assert [int(one.energy) for one in storage.unsent(MIDNIGHT, timedelta(0), 1)] == [
            one for one in kept if one not in sent]
