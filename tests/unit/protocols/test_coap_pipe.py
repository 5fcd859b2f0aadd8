"""CoapEndpoint over pipes in memory, in virtual time. tests/interop has it against stock aiocoap over UDP."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from aiocoap import CHANGED, CONTENT, GET, PUT, error, resource
from aiocoap.message import Message
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.constants import TransportTuning
from aiocoap.protocol import BlockwiseRequest, Context, Request
from aiocoap.tokenmanager import TokenManager
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.clock import Clock, WarpClock
from bench.protocols.coap_message import CoapError, describe, parse
from bench.protocols.coap_pipe import CoapEndpoint, transport_tuning


class Wire:
    """One end of a pipe in memory: keeps what is sent, with its time, and hands it to the other end."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, bytes]] = []
        self.deliver: Callable[[bytes], None] = lambda data: None
        self.broken = False

    def send(self, peer: Any, data: bytes) -> None:
        if self.broken:
            raise OSError("network is unreachable")
        loop = asyncio.get_running_loop()
        self.sent.append((loop.time(), data))
        loop.call_soon(self.deliver, data)

    @property
    def lines(self) -> list[str]:
        return [describe(parse(data)) for _, data in self.sent]


ObservableResource: Any = resource.ObservableResource
Resource: Any = resource.Resource


class Value(ObservableResource):  # type: ignore[misc]
    def __init__(self, value: bytes) -> None:
        super().__init__()
        self.value = value

    def change(self, value: bytes, *, confirmable: bool = True) -> None:
        self.value = value
        self.updated_state(Message(code=CONTENT, payload=value,
                                   transport_tuning=transport_tuning(confirmable=confirmable)))

    async def render_get(self, request: Message) -> Message:
        return Message(payload=self.value)

    async def render_put(self, request: Message) -> Message:
        self.value = request.payload
        return Message(code=CHANGED)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with WarpClock() as running:
        yield running


def run(clock: Clock, coroutine: Coroutine[Any, Any, None]) -> None:
    clock.run(coroutine, timeout=3600)


async def pair(site: resource.Site | None = None, *, client_block: int = 1024,
               server_block: int = 1024) -> tuple[CoapEndpoint, Wire, CoapEndpoint, Wire]:
    """Client and server, each with its end of the wire."""
    up, down = Wire(), Wire()
    client = await CoapEndpoint.create(up, None, "client", block_size=client_block)
    server = await CoapEndpoint.create(down, site, "server", block_size=server_block)
    up.deliver = lambda data: server.datagram_received("unit", data)
    down.deliver = lambda data: client.datagram_received("server", data)
    return client, up, server, down


def test_the_private_parts_of_aiocoap_that_we_use_are_there() -> None:
    assert importlib.metadata.version("aiocoap") == "0.4.17"
    assembled = Context._append_tokenmanaged_messagemanaged_transport.__code__
    assert {"TokenManager", "MessageManager", "message_interface", "token_interface",
            "request_interfaces"} <= set(assembled.co_names)
    assert callable(BlockwiseRequest._complete_by_requesting_block2)
    assert "_stop_interest" in Request.__init__.__code__.co_names
    assert "_store_response_for_duplicates" in MessageManager._send_initially.__code__.co_names
    assert "_token" in TokenManager.next_token.__code__.co_names
    assert "time" in Request._run.__code__.co_names


def test_a_request_without_an_answer_is_repeated_with_doubled_pauses_and_then_fails(clock: Clock) -> None:
    async def scenario() -> None:
        wire = Wire()
        endpoint = await CoapEndpoint.create(wire)
        start = asyncio.get_running_loop().time()
        tuning = transport_tuning(ack_timeout_s=10, ack_random_factor=1, max_retransmit=3)
        with pytest.raises(error.ConRetransmitsExceeded):
            await endpoint.request("silent", Message(code=GET, uri_path=("3", "0"), transport_tuning=tuning))
        assert [round(time - start, 3) for time, _ in wire.sent] == [0, 10, 30, 70]
        assert len({data for _, data in wire.sent}) == 1
        assert round(asyncio.get_running_loop().time() - start, 3) == 150
        await endpoint.shutdown()

    run(clock, scenario())


def test_requests_to_one_peer_wait_for_each_other_and_requests_to_another_do_not(clock: Clock) -> None:
    async def scenario() -> None:
        wire = Wire()
        endpoint = await CoapEndpoint.create(wire)
        tuning = transport_tuning(ack_timeout_s=10, ack_random_factor=1, max_retransmit=0)
        asked = [endpoint.request(peer, Message(code=GET, uri_path=(path,), transport_tuning=tuning))
                 for peer, path in (("a", "1"), ("a", "2"), ("b", "3"))]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert wire.lines == ["CON GET /1", "CON GET /3"]
        assert [type(result) for result in results] == [error.ConRetransmitsExceeded] * 3
        await endpoint.shutdown()

    run(clock, scenario())


def test_both_sides_are_server_and_client(clock: Clock) -> None:
    async def scenario() -> None:
        site = resource.Site()
        site.add_resource(["3", "0"], Value(b"device"))
        client, _, server, _ = await pair(site)
        got = await client.request("server", Message(code=GET, uri_path=("3", "0")))
        assert (got.code, got.payload) == (CONTENT, b"device")
        missing = await server.request("unit", Message(code=GET, uri_path=("5",)))
        assert str(missing.code) == "4.04 Not Found"
        await client.shutdown()
        await server.shutdown()

    run(clock, scenario())


def test_peers_are_any_hashable_and_a_request_knows_its_own(clock: Clock) -> None:
    class Session:
        identity = "94193A04010020B8"

    class WhoAmI(Resource):  # type: ignore[misc]
        async def render_get(self, request: Message) -> Message:
            assert request.remote is not None
            return Message(payload=request.remote.peer.identity.encode())

    async def scenario() -> None:
        session = Session()
        site = resource.Site()
        site.add_resource(["me"], WhoAmI())
        client, up, server, _ = await pair(site)
        up.deliver = lambda data: server.datagram_received(session, data)
        assert (await client.request("server", Message(code=GET, uri_path=("me",)))).payload == b"94193A04010020B8"
        await client.shutdown()
        await server.shutdown()

    run(clock, scenario())


@pytest.mark.parametrize("block_size", [16, 512, 1024])
def test_the_block_size_bounds_every_message_both_ways(clock: Clock, block_size: int) -> None:
    async def scenario() -> None:
        site = resource.Site()
        site.add_resource(["5", "0", "0"], Value(bytes(2500)))
        client, up, server, down = await pair(site, client_block=block_size, server_block=block_size)
        got = await client.request("server", Message(code=GET, uri_path=("5", "0", "0")))
        assert got.payload == bytes(2500)
        done = await client.request("server", Message(code=PUT, uri_path=("5", "0", "0"), payload=b"x" * 3000))
        assert done.code == CHANGED
        got = await client.request("server", Message(code=GET, uri_path=("5", "0", "0")))
        assert got.payload == b"x" * 3000
        assert max(len(parse(data).payload) for _, data in up.sent + down.sent) == block_size
        await client.shutdown()
        await server.shutdown()

    run(clock, scenario())


def test_a_block_size_that_coap_does_not_have_is_refused() -> None:
    async def scenario() -> None:
        for size in (0, 8, 500, 2048):
            with pytest.raises(ValueError, match="block size"):
                await CoapEndpoint.create(Wire(), block_size=size)

    asyncio.run(scenario())


def test_every_notification_of_a_burst_arrives(clock: Clock) -> None:
    async def scenario() -> None:
        wire = Wire()
        endpoint = await CoapEndpoint.create(wire)
        heard: list[bytes] = []
        waiting = asyncio.create_task(endpoint.observe(
            "unit", Message(code=GET, uri_path=("4", "0", "2")), lambda message: heard.append(message.payload)))
        await asyncio.sleep(0.01)
        request = parse(wire.sent[0][1])
        endpoint.datagram_received("unit", notification(request, 0, mtype=2, mid=request.mid))
        observation = await waiting
        assert observation.active
        for number in range(1, 21):
            endpoint.datagram_received("unit", notification(request, number, mtype=1, mid=number))
        assert heard == [str(number).encode() for number in range(1, 21)]
        await endpoint.shutdown()

    run(clock, scenario())


ORDER = [
    # number, seconds after the one before, whether it is newer than the newest so far
    [(3, 0, True), (1, 100, False), (1, 100, True), (2, 1, True)],
    [(3, 0, True), (3, 1, False), (3, 128.5, True)], [(3, 0, True), (2, 127, False), (4, 0, True), (3, 127, False)],
    [(2**24 - 1, 0, True), (0, 1, True), (2**24 - 1, 1, False), (1, 1, True)], [(5, 0, True), (2**24 - 5, 1, False)],
    [(0, 0, True), (2**23, 1, False), (2**23 - 1, 1, True)], [(2**23 + 1, 0, True), (0, 1, True)],
    [(2**23, 0, True), (0, 1, False)], [(7, 0, True), (9, 3000, True), (8, 1, False), (8, 128, True)],
]


@pytest.mark.parametrize("order", ORDER)
def test_notifications_are_put_in_order_by_number_and_by_the_time_of_the_loop(
        clock: Clock, order: list[tuple[int, float, bool]]) -> None:
    """RFC 7641 section 3.4: numbers of 24 bits that go round; what comes more than 128 s later is newer in any case."""
    async def scenario() -> None:
        wire = Wire()
        endpoint = await CoapEndpoint.create(wire)
        heard: list[bytes] = []
        waiting = asyncio.create_task(endpoint.observe(
            "unit", Message(code=GET, uri_path=("4", "0", "2")), lambda message: heard.append(message.payload)))
        await asyncio.sleep(0.01)
        request = parse(wire.sent[0][1])
        endpoint.datagram_received("unit", notification(request, order[0][0], mtype=2, mid=request.mid))
        await waiting
        for mid, (number, after_s, _) in enumerate(order[1:]):
            await asyncio.sleep(after_s)
            endpoint.datagram_received("unit", notification(request, number, mtype=1, mid=mid, payload=b"%d" % mid))
        assert heard == [b"%d" % mid for mid, (_, _, newer) in enumerate(order[1:]) if newer]
        await endpoint.shutdown()

    run(clock, scenario())


def notification(request: Message, number: int, *, mtype: int, mid: int | None,
                 block2: tuple[int, bool, int] | None = None, payload: bytes | None = None) -> bytes:
    message = Message(_mtype=mtype, _mid=mid, code=CONTENT, payload=payload or str(number).encode(), observe=number,
                      _token=request.token)
    message.opt.block2 = block2
    encoded: bytes = message.encode()  # type: ignore[no-untyped-call,unused-ignore]
    return encoded


def test_a_long_notification_is_handed_on_whole(clock: Clock) -> None:
    async def scenario() -> None:
        wire = Wire()
        endpoint = await CoapEndpoint.create(wire)
        heard: list[bytes] = []
        waiting = asyncio.create_task(endpoint.observe(
            "unit", Message(code=GET, uri_path=("33911", "0")), lambda message: heard.append(message.payload)))
        await asyncio.sleep(0.01)
        request = parse(wire.sent[0][1])
        endpoint.datagram_received("unit", notification(request, 1, mtype=2, mid=request.mid))
        await waiting
        endpoint.datagram_received("unit", notification(request, 2, mtype=0, mid=7, block2=(0, True, 0),
                                                        payload=b"0123456789abcdef"))
        await asyncio.sleep(0.01)
        assert wire.lines[1:] == ["ACK empty", "CON GET /33911/0 block2 1/0/16"]
        rest = parse(wire.sent[2][1])
        message = Message(_mtype=2, _mid=rest.mid, _token=rest.token, code=CONTENT, payload=b"rest",
                          block2=(1, False, 0))
        endpoint.datagram_received("unit", message.encode())  # type: ignore[no-untyped-call,unused-ignore]
        await asyncio.sleep(0.01)
        assert heard == [b"0123456789abcdefrest"]
        await endpoint.shutdown()

    run(clock, scenario())


@pytest.mark.parametrize("confirmable", [True, False])
def test_a_cancelled_observation_is_ended_by_rst_to_the_next_notification(clock: Clock,
                                                                          confirmable: bool) -> None:
    async def scenario() -> None:
        site, value = resource.Site(), Value(b"0")
        site.add_resource(["4", "0", "2"], value)
        client, up, server, down = await pair(site)
        heard: list[bytes] = []
        observation = await client.observe("server", Message(code=GET, uri_path=("4", "0", "2")),
                                           lambda message: heard.append(message.payload))
        assert observation.first.payload == b"0"
        value.change(b"1", confirmable=confirmable)
        await asyncio.sleep(1)
        observation.cancel()
        assert not observation.active
        value.change(b"2", confirmable=confirmable)
        await asyncio.sleep(1)
        value.change(b"3", confirmable=confirmable)
        await asyncio.sleep(1)
        assert heard == [b"1"]
        kind = "CON" if confirmable else "NON"
        assert down.lines == ["ACK 2.05 Content observe 0 1 B", f"{kind} 2.05 Content observe 1 1 B",
                              f"{kind} 2.05 Content observe 2 1 B"]
        assert up.lines == ["CON GET /4/0/2 observe 0"] + (["ACK empty"] if confirmable else []) + ["RST empty"]
        await client.shutdown()
        await server.shutdown()

    run(clock, scenario())


def test_an_observation_is_ended_by_a_request_with_observe_1_and_its_token(clock: Clock) -> None:
    async def scenario() -> None:
        site, value = resource.Site(), Value(b"0")
        site.add_resource(["4", "0", "2"], value)
        client, up, server, _down = await pair(site)
        observation = await client.observe("server", Message(code=GET, uri_path=("4", "0", "2")), lambda _: None)
        other = await client.request("server", Message(code=GET, uri_path=("4", "0", "2")))
        assert (await observation.cancel_by_request()).payload == b"0"
        value.change(b"1")
        await asyncio.sleep(1)
        after = await client.request("server", Message(code=GET, uri_path=("4", "0", "2")))
        assert (other.payload, after.payload) == (b"0", b"1")
        assert up.lines == ["CON GET /4/0/2 observe 0", "CON GET /4/0/2", "CON GET /4/0/2 observe 1",
                            "CON GET /4/0/2"]
        tokens = [int.from_bytes(parse(data).token, "big") for _, data in up.sent]
        assert [token - tokens[0] for token in tokens] == [0, 1, 0, 2]
        await client.shutdown()
        await server.shutdown()

    run(clock, scenario())


def test_the_end_of_an_observation_by_the_other_side_is_told(clock: Clock) -> None:
    async def scenario() -> None:
        site, value = resource.Site(), Value(b"0")
        site.add_resource(["4", "0", "2"], value)
        client, _, server, _ = await pair(site)
        ended: list[Exception] = []
        observation = await client.observe("server", Message(code=GET, uri_path=("4", "0", "2")), lambda _: None,
                                           ended.append)
        client.peer_gone("server", "session closed")
        assert [type(reason) for reason in ended] == [error.RemoteServerShutdown]
        assert not observation.active
        observation.cancel()
        refused = await client.observe("server", Message(code=GET, uri_path=("none",)), lambda _: None, ended.append)
        assert str(refused.first.code) == "4.04 Not Found"
        assert type(ended[1]) is error.NotObservable
        assert not refused.active
        await client.shutdown()
        await server.shutdown()

    run(clock, scenario())


def test_requests_fail_when_their_peer_is_gone_and_those_to_others_go_on(clock: Clock) -> None:
    async def scenario() -> None:
        endpoint = await CoapEndpoint.create(Wire())
        gone = asyncio.create_task(endpoint.request("a", Message(code=GET)))
        other = asyncio.create_task(endpoint.request("b", Message(code=GET)))
        await asyncio.sleep(1)
        endpoint.peer_gone("a", "alert 20")
        with pytest.raises(error.RemoteServerShutdown):
            await gone
        assert not other.done()
        await endpoint.shutdown()
        with pytest.raises(error.LibraryShutdown):
            await other
        await endpoint.shutdown()

    run(clock, scenario())


def test_a_pipe_that_can_not_send_fails_the_request_at_once(clock: Clock) -> None:
    async def scenario() -> None:
        wire = Wire()
        wire.broken = True
        endpoint = await CoapEndpoint.create(wire)
        start = asyncio.get_running_loop().time()
        with pytest.raises(error.NetworkError) as failed:
            await endpoint.request("a", Message(code=GET))
        assert failed.value.args == ("network is unreachable",)
        assert asyncio.get_running_loop().time() - start < 0.1
        await endpoint.shutdown()

    run(clock, scenario())


@pytest.mark.parametrize("confirmable", [True, False])
def test_a_peer_whose_message_id_is_our_next_one_may_repeat_its_message(clock: Clock, confirmable: bool) -> None:
    """aiocoap took our request for the answer to the message of the same id, and failed to send it again as one."""
    async def scenario() -> None:
        wire, malformed = Wire(), []
        endpoint = await CoapEndpoint.create(wire, resource.Site(), "server",
                                             on_malformed=lambda peer, data, error: malformed.append(str(error)))
        endpoint.context.request_interfaces[0].token_interface.message_id = 0x7D34
        register = bytes.fromhex("41027d34aa") + b"\xb2rd"
        endpoint.datagram_received("unit", register)
        await asyncio.sleep(1)
        asked = asyncio.get_running_loop().create_task(endpoint.request("unit", Message(
            code=GET, transport_tuning=transport_tuning(confirmable=confirmable))))
        await asyncio.sleep(0.1)
        endpoint.datagram_received("unit", register)
        await asyncio.sleep(0.1)
        first, request, again = wire.lines
        assert (first, request) == ("ACK 4.04 Not Found", f"{'CON' if confirmable else 'NON'} GET /")
        assert again == first, "the answer once more, and not the request"
        assert parse(wire.sent[1][1]).mid == parse(wire.sent[0][1]).mid == 0x7D34
        assert malformed == []
        asked.cancel()
        await endpoint.shutdown()

    run(clock, scenario())


def test_a_duplicate_request_is_carried_out_once_and_answered_twice(clock: Clock) -> None:
    async def scenario() -> None:
        site, value = resource.Site(), Value(b"0")
        site.add_resource(["a"], value)
        wire = Wire()
        endpoint = await CoapEndpoint.create(wire, site)
        put = bytes.fromhex("40 03 0001 B1 61 FF 31")
        endpoint.datagram_received("unit", put)
        await asyncio.sleep(0.01)
        value.value = b"reset"
        endpoint.datagram_received("unit", put)
        await asyncio.sleep(0.01)
        assert wire.lines == ["ACK 2.04 Changed"] * 2
        assert value.value == b"reset"
        await endpoint.shutdown()

    run(clock, scenario())


@pytest.mark.parametrize(("datagram", "answers"), [
    ("", []), ("40", []), ("80 01 0001", []), ("C0 01 0001", []),
    ("49 01 0001 000000000000000000", ["70000001"]), ("40 01 BEEF FF", ["7000beef"]), ("41 00 0001 AB", ["70000001"]),
    ("50 01 0001 FF", []), ("60 45 0001 FF", []), ("40 00 0002", ["70000002"]), ("51 45 0003 77", ["70000003"]),
    ("41 45 0004 77", ["70000004"]), ("61 45 0005 77", []), ("70 00 0006", []), ("60 00 0007", []),
])
def test_what_can_not_be_processed_is_refused_or_ignored(datagram: str, answers: list[str]) -> None:
    async def scenario() -> None:
        wire = Wire()
        endpoint = await CoapEndpoint.create(wire)
        endpoint.datagram_received("unit", bytes.fromhex(datagram))
        await asyncio.sleep(0)
        assert [data.hex() for _, data in wire.sent] == answers
        await endpoint.shutdown()

    asyncio.run(scenario())


def test_malformed_datagrams_are_reported_whole() -> None:
    async def scenario() -> None:
        reported: list[tuple[str, bytes, str]] = []

        def report(peer: str, data: bytes, problem: CoapError) -> None:
            reported.append((peer, data, str(problem)))

        endpoint = await CoapEndpoint.create(Wire(), on_malformed=report)
        endpoint.datagram_received("unit", b"\x00")
        assert reported == [("unit", b"\x00", "1 octet(s), a CoAP header has 4")]
        await endpoint.shutdown()

    asyncio.run(scenario())


option = st.tuples(st.integers(0, 12), st.integers(0, 12)).flatmap(
    lambda size: st.binary(min_size=size[1], max_size=size[1]).map(
        lambda value: bytes([size[0] << 4 | size[1]]) + value))
datagrams = st.binary(max_size=40) | st.builds(
    lambda head, code, mid, token, options, payload: bytes([0x40 | head << 4 | len(token), code]) + mid + token
    + b"".join(options) + (b"\xff" + payload if payload else b""),
    st.integers(0, 3), st.sampled_from([0, 1, 2, 3, 4, 5, 31, 65, 69, 95, 132, 140]), st.binary(min_size=2, max_size=2),
    st.binary(max_size=8), st.lists(option, max_size=5), st.binary(max_size=20))


@settings(deadline=None)
@given(st.lists(datagrams, max_size=8))
def test_no_series_of_datagrams_raises_or_stops_the_endpoint(series: list[bytes]) -> None:
    async def scenario() -> None:
        problems: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
        site = resource.Site()
        site.add_resource(["a"], Value(b"x" * 100))
        wire = Wire()
        endpoint = await CoapEndpoint.create(wire, site)
        pending = asyncio.create_task(endpoint.request("unit", Message(code=GET, uri_path=("3",))))
        await asyncio.sleep(0)
        for datagram in series:
            endpoint.datagram_received("unit", datagram)
            await asyncio.sleep(0)
        wire.sent.clear()
        endpoint.datagram_received("other", bytes.fromhex("40 01 7777 B1 61"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert "60457777" in [data[:4].hex() for _, data in wire.sent]
        pending.cancel()
        await endpoint.shutdown()
        await asyncio.sleep(0)
        assert problems == []

    asyncio.run(scenario())


@pytest.mark.parametrize("steps", range(5))
@pytest.mark.parametrize("event", ["response", "time-out", "peer gone", "shutdown"])
def test_a_request_cancelled_just_before_its_end_harms_nothing(clock: Clock, event: str, steps: int) -> None:
    """``steps`` of the loop lie between the two; aiocoap takes three to withdraw a request."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        wire = Wire()
        endpoint = await CoapEndpoint.create(wire)
        tuning = transport_tuning(ack_timeout_s=10, ack_random_factor=1, max_retransmit=0)
        cancelled, other = (asyncio.create_task(endpoint.request("a", Message(code=GET, transport_tuning=tuning)))
                            for _ in range(2))
        if event == "time-out":
            # The timer that ends the exchange fires in the same or the next step.
            loop.call_later(10, cancelled.cancel)
        await asyncio.sleep(1)
        request = parse(wire.sent[0][1])
        if event != "time-out":
            cancelled.cancel()
            for _ in range(steps):
                await asyncio.sleep(0)
        if event == "response":
            endpoint.datagram_received("a", notification(request, 0, mtype=2, mid=request.mid))
            await asyncio.sleep(0)
            endpoint.datagram_received("a", notification(parse(wire.sent[1][1]), 0, mtype=2,
                                                         mid=parse(wire.sent[1][1]).mid))
        if event == "peer gone":
            endpoint.peer_gone("a", "closed")
        if event == "shutdown":
            await endpoint.shutdown()
        ended = await asyncio.gather(cancelled, other, return_exceptions=True)
        expected = {"response": Message, "time-out": error.ConRetransmitsExceeded,
                    "peer gone": error.RemoteServerShutdown, "shutdown": error.LibraryShutdown}
        assert [type(end) for end in ended] == [asyncio.CancelledError, expected[event]]
        await endpoint.shutdown()

    run(clock, scenario())


def test_tuning_sets_the_timers_of_one_message_only() -> None:
    tuning = transport_tuning(ack_timeout_s=30, max_retransmit=1, empty_ack_delay_s=5, confirmable=False)
    assert (tuning.ACK_TIMEOUT, tuning.MAX_RETRANSMIT, tuning.EMPTY_ACK_DELAY, tuning.reliability) == (
        30, 1, 5, False)
    assert (TransportTuning().ACK_TIMEOUT, TransportTuning().MAX_RETRANSMIT) == (2.0, 4)
