"""The twin unit and the network: searching, pauses, outages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from unit_lab import JSON, READY, World, world


@pytest.fixture
def searching() -> Iterator[World]:
    """A minute of searching each time, and pauses of exactly 1, 2 and 5 minutes."""
    with world(**READY, search_period=60, restart_backoff="1-1,2-2,5-5") as made:
        yield made


def pauses(made: World, count: int) -> list[float]:
    """How long (minutes, to a second) the modem was off between searches."""
    found = []
    for _ in range(count):
        off = made.until("off")
        found.append(round((made.until("searching") - off) / 60, 1))
    return found


def test_the_pause_grows_along_the_back_off_list_and_stays_at_its_end(searching: World) -> None:
    searching.air(False)
    searching.supply()
    searching.until("searching")
    assert pauses(searching, 6) == [1, 2, 5, 5, 5, 5]


def test_pauses_are_random_within_their_range() -> None:
    seen = set()
    for seed in range(8):
        with world(seed, **READY, search_period=60, restart_backoff="3-9") as made:
            made.air(False)
            made.supply()
            made.until("searching")
            seen |= set(pauses(made, 2))
    assert len(seen) > 8
    assert all(3 <= pause <= 9 for pause in seen)


def test_a_search_lasts_its_period_and_one_attempt_more_at_most(searching: World) -> None:
    searching.air(False)
    searching.supply()
    began = searching.until("searching")
    assert 60 <= searching.until("off") - began <= 75


def test_the_back_off_begins_anew_after_a_connection(searching: World) -> None:
    searching.air(False)
    searching.supply()
    searching.until("searching")
    assert pauses(searching, 3) == [1, 2, 5]
    searching.air(True)
    searching.until("psm")
    searching.air(False)
    searching.until("searching")
    assert pauses(searching, 2) == [1, 2]


def test_a_reboot_by_the_button_begins_a_new_attempt_at_once(searching: World) -> None:
    searching.air(False)
    searching.supply()
    searching.until("searching")
    assert pauses(searching, 3) == [1, 2, 5]
    searching.until("off")
    released = searching.press(6)
    assert searching.until("searching") - released < 5
    assert pauses(searching, 2) == [1, 2]


def test_flashes_end_with_a_failed_search_and_begin_again_with_the_next(searching: World) -> None:
    searching.air(False)
    searching.supply()
    searching.until("searching")
    failed = searching.until("off")
    again = searching.until("searching")
    searching.clock.sleep(10)
    flashes = [start for start, _ in searching.lit("green")]
    assert [start for start in flashes if failed < start < again] == []
    assert len([start for start in flashes if start > again]) >= 9


def test_a_wrong_access_point_name_never_joins_and_the_right_one_does() -> None:
    with world(**{**READY, "apn_mode": 0}, apn="wrong.example", search_period=60, restart_backoff="1-1") as made:
        made.supply()
        made.clock.sleep(3600)
        assert made.unit.modem.registrations == 0
        made.set(apn="iot.bench")
        made.until("connected", 300)
        assert made.unit.modem.apn == "iot.bench"


def test_a_network_that_throws_the_unit_out_gets_it_back() -> None:
    with world(**READY) as made:
        made.supply()
        made.until("psm")
        made.clock.call(made.lab.cell.detach)
        made.until("psm", 3600)
        assert made.unit.modem.registrations == 2
        assert len(made.gateway.telegrams) == 1, "no readout is due because of that"


def test_the_meter_is_read_through_an_outage_and_all_is_sent_after_it() -> None:
    with world(**READY, **JSON, readout_interval=60, transmit_interval=60, transmit_offset=1, transmit_delay=1,
               auto_upload_order=0, max_uploads_per_transmission=255, search_period=60,
               restart_backoff="1-1") as made:
        made.supply()
        made.until("psm")
        made.air(False)
        begun = len(made.gateway.telegrams)
        made.clock.sleep(6 * 3600)
        assert len(made.gateway.telegrams) == begun
        assert [one.hour for one in made.readouts()] == [11, 12, 13, 14, 15, 16]
        made.air(True)
        made.clock.sleep(3600)
        assert made.gateway.stamps()[begun:] == [f"2026-03-02T{hour}:00Z" for hour in range(11, 18)]


def test_a_first_readout_that_an_outage_prevents_is_sent_when_the_network_is_back() -> None:
    with world(**READY, **JSON, search_period=60, restart_backoff="1-1") as made:
        made.supply()
        made.until("connected")
        made.clock.sleep(1)                     # connected to the network, the first telegram not yet sent
        made.air(False)
        made.clock.sleep(600)
        assert made.gateway.telegrams == []
        made.air(True)
        made.clock.wait_for(lambda: made.gateway.telegrams, 300)
