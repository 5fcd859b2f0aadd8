"""The radio between the twin's unit and its network: grants, sleep, coverage, NAT and bands have their effects."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bench.twin.cmi6110.modem import Modem
from bench.twin.lab import Change
from bench.twin.radio.nas import PowerSaving
from tests.twin.unit_lab import JSON, READY, world

HOURLY = {"transmit_interval": 60, "transmit_offset": 1, "transmit_delay": 5}


class Echo(asyncio.DatagramProtocol):
    """Answers each datagram with itself, and keeps where it came from."""

    def __init__(self) -> None:
        self.sources: list[tuple[str, int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.sources.append(address)
        self.transport.sendto(data, address)


class Air:
    """One socket of a modem that has attached, and an echo server behind the network."""

    def __init__(self, made, apn=None):
        self.clock, self.modem, self.cell, self.echo = made.clock, made.unit.modem, made.lab.cell, Echo()
        self.heard: list[float] = []
        made.clock.run(made.clock.loop.create_datagram_endpoint(lambda: self.echo, local_addr=("127.0.0.1", 0)))
        self.cell.routes[("10.0.0.9", 7)] = self.echo.transport.get_extra_info("sockname")
        assert made.clock.run(self.modem.attach(apn, 600))
        self.socket = made.clock.run(self.modem.open(lambda data: self.heard.append(made.clock.time())))

    def send(self, size=10, **options):
        self.clock.call(lambda: self.socket.send(("10.0.0.9", 7), bytes(size), **options))

    def answered(self, timeout=600.0):
        """How long the next answer takes."""
        begun, count = self.clock.time(), len(self.heard)
        self.clock.wait_for(lambda: len(self.heard) > count, timeout)
        return self.heard[-1] - begun

    def until(self, state):
        """How long the modem takes to get there."""
        begun = self.clock.time()
        self.clock.wait_for(lambda: self.modem.state == state, 1e6)
        return round(self.clock.time() - begun, 3)

    def messages(self):
        return [one.message for one in self.cell.log]


@pytest.fixture
def made():
    with world(1, Change(name="asks", text="for what the test wants", parts=(Asking,))) as made:
        made.lab.cell.edrx_allowed = True
        yield made


class Asking(Modem):
    wanted: PowerSaving | None = None

    def asks(self):
        return super().asks() if self.wanted is None else self.wanted


def asking(made, **saving):
    made.unit.modem.wanted = PowerSaving(**saving)


@pytest.mark.parametrize(("asked", "network", "granted"), [
    (PowerSaving(120, 252000, 0x13), {}, PowerSaving(120, 252000, 0x13)),
    (PowerSaving(), {}, PowerSaving()),
    (PowerSaving(), {"t3324_grant_s": 60, "edrx_grant": 0x13}, PowerSaving()),
    (PowerSaving(120, 252000, 0x13), {"psm_allowed": False}, PowerSaving(None, 252000, 0x13)),
    (PowerSaving(120, 252000, 0x13), {"edrx_allowed": False}, PowerSaving(120, 252000, None)),
    (PowerSaving(120, 252000, 0x13), {"t3324_grant_s": 60, "t3412_grant_s": 600, "edrx_grant": 0x25},
     PowerSaving(60, 600, 0x25)),
    (PowerSaving(100, 100000, 0x13), {}, PowerSaving(120, 100800, 0x13))])
def test_nothing_is_granted_that_was_not_asked_for_and_the_networks_values_go_first(made, asked, network, granted):
    for name, value in network.items():
        setattr(made.lab.cell, name, value)
    assert made.lab.cell.grant(asked) == granted


def test_a_silent_unit_is_released_sleeps_and_updates_its_tracking_area(made):
    asking(made, t3324_s=60, t3412_s=600)
    air = Air(made)
    assert (air.until("idle"), air.until("psm")) == (10.0, 60.0)
    assert air.until("connected") == 540.0
    assert air.until("idle") == 10.0
    assert air.messages() == [
        "RRC connection request", "Attach request", "Attach accept", "RRC connection release",
        "RRC connection request", "Tracking area update request", "Tracking area update accept",
        "RRC connection release"]


def test_a_unit_without_psm_updates_its_tracking_area_after_54_minutes(made):
    asking(made)
    air = Air(made)
    air.until("idle")
    assert air.until("connected") == 3240.0


def test_a_downlink_reaches_an_idle_unit_within_a_cycle_and_a_sleeping_one_not_at_all(made):
    asking(made, t3324_s=120, t3412_s=252000, edrx=0x13)
    air = Air(made)
    air.send()
    air.answered()
    air.until("idle")
    delays = []
    for _ in range(20):
        made.clock.call(lambda: air.echo.transport.sendto(b"hello", air.echo.sources[-1]))
        delays.append(air.answered())
        air.until("idle")
    assert 0.5 < max(delays) <= 40.96 + 2.5
    together = []
    for _ in range(20):    # of several for a unit that is being paged none waits for a cycle of its own
        made.clock.call(lambda: [air.echo.transport.sendto(b"hello", air.echo.sources[-1]) for _ in range(3)])
        before = len(air.heard)
        made.clock.wait_for(lambda before=before: len(air.heard) == before + 3, 600)
        together.append(air.heard[-1] - air.heard[-3])
        air.until("idle")
    assert max(together) < 5, "one is held up behind a page of its own"
    air.until("psm")
    lost = air.cell.lost_datagrams
    made.clock.call(lambda: air.echo.transport.sendto(b"hello", air.echo.sources[-1]))
    made.clock.sleep(60)
    assert air.cell.lost_datagrams == lost + 1


@pytest.mark.parametrize(("edrx", "cycle_s"), [(0x12, 20.48), (0x13, 40.96), (0x25, 81.92), (0x09, 163.84),
                                              (0x10, 20.48), (0x1F, 10485.76), (None, 0.0)])
def test_the_cycle_is_in_the_lower_half_of_the_octet(edrx, cycle_s):
    """3GPP TS 24.008, table 10.5.5.32, NB-S1 mode."""
    assert PowerSaving(edrx=edrx).edrx_cycle_s == cycle_s


def test_with_release_assistance_the_network_lets_go_2_s_after_the_answer(made):
    air = Air(made)
    air.send(release_assistance=2)
    air.answered()
    assert air.until("idle") == 2.0
    air.send()
    air.answered()
    assert air.until("idle") == 10.0
    air.send(release_assistance=2)
    air.send()
    air.answered()
    air.answered()
    assert air.until("idle") == 10.0, "more was sent after the indication"


@pytest.mark.parametrize(("level_dbm", "level", "first_s", "uplink_s"), [
    (-85, 0, (0.5, 3.0), (0.3, 3.0)), (-110, 1, (3.5, 18.0), (2.0, 10.0)), (-125, 2, (30.0, 140.0), (22.0, 140.0))])
def test_latency_and_rate_are_those_of_the_coverage_level(made, level_dbm, level, first_s, uplink_s):
    made.lab.cell.level_dbm = level_dbm
    air = Air(made)
    air.until("idle")
    assert air.cell.conditions.level == level
    for low, high in (first_s, uplink_s):    # the first one wakes the radio
        air.send(size=250)
        assert low < air.answered() < high


def test_behind_a_nat_a_pause_gives_a_new_source_port_and_the_old_one_leads_nowhere(made):
    air = Air(made, apn="nat.bench")
    for pause_s in (100, 130, 130):
        air.send()
        air.answered()
        made.clock.sleep(pause_s)
    air.send()
    air.answered()
    first, second, third, fourth = air.echo.sources
    assert first == second
    assert len({second, third, fourth}) == 3
    lost, heard = air.cell.lost_datagrams, len(air.heard)
    made.clock.call(lambda: air.echo.transport.sendto(b"hello", first))
    made.clock.sleep(30)
    assert (air.cell.lost_datagrams, len(air.heard)) == (lost + 1, heard)


def test_without_a_nat_the_source_port_stays(made):
    air = Air(made)
    for _ in range(2):
        air.send()
        air.answered()
        made.clock.sleep(100_000)
    assert len(set(air.echo.sources)) == 1


def test_what_was_sent_before_a_socket_is_closed_still_leaves(made):
    air = Air(made)
    air.send(size=1000)
    made.clock.call(air.socket.close)
    made.clock.sleep(10)
    assert len(air.echo.sources) == 1
    assert not air.heard


@pytest.mark.parametrize(("bands", "carriers", "found", "search_s"), [
    (frozenset(), {8: -100.0, 20: -90.0}, 20, (5, 15)), (frozenset({8}), {8: -100.0, 20: -90.0}, 8, (5, 15)),
    (frozenset({3}), {20: -90.0}, 20, (300, 330)), (frozenset({3}), {20: -140.0}, None, (600, 620))])
def test_bands_that_are_set_come_first_and_then_all(made, bands, carriers, found, search_s):
    made.lab.cell.carriers = carriers
    modem = made.unit.modem
    modem.bands = bands
    begun = made.clock.time()
    assert made.clock.run(modem.attach(None, 600)) is (found is not None)
    low, high = search_s
    assert low <= made.clock.time() - begun <= high
    if found:
        assert made.lab.cell.band == found


def test_a_change_of_settings_asks_the_network_anew(made):
    with world(**READY, **JSON, **HOURLY) as made:
        made.supply()
        made.until("idle", 600)
        made.set(power_saving_mode=0)
        made.clock.sleep(1)
        asked, granted = list(made.lab.cell.log)[-2:]
        assert (asked.message, dict(asked.details)) == ("Tracking area update request", {})
        assert (granted.message, dict(granted.details)) == ("Tracking area update accept", {})
        made.until("idle")
        made.clock.sleep(300)
        assert made.unit.modem.state == "idle", "no PSM where none was granted"


def test_the_unit_spends_release_assistance_on_its_telegrams(made):
    with world(**READY, **JSON, **HOURLY, rai=1) as made:
        made.supply()
        made.clock.wait_for(lambda: len(made.gateway.telegrams) >= 2, 7200)
        assert json.loads(made.gateway.telegrams[0][1])
        told = [one for one in made.lab.cell.log if one.message == "ESM data transport" and one.details]
        assert [dict(one.details) for one in told] == [{"release assistance": 2}] * 2
