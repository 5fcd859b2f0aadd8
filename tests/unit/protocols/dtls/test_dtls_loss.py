"""What the network does to a handshake: every datagram lost, doubled, late, out of order; and the timers."""

from __future__ import annotations

import random

import pytest
from dtls_world import DEV_EUI, Direction, World, client_options, one

from bench.protocols.dtls import (
    ALL_SUITES,
    Action,
    CipherSuite,
    Closed,
    DatagramFault,
    Dropped,
    Established,
    Faults,
    ServerOptions,
)

FLIGHTS_OF_CLIENT = (1, 3, 5)
FLIGHTS_OF_SERVER = (2, 4, 6)
PARTS = {1: 1, 2: 1, 3: 1, 4: 3, 5: 3, 6: 2}
"""Datagrams of each flight when its messages don't share them and there is an identity hint."""


def world_with(fault: DatagramFault, packed: bool = True, **server: object) -> World:
    faults = Faults((fault,))
    return World(client_options(min_timeout_s=60.0, max_timeout_s=90.0, pack_flights=packed,
                                faults=faults if fault.flight in FLIGHTS_OF_CLIENT else Faults()),
                 ServerOptions(pack_flights=packed, identity_hint=b"mdm",
                               faults=faults if fault.flight in FLIGHTS_OF_SERVER else Faults(),
                               **server))  # type: ignore[arg-type]


@pytest.mark.parametrize("flight", [1, 2, 3, 4, 5, 6])
def test_any_flight_lost_once_costs_one_time_out_of_the_client(flight: int) -> None:
    world = world_with(DatagramFault(Action.DROP, flight)).connect()
    one(Established, world.client_events)
    one(Established, world.server_events)
    assert world.now == pytest.approx(60.06)
    world.echo()


@pytest.mark.parametrize(("flight", "part"), [(flight, part) for flight, parts in PARTS.items()
                                              for part in range(parts)])
@pytest.mark.parametrize("action", [Action.DROP, Action.DUPLICATE])
@pytest.mark.parametrize("suite", [CipherSuite.TLS_PSK_WITH_AES_128_CCM_8,
                                   CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256])
def test_any_single_datagram_may_be_lost_or_doubled_once(flight: int, part: int, action: Action,
                                                         suite: CipherSuite) -> None:
    world = world_with(DatagramFault(action, flight, part), packed=False, suites=(suite,)).connect()
    one(Established, world.client_events)
    world.echo()


@pytest.mark.parametrize(("flight", "part"), [(5, 2), (6, 1)])
def test_a_corrupted_finished_costs_one_time_out(flight: int, part: int) -> None:
    world = world_with(DatagramFault(Action.CORRUPT, flight, part), packed=False).connect()
    assert world.now == pytest.approx(60.06)
    assert "record doesn't authenticate, wrong key?" in str(world.client_events + world.server_events)
    world.echo()


def test_a_corrupted_plaintext_message_may_be_believed_and_end_the_handshake() -> None:
    world = world_with(DatagramFault(Action.CORRUPT, 5), packed=False).connect()
    wrong = DEV_EUI[:-1] + bytes([DEV_EUI[-1] ^ 1])
    assert Closed(f"unknown identity {wrong!r}") in world.server_events
    assert one(Closed, world.client_events).reason == "fatal alert unknown_psk_identity received"


@pytest.mark.parametrize("flight", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("delay_s", [0.5, 59.9, 61.0, 100.0])
def test_any_flight_may_be_late(flight: int, delay_s: float) -> None:
    world = world_with(DatagramFault(Action.DELAY, flight, delay_s=delay_s)).connect()
    one(Established, world.client_events)
    world.run(world.now + 200)
    world.echo()
    assert len(world.server.sessions) == 1


@pytest.mark.parametrize("flight", [1, 2, 3, 4, 5, 6])
def test_a_flight_doubled_by_the_network_is_not_answered_twice(flight: int) -> None:
    world = World(network=lambda way, number, datagram: (0.0, 0.001))
    world.connect()
    one(Established, world.client_events)
    one(Established, world.server_events)
    # A HelloVerifyRequest is stateless, so both copies of the first ClientHello get one.
    assert len(world.times("up")) == 3
    assert len(world.times("down")) == 4
    world.echo()


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("connection_id", [None, b"unit"])
def test_a_network_that_reorders_everything_gives_a_session(seed: int, connection_id: bytes | None) -> None:
    chance = random.Random(seed)
    world = World(client_options(pack_flights=False, fragment_size=20, connection_id=connection_id),
                  ServerOptions(pack_flights=False, fragment_size=20, identity_hint=b"m" * 60,
                                connection_id_length=8),
                  network=lambda way, number, datagram: (chance.uniform(0, 0.2),)).connect()
    one(Established, world.client_events)
    world.echo()
    assert world.now < 10


@pytest.mark.parametrize("seed", range(40))
def test_a_quarter_of_all_datagrams_lost_and_some_doubled_still_ends_in_a_session_or_a_named_failure(
        seed: int) -> None:
    chance = random.Random(seed)

    def network(way: Direction, number: int, datagram: bytes) -> tuple[float, ...]:
        dice = chance.random()
        return () if dice < 0.25 else (0.0, 0.1) if dice < 0.35 else (0.0,)

    world = World(network=network, seed=seed).connect()
    if world.client.closed:
        assert one(Closed, world.client_events).reason.startswith("no answer to flight")
        return
    assert one(Established, world.client_events).identity == DEV_EUI
    world.network = lambda way, number, datagram: (0.0,)
    world.echo()


def test_client_hellos_come_at_0_and_60_s_and_the_failure_at_150_s_with_timers_of_60_and_90_s() -> None:
    world = World(client_options(min_timeout_s=60.0, max_timeout_s=90.0), network=lambda *_: ()).connect()
    assert world.times("up") == [0.0, 60.0]
    assert world.now == 150.0
    assert one(Closed, world.client_events).reason == "no answer to flight 1, sent 2 times"


def test_waits_double_from_the_shortest_to_the_longest() -> None:
    """Seen of Mbed TLS with 2 and 8 s: 0, 2, 6 s, then it gives up."""
    world = World(client_options(min_timeout_s=2.0, max_timeout_s=8.0), network=lambda *_: ()).connect()
    assert world.times("up") == [0.0, 2.0, 6.0]
    assert world.now == 14.0
    world = World(client_options(min_timeout_s=5.0, max_timeout_s=5.0), network=lambda *_: ()).connect()
    assert (world.times("up"), world.now) == ([0.0], 5.0)


def test_each_flight_of_the_client_has_timers_of_its_own() -> None:
    """The server's third answer never comes: 50 s pass before the first, so the failure is at 200 s."""
    world = World(client_options(min_timeout_s=60.0, max_timeout_s=90.0), latency_s=0.0,
                  network=lambda way, number, datagram:
                  (50.0,) if (way, number) == ("up", 0) else () if way == "down" and number > 1 else (0.0,)).connect()
    assert world.times("up") == [0.0, 50.0, 50.0, 110.0]
    assert world.now == 200.0


def test_a_retransmission_has_the_same_messages_in_new_records() -> None:
    world = World(network=lambda *_: ()).connect(until=1.5)
    (_, _, first), (_, _, second) = world.sent
    assert first[13:] == second[13:]
    assert (first[3:11].hex(), second[3:11].hex()) == ("0000000000000000", "0000000000000001")


def test_a_lost_hello_verify_request_needs_no_state_at_the_server() -> None:
    """The repeated ClientHello has message number 0 again, and so has the second request."""
    world = world_with(DatagramFault(Action.DROP, 2)).connect()
    requests = [datagram for _, way, datagram in world.sent if way == "down" and datagram[13] == 3]
    assert [request[17:19].hex() for request in requests] == ["0000"]
    assert world.client.established


def test_the_server_sends_by_itself_only_when_told_to() -> None:
    silent = World(network=lambda way, number, datagram: () if way == "down" and number == 1 else (0.0,)).connect(0.9)
    assert len(silent.times("down")) == 2
    driven = World(server=ServerOptions(timeouts_s=(0.2, 0.4)),
                   network=lambda way, number, datagram: () if way == "down" and number == 1 else (0.0,)).connect(0.9)
    assert driven.times("down") == pytest.approx([0.01, 0.03, 0.23, 0.25])
    assert driven.client.established


def test_a_server_with_timers_gives_up_on_a_client_that_has_gone() -> None:
    world = World(server=ServerOptions(timeouts_s=(1.0, 2.0)),
                  network=lambda way, number, datagram: () if way == "up" and number > 1 else (0.0,)).connect(20)
    assert one(Closed, world.server_events).reason == "no answer to flight 4, sent 2 times"
    assert world.server.next_timeout is None


def test_an_unfinished_handshake_is_forgotten_after_its_lifetime() -> None:
    world = World(network=lambda way, number, datagram: () if way == "up" and number > 1 else (0.0,)).connect(300)
    assert world.server.next_timeout == pytest.approx(600.03)
    world.run(700)
    assert one(Closed, world.server_events).reason == "handshake not finished in time"
    assert world.server.next_timeout is None


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_a_corrupted_record_is_dropped_and_the_next_one_is_read(suite: CipherSuite) -> None:
    world = World(client_options(suites=(suite,))).connect()
    world.network = lambda way, number, datagram: ()
    world.from_client(world.client.send(b"data", world.now))
    datagram = world.sent[-1][2]
    world.network = lambda way, number, datagram: (0.0,)
    for at in range(len(datagram)):
        bad = datagram[:at] + bytes([datagram[at] ^ 0x10]) + datagram[at + 1:]
        events = [each.event for each in world.server.receive("unit", bad, world.now)]
        assert events
        assert all(isinstance(event, Dropped) for event in events), (at, events)
    world.echo()


def test_lossy_handshakes_in_virtual_time_are_the_same_twice() -> None:
    def run() -> list[float]:
        finished: list[float] = []
        chance = random.Random(5)
        for seed in range(200):
            world = World(client_options(min_timeout_s=60.0, max_timeout_s=90.0), seed=seed,
                          network=lambda *_: () if chance.random() < 0.1 else (0.0,)).connect()
            finished.append(world.now if world.client.established else -1.0)
        return finished

    first = run()
    assert run() == first
    assert len([time for time in first if 0 < time < 1]) > 80
    assert len([time for time in first if 60 < time < 61]) > 20
