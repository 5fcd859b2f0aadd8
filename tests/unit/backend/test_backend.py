"""The servers together, over real loopback sockets in virtual time."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Iterator

import pytest
from backend_lab import Lab, type_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.backend.backend import Backend
from bench.backend.bootstrap import BootstrapContents
from bench.errors import BenchError
from bench.protocols.coap_pipe import seed_chance
from bench.protocols.pcapng import PcapngWriter

CONNECT = bytes.fromhex("16040401fd2039343139334130343031303032304238")
REGISTER_AB = bytes.fromhex("080a000000016162")
PUBLISH = bytes.fromhex("090c20000100077b7d")


@pytest.fixture
def labs() -> Iterator[list[Lab]]:
    opened: list[Lab] = []
    yield opened
    for lab in opened:
        lab.close()


@pytest.fixture
def lab(labs) -> Lab:
    labs.append(Lab())
    return labs[0]


def asked(client: socket.socket, datagram: bytes) -> bytes:
    client.send(datagram)
    return client.recv(2048)


def test_without_advertise_the_uris_name_the_real_ports(lab):
    bootstrap, dm, mdm = lab.backend.ports
    assert 0 not in lab.backend.ports
    uris = lab.backend.uris
    assert (uris.bootstrap, uris.dm, uris.mdm) == (
        f"coap://127.0.0.1:{bootstrap}", f"coap://127.0.0.1:{dm}", f"udp://127.0.0.1:{mdm}")
    assert (lab.backend.bootstrap.contents.dm_uri, lab.backend.bootstrap.contents.mdm_uri) == (uris.dm, uris.mdm)


def test_with_advertise_the_uris_are_the_same_in_every_run(labs):
    labs.append(Lab(advertise="10.0.0.1"))
    uris = labs[0].backend.uris
    assert (uris.bootstrap, uris.dm, uris.mdm) == ("coap://10.0.0.1:5694", "coap://10.0.0.1:5683",
                                                   "udp://10.0.0.1:1884")


def test_a_uri_given_in_the_contents_stays(labs):
    labs.append(Lab(contents=BootstrapContents(dm_uri="coap://192.168.1.9:5683")))
    contents = labs[0].backend.bootstrap.contents
    assert contents.dm_uri == "coap://192.168.1.9:5683"
    assert contents.mdm_uri == labs[0].backend.uris.mdm


def test_a_port_that_is_taken_is_the_benchs_fault_and_leaves_nothing_open(lab, labs):
    taken = lab.backend.ports[2]
    second = Backend(lab.clock, lab.timeline, type_of, ports=(0, 0, taken))
    with pytest.raises(BenchError, match=f"UDP socket 127.0.0.1:{taken}: expected to bind it"):
        lab.clock.run(second.start())
    assert second.ports == (0, 0, 0)


def test_the_files_have_a_server_of_their_own(lab, labs):
    assert list(lab.backend.routes) == [5694, 5683, 1884, 5685]
    assert tuple(lab.backend.routes.values())[:3] == lab.backend.ports
    assert lab.backend.uris.files == f"coap://127.0.0.1:{lab.backend.routes[5685]}"
    labs.append(Lab(advertise="10.0.0.1"))
    assert labs[1].backend.uris.files == "coap://10.0.0.1:5685"


def test_stopping_twice_does_no_harm(lab):
    lab.clock.run(lab.backend.stop())
    lab.clock.run(lab.backend.stop())


def test_a_session_is_on_the_timeline_by_direction_and_peer(lab):
    client = lab.client(2)
    assert asked(client, CONNECT).hex() == "030500"
    assert [(seen.source, seen.kind, dict(seen.data)) for seen in lab.timeline] == [
        ("mdm", "datagram", {"direction": "in", "peer": 1, "hex": CONNECT.hex()}),
        ("mdm", "message", {"direction": "in", "peer": 1, "text": 'CONNECT clean session protocol id 1 64800 s '
                                                                  '"94193A04010020B8"',
                            "type": "CONNECT", "dup": False, "qos": 0, "retain": False, "will": False,
                            "clean_session": True, "topic_id_type": 0, "protocol_id": 1, "duration": 64800,
                            "client_id": "94193A04010020B8"}),
        ("mdm", "datagram", {"direction": "out", "peer": 1, "hex": "030500"}),
        ("mdm", "message", {"direction": "out", "peer": 1, "text": "CONNACK accepted", "type": "CONNACK",
                            "return_code": 0}),
    ]


def test_peers_are_numbered_as_they_appear(lab):
    first, second = lab.client(2), lab.client(2)
    asked(first, CONNECT)
    asked(second, b"\x02\x16")
    asked(first, b"\x02\x16")
    assert [seen.data["peer"] for seen in lab.timeline.select("mdm", "datagram", direction="in")] == [1, 2, 1]


def test_what_the_specification_forbids_is_noted(lab):
    asked(lab.client(2), bytes.fromhex("0604040100ff"))
    message = lab.timeline.select("mdm", "message", direction="in")[0]
    assert message.data["deviations"] == ["client id of 0 characters, allowed are 1 to 23 (5.3.1)"]


def run_of_one_session(labs: list[Lab]) -> tuple[list[str], bytes]:
    file = io.BytesIO()
    lab = Lab(advertise="10.0.0.1", pcap=PcapngWriter(file, epoch_s=1_700_000_000))
    labs.append(lab)
    client = lab.client(2)
    for datagram in (CONNECT, REGISTER_AB, PUBLISH):
        asked(client, datagram)
        lab.clock.sleep(3600)
    return [seen.to_json() for seen in lab.timeline], file.getvalue()


def test_equal_runs_give_equal_timelines_and_captures(labs):
    first, second = run_of_one_session(labs), run_of_one_session(labs)
    assert first == second
    assert len(first[0]) == 12


def test_equal_seeds_give_equal_datagrams_of_the_coap_servers(labs):
    def sent(seed: int) -> list[str]:
        seed_chance(seed)
        lab = Lab(advertise="10.0.0.1")
        labs.append(lab)
        asked(lab.client(0), coap(2, "/bs", "ep=one"))
        asked(lab.client(1), coap(2, "/rd", "ep=one"))
        lab.clock.sleep(300)
        return [seen.to_json() for seen in lab.timeline]

    assert sent(7) == sent(7)
    assert sent(7) != sent(8)


def test_the_capture_has_synthetic_addresses(labs):
    capture = run_of_one_session(labs)[1]
    unit, server = bytes([10, 64, 0, 1]), bytes([10, 0, 0, 3])
    ports = (49152).to_bytes(2, "big") + (1884).to_bytes(2, "big")
    assert capture.count(unit + server + ports) == 3
    assert capture.count(server + unit + ports[2:] + ports[:2]) == 3


def test_a_telegram_carries_the_virtual_time_of_its_arrival(lab):
    client = lab.client(2)
    asked(client, CONNECT)
    asked(client, REGISTER_AB)
    lab.clock.sleep(86400)
    asked(client, PUBLISH)
    assert [(one.time_s, one.topic, one.payload) for one in lab.backend.gateway.telegrams] == [(86400.0, "ab", b"{}")]


def test_a_malformed_datagram_is_seen_and_nothing_more(lab):
    client = lab.client(2)
    client.send(b"\xff\x04")
    assert asked(client, CONNECT).hex() == "030500"
    seen = lab.timeline.select("mdm", "malformed")
    assert [dict(one.data) for one in seen] == [
        {"direction": "in", "peer": 1, "text": "octet 0: Length says 255 octets, the datagram has 2"}]


def coap(code: int, path: str, query: str = "", payload: bytes = b"", message_id: int = 1) -> bytes:
    """A CON written by hand (RFC 7252), for paths and queries of one item shorter than 13 octets."""
    octets = bytes([0x40, code]) + message_id.to_bytes(2, "big")
    delta = 11
    for segment in path.strip("/").split("/"):
        octets += bytes([delta << 4 | len(segment)]) + segment.encode()
        delta = 0
    if query:
        octets += bytes([4 << 4 | len(query)]) + query.encode()
    return octets + (b"\xff" + payload if payload else b"")


def test_the_location_counts_up_from_rd_1(lab):
    client = lab.client(1)
    assert asked(client, coap(2, "/rd", "ep=one")) == bytes.fromhex("60410001") + b"\x82rd\x011"
    assert asked(client, coap(2, "/rd", "ep=two", message_id=2)) == bytes.fromhex("60410002") + b"\x82rd\x012"
    assert list(lab.backend.dm.registrations) == ["one", "two"]


def test_objects_in_another_format_than_links_are_taken_and_told(lab):
    assert asked(lab.client(1), coap(2, "/rd", "ep=one", b"</3/0>"))[1:2].hex() == "41"
    (seen,) = lab.timeline.select("dm", "deviation")
    assert seen.data["text"] == "the objects have Content-Format None, not 40 (link format)"


def test_a_block_that_is_missing_is_the_units_fault(lab):
    client = lab.client(1)

    def block(number: int, more: bool, message_id: int) -> bytes:
        head = bytes([0x40, 2]) + message_id.to_bytes(2, "big") + b"\xb2dp"
        return head + bytes([0xD1, 3, number << 4 | more << 3]) + b"\xff" + bytes(16)    # Block1 is option 27

    assert asked(client, block(0, True, 1))[1] == 0x5F, "2.31"
    assert asked(client, block(2, False, 2))[1] == 0x88, "4.08"


@pytest.mark.parametrize(("request_", "code"), [
    pytest.param(coap(2, "/rd"), "80", id="register without a name: 4.00"),
    pytest.param(coap(2, "/rd", "ep=a", b"no links"), "80", id="register with no links: 4.00"),
    pytest.param(coap(2, "/rd", "lt=-1"), "80", id="lifetime -1: 4.00"),
    pytest.param(coap(2, "/rd/7", "lt=60"), "84", id="update of an unknown location: 4.04"),
    pytest.param(coap(4, "/rd/7"), "84", id="deregister of an unknown location: 4.04"),
    pytest.param(coap(1, "/rd"), "84", id="GET: 4.04"),
    pytest.param(coap(2, "/nowhere"), "84", id="unknown path: 4.04")])
def test_a_bad_request_of_the_unit_gets_its_code(lab, request_, code):
    assert asked(lab.client(1), request_)[1:2].hex() == code
    assert lab.backend.dm.registrations == {}


def test_a_bootstrap_request_without_a_name_is_refused(lab):
    assert asked(lab.client(0), coap(2, "/bs"))[1:2].hex() == "80"
    assert lab.backend.bootstrap.sequences == []


def test_an_unknown_endpoint_gets_no_bootstrap(labs):
    labs.append(Lab(known={"94193A04010020B8"}))
    assert asked(labs[0].client(0), coap(2, "/bs", "ep=stranger"))[1:2].hex() == "80"
    assert labs[0].backend.bootstrap.sequences == []


def test_a_registration_ends_with_its_lifetime(lab):
    client = lab.client(1)
    asked(client, coap(2, "/rd", "ep=one"))
    lab.clock.sleep(86399)
    assert list(lab.backend.dm.registrations) == ["one"]
    lab.clock.sleep(2)
    assert lab.backend.dm.registrations == {}
    assert [(note.time_s, note.event) for note in lab.backend.dm.history] == [(0.0, "registered"),
                                                                             (86400.0, "expired")]


def test_an_update_begins_the_lifetime_anew_and_may_change_it(lab):
    client = lab.client(1)
    asked(client, coap(2, "/rd", "ep=one"))
    lab.clock.sleep(80000)
    assert asked(client, coap(2, "/rd/1", "lt=100000", message_id=2))[1:2].hex() == "44"
    lab.clock.sleep(99999)
    registration = lab.backend.dm.registrations["one"]
    assert (registration.lifetime_s, registration.registered_at, registration.updated_at) == (100000, 0.0, 80000.0)
    assert lab.backend.dm.history[-1].changed == ("lifetime_s",)
    lab.clock.sleep(2)
    assert lab.backend.dm.registrations == {}


def test_registering_again_replaces_the_old_registration(lab):
    client = lab.client(1)
    asked(client, coap(2, "/rd", "ep=one"))
    asked(client, coap(2, "/rd", "ep=one", message_id=2))
    assert lab.backend.dm.registrations["one"].location == "/rd/2"
    assert asked(client, coap(2, "/rd/1", message_id=3))[1:2].hex() == "84"
    assert [note.event for note in lab.backend.dm.history] == ["registered", "replaced", "registered"]


def test_deregistering_ends_the_registration(lab):
    client = lab.client(1)
    asked(client, coap(2, "/rd", "ep=one"))
    assert asked(client, coap(4, "/rd/1", message_id=2))[1:2].hex() == "42"
    assert lab.backend.dm.registrations == {}
    assert lab.backend.dm.history[-1].event == "deregistered"


def test_bootstrap_gives_up_when_the_unit_does_not_answer(lab):
    client = lab.client(0)
    assert asked(client, coap(2, "/bs", "ep=one"))[1:2].hex() == "44"
    sequence = lab.backend.bootstrap.sequences[0]
    lab.clock.wait_for(lambda: sequence.finished_at is not None, timeout=200)
    assert (sequence.outcome, sequence.started_at, sequence.finished_at) == ("no answer", 0.0, 105.0)
    assert [(step.request, step.code) for step in sequence.steps] == [("DELETE /", None)]
    sent = [seen.time for seen in lab.timeline.select("bootstrap", "message", direction="out", code="DELETE")]
    assert sent == [0.0, 15.0, 45.0]


def test_a_unit_that_asks_again_gets_a_new_sequence(lab):
    client = lab.client(0)
    asked(client, coap(2, "/bs", "ep=one"))
    lab.clock.sleep(20)
    lab.tell(client, coap(2, "/bs", "ep=one", message_id=2))
    lab.clock.sleep(200)
    assert [(one.outcome, one.finished_at) for one in lab.backend.bootstrap.sequences] == [
        ("restarted", 20.0), ("no answer", 125.0)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(
    st.binary(max_size=30),
    st.tuples(st.sampled_from([0x40, 0x50, 0x60, 0x70, 0x44]), st.sampled_from([0, 1, 2, 3, 4, 0x41, 0x44, 0x45, 0xE1]),
              st.integers(0, 65535), st.binary(max_size=30)).map(
        lambda m: bytes([m[0], m[1]]) + m[2].to_bytes(2, "big") + m[3])), max_size=30))
def test_no_datagram_stops_a_server(datagrams):
    lab = Lab()
    try:
        for server in range(4):
            client = lab.client(server)
            for datagram in datagrams:
                lab.tell(client, datagram)
        lab.clock.sleep(500)
        assert asked(lab.client(0), coap(2, "/bs", "ep=one"))[1:2].hex() == "44"
        assert asked(lab.client(1), coap(2, "/rd", "ep=one"))[1:2].hex() == "41"
        assert asked(lab.client(2), CONNECT).hex() == "030500"
    finally:
        lab.close()


def test_nothing_of_the_loop_is_left_after_stop(lab):
    asked(lab.client(0), coap(2, "/bs", "ep=one"))
    asked(lab.client(1), coap(2, "/rd", "ep=one"))
    lab.clock.run(lab.backend.stop())
    assert lab.backend.bootstrap.sequences[0].outcome == "stopped"
    assert lab.clock.call(lambda: [task for task in asyncio.all_tasks(lab.clock.loop) if not task.done()]) == []


def test_a_flood_of_one_peer_is_dropped_and_noted_once_and_ends_with_its_window(lab):
    lab.backend.dm._socket.gate.per_peer = 20
    flooder, other = lab.client(1), lab.client(1)
    for message_id in range(1, 21):
        asked(flooder, coap(2, "/nowhere", message_id=message_id))
    for message_id in range(21, 31):
        flooder.send(coap(2, "/nowhere", message_id=message_id))
    assert asked(other, coap(2, "/rd", "ep=one"))[1:2].hex() == "41"
    (noted,) = lab.timeline.select("dm", "flood")
    assert dict(noted.data) == {"peer": 1, "text": "more than 20 datagrams of one peer or 100000 in all within 60 s: "
                                                   "the rest is dropped"}
    lab.clock.sleep(61)
    assert asked(flooder, coap(2, "/nowhere", message_id=40))[1:2].hex() == "84"
    assert lab.timeline.select("dm", "flood")[1].data["text"] == "over: 10 datagram(s) were dropped"


def test_many_sources_are_not_remembered_for_ever(lab, monkeypatch):
    monkeypatch.setattr("bench.backend.server_socket.PEERS_REMEMBERED", 3)
    clients = [lab.client(1) for _ in range(5)]
    for client in clients:
        asked(client, coap(2, "/nowhere"))
    asked(clients[0], coap(2, "/nowhere"))
    assert [seen.data["peer"] for seen in lab.timeline.select("dm", "datagram", direction="in")] == [1, 2, 3, 4, 5, 6]


def test_bootstraps_beyond_the_limit_are_refused(lab, monkeypatch):
    monkeypatch.setattr("bench.backend.bootstrap.MAX_RUNNING", 2)
    client = lab.client(0)
    client.settimeout(5)
    codes = []
    for number in range(3):
        client.send(coap(2, "/bs", f"ep=u{number}", message_id=number + 1))
        answer = client.recv(100)
        while answer[:1] != b"\x60":    # the requests of the sequences that have begun
            answer = client.recv(100)
        codes.append(answer[1:2].hex())
    assert codes == ["44", "44", "a3"]


def test_registrations_beyond_the_limit_are_refused(lab, monkeypatch):
    monkeypatch.setattr("bench.backend.dm.MAX_REGISTRATIONS", 2)
    client = lab.client(1)
    codes = [asked(client, coap(2, "/rd", f"ep=u{number}", message_id=number + 1))[1:2].hex() for number in range(3)]
    assert codes == ["41", "41", "a3"]
    assert asked(client, coap(2, "/rd", "ep=u1", message_id=9))[1:2].hex() == "41"


def test_an_unknown_endpoint_is_noted(labs):
    labs.append(Lab(known={"94193A04010020B8"}))
    asked(labs[0].client(0), coap(2, "/bs", "ep=stranger"))
    assert labs[0].timeline.select("bootstrap", "refused")[0].data["text"] == "endpoint 'stranger' is not known"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from([b"\xb2rd", b"\xb2dp", b"\xb2rd\x011"]), st.sampled_from([110, 112, 40]),
                          st.binary(min_size=1, max_size=60)), max_size=20))
def test_no_body_of_a_registration_or_a_send_stops_the_server(bodies):
    lab = Lab()
    try:
        client = lab.client(1)
        asked(client, coap(2, "/rd", "ep=one"))
        for number, (path, content_format, body) in enumerate(bodies):
            code = asked(client, bytes([0x40, 2, 1, number]) + path + bytes([0x11, content_format, 0xFF]) + body)[1]
            assert code in (0x41, 0x44, 0x80, 0x84, 0x8F)
        assert asked(lab.client(1), coap(2, "/rd", "ep=two"))[1:2].hex() == "41"
    finally:
        lab.close()
