"""When the twin unit reads and when it sends (manual 7.3). The meter's clock shows 10:30 when the twin begins."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from unit_lab import JSON, QUIET, READY, World, world

from bench.twin.cmi6110.storage import Storage
from bench.twin.variants import VARIANTS

BEGIN = datetime(2026, 3, 2, 10, 30)  # noqa: DTZ001 - the meter knows no zone


def meter_minute(made: World, moment: float) -> float:
    """Minutes since the meter's midnight of that first day."""
    return (BEGIN + timedelta(seconds=moment) - BEGIN.replace(hour=0, minute=0)).total_seconds() / 60


@pytest.mark.parametrize(("interval", "expected"), [
    (5, ["10:35", "10:40", "10:45", "10:50", "10:55", "11:00"]),
    (50, ["10:50", "11:40", "12:30", "13:20", "14:10", "15:00", "15:50", "16:40", "17:30", "18:20", "19:10", "20:00",
          "20:50", "21:40", "22:30", "23:20", "00:00", "00:50", "01:40"]),
    (60, ["11:00", "12:00", "13:00"]),
    (120, ["12:00", "14:00", "16:00"]),
    (1440, ["00:00", "00:00", "00:00"]),
    (1439, ["23:59", "00:00", "23:59", "00:00"]),
])
def test_readouts_are_on_the_grid_of_the_interval_from_midnight(interval: int, expected: list[str]) -> None:
    with world(**READY, **QUIET, readout_interval=interval) as made:
        made.air(False)
        made.supply()
        made.clock.wait_for(lambda: len(made.unit.storage) >= len(expected), 5 * 86400)
        assert [f"{one:%H:%M}" for one in made.readouts()] == expected


def has_more(storage: Storage, than: int) -> bool:
    return len(storage) > than


def test_a_readout_is_made_at_the_moment_it_is_stamped_with() -> None:
    with world(**READY, **QUIET, readout_interval=5) as made:
        made.air(False)
        made.supply()
        storage = made.unit.storage
        while len(storage) < 500:
            before = len(storage)
            made.clock.wait_for(partial(has_more, storage, before), 400)
            assert BEGIN + timedelta(seconds=round(made.clock.time(), 3)) == made.readouts()[-1]


def test_a_slow_meter_clock_moves_the_readouts() -> None:
    with world(**READY, readout_interval=60, time_sync_source=0) as made:
        made.air(False)
        made.clock.call(lambda: made.lab.meter.set_clock(BEGIN - timedelta(minutes=7)))
        made.supply()
        made.clock.wait_for(lambda: len(made.unit.storage), 86400)
        assert made.clock.time() == pytest.approx(37 * 60, abs=0.01)


@pytest.mark.parametrize("name", ["meter-clock-slow", "meter-clock-fast"])
@pytest.mark.parametrize("interval", [5, 1439])
def test_readouts_are_on_the_grid_of_a_meter_clock_that_is_2_s_a_day_off(name: str, interval: int) -> None:
    with world(1, VARIANTS[name], **READY, **QUIET, readout_interval=interval, time_sync_source=0) as made:
        made.air(False)
        made.supply()
        made.clock.sleep(5 * 86400 + 60)
        stamps = made.readouts()
        assert len(stamps) == {5: 5 * 288, 1439: 10}[interval]
        assert {(one.hour * 60 + one.minute) % interval for one in stamps} == {0}


def test_a_transmission_of_a_slow_meter_clock_begins_in_its_window() -> None:
    with world(1, VARIANTS["meter-clock-slow"], **READY, **JSON, time_sync_source=0, transmit_interval=1440,
               transmit_offset=1, transmit_delay=1) as made:
        made.supply()
        made.clock.wait_for(lambda: made.gateway.telegrams, 300)
        for day in range(1, 6):
            made.clock.sleep(3600)
            today = made.clock.call(made.lab.meter.clock_now).replace(hour=0, minute=0, second=0, microsecond=0)
            before = len(made.gateway.telegrams)
            made.clock.wait_for(lambda before=before: len(made.gateway.telegrams) > before, 86_400 + 300)
            late = made.clock.call(made.lab.meter.clock_now) - today - timedelta(days=1)
            assert timedelta(minutes=1) < late < timedelta(minutes=2, seconds=10), day


def test_a_new_readout_interval_counts_from_the_next_moment_of_its_grid() -> None:
    with world(**READY, readout_interval=60) as made:
        made.air(False)
        made.supply()
        made.clock.sleep(3600)
        made.set(readout_interval=15)
        made.clock.sleep(1800)
        assert [f"{one:%H:%M}" for one in made.readouts()] == ["11:00", "11:45", "12:00"]


def transmissions(made: World, days: float) -> list[float]:
    """The minutes since midnight at which uploads began, without the one of joining."""
    made.supply()
    made.clock.wait_for(lambda: made.gateway.telegrams, 300)
    made.clock.sleep(days * 86400)
    return [meter_minute(made, moment) for moment, _ in made.gateway.telegrams[1:]]


@pytest.mark.parametrize(("interval", "offset", "delay"), [(60, 15, 30), (60, 0, 1), (120, 90, 30), (30, 5, 10)])
def test_each_transmission_is_within_its_window(interval: int, offset: int, delay: int) -> None:
    with world(**READY, **JSON, readout_interval=30, report_interval=30, transmit_interval=interval,
               transmit_offset=offset, transmit_delay=delay, max_uploads_per_transmission=255) as made:
        moments = transmissions(made, days=4)
        late = [(moment - offset) % interval for moment in moments]
        assert all(0 <= one <= delay + 0.5 for one in late), "half a minute for the way through the air"
        used = sorted({int(moment // interval) for moment in moments})
        assert used == list(range(used[0], used[-1] + 1)), "every interval has one"
        assert len(used) >= 4 * 1440 // interval - 1


def test_delays_are_spread_over_the_whole_window_and_differ_from_unit_to_unit() -> None:
    late: list[float] = []
    firsts = set()
    for seed in range(4):
        with world(seed, **READY, **JSON, readout_interval=60, transmit_interval=60, transmit_offset=15,
                   transmit_delay=30) as made:
            moments = [moment % 60 - 15 for moment in transmissions(made, days=3)]
            firsts.add(moments[0])
            late += moments
    assert len(firsts) == 4
    assert min(late) < 2 and max(late) > 28
    assert 13 < sum(late) / len(late) < 17


def test_the_default_window_is_half_past_midnight_to_half_past_four() -> None:
    with world(**READY) as made:
        moments = transmissions(made, days=10)
        assert sorted({int(moment // 1440) for moment in moments}) == list(range(1, 11))
        assert all(30 <= moment % 1440 <= 270.5 for moment in moments)


def test_a_transmission_that_takes_long_costs_no_later_one() -> None:
    """The gateway is silent, so each attempt lasts 184 s of an interval of 300."""
    with world(**READY, **JSON, mdm_communication_failures=255, readout_interval=5, report_interval=5,
               transmit_interval=5, transmit_offset=0, transmit_delay=5) as made:
        made.supply()
        made.clock.wait_for(lambda: made.gateway.telegrams, 300)
        made.clock.sleep(300)
        made.gateway.deaf = True
        made.gateway.heard.clear()
        made.clock.sleep(10 * 3600)
        assert 2 * 115 <= len(made.gateway.heard) <= 2 * 122     # 120 intervals, two datagrams each


def test_a_time_set_over_the_air_is_followed_by_a_readout_and_a_transmission() -> None:
    with world(**READY, **JSON, time_sync_source=0) as made:
        made.supply()
        made.until("psm")
        assert made.gateway.stamps() == ["2026-03-02T10:30Z"]
        made.clock.call(lambda: made.unit.meter_time.set_clock(datetime(2026, 3, 2, 23, 58)))  # noqa: DTZ001
        made.clock.sleep(60)
        assert made.gateway.stamps() == ["2026-03-02T10:30Z", "2026-03-02T23:58Z"]
        made.clock.sleep(120)
        assert made.readouts()[-1] == datetime(2026, 3, 3, 0, 0)  # noqa: DTZ001


def test_the_network_sets_a_meter_clock_that_is_wrong_when_the_unit_joins() -> None:
    with world(**READY, **JSON) as made:
        made.clock.call(lambda: made.lab.meter.set_clock(BEGIN - timedelta(hours=5)))
        made.supply()
        made.clock.wait_for(lambda: made.gateway.telegrams, 300)
        assert made.gateway.stamps() == ["2026-03-02T10:30Z"]


def test_a_clock_set_when_the_unit_joins_again_is_followed_by_a_readout_and_a_transmission() -> None:
    with world(**READY, **JSON) as made:
        made.supply()
        made.until("psm")
        made.clock.call(lambda: made.lab.meter.set_clock(BEGIN - timedelta(days=1)))
        made.clock.sleep(60)
        made.clock.call(made.lab.cell.detach)
        made.until("psm", 3600)
        assert [stamp[:13] for stamp in made.gateway.stamps()] == ["2026-03-02T10", "2026-03-01T10", "2026-03-02T10"]


def test_the_utc_offset_is_subtracted_from_the_meters_time() -> None:
    for offset, expected in ((60, "2026-03-02T09:30Z"), (-300, "2026-03-02T15:30Z"), (0, "2026-03-02T10:30Z")):
        with world(**{**READY, "utc_offset": offset}, **JSON) as made:
            made.supply()
            made.clock.wait_for(partial(list, made.gateway.telegrams), 300)
            assert made.gateway.stamps() == [expected]


def test_a_meter_that_does_not_answer_gives_no_readout() -> None:
    with world(**READY, **JSON, readout_interval=5, report_interval=5, transmit_interval=5, transmit_offset=0,
               transmit_delay=1) as made:
        made.clock.call(lambda: setattr(made.lab.meter, "connected", False))
        made.supply()
        made.clock.sleep(3600)
        assert len(made.unit.storage) == 0
        assert made.gateway.telegrams == []
