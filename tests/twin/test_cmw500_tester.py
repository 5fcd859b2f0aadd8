"""The measurements of the CMW500: driver and twin over a real TCP socket, in front of a unit of which all is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from test_cmw500_cell import Radio, Recorded, help_pages, printed

from bench.analysis.radio import MASK
from bench.clock import WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.radio.burst import Allocation, Burst, Capability
from bench.twin.radio.cmw500_measurements import APPLICATION
from bench.twin.scpi import ScpiServer
from drivers.radio.cmw500 import Cmw500Cell
from drivers.radio.tester import RfPath

SENT = Burst(power_dbm=22.0, off_dbm=-60.0, frequency_error_hz=50.0, evm_percent=5.0, leakage_dbc=-30.0,
             in_band_margin_db=6.0, occupied_hz=180e3, gsm_db=(30.0, 31.0), utra_db=(40.0, 41.0),
             emission=((0.0, 6.0), (100e3, -25.0), (150e3, -28.0), (300e3, -49.0), (500e3, -55.0), (1.7e6, -55.0)))
"""20 dB below the mask everywhere."""
DAY = date(2026, 11, 28)
PATH = RfPath(measured=DAY, golden_measured=DAY, golden_off_db=0.0, uplink_db={"3": 2.0, "8": 1.0, "20": 1.5},
              downlink_db={"3": 2.5, "8": 1.25, "20": 1.75}, uncertainty_db=0.15, analyser_db=0.6, generator_db=1.0,
              reference_ppm=0.01)


class Air(Radio):
    """A radio in front of a unit that sends ``SENT`` and loses so many blocks."""

    sent: Burst | None = SENT
    lost: float | None = 0.0
    asked: Allocation | None = None
    told: Capability | None = Capability("NB2", 14, (3, 8, 20, 71), frozenset({20}))

    def burst(self, sent: Allocation) -> Burst | None:
        self.asked = sent
        return self.sent

    def block_errors(self) -> float | None:
        return self.lost

    def capability(self) -> Capability | None:
        return self.told


@pytest.fixture
def clock() -> Iterator[WarpClock]:
    with WarpClock() as clock:
        yield clock


@pytest.fixture
def air() -> Air:
    return Air()


@pytest.fixture
def server(clock: WarpClock, air: Air) -> Iterator[ScpiServer]:
    instrument = Recorded(clock, air)
    instrument.cable_db = {8: (1.0, 1.25)}
    server = ScpiServer(instrument)
    clock.run(server.start())
    yield server
    clock.run(server.stop())


@pytest.fixture
def cell(clock: WarpClock, server: ScpiServer) -> Iterator[Cmw500Cell]:
    cell = Cmw500Cell(server.address, clock=clock, timeline=Timeline(clock.time), band=8, path=PATH, timeout_s=20.0)
    yield cell
    cell.close()


@pytest.fixture
def tester(cell: Cmw500Cell, air: Air):
    cell.tester.begin(8)
    air.state, air.rrc_connected = "connected", True
    return cell.tester


def measure(tester, tones: int = 1, start: int = 0):
    return tester.transmission(tones, start, MASK, wanted_dbm=34, allowed_dbm=23)


def test_what_the_unit_sends_is_told_as_it_leaves_the_unit(tester, air):
    seen = measure(tester, 12)
    assert seen.power_dbm == pytest.approx(22.0, abs=0.1)
    assert seen.frequency_error_hz == pytest.approx(50.0, abs=5.0)
    assert (seen.leakage_dbc, seen.occupied_hz, seen.in_band_margin_db) == (-30.0, 180e3, 6.0)
    assert (seen.gsm_db, seen.utra_db) == ((30.0, 31.0), (40.0, 41.0))
    assert len(seen.mask_margins_db) == len(MASK)
    for area in seen.mask_margins_db:
        assert area == pytest.approx((20.0, 20.0), abs=0.1)
    assert air.asked == Allocation(8, 12, 0, 34.0, 23.0)


def test_a_mask_that_is_violated_in_one_area_is_so_in_that_one_only(tester, air):
    air.sent = replace(SENT, emission=tuple((offset, level + 25.0 * (offset == 500e3))
                                            for offset, level in SENT.emission))
    margins = [lower for lower, _ in measure(tester).mask_margins_db]
    assert [margin < 0 for margin in margins] == [False, False, False, True, True]


def test_a_wrong_way_shifts_the_power_by_what_it_loses(tester, server):
    server.instrument.cable_db = {8: (4.0, 4.25)}
    assert measure(tester).power_dbm == pytest.approx(19.0, abs=0.1)


@pytest.mark.parametrize(("tones", "slots", "captured"), [(1, 240, 17), (3, 80, 9), (6, 40, 5), (12, 20, 3)])
def test_as_many_slots_are_averaged_as_3gpp_asks_for(tester, server, tones, slots, captured):
    measure(tester, tones)
    instrument = server.instrument
    assert (instrument.modulation_count, instrument.mask_count, instrument.leakage_count) == (slots, slots, slots)
    assert instrument.slots == captured


def test_a_start_that_no_reference_channel_has_is_refused(tester):
    with pytest.raises(BenchError, match="Settings conflict;no reference channel"):
        measure(tester, 3, 1)


@pytest.mark.parametrize(("disturbed", "says"), [
    (1, "time-out"), (3, "overdriven"), (8, "synchronisation error"), (99, "not in the list")])
def test_a_result_that_is_not_reliable_is_none(tester, server, disturbed, says):
    server.instrument.disturbed = disturbed
    with pytest.raises(BenchError, match=f"reliability {disturbed} \\({says}\\)"):
        measure(tester)


def test_a_unit_that_sends_nothing_is_a_trigger_time_out_and_no_power_of_0_dbm(tester, air):
    air.rrc_connected = False
    with pytest.raises(BenchError, match="trigger time-out"):
        measure(tester)


@pytest.mark.parametrize("word", ["INV", "NAV", "OFL", "UFL", "NCAP", "9.91E37", "nan", "", "x"])
def test_a_field_that_is_no_number_is_never_taken_for_one(tester, server, word):
    execute = server.instrument.execute

    def with_word(message: str) -> bytes | None:
        answer = execute(message)
        if answer is None or "MOD:AVER?" not in message:
            return answer
        fields = answer.split(b",")
        fields[11] = word.encode()
        return b",".join(fields)

    server.instrument.execute = with_word
    with pytest.raises(BenchError, match="expected a number in each field"):
        measure(tester)


def test_a_result_with_other_fields_is_refused(tester, server):
    execute = server.instrument.execute
    server.instrument.execute = lambda message: b"0,1,2" if "ACLR:AVER?" in message else execute(message)
    with pytest.raises(BenchError, match="expected 6 fields"):
        measure(tester)


def test_blocks_are_counted_at_the_level_that_the_unit_gets(tester, air, server):
    assert (tester.blocks(-120.0, 200).lost, air.level_dbm) == (0, -120.0)
    air.lost = 0.5
    counted = tester.blocks(-124.0, 1000)
    assert counted.sent == 1000
    assert 400 < counted.lost < 600
    assert 0 < counted.unanswered < counted.refused
    air.lost = None
    with pytest.raises(BenchError, match=r"reliability 1 \(time-out\)"):
        tester.blocks(-124.0, 100)


def test_the_instruments_only_word_for_category_and_release_tells_nothing(tester, air):
    told = tester.capability()
    assert (told.category, told.release) == (None, None)
    assert told.bands == {3: False, 8: False, 20: True}    # it has no word for band 71
    air.told = None
    with pytest.raises(BenchError, match="expected pairs of a band and YES or NO"):
        tester.capability()


def test_another_firmware_may_tell_category_and_release(tester, server):
    execute = server.instrument.execute
    server.instrument.execute = lambda message: (
        b"NB2" if "CAT?" in message else b"R14" if "REL?" in message else execute(message))
    assert (tester.capability().category, tester.capability().release) == ("NB2", 14)


def test_after_measuring_the_cell_is_as_it_was(tester, cell, server, air):
    measure(tester)
    assert (air.user_plane, air.psm_allowed, air.edrx_allowed) == (False, False, False)
    cell.restore()
    instrument = server.instrument
    assert (air.user_plane, air.psm_allowed, air.edrx_allowed, air.level_dbm) == (True, True, True, -85.0)
    assert (instrument.largest_dbm, instrument.nominal_dbm, instrument.connection_type) == (24.0, 23.0, "DAPP")


def test_without_the_option_or_the_way_nothing_is_measured(clock, server, cell):
    server.instrument.options = ("CMW-KS300",)
    with pytest.raises(BenchError, match="expected the options KM300 and KS300, saw none called KM300"):
        _ = cell.tester
    plain = Cmw500Cell(server.address, clock=clock, timeline=Timeline(clock.time), band=8, timeout_s=20.0)
    try:
        assert "cell.measures" not in plain.abilities_with({})
        assert "cell.measures" in plain.abilities_with({"path": PATH})
        with pytest.raises(BenchError, match=r"expected cell\.measures"):
            _ = plain.tester
    finally:
        plain.close()


def test_a_band_whose_way_nobody_measured_is_told(clock, server):
    path = PATH.model_copy(update={"uplink_db": {"8": 1.0}})
    cell = Cmw500Cell(server.address, clock=clock, timeline=Timeline(clock.time), band=8, path=path, timeout_s=20.0)
    with pytest.raises(BenchError, match=r"cell\.path\.uplink_db: expected what the way loses in band 3, saw bands 8"):
        cell.tester.begin(3)
    cell.close()


@pytest.mark.parametrize(("answer", "day"), [
    (b'"2026-03-01","08:00:00",CAL', date(2026, 3, 1)), (b'"2026/3/1","08:00",OGC', date(2026, 3, 1)),
    (b'"01.03.2026","08:00:00",CAL', None), (b'"2026-13-01","",CAL', None), (b"NAV", None)])
def test_the_day_of_the_calibration_is_read_where_it_is_one(tester, server, answer, day):
    execute = server.instrument.execute
    server.instrument.execute = lambda message: answer if "CAL:BASE" in message else execute(message)
    assert tester.calibrated_on() == day


def test_every_header_that_the_tester_sends_is_on_a_page_of_the_makers_help_or_in_his_package(tester, server, cell):
    measure(tester)
    tester.blocks(-110.0, 100)
    tester.capability()
    tester.calibrated_on()
    cell.restore()
    pages = [(printed(header), page) for header, page, _ in help_pages()]
    sent = {message.split()[0] for message in server.instrument.heard}
    own = {header for header in sent if "NIOT" in header}
    source = {header: [page for pattern, page in pages
                       if pattern.fullmatch(header) or pattern.fullmatch(header.removesuffix("?"))] for header in own}
    assert {header: found for header, found in source.items() if not found or "-" in found} == {}
    assert len([header for header in own if ":MEAS:" in header or "BLER" in header or "UEC" in header]) >= 25
    assert APPLICATION in " ".join(server.instrument.heard)
