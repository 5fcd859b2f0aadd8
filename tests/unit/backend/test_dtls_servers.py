"""The servers in DTLS, over real loopback sockets in virtual time."""

from __future__ import annotations

import io
import random
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiocoap import GET, POST
from aiocoap.message import Message
from aiocoap.numbers.types import CON
from backend_lab import Lab
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.backend.dtls_port import USUAL_OPTIONS
from bench.backend.flood import FloodGate
from bench.backend.psk import Psk, Psks
from bench.backend.tap import Source
from bench.clock import DeadlinePassed
from bench.protocols.dtls import (
    Action,
    Closed,
    Data,
    DatagramFault,
    DtlsClient,
    Event,
    Faults,
    Send,
    ServerOptions,
)
from bench.protocols.dtls.options import ClientOptions
from bench.protocols.pcapng import PcapngWriter

UNIT = "94193A04010020B8"
KEYS: dict[Source, bytes] = {"bootstrap": bytes(range(0x10, 0x20)), "dm": bytes(range(0x40, 0x50)),
                             "mdm": bytes(range(0x70, 0x80))}
CONNECT = bytes.fromhex("16040401fd2039343139334130343031303032304238")
REGISTERED, CHANGED, BAD_REQUEST, FORBIDDEN = 0x41, 0x44, 0x80, 0x83


def secure_lab(**options: Any) -> Lab:
    return Lab(psks={source: Psks({UNIT: Psk(key)}) for source, key in KEYS.items()},
               random=random.Random(1).randbytes, **options)


@pytest.fixture
def lab() -> Iterator[Lab]:
    opened = secure_lab()
    yield opened
    opened.close()


class Peer:
    """A client of the engine on a socket of its own."""

    def __init__(self, lab: Lab, source: Source, identity: bytes = UNIT.encode(), key: bytes | None = None,
                 seed: int = 2, connection_id: bytes | None = None) -> None:
        secure = lab.backend.sockets[source].secure
        assert secure is not None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.connect(("127.0.0.1", secure.port))
        lab.sockets.append(self.socket)
        self.sent: list[bytes] = []
        self.end = ""
        self._lab = lab
        self._client = DtlsClient(ClientOptions(identity=identity, key=key if key is not None else KEYS[source],
                                                connection_id=connection_id), random.Random(seed).randbytes)
        self._received: list[bytes] = []

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Send(datagram):
                    self.sent.append(datagram)
                    self.socket.send(datagram)
                case Data(data):
                    self._received.append(data)
                case Closed(reason):
                    self.end = reason

    def move(self) -> int:
        """Another source port, as behind an address translation that has forgotten the one before; the new one."""
        before, self.socket = self.socket, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.connect(before.getpeername())
        self._lab.sockets.append(self.socket)
        return int(self.socket.getsockname()[1])

    def record(self, data: bytes) -> bytes:
        """A record with ``data`` that is not sent yet."""
        sent, = (event.datagram for event in self._client.send(data, 0) if isinstance(event, Send))
        return sent

    def heard(self) -> bytes:
        """The next message of the server."""
        self._received.clear()
        while not self._received:
            self._handle(self._client.receive(self.socket.recv(2048), 0))
        return self._received[0]

    def connect(self) -> bool:
        """Whether there is a session; False when the server ends the attempt, or is silent."""
        self._handle(self._client.start(0))
        while not self._client.established and not self._client.closed:
            try:
                self._handle(self._client.receive(self.socket.recv(2048), 0))
            except TimeoutError:
                return False
        return self._client.established

    def ask(self, data: bytes) -> bytes:
        """The first message that comes after ``data`` is sent."""
        self._handle(self._client.send(data, 0))
        self._received.clear()
        while not self._received:
            self._handle(self._client.receive(self.socket.recv(2048), 0))
        return self._received[0]


def coap(path: str, mid: int, code: Any = POST, payload: bytes = b"", content_format: int | None = None) -> bytes:
    path, _, query = path.partition("?")
    message = Message(_mtype=CON, _mid=mid, code=code, uri_path=tuple(path.strip("/").split("/")),
                      uri_query=tuple(filter(None, query.split("&"))), payload=payload)
    message.opt.content_format = content_format
    encoded: bytes = message.encode()  # type: ignore[no-untyped-call,unused-ignore]
    return encoded


def events(lab: Lab, source: Source) -> list[str]:
    lab.clock.call(lambda: None)    # the loop is done with what it has sent
    return [seen.data["event"] for seen in lab.timeline.select(source, "dtls")]


# -- peers and identities


def test_peers_of_both_ports_are_numbered_commonly_and_a_session_has_an_identity(lab):
    plain = lab.client(1)
    plain.send(coap("/rd?ep=somebody", 1))
    assert plain.recv(2048)[1] == REGISTERED
    peer = Peer(lab, "dm")
    assert peer.connect()
    assert peer.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
    sockets = lab.backend.sockets["dm"]
    registered = lab.backend.dm.registrations
    assert (registered["somebody"].peer, registered[UNIT].peer) == (1, 2)
    assert (sockets.identity_of(1), sockets.identity_of(2)) == (None, UNIT.encode())
    assert sockets.heard_at(2) == lab.clock.time()
    session, = lab.timeline.select("dm", "dtls")
    assert dict(session.data) == {"peer": 2, "event": "established", "identity": UNIT, "form": "characters",
                                  "suite": "TLS_PSK_WITH_AES_128_CCM_8", "version": "DTLS 1.2", "connection_id": False}


def test_the_octets_of_the_deveui_are_an_identity_too(lab):
    peer = Peer(lab, "dm", identity=bytes.fromhex(UNIT))
    assert peer.connect()
    assert peer.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
    session, = lab.timeline.select("dm", "dtls")
    assert (session.data["identity"], session.data["form"]) == (UNIT.lower(), "octets")


@pytest.mark.parametrize(("source", "path", "code"), [
    ("dm", "/rd?ep=94193A04010020B9", FORBIDDEN), ("bootstrap", "/bs?ep=94193A04010020B9", BAD_REQUEST)])
def test_a_name_that_is_not_the_identity_is_refused(lab, source, path, code):
    peer = Peer(lab, source)
    assert peer.connect()
    assert peer.ask(coap(path, 1))[1] == code
    assert "does not fit the identity" in lab.timeline.select(source, "refused")[0].data["text"]


def test_nobody_sends_in_the_name_of_somebody_else_who_had_that_address_before(lab):
    sockets = lab.backend.sockets["dm"]
    sockets.secure.psks.set("94193A04010020B9", Psk(KEYS["dm"]))
    first = Peer(lab, "dm")
    assert first.connect()
    assert first.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
    second = Peer(lab, "dm", identity=b"94193A04010020B9", seed=3)
    second.socket = first.socket
    assert second.connect()
    assert second.ask(coap("/dp", 2, payload=b"[]", content_format=110))[1] == 0x84
    assert sockets.identity_of(1) is None
    assert sockets.identity_of(2) == b"94193A04010020B9"


def test_the_gateway_speaks_in_dtls(lab):
    peer = Peer(lab, "mdm")
    assert peer.connect()
    assert peer.ask(CONNECT).hex() == "030500"
    inside = [(seen.data["direction"], seen.data["type"], seen.data["secure"])
              for seen in lab.timeline.select("mdm", "message")]
    assert inside == [("in", "CONNECT", True), ("out", "CONNACK", True)]
    assert CONNECT.hex() not in "".join(seen.data["hex"] for seen in lab.timeline.select("mdm", "datagram"))


def test_the_server_asks_the_unit_in_its_session(lab):
    peer = Peer(lab, "dm")
    assert peer.connect()
    assert peer.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
    with pytest.raises(DeadlinePassed):
        lab.clock.run(lab.backend.dm.read("/3/0/0"), 1.0)
    asked = [seen for seen in lab.timeline.select("dm", "message", direction="out") if seen.data["code"] == "GET"]
    assert [(seen.data["peer"], seen.data["secure"], seen.data["uri_path"]) for seen in asked] == [
        (1, True, "/3/0/0")]


# -- connection ids


def moves(lab: Lab) -> int:
    return events(lab, "dm").count("moved")


@pytest.mark.parametrize("own", [b"", b"unit"])
def test_a_session_with_a_connection_id_goes_on_from_another_port(lab, own):
    peer = Peer(lab, "dm", connection_id=own)
    assert peer.connect()
    assert peer.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
    registration = lab.backend.dm.registrations[UNIT]
    peer.move()
    assert peer.ask(coap("/rd/1", 2))[1] == CHANGED
    assert moves(lab) == 1
    assert lab.backend.dm.registrations[UNIT].peer == registration.peer, "it is the same session"
    with pytest.raises(DeadlinePassed):
        lab.clock.run(lab.backend.dm.read("/3/0/0"), 1.0)
    assert peer.heard()[1] == 0x01, "the server asks at the new port"
    assert events(lab, "dm").count("established") == 1


def test_a_session_without_a_connection_id_is_not_found_from_another_port(lab):
    peer = Peer(lab, "dm")
    assert peer.connect()
    assert peer.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
    peer.move()
    lab.tell(peer.socket, peer.record(coap("/rd/1", 2)))
    assert events(lab, "dm")[-1] == "dropped"
    assert moves(lab) == 0


@pytest.mark.parametrize("kind", ["forged", "replayed", "older", "of another session"])
def test_the_address_follows_only_a_record_that_is_the_peers_and_the_newest(lab, kind):
    """RFC 9146 section 6: else whoever has seen a record could turn the session's answers away."""
    lab.backend.sockets["dm"].secure.psks.set("94193A04010020B9", Psk(KEYS["dm"]))
    other = Peer(lab, "dm", identity=b"94193A04010020B9", seed=3, connection_id=b"")
    assert other.connect()
    foreign = bytearray(other.record(coap("/rd/1", 7)))
    peer = Peer(lab, "dm", connection_id=b"")
    assert peer.connect()
    assert peer.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
    early = peer.record(coap("/rd/1", 2))
    newest = peer.record(coap("/rd/1", 3))
    peer.socket.send(newest)
    assert peer.heard()[1] == CHANGED
    next_one = bytearray(peer.record(coap("/rd/1", 4)))
    next_one[-1] ^= 1
    foreign[11:19] = newest[11:19]
    datagram = {"forged": bytes(next_one), "replayed": newest, "older": early,
                "of another session": bytes(foreign)}[kind]
    attacker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    attacker.connect(peer.socket.getpeername())
    lab.sockets.append(attacker)
    lab.tell(attacker, datagram)
    assert moves(lab) == 0
    assert peer.ask(coap("/rd/1", 5))[1] == CHANGED, "the session has stayed where it was"
    attacker.settimeout(0.05)
    with pytest.raises(TimeoutError):
        attacker.recv(2048)


# -- a unit is who it proves to be


def test_a_new_session_of_a_registered_unit_is_where_it_is_asked_from_then_on(lab):
    """A handshake from elsewhere, without a word of registration: the registration is the identity's."""
    first = Peer(lab, "dm")
    assert first.connect()
    assert first.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
    again = Peer(lab, "dm", seed=3)
    assert again.connect()
    lab.clock.call(lambda: None)
    assert again.ask(coap("/dp", 2, payload=b"[]", content_format=110))[1] == CHANGED
    assert lab.backend.dm.sends[-1].endpoint == UNIT
    with pytest.raises(DeadlinePassed):
        lab.clock.run(lab.backend.dm.read("/3/0/0"), 1.0)
    assert again.heard()[1] == 0x01
    assert [event.event for event in lab.backend.dm.history] == ["registered"]


def test_another_unit_at_the_same_address_is_another_unit(lab):
    lab.backend.sockets["dm"].secure.psks.set("94193A04010020B9", Psk(KEYS["dm"]))
    first = Peer(lab, "dm")
    assert first.connect()
    assert first.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
    other = Peer(lab, "dm", identity=b"94193A04010020B9", seed=3)
    other.socket = first.socket
    assert other.connect()
    assert other.ask(coap("/dp", 2, payload=b"[]", content_format=110))[1] == 0x84
    assert lab.backend.dm.registrations[UNIT].peer == 1


# -- what goes wrong


def test_an_unknown_identity_is_told_and_seen(lab):
    peer = Peer(lab, "dm", identity=b"nobody")
    assert not peer.connect()
    assert "unknown_psk_identity" in peer.end
    assert events(lab, "dm")[:2] == ["alert sent", "closed"]
    assert "nobody" in lab.timeline.select("dm", "dtls")[1].data["text"]


def test_a_wrong_key_is_seen_and_no_key_is_shown(lab):
    peer = Peer(lab, "dm", key=b"\x5e" * 16)
    peer.socket.settimeout(0.2)
    assert not peer.connect()
    seen = lab.timeline.select("dm", "dtls")
    assert [one.data["event"] for one in seen] == ["dropped"]
    assert "wrong key" in seen[0].data["text"]
    written = "".join(one.to_json() for one in lab.timeline)
    assert not any(key.hex() in written for key in [*KEYS.values(), b"\x5e" * 16])


def test_a_replayed_record_is_seen_and_not_taken(lab):
    peer = Peer(lab, "mdm")
    assert peer.connect()
    peer.ask(CONNECT)
    lab.tell(peer.socket, peer.sent[-1])
    assert [seen.data["text"] for seen in lab.timeline.select("mdm", "dtls", event="dropped")] == ["replayed record"]
    assert len(lab.timeline.select("mdm", "message", direction="in")) == 1


def test_a_fault_of_the_server_can_be_set_while_it_runs(lab):
    secure = lab.backend.sockets["dm"].secure
    secure.server.options = replace(USUAL_OPTIONS, faults=Faults((DatagramFault(Action.DROP, 2),)))
    peer = Peer(lab, "dm")
    peer.socket.settimeout(0.2)
    assert not peer.connect()
    secure.server.options = USUAL_OPTIONS
    assert Peer(lab, "dm").connect()
    with pytest.raises(ValueError, match="connection ids"):
        secure.server.options = ServerOptions(connection_id_length=4)


def test_a_server_that_refuses_plain_says_so_and_answers_dtls(lab):
    sockets = lab.backend.sockets["dm"]
    sockets.refuses_plain = True
    lab.tell(lab.client(1), coap("/rd?ep=somebody", 1))
    assert "DTLS only" in lab.timeline.select("dm", "refused")[0].data["text"]
    assert not lab.backend.dm.registrations
    assert Peer(lab, "dm").connect()


def test_a_silent_server_writes_down_what_it_hears(lab):
    lab.backend.sockets["dm"].silent = True
    peer = Peer(lab, "dm")
    peer.socket.settimeout(0.2)
    assert not peer.connect()
    lab.tell(lab.client(1), coap("/rd?ep=somebody", 1))
    assert [seen.data.get("text") for seen in lab.timeline.select("dm", "datagram")] == ["ClientHello", None]


def test_lost_sessions_are_unknown_and_a_new_one_is_taken_from_the_same_address(lab):
    peer = Peer(lab, "mdm")
    assert peer.connect()
    lab.clock.call(lab.backend.sockets["mdm"].forget_sessions)
    lab.tell(peer.socket, peer.sent[-1])
    assert "closed" in events(lab, "mdm")
    again = Peer(lab, "mdm", seed=3)
    again.socket = peer.socket
    assert again.connect()
    assert again.ask(CONNECT).hex() == "030500"
    assert [seen.data["peer"] for seen in lab.timeline.select("mdm", "dtls", event="established")] == [1, 1]


records = st.builds(lambda kind, version, epoch, sequence, body: bytes([kind]) + version.to_bytes(2, "big")
                    + epoch.to_bytes(2, "big") + sequence.to_bytes(6, "big") + len(body).to_bytes(2, "big") + body,
                    st.sampled_from([20, 21, 22, 23, 25, 99]), st.sampled_from([0xFEFD, 0xFEFF, 0x0303]),
                    st.integers(0, 2), st.integers(0, 9), st.binary(max_size=80))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.lists(st.binary(min_size=1, max_size=100) | records | st.lists(records, max_size=4).map(b"".join)
                     .filter(bool), max_size=8), seed=st.integers(3, 2**32))
def test_whatever_comes_the_servers_go_on(lab, junk, seed):
    stranger = lab.client(1)
    secure = lab.backend.sockets["dm"].secure
    stranger.connect(("127.0.0.1", secure.port))
    for datagram in junk:
        lab.tell(stranger, datagram)
    peer = Peer(lab, "dm", seed=seed)
    assert peer.connect()
    assert peer.ask(coap("/nowhere", 1, code=GET))[1] == 0x84


def test_a_flood_of_the_dtls_port_is_dropped_and_stops_nobody_else(lab):
    sockets = lab.backend.sockets["dm"]
    sockets.gate = FloodGate(per_peer=20, in_all=100)
    stranger = lab.client(1)
    stranger.connect(("127.0.0.1", sockets.secure.port))
    for _ in range(20):
        lab.tell(stranger, b"\x16junk")
    for _ in range(30):
        stranger.send(b"\x16junk")
    assert Peer(lab, "dm").connect()
    assert len(lab.timeline.select("dm", "flood")) == 1
    assert len(lab.timeline.select("dm", "dtls", event="dropped")) == 20


# -- what is written down


def captured(lab: Lab, file: io.BytesIO) -> bytes:
    lab.clock.call(lambda: None)
    return file.getvalue()


def test_the_keys_of_a_session_are_in_the_capture_before_they_are_in_use():
    file = io.BytesIO()
    lab = secure_lab(pcap=PcapngWriter(file))
    try:
        peer = Peer(lab, "dm")
        assert peer.connect()
        content = captured(lab, file)
        key_exchange = next(datagram for datagram in peer.sent if b"\x14\xfe\xfd" in datagram)
        assert 0 < content.index(b"CLIENT_RANDOM") < content.index(key_exchange)
    finally:
        lab.close()


def test_a_session_in_which_a_key_of_the_unit_passes_can_not_be_read_from_the_capture():
    file = io.BytesIO()
    lab = secure_lab(pcap=PcapngWriter(file))
    try:
        peer = Peer(lab, "dm")
        assert peer.connect()
        assert peer.ask(coap(f"/rd?ep={UNIT}", 1))[1] == REGISTERED
        assert b"CLIENT_RANDOM" in captured(lab, file)
        with pytest.raises(DeadlinePassed):
            lab.clock.run(lab.backend.dm.write("/33905/0/5", b"\x5e" * 16), 1.0)
        assert b"CLIENT_RANDOM" not in captured(lab, file)
        assert lab.timeline.select("dm", "message", masked=True, secure=True)
    finally:
        lab.close()


def test_a_key_that_a_unit_discloses_takes_the_session_keys_from_the_capture():
    file = io.BytesIO()
    lab = secure_lab(pcap=PcapngWriter(file))
    try:
        peer = Peer(lab, "dm")
        assert peer.connect()
        assert peer.ask(coap("/rd?ep=x", 1, payload=KEYS["mdm"]))[1] == BAD_REQUEST
        assert b"CLIENT_RANDOM" not in captured(lab, file)
    finally:
        lab.close()


def test_a_capture_has_no_session_keys_of_the_bootstrap_server():
    file = io.BytesIO()
    lab = secure_lab(pcap=PcapngWriter(file))
    try:
        assert Peer(lab, "bootstrap").connect()
        content = captured(lab, file)
        assert b"CLIENT_RANDOM" not in content
        assert b"the session keys are not kept" in content
    finally:
        lab.close()


def run_of_one_session() -> tuple[list[str], bytes]:
    file = io.BytesIO()
    lab = secure_lab(advertise="10.0.0.1", pcap=PcapngWriter(file))
    try:
        peer = Peer(lab, "mdm")
        assert peer.connect()
        peer.ask(CONNECT)
        lab.clock.sleep(3600)
        return [seen.to_json() for seen in lab.timeline], file.getvalue()
    finally:
        lab.close()


def test_equal_seeds_give_equal_timelines_and_captures_in_dtls():
    first, second = run_of_one_session(), run_of_one_session()
    assert first == second
    assert len(first[0]) == 11


def test_the_uris_with_dtls_are_advertised_and_routed(lab):
    uris = lab.backend.secure_uris
    ports = {source: lab.backend.sockets[source].secure.port for source in KEYS}
    assert (uris.bootstrap, uris.dm, uris.mdm) == (
        f"coaps://127.0.0.1:{ports['bootstrap']}", f"coaps://127.0.0.1:{ports['dm']}", f"udp://127.0.0.1:{ports['mdm']}")
    assert {5695, 5684, 1885} <= lab.backend.routes.keys()
    assert lab.backend.routes[5684] == ports["dm"]


def test_second_servers_are_there_when_they_are_asked_for(lab):
    assert 5783 not in lab.backend.routes
    lab.clock.run(lab.backend.start_second())
    assert lab.backend.routes[5783] == lab.backend.sockets["dm-2"].port
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(5)
    client.connect(("127.0.0.1", lab.backend.sockets["mdm-2"].port))
    lab.sockets.append(client)
    client.send(CONNECT)
    assert client.recv(2048).hex() == "030500"
    assert [seen.source for seen in lab.timeline.select(kind="message")] == ["mdm-2", "mdm-2"]


# -- keys


def test_keys_are_found_by_characters_and_octets_and_never_printed():
    psks = Psks({UNIT: Psk(KEYS["dm"])})
    assert psks.key_of(UNIT.encode()) == psks.key_of(bytes.fromhex(UNIT)) == KEYS["dm"]
    assert psks.key_of(b"\xff\x00") is psks.key_of(b"") is psks.key_of(UNIT.lower().encode()) is None
    shown = f"{psks!r} {psks} {vars(psks)} {Psk(KEYS['dm'])}"
    assert KEYS["dm"].hex() not in shown
    assert repr(KEYS["dm"])[2:-1] not in shown
    psks.remove(UNIT)
    psks.remove(UNIT)
    assert psks.key_of(UNIT.encode()) is None


def test_without_keys_there_is_no_dtls_port():
    lab = Lab()
    try:
        assert all(sockets.secure is None for sockets in lab.backend.sockets.values())
        assert list(lab.backend.routes) == [5694, 5683, 1884, 5685]
    finally:
        lab.close()
