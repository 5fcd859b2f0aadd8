"""A server with many clients: replay, new beginnings, changes of address, floods."""

from __future__ import annotations

import itertools

import pytest
from dtls_world import DEV_EUI, KEY, TEXT_IDENTITY, World, client_options, one

from bench.protocols.dtls import (
    AlertLevel,
    AlertReceived,
    Closed,
    Data,
    Dropped,
    DtlsClient,
    Established,
    Event,
    Send,
    ServerEvent,
    ServerOptions,
)
from bench.protocols.dtls.records import ContentType
from bench.protocols.dtls.replay import ReplayWindow
from bench.protocols.dtls.server import MAX_CUT_HELLOS

CID_SERVER = ServerOptions(connection_id_length=8)


def server_receives(world: World, datagram: bytes, address: str = "unit") -> list[Event]:
    return [each.event for each in world.server.receive(address, datagram, world.now)]


def records_of(world: World, *data: bytes) -> list[bytes]:
    return [one(Send, world.client.send(each, world.now)).datagram for each in data]


def test_a_replayed_record_is_dropped() -> None:
    world = World().connect()
    first, second = records_of(world, b"1", b"2")
    assert server_receives(world, first) == [Data(b"1")]
    assert server_receives(world, first) == [Dropped("replayed record")]
    assert server_receives(world, second + second) == [Data(b"2"), Dropped("replayed record")]


def test_records_out_of_order_are_delivered_within_the_window_and_not_behind_it() -> None:
    world = World().connect()
    records = records_of(world, *(bytes([n]) for n in range(70)))
    assert server_receives(world, records[69]) == [Data(bytes([69]))]
    assert server_receives(world, records[6]) == [Data(bytes([6]))]
    assert server_receives(world, records[5]) == [Dropped("replayed record")]


def test_a_replayed_handshake_gives_no_second_session() -> None:
    world = World().connect()
    up = [datagram for _, way, datagram in world.sent if way == "up"]
    for datagram in up:
        events = server_receives(world, datagram)
        assert not [event for event in events if isinstance(event, Established)]
    assert len(world.server.sessions) == 1
    world.echo()


def test_the_window_knows_64_numbers() -> None:
    window = ReplayWindow()
    for number in (0, 5, 3):
        assert window.is_new(number)
        window.mark(number)
    assert [number for number in range(7) if window.is_new(number)] == [1, 2, 4, 6]
    window.mark(2**48 - 1)
    assert not window.is_new(6)
    assert [window.is_new(2**48 - 1 - age) for age in (0, 1, 63, 64)] == [False, True, True, False]


def test_a_client_that_begins_anew_keeps_its_old_session_until_the_new_one_is_finished() -> None:
    world = World().connect()
    old_client, old_session = world.client, world.session
    late, = records_of(world, b"late")

    world.new_client()
    world.from_client(world.client.start(world.now))
    world.run(world.now + 0.035)                     # the new ServerHello is on its way
    assert world.server.sessions == (old_session,)
    assert server_receives(world, late) == [Data(b"late")]

    world.run()
    assert world.client is not old_client
    assert world.session is not old_session
    closed = [event for event in world.server_events if isinstance(event, Closed)]
    assert closed == [Closed("replaced by a new handshake")]
    world.echo()
    after, = [one(Send, old_client.send(b"after", world.now)).datagram]
    assert server_receives(world, after) == [Dropped("record doesn't authenticate")]


def test_a_new_beginning_with_another_identity_from_the_same_address_works() -> None:
    world = World().connect()
    world.client_options = client_options(identity=TEXT_IDENTITY)
    world.new_client()
    world.connect()
    assert world.session.identity == TEXT_IDENTITY
    world.echo()


def test_a_new_beginning_that_never_finishes_leaves_the_old_session_alone() -> None:
    world = World().connect()
    old_client = world.client
    world.client_options = client_options(key=bytes(16))
    world.new_client()
    world.connect()
    world.client = old_client
    world.echo()


def test_the_connection_id_carries_a_session_to_a_new_address_in_the_middle() -> None:
    world = World(client_options(connection_id=b"unit"), CID_SERVER).connect()
    session = world.session
    world.echo(b"before")
    world.address = "unit behind another port"
    world.echo(b"after")
    assert world.session is session
    assert session.address == "unit behind another port"


def test_without_connection_id_a_new_address_is_a_stranger() -> None:
    world = World().connect()
    record, = records_of(world, b"data")
    assert server_receives(world, record, "another port") == [Dropped("encrypted record without a session")]


def test_an_old_or_replayed_record_from_elsewhere_does_not_move_a_session() -> None:
    """RFC 9146 section 6: only the newest record moves it."""
    world = World(client_options(connection_id=b"unit"), CID_SERVER).connect()
    first, second = records_of(world, b"1", b"2")
    assert server_receives(world, second) == [Data(b"2")]
    assert server_receives(world, first, "attacker") == [Data(b"1")]
    assert server_receives(world, second, "attacker") == [Dropped("replayed record")]
    forged = second[:5] + bytes.fromhex("0000000000ff") + second[11:]
    assert server_receives(world, forged, "attacker") == [Dropped("record doesn't authenticate")]
    assert world.session.address == "unit"


def test_a_record_without_the_connection_id_is_dropped_once_it_is_agreed() -> None:
    world = World(client_options(connection_id=b"unit"), CID_SERVER).connect()
    plain = bytes.fromhex("17fefd 0001 000000000009 0018") + bytes(24)
    assert server_receives(world, plain) == [Dropped("record without the connection id")]
    stranger = bytes.fromhex("19fefd 0001 000000000009") + b"8 octets" + bytes.fromhex("0018") + bytes(24)
    assert server_receives(world, stranger) == [Dropped("encrypted record without a session")]


def test_another_client_may_take_the_address_of_one_with_a_connection_id() -> None:
    world = World(client_options(connection_id=b"unit"), CID_SERVER).connect()
    first_client, first_session = world.client, world.session
    world.client_options = client_options(identity=TEXT_IDENTITY, connection_id=b"twin")
    world.new_client()
    world.connect()
    assert len(world.server.sessions) == 2
    world.client, world.address = first_client, "elsewhere"
    world.echo()
    assert first_session.address == "elsewhere"


def test_renegotiation_is_refused_with_a_warning_and_the_session_goes_on() -> None:
    world = World().connect()
    hello_request = bytes.fromhex("00 000000 0000 000000 000000")
    # The engine itself never sends one.
    datagram = world.session._record(1, ContentType.HANDSHAKE, hello_request)
    world.from_server([ServerEvent("unit", world.session, Send(datagram))])
    world.run()
    assert Dropped("renegotiation refused") in world.client_events
    assert AlertReceived(AlertLevel.WARNING, 100) in world.server_events
    world.echo()


def hello_from(world: World, address: object) -> bytes:
    """The ClientHello with cookie that a client at ``address`` sends."""
    client = DtlsClient(client_options(), world.random.randbytes)
    first = one(Send, client.start(world.now)).datagram
    request, = [each.event for each in world.server.receive(address, first, world.now)]
    assert isinstance(request, Send)
    return one(Send, client.receive(request.datagram, world.now)).datagram


def test_a_cookie_is_of_use_from_the_address_that_got_it_only() -> None:
    world = World()
    hello = hello_from(world, ("192.0.2.1", 5))
    for address, answer in ((("192.0.2.1", 6), 3), (("192.0.2.1", 5), 2)):
        event, = [each.event for each in world.server.receive(address, hello, 0)]
        assert isinstance(event, Send)
        assert event.datagram[13] == answer, "2 is ServerHello, 3 HelloVerifyRequest"


def test_hellos_without_cookie_leave_nothing_behind() -> None:
    world = World()
    hello = one(Send, world.client.start(0)).datagram
    for number in range(1000):
        event, = world.server.receive(number, hello, 0)
        assert isinstance(event.event, Send)
        assert len(event.event.datagram) <= len(hello), "no amplification"
    assert world.server.next_timeout is None


def test_cut_hellos_of_a_flood_are_bounded() -> None:
    world = World()
    part = bytes.fromhex("16fefd 0000 000000000000 000d 01 000fff 0000 000000 000001 fe")
    for number in range(10 * MAX_CUT_HELLOS):
        assert server_receives(world, part, str(number)) == []
    assert len(world.server._cut_hellos) == MAX_CUT_HELLOS


def test_unfinished_handshakes_of_a_flood_are_bounded_and_the_oldest_goes_first() -> None:
    world = World(server=ServerOptions(max_handshakes=10))
    reasons: list[tuple[object, str]] = []
    for number in range(25):
        hello = hello_from(world, number)
        events = world.server.receive(number, hello, 0)
        reasons += [(each.address, each.event.reason) for each in events if isinstance(each.event, Closed)]
    assert reasons == [(number, "too many handshakes at a time") for number in range(15)]


def test_sessions_are_bounded_and_the_longest_silent_one_goes_first() -> None:
    identities = [b"unit%d" % number for number in range(4)]
    world = World(server=ServerOptions(max_sessions=3), keys=dict.fromkeys(identities, KEY))
    clients: list[DtlsClient] = []
    for identity in identities:
        if identity == identities[3]:
            world.client, world.address = clients[0], identities[0]
            world.echo(b"I am awake")
        world.client_options, world.address = client_options(identity=identity), identity
        clients.append(world.new_client())
        world.connect()
    assert {session.identity for session in world.server.sessions} == {identities[0], identities[2], identities[3]}
    assert one(Closed, world.server_events).reason == "too many sessions, and this one was silent the longest"


def test_a_datagram_full_of_empty_records_gives_few_events() -> None:
    world = World().connect()
    flood = bytes.fromhex("17fefd 0001 000000000009 0000") * 4000
    events = server_receives(world, flood)
    assert len(events) == 65
    assert events[-1] == Dropped("more than 64 records in a datagram")
    world.echo()


def test_a_flood_of_repeated_flights_is_answered_once_at_a_time() -> None:
    world = World(network=lambda way, number, datagram: () if way == "down" and number == 1 else (0.0,)).connect(0.5)
    hello = world.sent[2][2]
    again = [hello[:5] + number.to_bytes(6, "big") + hello[11:] for number in range(100, 120)]
    answers = list(itertools.chain(*(server_receives(world, datagram) for datagram in again)))
    assert [type(event) for event in answers] == [Send]


@pytest.mark.parametrize(("octets", "reason"), [
    ("", "empty datagram"), ("16fefd", "record header cut short"),
    ("16fefd0000000000000000ffff00", "record body cut short"),
    ("160303 0000 000000000000 0001 00", "record version 0x0303"),
    ("16fefd 0000 000000000000 0001 01", "handshake message cut short"),
    ("16fefd 0000 000000000000 000d 01 000000 0000 000000 000001 00", "a fragment beyond the end of its message"),
    ("17fefd 0000 000000000000 0001 00", "plaintext record without a handshake"),
    ("17fefd 0001 000000000000 0001 00", "encrypted record without a session"),
    ("19fefd 0001 000000000000 0001 00", "encrypted record without a session"),
])
def test_what_is_no_dtls_is_dropped_with_a_reason(octets: str, reason: str) -> None:
    world = World()
    assert Dropped(reason) in server_receives(world, bytes.fromhex(octets))
    world.connect().echo()
    assert one(Established, world.server_events).identity == DEV_EUI
