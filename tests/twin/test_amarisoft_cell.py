"""Driver and twin of the Callbox beyond the contract of all cells: its messages by the maker's documents, what other
software versions say, what slots share, and boxes that are sick.

The oracle is a JSON schema with sources (``tests/data/amarisoft``), read by ``jsonschema``.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
from websockets.sync.server import serve

from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.radio.amarisoft import IMSI
from drivers.radio import CellState, NetworkEvent
from drivers.radio.amarisoft import AmarisoftCell
from drivers.radio.remote_api import RemoteApi
from tests.twin.unit_lab import READY, world

SCHEMA = json.loads((Path(__file__).parent.parent / "data" / "amarisoft" / "remote_api.schema.json").read_text("utf-8"))

OTHER_UNITS = [{"rat_type": "NB-IoT", "imsi": "001010123456700", "registered": True, "enb_ue_id": 7, "mme_ue_id": 107}]


@pytest.fixture
def made():
    with world(**READY) as made:
        made.clock.call(lambda: setattr(made.lab.cell, "power", False))
        made.lab.enb.channel_simulator = True
        yield made


@pytest.fixture
def timeline(made):
    return Timeline(made.clock.time)


def opened(made, timeline, **options):
    at = made.lab.addresses
    return AmarisoftCell(at.enb, at.mme, clock=made.clock, timeline=timeline,
                         **{"channel_simulator": True, "timeout_s": 2.0, **options})


# -- the messages


def holds(kind, message):
    """Whether ``message`` is a ``kind`` ("request", "answer", "greeting") of the schema; raises ValidationError."""
    definitions = SCHEMA["$defs"]
    names = [kind, f"{kind} {message['message']}"] if kind != "greeting" else [kind]
    assert names[-1] in definitions, f"{names[-1]}: a message without a source"
    if "error" in message:
        names = names[:1]
    for name in names:
        jsonschema.Draft202012Validator({"$defs": definitions, "$ref": f"#/$defs/{name}"}).validate(message)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@contextmanager
def wiretapped(made):
    """The messages of both components, in the order in which they passed."""
    heard: list[tuple[str, dict]] = []
    for component in (made.lab.enb, made.lab.mme):
        def answer(message, memory, component=component, plain=component.answer):
            told = plain(message, memory)
            heard.append(("request", message))
            if told is not None:
                heard.append(("answer", json.loads(json.dumps(told))))
            return told

        heard.append(("greeting", component.greeting()))
        component.answer = answer
    yield heard


@pytest.mark.parametrize(("microseconds", "bands"), [(False, False), (True, True)])
def test_all_messages_of_both_sides_are_those_of_the_makers_documents(made, timeline, microseconds, bands):
    made.lab.enb.microseconds = made.lab.mme.microseconds = microseconds
    made.lab.enb.tells_bands = bands
    with wiretapped(made) as heard:
        cell = opened(made, timeline, imsi=IMSI)
        cell.on()
        made.supply()
        made.until("connected", 120)
        cell.set_level(-110.0)
        cell.set_noise(3.0)
        cell.release_rrc()
        cell.detach()
        made.until("connected", 600)
        cell.use_bands(3, 8)
        cell.restore()
        assert cell.events(0.0)
        cell.off()
        with pytest.raises(BenchError, match="Unknown message"):
            cell._enb.ask("help_me")
        cell.close()
    heard = [(kind, message) for kind, message in heard if message["message"] != "help_me"]
    for kind, message in heard:
        holds(kind, message)
    names = {message["message"] for kind, message in heard if kind == "request"}
    print(f"Amarisoft: {len(names)} messages, 0 from memory: {sorted(names)}")
    assert names >= {"config_get", "config_set", "log_get", "ue_get", "cell_gain", "rf", "noise_level",
                     "rrc_cnx_release", "ue_detach"}


@pytest.mark.parametrize("message", [
    {"message": "cell_gain", "cell_id": 1, "gain": 3}, {"message": "log_get", "min": 0, "max": 4096, "timeout": 0},
    {"message": "rlc_drop_rate", "percentage": 20}, {"message": "ue_detach", "imsi": IMSI},
    {"message": "rf", "rx_channel_index": 0}])
def test_the_schema_can_fail(message):
    with pytest.raises(jsonschema.ValidationError):
        holds("request", message)


# -- what the driver of 535c861 sent


def test_contradiction_7_the_drop_rate_of_535c861_is_refused(made):
    enb = RemoteApi(made.lab.addresses.enb, "ENB", timeout_s=2.0)
    with pytest.raises(BenchError, match="Missing field: rb_id"):
        enb.ask("rlc_drop_rate", percentage=20)
    for fields in ({"rb_id": 3, "percentage": 20}, {"rb_id": 3, "srb": False, "percentage": 20},
                   {"ran_ue_id": 9, "rb_id": 3, "srb": False, "percentage": 20}):
        with pytest.raises(BenchError, match="expected to take rlc_drop_rate"):
            enb.ask("rlc_drop_rate", **fields)
    made.air(True)
    made.supply()
    made.until("connected", 120)
    enb.ask("rlc_drop_rate", ran_ue_id=1, rb_id=3, srb=False, percentage=100)
    sent = len(made.gateway.telegrams)
    # Radio link control repeats what is dropped.
    made.clock.wait_for(lambda: len(made.gateway.telegrams) > sent, 7200)
    enb.close()


def test_logs_as_535c861_asked_for_them_are_held(made):
    enb = RemoteApi(made.lab.addresses.enb, "ENB", timeout_s=0.5)
    enb.ask("config_set", logs={"layers": {"RRC": {"level": "debug"}}})
    with pytest.raises(BenchError, match=r"expected an answer to log_get, saw nothing within 0\.5 s"):
        enb.ask("log_get", min=0, max=4096, timeout=0, layers={"RRC": "debug"})
    assert enb.ask("log_get", min=1, max=4096, timeout=1, allow_empty=True)["logs"] == []
    enb.close()


def test_noise_needs_a_channel_simulator(made, timeline):
    made.lab.enb.channel_simulator = False
    cell = opened(made, timeline)
    with pytest.raises(BenchError, match="Channel simulator is not enabled"):
        cell.set_noise(3.0)
    cell.close()
    cell = opened(made, timeline, channel_simulator=False)
    assert "cell.noise" not in cell.abilities
    with pytest.raises(BenchError, match=r"expected cell\.noise, saw an instrument without"):
        cell.set_noise(3.0)
    cell.close()


# -- coverage


def test_a_weaker_cell_is_weaker_both_ways_and_the_receiver_gets_its_gain_back(made, timeline):
    cell = opened(made, timeline)
    cell.on()
    radio = made.lab.cell
    for level_dbm, level in ((-110.0, 1), (-125.0, 2), (-85.0, 0)):
        cell.set_level(level_dbm)
        assert (radio.rsrp_dbm, radio.conditions.level) == (level_dbm, level)
        assert radio.uplink_attenuation_db == -85.0 - level_dbm
    cell.set_level(-160.0)
    assert made.lab.enb.rx_gains_db == [0.0], "no gain below zero"
    cell.close()
    assert made.lab.enb.rx_gains_db == [60.0]


# -- other software, other configurations


@pytest.mark.parametrize("microseconds", [False, True])
def test_the_log_is_read_in_either_unit_of_time(made, timeline, microseconds):
    made.lab.enb.microseconds = made.lab.mme.microseconds = microseconds
    cell = opened(made, timeline)
    cell.on()
    made.supply()
    connected = made.until("connected", 120)
    accepted = [one for one in cell.events(0.0) if one.event is NetworkEvent.ATTACH_ACCEPT]
    assert [one.time for one in accepted] == [pytest.approx(connected, abs=0.01)]
    cell.close()


def test_a_log_that_nobody_has_read_for_long_comes_in_parts(made, timeline):
    cell = opened(made, timeline)
    cell.on()

    def talk() -> None:
        for number in range(5000):
            made.lab.cell.carries(("10.0.0.1", 10000), bytes(1000), 0 if number % 2 else 2)

    made.clock.sleep(1)
    made.clock.call(talk)
    made.clock.sleep(1)
    sent = [one for one in cell.events(0.0) if one.event is NetworkEvent.DATA_TRANSPORT]
    assert len(sent) == 5000
    assert sum(one.release_assistance == 2 for one in sent) == 2500
    assert len(cell.events(0.0)) == len(cell.events(0.0)), "nothing is read twice"
    cell.close()


def test_where_answers_do_not_tell_the_time_the_clocks_are_taken_to_agree(made, timeline):
    cell = opened(made, timeline)
    for component in (made.lab.enb, made.lab.mme):
        component._now = lambda: {"time": 0.0}
    cell.on()
    made.supply()
    connected = made.until("connected", 120)
    assert cell.events(0.0)[0].time == pytest.approx(connected, abs=0.01)
    cell.close()


def test_a_locked_log_is_told_unless_it_already_is_as_wanted(made, timeline):
    made.lab.mme.log_lock = True
    with pytest.raises(BenchError, match=r"MME .* expected a log of layer NAS .* and locked; take com_log_lock out"):
        opened(made, timeline)
    made.lab.mme.log_levels["NAS"], made.lab.mme.log_sizes["NAS"] = "debug", 2048
    cell = opened(made, timeline)
    assert cell.state() is CellState.OFF
    cell.close()


@pytest.mark.parametrize("tells_bands", [False, True])
def test_the_band_is_told_or_follows_from_the_channel(made, timeline, tells_bands):
    made.lab.enb.tells_bands = tells_bands
    cell = opened(made, timeline, band=8)
    cell.on()
    assert list(made.lab.cell.carriers) == [8]
    cell.close()


# -- units of other slots


def test_the_unit_is_told_from_others_by_its_imsi(made, timeline):
    made.lab.enb.foreign_units = made.lab.mme.foreign_units = OTHER_UNITS
    cell = opened(made, timeline, imsi=IMSI)
    cell.on()
    assert cell.state() is CellState.ON, "another one is connected"
    made.supply()
    made.until("connected", 120)
    assert cell.state() is CellState.CONNECTED
    cell.release_rrc()
    assert (made.unit.modem.state, cell.state()) == ("idle", CellState.IDLE)
    cell.close()
    nameless = opened(made, timeline)
    with pytest.raises(BenchError, match=r"expected one unit, saw 2; .* or give cell\.imsi"):
        nameless.detach()
    nameless.close()


@pytest.mark.parametrize("imsi", [None, IMSI])
def test_newer_software_calls_a_units_number_otherwise(made, timeline, imsi):
    for component in (made.lab.enb, made.lab.mme):
        def renamed(message, memory, plain=component._handlers["ue_get"]):
            return {"ue_list": [{"ran_ue_id" if key == "enb_ue_id" else key: value for key, value in one.items()}
                                for one in plain(message, memory)["ue_list"]]}

        component._handlers["ue_get"] = renamed
    cell = opened(made, timeline, imsi=imsi)
    cell.on()
    made.supply()
    made.until("connected", 120)
    assert cell.state() is CellState.CONNECTED
    cell.release_rrc()
    assert made.unit.modem.state == "idle"
    cell.close()


@pytest.mark.parametrize(("act", "told"), [
    (AmarisoftCell.detach, "expected a unit with imsi"),
    (AmarisoftCell.release_rrc, "expected a unit with enb_ue_id or ran_ue_id")])
def test_a_unit_without_what_it_is_called_by_is_a_bench_error(made, timeline, act, told):
    cell = opened(made, timeline)
    for component in (made.lab.enb, made.lab.mme):
        component._handlers["ue_get"] = lambda message, memory: {"ue_list": [{"registered": True}]}
    with pytest.raises(BenchError, match=told):
        act(cell)
    cell.close()


def test_slots_share_a_callbox_as_far_as_only_one_unit_is_concerned(made, timeline):
    owner = opened(made, timeline)
    made.lab.enb.foreign_units = made.lab.mme.foreign_units = OTHER_UNITS
    with pytest.raises(BenchError, match=r"expected the IMSI of the unit in a cell that slots share"):
        opened(made, timeline, shared=True)
    slot = opened(made, timeline, shared=True, imsi=IMSI)
    with pytest.raises(BenchError, match="expected the shared cell of band 20 to be on, saw no gain"):
        slot.on()
    owner.on()
    slot.on()
    for act in (slot.off, lambda: slot.set_level(-100.0), lambda: slot.use_bands(8)):
        with pytest.raises(BenchError, match=r"expected a cell of one's own for cell\.\w+, saw units of other slots"):
            act()
    with pytest.raises(BenchError, match=r"expected cell\.noise"):
        slot.set_noise(0.0)
    assert slot.abilities == {"cell.state", "cell.detach", "cell.release", "cell.nas", "cell.assistance"}
    made.supply()
    made.until("connected", 120)
    assert slot.state() is CellState.CONNECTED
    assert [one.event for one in slot.events(0.0)][:3] == [
        NetworkEvent.RRC_REQUEST, NetworkEvent.ATTACH_REQUEST, NetworkEvent.ATTACH_ACCEPT]
    slot.restore()
    slot.close()
    assert made.lab.cell.power
    owner.close()


def test_messages_of_other_slots_units_are_not_this_ones(made, timeline):
    owner = opened(made, timeline)
    owner.on()
    slot = opened(made, timeline, shared=True, imsi=OTHER_UNITS[0]["imsi"])
    made.lab.enb.foreign_units = made.lab.mme.foreign_units = OTHER_UNITS
    made.supply()
    made.until("connected", 120)
    assert slot.events(0.0) == []
    assert slot.state() is CellState.CONNECTED, "as the box says of the unit with that IMSI"
    slot.close()
    owner.close()


# -- a box that is not as it should be


READY_ENB = '{"message": "ready", "type": "ENB", "name": "X", "version": "2026-06-12"}'


@contextmanager
def box(talk):
    """Somebody else's server that says what ``talk(connection)`` does."""
    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()


def chatters(connection):
    """Events, answers to others, late answers: without end, and never the one that is waited for."""
    connection.send(READY_ENB)
    number = 0
    while True:
        number += 1
        connection.send(json.dumps({"message": "ue_measurement_report", "message_id": -number}))
        connection.send(json.dumps({"message": "stats"}))


def drips(connection):
    """An answer of which a piece comes each moment, and never the last."""
    connection.send(READY_ENB)
    connection.recv()

    def pieces():
        yield '{"message_id": 1, "nb_cells": "'
        while True:
            yield "x"
            stop.wait(0.01)

    stop = threading.Event()
    connection.send(pieces())


def only_chatters(connection):
    while True:
        connection.ping().wait(0.01)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("talk", [chatters, drips])
def test_chatter_and_drops_do_not_prolong_a_wait(talk):
    with box(talk) as address:
        api = RemoteApi(address, "ENB", timeout_s=0.5)
        with pytest.raises(BenchError, match=r"expected an answer to config_get, saw nothing within 0\.5 s"):
            api.ask("config_get")
        api.close()


@pytest.mark.timeout(60)
def test_a_box_that_never_greets_is_given_up():
    with box(only_chatters) as address, pytest.raises(BenchError, match="expected a greeting, saw nothing within"):
        RemoteApi(address, "ENB", timeout_s=0.5)


def test_a_late_answer_answers_no_other_question():
    def late(connection):
        connection.send(READY_ENB)
        first = json.loads(connection.recv())
        second = json.loads(connection.recv())
        connection.send(json.dumps({"message_id": first["message_id"], "late": True}))
        connection.send(json.dumps({"message_id": second["message_id"], "late": False}))
        connection.recv()

    def told(connection):
        connection.send(READY_ENB)
        for text in connection:
            connection.send(json.dumps({"message_id": json.loads(text)["message_id"], "late": False}))

    with box(late) as address:
        api = RemoteApi(address, "ENB", timeout_s=5.0)
        api._connection.send(json.dumps({"message": "stats", "message_id": 99}))    # somebody gave up on this one
        assert api.ask("config_get")["late"] is False
        api.close()
    calls = iter((lambda connection: (connection.send(READY_ENB), connection.recv()), told))
    with box(lambda connection: next(calls)(connection)) as address:
        api = RemoteApi(address, "ENB", timeout_s=5.0)
        with pytest.raises(BenchError, match="expected an answer to config_get"):
            api.ask("config_get")                   # the session dies in the middle
        assert api.ask("config_get")["late"] is False
        api.close()


@pytest.mark.parametrize(("answer", "told"), [
    ("\x00", "expected JSON"), ('{"message_id": 1}\r\n', "nb_cells"), ('{"message_id": 1, "nb_cells": 5}', "nb_cells"),
    ('{"message_id": 1, "nb_cells": {"1": {"dl_earfcn": 6300, "gain": "NaN dB"}}}', "expected nb_cells"),
    ('{"message_id": 1, "nb_cells": {"1": {"dl_earfcn": 99, "gain": 0}}}', r"NB-IoT cells \(nb_cells\) in bands"),
    ('{"message_id": 1, "error": "\\u0000"}', "expected to take config_get")])
def test_answers_of_another_shape_are_bench_errors(made, timeline, answer, told):
    def talk(connection):
        connection.send(READY_ENB)
        for _ in connection:
            connection.send(answer)

    with box(talk) as address, pytest.raises(BenchError, match=told):
        AmarisoftCell(address, made.lab.addresses.mme, clock=made.clock, timeline=timeline, timeout_s=1.0)
