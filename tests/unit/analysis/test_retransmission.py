"""The reference model of 7.3, held against examples worked by hand and against histories that were spoilt."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from exemplary_unit import MIDNIGHT, history, shown
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.meter_clock import MeterClock
from bench.analysis.observed import Arrived, Observed, Outage, Tolerances
from bench.analysis.readouts import Extra
from bench.analysis.retransmission import Age, judge
from bench.analysis.schedule import Order, Schedule

HOUR, DAY = 60, 1440
EXAMPLE_1 = Schedule(readout_min=60, report_min=60, transmit_min=60, offset_min=15, delay_min=30, order=Order.FIFO,
                     age_limit_min=72 * HOUR, uploads=4, readouts_per_telegram=1)
EXAMPLE_2 = replace(EXAMPLE_1, readouts_per_telegram=12)
FIVE_DAYS = (DAY, 6 * DAY)


def catch_up_of(schedule, seen):
    judged = judge(schedule, seen)
    assert judged.faults == ()
    back_s = seen.outages[0].until_s
    catching = judged.catch_up(back_s)
    return len(catching), sum(one.readouts for one in catching), len(judged.never_sent), judged


# -- 7.3.4 by hand (requirement notes 4.1): transmissions to catch up, readouts sent in them, readouts never sent


def test_example_1_catches_up_in_24_transmissions_of_95_readouts_and_leaves_49():
    seen = history(days=8, off=FIVE_DAYS)
    transmissions, sent, never, judged = catch_up_of(EXAMPLE_1, seen)
    # 72 wait, 4 go and 1 comes each hour. The outage holds 120; one more was made in the window before it.
    assert (transmissions, sent) == (24, 95)
    assert never == 49
    assert [one.time_s // 3600 for one in judged.catch_up(6 * 86400.0)] == list(range(144, 168))


def test_example_1_latest_first_catches_up_in_18_transmissions_and_leaves_66():
    seen = history(days=9, off=FIVE_DAYS, lifo=True)
    assert catch_up_of(replace(EXAMPLE_1, order=Order.LIFO), seen)[:3] == (18, 72, 66)


def test_example_2_catches_up_in_2_transmissions_of_48_and_25_readouts():
    transmissions, sent, never, judged = catch_up_of(EXAMPLE_2, history(days=8, off=FIVE_DAYS, per_telegram=12))
    assert (transmissions, sent, never) == (2, 73, 49)
    assert [[len(telegram.stamps) for telegram in one.telegrams] for one in judged.catch_up(6 * 86400.0)] == \
        [[12, 12, 12, 12], [12, 12, 1]]


def test_example_2_latest_first_catches_up_in_2_transmissions_of_72_readouts():
    seen = history(days=8, off=FIVE_DAYS, per_telegram=12, lifo=True)
    assert catch_up_of(replace(EXAMPLE_2, order=Order.LIFO), seen)[:3] == (2, 72, 50)


def test_the_default_settings_catch_up_with_five_days_in_2_days_and_lose_nothing():
    schedule = Schedule(readouts_per_telegram=24)
    seen = history(days=9, transmit=DAY, offset=30, delay=240, age=10080, per_telegram=24, lifo=True,
                   off=(DAY - 60, 6 * DAY - 60))
    transmissions, _, never, judged = catch_up_of(schedule, seen)
    assert (transmissions, never) == (2, 0)
    assert judged.waiting[0] == shown(8 * DAY + 180)     # sent last on day 8 at 02:30


def test_one_readout_a_telegram_and_one_transmission_a_day_never_catch_up():
    schedule = replace(EXAMPLE_1, transmit_min=DAY, offset_min=30, delay_min=240)
    judged = judge(schedule, history(days=6, transmit=DAY, offset=30, delay=240))
    assert judged.faults == ()
    assert [len(one.telegrams) for one in judged.transmissions] == [2, 4, 4, 4, 4, 4]
    assert [one.left for one in judged.transmissions][1:4] == [20, 40, 60]


# -- open places of the manual


def test_an_age_that_counts_at_the_planned_moment_is_accepted_and_told():
    judged = judge(EXAMPLE_1, history(days=8, off=FIVE_DAYS, age_at_plan=True))
    assert judged.faults == ()
    assert {reading.age for reading in judged.readings} == {Age.PLAN}
    assert "U09: the age of a readout counts at the planned moment T1" in judged.findings


def test_telegrams_each_at_its_own_moment_in_the_window_are_accepted_and_told():
    seen = history(days=1, read=20, transmit=60)
    spread = tuple(replace(one, time_s=one.time_s + one.time_s % 60 * 130) for one in seen.arrivals)    # 2, 3, 4 s
    judged = judge(replace(EXAMPLE_1, readout_min=20, report_min=20),
                   replace(seen, arrivals=tuple(sorted(spread, key=lambda one: one.time_s))))
    assert judged.faults == ()
    assert any(text.startswith("U10") for text in judged.findings)


def test_the_first_transmission_after_an_outage_may_come_at_once():
    seen = history(days=2, off=(600, 900))
    at = {10: 15 * 3600 + 60, 11: 15 * 3600 + 61, 12: 15 * 3600 + 62, 13: 15 * 3600 + 63,      # in no window
          14: 15.5 * 3600, 15: 15.5 * 3600 + 1, 16: 16.5 * 3600, 17: 17.5 * 3600, 18: 18.5 * 3600}
    changed = [replace(one, time_s=float(at.get(number, one.time_s))) for number, one in enumerate(seen.arrivals, 1)]
    judged = judge(EXAMPLE_1, replace(seen, arrivals=changed))
    assert judged.faults == ()
    assert any(text.startswith("U11") for text in judged.findings)
    assert len(judged.catch_up(54000.0)) == 1     # the one at once is none that was planned


@pytest.mark.parametrize(("sent_every", "finding"), [
    (60, "C22: the report interval spaces the readouts that are sent"),
    (20, "C22: all readouts are sent, whatever the report interval")])
def test_either_meaning_of_the_report_interval_is_accepted_and_told(sent_every, finding):
    judged = judge(replace(EXAMPLE_1, readout_min=20, report_min=60), history(days=1, read=sent_every))
    assert judged.faults == ()
    assert finding in judged.findings


# -- clocks


@pytest.mark.parametrize(("day", "early_s", "legal"), [(5, 14, True), (5, 30, False), (1, 14, False)])
def test_a_meter_clock_may_gain_2_s_a_day(day, early_s, legal):
    """The longer nobody has set it, the more; what comes earlier than that is named."""
    seen = history(days=day + 1, place=0.0)
    early = [replace(one, time_s=one.time_s - 2 - early_s) if one.time_s > day * 86400.0 else one
             for one in seen.arrivals]
    faults = judge(EXAMPLE_1, replace(seen, arrivals=early)).faults
    assert any("is in no window" in fault for fault in faults) != legal
    assert bool(faults) != legal


# -- clock changes and extra readouts


def moved(*, at_min: float, to_min: float) -> MeterClock:
    clock = MeterClock(0.0, MIDNIGHT)
    clock.set(at_min * 60, shown(to_min))
    return clock


def test_a_clock_set_past_a_planned_readout_takes_it_away_and_brings_one_extra():
    # At 23:58 it is set to 00:02. Then hourly readouts come two minutes to the hour of the old time.
    clock = moved(at_min=23 * 60 + 58, to_min=24 * 60 + 2)
    arrivals = [Arrived((hour * 60 + 20) * 60.0, (shown(hour * 60),)) for hour in range(1, 24)]
    arrivals += [Arrived((23 * 60 + 58) * 60 + 30.0, (shown(24 * 60 + 2),))]
    arrivals += [Arrived((hour * 60 + 16) * 60.0, (shown(hour * 60),)) for hour in range(25, 30)]
    seen = Observed(clock=clock, since_s=0.0, until_s=30 * 3600.0 - 240, arrivals=arrivals,
                    extras=[Extra((23 * 60 + 58) * 60.0, "time was set")])
    judged = judge(EXAMPLE_1, seen)
    assert judged.faults == ()
    assert "U04: the readout after time was set is sent at once, alone" in judged.findings

    without = replace(seen, arrivals=[one for one in arrivals if one.stamps != (shown(24 * 60 + 2),)])
    assert judge(EXAMPLE_1, without).faults == (
        "the transmission at 2026-03-03 01:20:00 skips the readout of 2026-03-03 00:02 (time was set), though oldest "
        "first they come before others that it carries",)
    alone = replace(seen, arrivals=arrivals[:23], until_s=25 * 3600.0)
    assert judge(EXAMPLE_1, alone).faults == (
        "the readout after time was set at 2026-03-03 00:02:00 was not sent until 2026-03-03 00:17:00",)

    made_up = replace(arrivals[24], stamps=(shown(24 * 60),))
    wrong = judge(EXAMPLE_1, replace(seen, arrivals=[*arrivals[:24], made_up, *arrivals[25:]]))
    assert ("the readout of 2026-03-03 00:00 in the telegram at 2026-03-03 01:20:00: nothing planned or asked for a "
            "readout then") in wrong.faults


def test_a_clock_set_back_makes_a_readout_twice_and_that_is_right():
    clock = moved(at_min=24 * 60 + 2, to_min=23 * 60 + 58)     # the hour comes again four minutes later
    arrivals = [Arrived((hour * 60 + 20) * 60.0, (shown(hour * 60),)) for hour in range(1, 24)]
    arrivals += [Arrived((24 * 60 + 2) * 60 + 30.0, (shown(23 * 60 + 58),)),
                 Arrived((24 * 60 + 24) * 60.0, (shown(24 * 60),)),
                 Arrived((24 * 60 + 24) * 60.0 + 3, (shown(24 * 60),)),
                 Arrived((25 * 60 + 24) * 60.0, (shown(25 * 60),))]
    seen = Observed(clock=clock, since_s=0.0, until_s=25.9 * 3600.0, arrivals=arrivals,
                    extras=[Extra((24 * 60 + 2) * 60.0, "time was set")])
    assert judge(EXAMPLE_1, seen).faults == ()
    thrice = judge(EXAMPLE_1, replace(seen, arrivals=[*arrivals[:26], replace(arrivals[25], time_s=87900.0),
                                                      *arrivals[26:]]))
    assert any("was sent before" in fault for fault in thrice.faults)


def test_an_acknowledgement_that_was_withheld_excuses_one_repetition():
    seen = history(days=1)
    first = seen.arrivals[5]
    again = replace(first, time_s=first.time_s + 3600 - 1)
    twice = sorted([*seen.arrivals, again], key=lambda one: one.time_s)
    assert any("was sent before" in fault for fault in judge(EXAMPLE_1, replace(seen, arrivals=twice)).faults)
    lost = [replace(one, acknowledged=False) if one is first else one for one in twice]
    assert judge(EXAMPLE_1, replace(seen, arrivals=lost)).faults == ()


def test_intervals_that_do_not_divide_the_day_begin_anew_at_midnight():
    schedule = replace(EXAMPLE_1, readout_min=50, report_min=50, transmit_min=100, offset_min=1, delay_min=10)
    moments = [day * DAY + minute for day in (0, 1) for minute in range(0, DAY, 50)]
    telegrams: list[Arrived] = []
    unsent: list[int] = []
    for planned in moments[1:]:
        unsent.append(planned)
        if planned % DAY % 100 == 0:
            telegrams += [Arrived((planned + 5) * 60.0 + step, (shown(moment),)) for step, moment in enumerate(unsent)]
            unsent.clear()
    seen = Observed(clock=MeterClock(0.0, MIDNIGHT), since_s=0.0, until_s=2 * 86400.0, arrivals=telegrams)
    assert judge(schedule, seen).faults == ()
    running_on = [replace(one, stamps=tuple(stamp + timedelta(minutes=10) for stamp in one.stamps))
                  if one.stamps[0] > shown(DAY) else one for one in telegrams]
    faults = judge(schedule, replace(seen, arrivals=running_on)).faults
    assert "nothing planned or asked for a readout then" in faults[0]


def test_readouts_from_before_the_observation_are_left_alone():
    seen = history(days=1)
    old = Arrived(seen.arrivals[0].time_s - 2, (MIDNIGHT - timedelta(hours=3),))
    assert judge(EXAMPLE_1, replace(seen, arrivals=(old, *seen.arrivals))).faults == ()


def test_arrivals_out_of_order_are_refused():
    seen = history(days=1)
    with pytest.raises(ValueError, match="order of time"):
        judge(EXAMPLE_1, replace(seen, arrivals=seen.arrivals[::-1]))


# -- no history by the rules is blamed, none that was spoilt passes

schedules = st.fixed_dictionaries({
    "lifo": st.booleans(), "uploads": st.sampled_from([1, 3, 4]), "per_telegram": st.sampled_from([1, 5, 12]),
    "age": st.sampled_from([120, 600, 4320]), "off": st.sampled_from([None, (600, 1000), (300, 2000), (61, 2700)]),
    "place": st.integers(0, 2**32).map(Random), "age_at_plan": st.booleans(),
    "timing": st.sampled_from([(60, 60, 15, 30), (60, 120, 1, 119), (50, 100, 5, 20), (30, 720, 30, 240)])})


def build(drawn):
    drawn = dict(drawn)
    read, transmit, offset, delay = drawn.pop("timing")
    if DAY % transmit or DAY % read:
        days = 0.99      # the exemplary unit knows one midnight only
        drawn["off"] = None
    else:
        days = 3
    seen = history(days=days, read=read, transmit=transmit, offset=offset, delay=delay, **drawn)
    schedule = Schedule(readout_min=read, report_min=read, transmit_min=transmit, offset_min=offset, delay_min=delay,
                        order=Order.LIFO if drawn["lifo"] else Order.FIFO, age_limit_min=drawn["age"],
                        uploads=drawn["uploads"], readouts_per_telegram=drawn["per_telegram"])
    return schedule, seen


@settings(max_examples=20, deadline=None)
@given(schedules)
def test_a_unit_that_keeps_to_the_rules_is_never_blamed(drawn):
    schedule, seen = build(drawn)
    assert judge(schedule, seen).faults == ()


def lose_a_telegram(seen, number, _):
    return [*seen[:number], *seen[number + 1:]]


def repeat_a_telegram(seen, number, _):
    return [*seen[:number + 1], replace(seen[number], time_s=seen[number].time_s + 0.5), *seen[number + 1:]]


def swap_two_telegrams(seen, number, schedule):
    other = number + 1 if number + 1 < len(seen) else number - 1
    changed = list(seen)
    changed[number] = replace(seen[number], stamps=seen[other].stamps)
    changed[other] = replace(seen[other], stamps=seen[number].stamps)
    return changed


def move_it_out_of_the_window(seen, number, _):
    changed = [*seen[:number], *seen[number + 1:], replace(seen[number], time_s=seen[number].time_s + 40 * 60)]
    return sorted(changed, key=lambda one: one.time_s)


def stamp_it_off_the_grid(seen, number, _):
    return [*seen[:number], replace(seen[number], stamps=tuple(stamp + timedelta(minutes=7)
                                                                for stamp in seen[number].stamps)), *seen[number + 1:]]


def put_a_very_old_one_in(seen, number, _):
    old = seen[number].stamps[0] - timedelta(hours=73)
    return [*seen[:number], replace(seen[number], stamps=(old,)), *seen[number + 1:]]


def two_in_one(seen, number, _):
    changed = list(seen)
    changed[number] = replace(seen[number], stamps=(*seen[number].stamps, *seen[number - 1].stamps))
    del changed[number - 1]
    return changed


@pytest.mark.parametrize("spoil", [lose_a_telegram, repeat_a_telegram, swap_two_telegrams, move_it_out_of_the_window,
                                   stamp_it_off_the_grid, put_a_very_old_one_in, two_in_one])
@pytest.mark.parametrize("lifo", [False, True])
@settings(max_examples=3, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), seed=st.integers(0, 2**32))
def test_a_history_that_was_spoilt_is_found_out(spoil, lifo, place, seed):
    schedule = replace(EXAMPLE_1, order=Order.LIFO if lifo else Order.FIFO)
    seen = history(days=4, off=(DAY, 2 * DAY), lifo=lifo, place=Random(seed))
    # The last hour is at the edge of what was observed.
    last = len([one for one in seen.arrivals if one.time_s < 4 * 86400.0 - 7200])
    number = 1 + int(place * (last - 2))
    spoilt = spoil(list(seen.arrivals), number, schedule)
    assert judge(schedule, replace(seen, arrivals=tuple(spoilt))).faults


@pytest.mark.parametrize(("change", "says"), [
    ({"uploads": 3}, "has 4 telegrams, 3 are allowed"), ({"uploads": 5}, "ends after 4 of 5 telegrams"),
    ({"order": Order.LIFO}, "skips"), ({"age_limit_min": 70 * HOUR}, "is beyond the age limit"),
    ({"age_limit_min": 74 * HOUR}, "skips"), ({"offset_min": 50, "delay_min": 10}, "is in no window"),
    ({"readouts_per_telegram": 2}, "carries 4 readouts in 4 telegrams of 2"),
    ({"readout_min": 30, "report_min": 30}, "skips")])
def test_each_setting_that_is_not_kept_is_named(change, says):
    faults = judge(replace(EXAMPLE_1, **change), history(days=8, off=FIVE_DAYS)).faults
    assert any(says in fault for fault in faults), faults[:3]


def test_a_readout_that_was_never_made_is_named():
    seen = history(days=2, loses=[11 * 60])
    assert judge(EXAMPLE_1, seen).faults == (
        "no telegram came in the window 2026-03-02 11:15 to 11:45, with the readout of 2026-03-02 11:00 waiting",)


def test_patience_after_an_outage_is_bounded():
    late = replace(history(days=2, off=(600, 1000)), outages=(Outage(600 * 60.0, 900 * 60.0),))
    assert judge(EXAMPLE_1, late, Tolerances(reconnect=7200.0)).faults == ()
    assert judge(EXAMPLE_1, late, Tolerances(reconnect=600.0)).faults
