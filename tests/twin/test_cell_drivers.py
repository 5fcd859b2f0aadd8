"""One contract for all cell instruments, each over its own wire, with the twin's unit on the air.

The test cell is told by its driver; what became of it is seen at the unit's modem.
"""

from __future__ import annotations

import re
import socket
import threading

import pytest
from websockets.sync.server import serve

from bench.errors import BenchError
from bench.station import Station
from bench.station_file import BackendTable, StationFile
from bench.timeline import Timeline
from drivers.radio import CellState, NetworkEvent, RadioEvent
from drivers.radio.amarisoft import AmarisoftCell
from drivers.radio.attenuator import AttenuatorCell
from drivers.radio.cmw500 import MODULE_T3412_S, Cmw500Cell
from fixtures.bench import station_file_of_twin
from tests.twin.unit_lab import READY, world


@pytest.fixture
def made():
    with world(**READY) as made:
        made.clock.call(lambda: setattr(made.lab.cell, "power", False))
        yield made


@pytest.fixture
def timeline(made):
    return Timeline(made.clock.time)


def open_cell(name, made, timeline, **options):
    at = made.lab.addresses
    if name == "cmw500":
        made.lab.cmw500.cable_db = {}    # nothing is lost on the way of which this station's file says nothing
        return Cmw500Cell(at.cmw500, clock=made.clock, timeline=timeline, **options)
    if name == "attenuator":
        return AttenuatorCell(at.attenuator, clock=made.clock, timeline=timeline, **options)
    made.lab.enb.channel_simulator = True
    return AmarisoftCell(at.enb, at.mme, clock=made.clock, timeline=timeline,
                         **{"channel_simulator": True, **options})


@pytest.fixture(params=["cmw500", "amarisoft"])
def cell(request, made, timeline):
    cell = open_cell(request.param, made, timeline)
    yield cell
    cell.close()


@pytest.fixture
def callbox(made, timeline):
    cell = open_cell("amarisoft", made, timeline)
    yield cell
    cell.close()


# -- what CMW500 and Callbox do alike


def test_the_unit_is_seen_from_attach_to_sleep_and_after_an_outage(cell, made, timeline):
    assert cell.state() is CellState.OFF
    cell.on()
    assert cell.state() is CellState.ON
    made.supply()
    made.until("connected", 120)
    assert cell.state() is CellState.CONNECTED
    made.until("idle", 300)
    assert cell.state() is CellState.IDLE
    made.until("psm", 300)
    assert cell.state() is CellState.IDLE, "asleep or idle: no cell sees a difference"
    cell.off()
    assert (cell.state(), made.unit.modem.attached) == (CellState.OFF, False)
    cell.on()
    made.until("connected", 3600)
    cell.state()
    seen = [one.data["state"] for one in timeline.select("cell", "state")]
    assert [one for one in seen if one in ("off", "on")] == ["off", "on", "off", "on"]
    assert seen[2:4] == ["connected", "idle"]


def test_the_network_releases_and_detaches(cell, made):
    cell.on()
    made.supply()
    made.until("connected", 120)
    cell.release_rrc()
    assert made.unit.modem.state == "idle"
    cell.detach()
    made.clock.wait_for(lambda: made.unit.modem.registrations == 2, 300)
    cell.off()
    for act in (cell.detach, cell.release_rrc):
        with pytest.raises(BenchError, match="unit"):
            act()


def test_level_noise_and_band_reach_the_unit_and_are_restored(cell, made):
    cell.on()
    radio = made.lab.cell
    assert (radio.rsrp_dbm, radio.snr_tenth_db, radio.conditions.level, radio.band) == (-85, 300, 0, 20)
    cell.set_noise(10.0)
    assert radio.snr_tenth_db == 100
    cell.set_level(-118.0)
    assert (radio.rsrp_dbm, radio.conditions.level) == (-118, 2)
    assert radio.snr_tenth_db == 70, "noise can't be less than the receiver's own"
    cell.use_bands(3)
    assert (radio.band, radio.rsrp_dbm, radio.power) == (3, -118, True)
    cell.restore()
    assert (radio.rsrp_dbm, radio.snr_tenth_db, radio.band) == (-85, 300, 20)
    with pytest.raises(BenchError, match="bands"):
        cell.use_bands(28)
    with pytest.raises(BenchError):
        cell.set_level(100.0)


def test_a_cell_out_of_reach_is_no_cell_for_the_unit(cell, made):
    cell.on()
    made.supply()
    made.until("connected", 120)
    cell.set_level(-139.0)
    assert not made.unit.modem.attached
    assert cell.state() is CellState.ON


@pytest.mark.parametrize(("name", "act", "ability"), [
    ("cmw500", lambda cell: cell.events(0.0), "cell.nas"),
    ("amarisoft", lambda cell: cell.grant(60, 600), "cell.timers"),
    ("attenuator", lambda cell: cell.state(), "cell.state"), ("attenuator", lambda cell: cell.detach(), "cell.detach"),
    ("attenuator", lambda cell: cell.release_rrc(), "cell.release"),
    ("attenuator", lambda cell: cell.use_bands(8), "cell.bands"),
    ("attenuator", lambda cell: cell.set_noise(3.0), "cell.noise")])
def test_what_an_instrument_can_not_do_is_not_among_its_abilities_and_says_so(made, timeline, name, act, ability):
    cell = open_cell(name, made, timeline)
    assert ability not in cell.abilities
    with pytest.raises(BenchError, match=f"expected {re.escape(ability)}, saw an instrument without"):
        act(cell)
    cell.close()


def test_granted_timers_are_those_of_the_cmw500(made, timeline):
    cell = open_cell("cmw500", made, timeline)
    cell.grant(60, 252000)
    cell.on()
    made.supply()
    made.until("connected", 120)
    assert (made.unit.modem.granted.t3324_s, made.unit.modem.granted.t3412_s) == (60, 252000)
    assert made.unit.modem.granted.edrx == 0x13
    cell.restore()
    assert (made.lab.cell.t3324_grant_s, made.lab.cell.t3412_grant_s) == (None, MODULE_T3412_S)
    cell.close()


# -- what the Callbox's logs tell


def test_the_log_tells_what_was_asked_and_granted_and_when(callbox, made):
    made.set(t3324=60, t3412=86400)
    callbox.on()
    made.supply()
    connected = made.until("connected", 120)
    released = made.until("idle", 300)
    events = callbox.events(0.0)
    assert [(one.event, round(one.time - connected, 2)) for one in events[:3]] == [
        (NetworkEvent.RRC_REQUEST, 0.0), (NetworkEvent.ATTACH_REQUEST, 0.0), (NetworkEvent.ATTACH_ACCEPT, 0.0)]
    assert events[1] == RadioEvent(events[1].time, NetworkEvent.ATTACH_REQUEST, 60, 86400, 0x13)
    assert events[2] == RadioEvent(events[2].time, NetworkEvent.ATTACH_ACCEPT, 60, 86400, 0x13)
    assert events[-1].event is NetworkEvent.RRC_RELEASE
    assert events[-1].time == pytest.approx(released, abs=0.01)
    assert callbox.events(events[-1].time) == []


def test_a_unit_with_an_unknown_apn_is_turned_away_for_a_cause(callbox, made):
    made.set(apn_mode=0, apn="nowhere.invalid")
    callbox.on()
    made.supply()
    made.clock.wait_for(lambda: made.lab.cell.logged >= 3, 300)
    rejected = [one for one in callbox.events(0.0) if one.event is NetworkEvent.ATTACH_REJECT]
    assert [one.cause for one in rejected] == [19]
    assert callbox.state() is CellState.ON


def test_several_bands_can_be_on_the_air_at_once(callbox, made):
    callbox.use_bands(8, 20)
    assert sorted(made.lab.cell.carriers) == [8, 20]
    made.set(radio_bands="8")
    made.supply()
    made.until("connected", 120)
    assert made.lab.cell.band == 8


def test_after_a_dropped_connection_nothing_is_told_twice(callbox, made):
    callbox.on()
    made.supply()
    made.until("idle", 300)
    before = callbox.events(0.0)
    for server in made.lab.callbox:
        made.clock.call(server.drop_connections)
    with pytest.raises(BenchError, match="expected an answer to"):
        callbox.state()
    with pytest.raises(BenchError, match="expected an answer to"):
        callbox.state()                                # the MME's connection was dropped, too
    assert callbox.state() is CellState.IDLE
    assert callbox.events(0.0) == before


# -- a Callbox that is not as it should be


def opening(made, timeline, enb, mme="ws://127.0.0.1:9"):
    return AmarisoftCell(enb, mme, clock=made.clock, timeline=timeline, timeout_s=1.0)


@pytest.fixture
def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


@pytest.mark.parametrize("address", ["192.0.2.1", "http://192.0.2.1", "ws://", "ws://[::1"])
def test_what_is_no_websocket_address_is_refused(made, timeline, address):
    with pytest.raises(BenchError, match=r"expected an address like ws://.* correct it in the station file"):
        opening(made, timeline, address)


def test_a_box_that_is_off_is_named(made, timeline, closed_port):
    with pytest.raises(BenchError, match=rf"ENB at ws://127.0.0.1:{closed_port}: .* refused; check the address"):
        opening(made, timeline, f"ws://127.0.0.1:{closed_port}")
    with pytest.raises(BenchError, match=rf"MME at ws://127.0.0.1:{closed_port}"):
        opening(made, timeline, made.lab.addresses.enb, f"ws://127.0.0.1:{closed_port}")


def test_addresses_that_are_swapped_are_noticed(made, timeline):
    at = made.lab.addresses
    with pytest.raises(BenchError, match="expected a component of type ENB, saw 'MME'; correct address"):
        opening(made, timeline, at.mme, at.enb)


def test_a_box_that_wants_a_password_is_told_from_others(made, timeline):
    made.lab.enb.password = True
    with pytest.raises(BenchError, match="saw a request for a password; take com_auth out"):
        opening(made, timeline, made.lab.addresses.enb)


def test_a_box_that_falls_silent_is_a_bench_error(made, timeline):
    cell = opening(made, timeline, made.lab.addresses.enb, made.lab.addresses.mme)
    made.lab.callbox[0].dead = True
    with pytest.raises(BenchError, match="expected an answer to config_get, saw nothing within 1 s"):
        cell.set_level(-90.0)
    cell.close()


def test_what_the_box_refuses_is_told(made, timeline):
    cell = opening(made, timeline, made.lab.addresses.enb, made.lab.addresses.mme)
    with pytest.raises(BenchError, match="Unknown message: fly"):
        cell._enb.ask("fly")
    cell.close()


@pytest.mark.parametrize(("says", "seen"), [
    (['"'], "expected JSON"), (["[]"], "expected a JSON object"), (['{"message": "hello"}'], "expected the greeting"),
    (['{"message": "ready", "type": "ENB"}', '{"message_id": 1, "nb_cells": {"1": {"gain": 0}}}'],
     "expected nb_cells with dl_earfcn and gain"),
    (['{"message": "ready", "type": "ENB"}', '{"message_id": 1, "nb_cells": []}'], "expected NB-IoT cells"),
    (['{"message": "ready", "type": "ENB"}', '{"message_id": 1, "cells": {}}'], "expected NB-IoT cells"),
    (["\x00" * (1 << 24) + "!"], "expected a greeting")])
def test_garbage_is_a_bench_error(made, timeline, says, seen):
    def talk(connection):
        connection.send(says[0])
        for answer in says[1:]:
            connection.recv()
            connection.send(answer)
        connection.recv()

    with serve(talk, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(BenchError, match=seen):
            opening(made, timeline, f"ws://127.0.0.1:{server.socket.getsockname()[1]}", made.lab.addresses.mme)


def test_a_web_server_is_no_callbox(made, timeline):
    address = made.lab.addresses.attenuator.replace("http", "ws")
    with pytest.raises(BenchError, match=r"saw HTTP status 200; check the address"):
        opening(made, timeline, address)


# -- the attenuator


def test_an_attenuator_weakens_a_live_network(made, timeline):
    cell = open_cell("attenuator", made, timeline, level_dbm=-90.0)
    radio = made.lab.cell
    radio.level_dbm = -90.0
    assert cell.identity == "Mini-Circuits RCDAT-6000-110 TWIN0001"
    cell.on()
    made.supply()
    made.until("connected", 120)
    cell.set_level(-112.25)
    assert (radio.rsrp_dbm, radio.conditions.level) == (-112.25, 1)
    cell.off()
    assert not made.unit.modem.attached
    cell.restore()
    assert radio.rsrp_dbm == -90.0
    for level_dbm in (-89.0, -201.0):
        with pytest.raises(BenchError, match="expected a level from -200 to -90 dBm"):
            cell.set_level(level_dbm)
    assert [one.data["attenuation_db"] for one in timeline.select("cell", "attenuation")] == [0.0, 22.25, 110.0, 0.0]


@pytest.mark.parametrize("address", ["192.0.2.1", "https://192.0.2.1", "http://", "http://192.0.2.1:port", "http://h/x",
                                     "http://[::1"])
def test_what_is_no_attenuators_address_is_refused(made, timeline, address):
    with pytest.raises(BenchError, match="expected an address like http://"):
        AttenuatorCell(address, clock=made.clock, timeline=timeline)


def test_an_attenuator_that_is_off_or_something_else_is_named(made, timeline, closed_port):
    with pytest.raises(BenchError, match="expected an answer to :MN"):
        AttenuatorCell(f"http://127.0.0.1:{closed_port}", clock=made.clock, timeline=timeline)
    made.lab.attenuator.attenuator.model = "toaster"
    with pytest.raises(BenchError, match="expected a Mini-Circuits RCDAT, RUDAT or RC4DAT, saw 'toaster'"):
        open_cell("attenuator", made, timeline)


def test_an_attenuator_that_does_not_do_it_is_noticed(made, timeline):
    made.lab.attenuator.attenuator.model = "RCDAT-6000-90"
    cell = open_cell("attenuator", made, timeline)
    made.lab.attenuator.attenuator.most_db = 63.0    # less than its name says
    with pytest.raises(BenchError, match=r"expected 90 dB, saw answer '2', '63' dB; check that the model has as much"):
        cell.off()


@pytest.mark.parametrize(("model", "level_dbm", "most_db"), [
    ("RCDAT-6000-60", -85.0, 60.0), ("RUDAT-6000-90", -85.0, 90.0), ("RCDAT-6000-30", -115.0, 30.0)])
def test_a_model_of_less_range_is_used_as_far_as_it_goes(made, timeline, model, level_dbm, most_db):
    made.lab.attenuator.attenuator.model = model
    cell = open_cell("attenuator", made, timeline, level_dbm=level_dbm)
    cell.off()
    assert made.lab.cell.attenuation_db == most_db
    with pytest.raises(BenchError, match=f"expected a level from {level_dbm - most_db:g} to {level_dbm:g} dBm"):
        cell.set_level(level_dbm - most_db - 1)


def test_a_model_that_can_not_make_an_outage_says_so(made, timeline):
    made.lab.attenuator.attenuator.model = "RCDAT-6000-30"
    cell = open_cell("attenuator", made, timeline)
    cell.set_level(-110.0)
    with pytest.raises(BenchError, match="that can be weakened to -140 dBm, saw -115 dBm with the 30 dB"):
        cell.off()
    assert made.lab.cell.attenuation_db == 25.0


def test_four_slots_share_an_attenuator_of_four_channels(made, timeline):
    box = made.lab.attenuator.attenuator
    box.model, box.wired_to = "RC4DAT-6G-95", 2
    slots = [open_cell("attenuator", made, timeline, channel=number, shared=True) for number in (1, 2, 3, 4)]
    for number, slot in enumerate(slots, 1):
        slot.set_level(-85.0 - 10 * number)
    assert box.attenuations_db == [10.0, 20.0, 30.0, 40.0]
    assert made.lab.cell.rsrp_dbm == -105.0, "the unit is behind the second"
    slots[0].off()
    slots[3].restore()
    assert (box.attenuations_db, made.lab.cell.rsrp_dbm) == ([95.0, 20.0, 30.0, 0.0], -105.0)


@pytest.mark.parametrize(("model", "options", "told"), [
    ("RCDAT-6000-110", {"shared": True}, "expected an attenuator with several channels, .* saw one channel"),
    ("RCDAT-6000-110", {"channel": 2}, "saw one channel; give each slot an attenuator"),
    ("RC4DAT-6G-95", {}, r"expected cell\.channel from 1 to 4, saw None"),
    ("RC4DAT-6G-95", {"channel": 5}, r"expected cell\.channel from 1 to 4, saw 5")])
def test_what_an_attenuator_does_not_allow_to_share_is_refused(made, timeline, model, options, told):
    made.lab.attenuator.attenuator.model = model
    with pytest.raises(BenchError, match=told):
        open_cell("attenuator", made, timeline, **options)


# -- the station file chooses


@pytest.mark.parametrize(("name", "kind"), [("cmw500", Cmw500Cell), ("amarisoft", AmarisoftCell),
                                            ("attenuator", AttenuatorCell)])
def test_the_station_file_alone_switches_between_instruments(made, timeline, tmp_path, name, kind):
    path = tmp_path / "station.toml"
    file = station_file_of_twin(made.lab.addresses, BackendTable(), cell=name, level_dbm=-112.0)
    path.write_text(file.dump(), "utf-8")
    station = Station(StationFile.load(path), made.clock, timeline)
    assert isinstance(station.cell, kind)
    assert kind.abilities <= station.abilities
    station.cell.on()
    expected = -85.0 if name == "attenuator" else -112.0    # a live network is as strong as it is
    assert (made.lab.cell.power, made.lab.cell.rsrp_dbm) == (True, expected)
    assert station.close() == []


def test_a_callbox_without_the_address_of_its_core_is_a_gap_in_the_station_file(made, tmp_path):
    path = tmp_path / "station.toml"
    text = station_file_of_twin(made.lab.addresses, BackendTable(), cell="amarisoft").dump()
    path.write_text("\n".join(line for line in text.splitlines() if "core_address" not in line), "utf-8")
    with pytest.raises(BenchError, match=r"key cell\.core_address: expected a value, saw nothing"):
        StationFile.load(path)
