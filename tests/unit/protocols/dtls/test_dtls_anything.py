"""Whatever comes, nothing is raised, and nothing grows without bound."""

from __future__ import annotations

import pytest
from dtls_world import World, client_options
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.protocols.dtls import Dropped, Send, ServerOptions
from bench.protocols.dtls.handshake import (
    ClientHello,
    ClientKeyExchange,
    Finished,
    Fragment,
    HandshakeError,
    HelloVerifyRequest,
    NewSessionTicket,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchange,
    decode,
    split_fragments,
)
from bench.protocols.dtls.reassembly import MAX_AHEAD, MAX_MESSAGE, Reassembly
from bench.protocols.dtls.records import Record, split

octets = st.binary(max_size=300)
vector = st.binary(max_size=255)
extensions = st.lists(st.tuples(st.integers(0, 0xFFFF), octets), max_size=4, unique_by=lambda each: each[0]).map(tuple)
random = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 0xFFFF)
messages = st.one_of(
    st.builds(ClientHello, random, st.lists(numbers, max_size=9).map(tuple), vector, extensions, vector, vector,
              numbers),
    st.builds(HelloVerifyRequest, vector, numbers),
    st.builds(ServerHello, random, numbers, extensions, vector, st.integers(0, 255), numbers),
    st.builds(ServerKeyExchange, octets), st.builds(ServerHelloDone), st.builds(ClientKeyExchange, octets),
    st.builds(NewSessionTicket, octets), st.builds(Finished, st.binary(min_size=12, max_size=12)))
records = st.builds(
    Record, st.sampled_from([20, 21, 22, 23, 24, 25, 0]), st.sampled_from([0xFEFD, 0xFEFF]), st.integers(0, 2),
    st.integers(0, 100) | st.integers(0, 2**48 - 1),
    octets | st.builds(lambda message, number: Fragment(message.TYPE, len(message.encode()), number, 0,
                                                        message.encode()).encode(),
                       messages, st.integers(0, 3) | st.integers(0, 0xFFFF)),
    st.just(b"") | st.binary(min_size=8, max_size=8))
datagrams = octets | st.lists(records, max_size=5).map(lambda each: b"".join(record.encode() for record in each))


@given(st.lists(datagrams, max_size=20), st.integers(0, 6), st.booleans())
@settings(max_examples=300, deadline=None)
def test_random_datagrams_at_any_point_of_a_handshake_never_raise(noise: list[bytes], after: int,
                                                                            cookies: bool) -> None:
    world = World(client_options(connection_id=b"8 octets"), ServerOptions(connection_id_length=8, cookies=cookies))
    world.from_client(world.client.start(0))
    world.run(after * 0.01)
    for datagram in noise:
        world.from_client(world.client.receive(datagram, world.now))
        world.from_server(world.server.receive("unit", datagram, world.now))
    world.run(world.now + 300)
    world.run(world.now + 700)
    assert len(world.server._handshakes) <= 1
    assert repr(world.client)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_bent_datagrams_of_a_real_handshake_never_raise(data: st.DataObject) -> None:
    def network(way: str, number: int, datagram: bytes) -> tuple[float, ...]:
        if number == chosen:
            bent = bytearray(datagram)
            for _ in range(data.draw(st.integers(1, 4))):
                bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
            cut = data.draw(st.integers(0, len(bent)))
            for piece in (bytes(bent), bytes(bent[:cut])):
                if way == "up":
                    world.from_server(world.server.receive("unit", piece, world.now))
                else:
                    world.from_client(world.client.receive(piece, world.now))
        return (0.0,)

    chosen = data.draw(st.integers(0, 3))
    world = World(client_options(connection_id=b""), ServerOptions(connection_id_length=4))
    world.network = network
    world.connect()
    assert world.client.established or world.client.closed


@given(messages)
def test_messages_survive_encoding(message: ClientHello) -> None:
    assert decode(message.TYPE, message.encode()) == message


@given(st.integers(0, 255), octets)
def test_bodies_decode_or_raise_handshake_error(message_type: int, body: bytes) -> None:
    try:
        message = decode(message_type, body)
    except HandshakeError:
        return
    assert decode(message.TYPE, message.encode()) == message


@given(octets)
def test_fragments_decode_or_raise_handshake_error(body: bytes) -> None:
    try:
        fragments = split_fragments(body)
    except HandshakeError:
        return
    assert b"".join(fragment.encode() for fragment in fragments) == body


@given(octets, st.integers(0, 20))
def test_records_are_split_without_loss(datagram: bytes, connection_id_length: int) -> None:
    found, rest = split(datagram, connection_id_length)
    joined = b"".join(record.encode() for record in found)
    assert datagram.startswith(joined)
    assert (rest is None) == (joined == datagram and bool(datagram))


@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=40))
@example(b"", [])
def test_any_cut_of_a_message_is_put_together(body: bytes, cuts: list[tuple[int, int]]) -> None:
    reassembly = Reassembly(3)
    pieces = [(min(a, b, len(body)), min(max(a, b), len(body))) for a, b in cuts]
    for start, end in pieces:
        reassembly.add(Fragment(16, len(body), 3, start, body[start:end]))
    covered = set().union(*(range(start, end) for start, end in pieces)) if pieces else set()
    whole = reassembly.next()
    if len(covered) < len(body) or not pieces:
        assert whole is None
        reassembly.add(Fragment(16, len(body), 3, 0, body))
        whole = reassembly.next()
    assert whole == Fragment(16, len(body), 3, 0, body)
    assert not reassembly.add(Fragment(16, len(body), 3, 0, body)), "already given"


def test_reassembly_keeps_a_bounded_number_of_bounded_messages() -> None:
    reassembly = Reassembly()
    taken = [reassembly.add(Fragment(1, MAX_MESSAGE + more, number, 0, b"x"))
             for number in range(100) for more in (0, 1)]
    assert taken.count(True) == MAX_AHEAD + 1


def test_of_two_contradicting_fragments_the_newer_wins() -> None:
    reassembly = Reassembly()
    reassembly.add(Fragment(1, 50, 0, 0, b"forged"))
    reassembly.add(Fragment(16, 4, 0, 0, b"ab"))
    reassembly.add(Fragment(16, 4, 0, 2, b"cd"))
    assert reassembly.next() == Fragment(16, 4, 0, 0, b"abcd")


@pytest.mark.parametrize("record_number", [0, 2**48 - 1])
@pytest.mark.parametrize(("message_number", "answered"), [(0, True), (1000, True), (1001, False), (0xFFFF, False)])
def test_a_client_hello_with_the_highest_numbers_there_are_is_answered_or_dropped(
        record_number: int, message_number: int, answered: bool) -> None:
    body = ClientHello(bytes(32), (0xC0A8,)).encode()
    datagram = Record(22, 0xFEFD, 0, record_number, Fragment(1, len(body), message_number, 0, body).encode()).encode()
    world = World(server=ServerOptions(cookies=False, identity_hint=b"mdm", pack_flights=False))
    for _ in range(2):
        kinds = [type(each.event) for each in world.server.receive("unit", datagram, 0)]
        assert kinds == ([Send] * 3 if answered else [Dropped])
        answered = False                               # the same record again is a replay
    world.server.timeout(1000)


@pytest.mark.parametrize("bad", [{"connection_id_length": 3}, {"connection_id_length": 21},
                                 {"identity_hint": bytes(129)}])
def test_impossible_options_of_a_server_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ServerOptions(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [
    {"suites": ()}, {"fragment_size": 0}, {"fragment_size": 1025}, {"identity": b""}, {"identity": bytes(129)},
    {"min_timeout_s": 0.0}, {"min_timeout_s": 9.0, "max_timeout_s": 8.0}, {"connection_id": bytes(256)}])
def test_impossible_options_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        client_options(**bad)


