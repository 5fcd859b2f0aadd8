"""What the twin unit keeps and in which order it sends it (manual 7.3.4 and chapter 8)."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from unit_lab import JSON, READY, world

from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading

START = datetime(2026, 3, 2)  # noqa: DTZ001 - the meter knows no zone
FOREVER = timedelta(days=10_000)


def reading(number: int, minutes: int = 60) -> Reading:
    return Reading(time=START + timedelta(minutes=number * minutes), meter_id="12345678", energy=Decimal(number),
                   energy_unit="kWh", volume_m3=Decimal(0), power_kw=Decimal(0), flow_m3ph=Decimal(0),
                   forward_c=Decimal(0), return_c=Decimal(0), error_flags=0, tariffs=(None, None, None),
                   missing_time_h=0)


def filled(count: int) -> Storage:
    storage = Storage()
    for number in range(count):
        storage.add(reading(number), extra=False)
    return storage


def numbers(readings: list[Reading]) -> list[int]:
    return [int(one.energy) for one in readings]


def unsent(storage: Storage) -> list[int]:
    return numbers(storage.unsent(START, FOREVER, 1))


def test_8000_readouts_are_kept() -> None:
    storage = filled(8000)
    assert len(storage) == 8000
    assert unsent(storage) == list(range(8000))


def test_the_oldest_of_8000_makes_room_for_a_new_one() -> None:
    storage = filled(8003)
    assert len(storage) == 8000
    assert unsent(storage) == list(range(3, 8003))
    assert storage.latest == reading(8002)


def test_what_made_room_is_not_sent_though_much_else_has_been_sent() -> None:
    storage = filled(8000)
    storage.mark_sent(storage.unsent(START, FOREVER, 1)[1:])    # all but the oldest
    assert unsent(storage) == [0]
    storage.add(reading(8000), extra=False)
    assert unsent(storage) == [8000]


def test_the_history_is_all_that_is_kept_sent_or_not() -> None:
    storage = filled(8003)
    storage.mark_sent(storage.unsent(START, FOREVER, 1)[:7000])
    assert numbers(storage.history()) == list(range(3, 8003))


def test_what_is_sent_is_not_waiting_any_more() -> None:
    storage = filled(5)
    storage.mark_sent(storage.unsent(START, FOREVER, 1)[1:3])
    assert unsent(storage) == [0, 3, 4]


def test_readouts_beyond_the_age_limit_are_kept_back() -> None:
    storage = filled(100)
    now = START + timedelta(hours=100)
    assert numbers(storage.unsent(now, timedelta(hours=72), 1)) == list(range(28, 100))


def test_only_the_grid_of_the_report_interval_is_sent_but_extra_readouts_always() -> None:
    storage = Storage()
    for number in range(12):
        storage.add(reading(number, minutes=20), extra=number == 1)
    assert numbers(storage.unsent(START, FOREVER, 60)) == [0, 1, 3, 6, 9]
    assert numbers(storage.unsent(START, FOREVER, 120)) == [0, 1, 6]


def test_an_empty_memory_has_no_latest_readout() -> None:
    assert Storage().latest is None
    assert unsent(Storage()) == []


def sent_after_an_outage(order: int, uploads: int) -> list[list[str]]:
    """Hours of the readouts of each hourly transmission after ten hours without network (11 to 20 o'clock)."""
    with world(**READY, **JSON, readout_interval=60, transmit_interval=60, transmit_offset=15, transmit_delay=15,
               auto_upload_order=order, max_uploads_per_transmission=uploads, search_period=1,
               restart_backoff="5-5") as made:
        made.supply()
        made.until("psm")
        made.air(False)
        made.clock.sleep(10 * 3600)             # it is 20:30
        made.air(True)
        made.clock.sleep(900)
        begin = len(made.gateway.telegrams)
        batches = []
        for _ in range(5):
            made.clock.sleep(3600)
            batches.append([stamp[11:13] for stamp in made.gateway.stamps()[begin:]])
            begin = len(made.gateway.telegrams)
        return batches


def test_first_in_first_out_sends_the_oldest_first_four_at_a_time() -> None:
    assert sent_after_an_outage(order=0, uploads=4) == [
        ["11", "12", "13", "14"], ["15", "16", "17", "18"], ["19", "20", "21", "22"], ["23", "00"], ["01"]]


def test_last_in_first_out_sends_the_newest_first_four_at_a_time() -> None:
    assert sent_after_an_outage(order=1, uploads=4) == [
        ["21", "20", "19", "18"], ["22", "17", "16", "15"], ["23", "14", "13", "12"], ["00", "11"], ["01"]]


def test_a_limit_of_uploads_that_is_high_enough_empties_the_memory_at_once() -> None:
    assert sent_after_an_outage(order=0, uploads=255)[0] == [f"{hour}" for hour in range(11, 22)]


def test_readouts_older_than_the_age_limit_are_never_sent() -> None:
    with world(**READY, **JSON, readout_interval=60, transmit_interval=60, transmit_offset=15, transmit_delay=15,
               auto_upload_max_age=180, max_uploads_per_transmission=255, search_period=1,
               restart_backoff="5-5") as made:
        made.supply()
        made.until("psm")
        made.air(False)
        made.clock.sleep(10 * 3600)
        made.air(True)
        made.clock.sleep(86400)
        hours = [stamp[11:13] for stamp in made.gateway.stamps()[1:]]
        # The transmission is at 21:15 to 21:30: 19 o'clock is the oldest of less than 180 minutes.
        assert sorted(hours[:3]) == ["19", "20", "21"]
        assert not {"11", "12", "13", "14", "15", "16", "17", "18"} & set(hours[:12])


def test_a_telegram_without_answer_stays_unsent_and_is_sent_the_next_time() -> None:
    with world(**READY, **JSON, readout_interval=60, transmit_interval=60, transmit_offset=15, transmit_delay=15,
               auto_upload_order=0) as made:
        made.supply()
        made.until("psm")
        made.gateway.deaf = True
        made.clock.sleep(3600)
        made.gateway.heard.clear()
        assert len(made.readouts()) == 1
        assert made.unit.mdm.status == 4, "33907/0/10 says that the communication failed"
        made.gateway.deaf = False
        made.clock.sleep(3600)
        assert [stamp[11:16] for stamp in made.gateway.stamps()[1:]] == ["11:00", "12:00"]
        assert made.readouts() == []
        assert made.unit.mdm.status == 7


def test_a_publish_is_repeated_with_the_duplicate_flag_as_often_as_is_set() -> None:
    with world(**READY, **JSON, mdm_communication_attempts=3, mdm_communication_timeout=10) as made:
        made.supply()
        made.until("psm")
        made.gateway.deaf = True
        made.gateway.heard.clear()
        made.clock.call(made.unit.life.trigger_readout)
        made.clock.sleep(60)
        assert [kind for _, kind in made.gateway.heard] == [0x0C, 0x0C, 0x0C]
        first, second, third = (moment for moment, _ in made.gateway.heard)
        assert 6 < second - first < 14 and 6 < third - second < 14
