"""The two clocks: what time does, who may wait, and what a wait says when it cannot go on."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

import bench.clock
from bench.clock import WARP_EPOCH, Clock, DeadlinePassed, WallClock, WarpClock
from bench.errors import BenchError, HangError

DAY_S = 86400.0


@pytest.fixture
def warp() -> Iterator[WarpClock]:
    with WarpClock() as clock:
        assert isinstance(clock, WarpClock)
        yield clock


@pytest.fixture(params=[WarpClock, WallClock], ids=["warp", "wall"])
def clock(request: pytest.FixtureRequest) -> Iterator[Clock]:
    """Either clock: the tests with it wait for hundredths of a second only."""
    with request.param() as clock:
        yield clock


def soon(clock: Clock, delay_s: float, action: Callable[[], object]) -> None:
    clock.call(lambda: clock.loop.call_later(delay_s, action))


# -- both clocks have one face


def test_sleep_takes_at_least_its_time(clock: Clock) -> None:
    before = clock.time()
    clock.sleep(0.05)
    assert clock.time() - before >= 0.05 - 1e-6


def test_utc_is_the_epoch_and_the_time(clock: Clock) -> None:
    clock.sleep(0.01)
    assert clock.utc().tzinfo is not None
    assert abs(clock.utc() - clock.epoch - timedelta(seconds=clock.time())) < timedelta(seconds=1)


def test_wait_for_gives_what_the_predicate_gave(clock: Clock) -> None:
    seen: list[str] = []
    soon(clock, 0.02, lambda: seen.append("green"))
    assert clock.wait_for(lambda: seen[0] if seen else None, timeout=60) == "green"


def test_wait_for_looks_at_once(clock: Clock) -> None:
    before = clock.time()
    assert clock.wait_for(lambda: 7, timeout=60) == 7
    assert clock.time() - before < 5


def test_wait_for_ends_with_its_deadline(clock: Clock) -> None:
    before = clock.time()
    with pytest.raises(DeadlinePassed):
        clock.wait_for(lambda: None, timeout=0.05)
    assert clock.time() - before >= 0.05 - 1e-6


def test_a_time_out_of_nothing_looks_once(clock: Clock) -> None:
    assert clock.wait_for(lambda: "now", timeout=0) == "now"
    with pytest.raises(DeadlinePassed):
        clock.wait_for(lambda: None, timeout=0)


def test_what_a_predicate_raises_comes_out_of_the_wait_and_the_clock_goes_on(clock: Clock) -> None:
    def broken() -> None:
        raise ZeroDivisionError("in the predicate")

    with pytest.raises(ZeroDivisionError, match="in the predicate"):
        clock.wait_for(broken, timeout=60)
    clock.sleep(0.01)


def test_a_predicate_is_called_in_the_loops_thread(clock: Clock) -> None:
    thread = clock.wait_for(threading.current_thread, timeout=60)
    assert thread.name == "bench-loop"


def test_run_gives_the_result_of_a_coroutine(clock: Clock) -> None:
    async def work() -> int:
        await asyncio.sleep(0.02)
        return 42

    assert clock.run(work(), timeout=60) == 42


def test_run_raises_what_the_coroutine_raises(clock: Clock) -> None:
    async def work() -> None:
        raise LookupError("in the coroutine")

    with pytest.raises(LookupError, match="in the coroutine"):
        clock.run(work(), timeout=60)
    clock.sleep(0.01)


def test_run_cancels_the_coroutine_on_time_out(clock: Clock) -> None:
    cancelled = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(DeadlinePassed):
        clock.run(work(), timeout=0.02)
    assert cancelled.wait(10)


def test_call_runs_in_the_loop_and_time_stands_still(warp: WarpClock) -> None:
    before = warp.time()
    assert warp.call(lambda: threading.current_thread().name) == "bench-loop"
    assert warp.time() == before


def test_call_raises_what_the_function_raises_and_works_inside_the_loop(clock: Clock) -> None:
    with pytest.raises(KeyError):
        clock.call(lambda: os.environ["NO_SUCH_VARIABLE_HERE"])
    assert clock.call(lambda: clock.call(lambda: "nested")) == "nested"


def test_poll_asks_until_the_answer_is_true(clock: Clock) -> None:
    answers = iter([None, 0, "", "ready"])
    assert clock.poll(lambda: next(answers), timeout=60, every=0.01) == "ready"


def test_poll_asks_once_more_at_its_deadline(warp: WarpClock) -> None:
    asked: list[float] = []
    with pytest.raises(DeadlinePassed):
        warp.poll(lambda: asked.append(warp.time()), timeout=1.0, every=0.3)
    assert asked == [0, 0.3, 0.6, 0.9, 1.0]


def test_poll_ends_though_its_deadline_is_no_whole_microsecond(warp: WarpClock) -> None:
    warp.sleep(0.1)   # 0.1 + 0.2 is 0.30000000000000004: what is left of that never passes
    with pytest.raises(DeadlinePassed):
        warp.poll(lambda: None, timeout=0.2, every=0.1)
    assert warp.time() == 0.3


def test_a_wait_inside_the_loop_is_refused(clock: Clock) -> None:
    with pytest.raises(BenchError, match="await in the loop instead"):
        clock.call(lambda: clock.sleep(1))
    with pytest.raises(BenchError, match="await in the loop instead"):
        clock.call(lambda: clock.wait_for(lambda: 1, 1))
    clock.sleep(0.01)


def test_an_exception_nobody_caught_in_the_loop_ends_the_next_wait(clock: Clock) -> None:
    soon(clock, 0.01, lambda: 1 // 0)
    began = clock.time()
    with pytest.raises(BenchError, match="ZeroDivisionError") as caught:
        clock.sleep(30)
    assert clock.time() - began < 20
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    clock.sleep(0.01)    # told once


def test_an_exception_of_a_spawned_task_is_told_at_once_though_somebody_holds_the_task(clock: Clock) -> None:
    async def life() -> None:
        await asyncio.sleep(0.01)
        raise LookupError("the life of the unit ended")

    held = clock.call(lambda: clock.spawn(life()))
    with pytest.raises(BenchError, match="the life of the unit ended"):
        clock.sleep(30)
    assert held.done()


def test_cancelling_a_spawned_task_is_no_error(clock: Clock) -> None:
    task = clock.call(lambda: clock.spawn(asyncio.sleep(3600)))
    clock.call(task.cancel)
    clock.sleep(0.02)
    assert task.cancelled()


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """Sends this process a SIGINT, as a terminal does, 50 ms after it is called."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None
    yield lambda: threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)).start()
    signal.signal(signal.SIGINT, before)


@pytest.mark.timeout(60)
def test_ctrl_c_interrupts_a_wait_and_leaves_the_clock_usable(clock: Clock, ctrl_c: Callable[[], None]) -> None:
    def endless() -> None:    # keeps the virtual clock waiting for as long as the signal takes
        clock.loop.call_later(0.01, endless)

    clock.call(endless)
    ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        clock.wait_for(lambda: None, timeout=None)
    before = clock.time()
    clock.sleep(0.02)
    assert clock.time() >= before + 0.02 - 1e-6
    assert clock.call(lambda: "alive") == "alive"


@pytest.mark.timeout(60)
def test_ctrl_c_during_run_cancels_the_coroutine(clock: Clock, ctrl_c: Callable[[], None]) -> None:
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            while True:
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        clock.run(forever())
    assert cancelled.wait(10)


def test_a_loop_that_makes_no_step_is_a_hang(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.clock, "STUCK_AFTER_S", 0.5)
    let_go = threading.Event()

    def blocks_the_loop() -> None:
        let_go.wait(60)

    soon(clock, 0.01, blocks_the_loop)
    try:
        with pytest.raises(HangError, match="blocks_the_loop"):
            clock.sleep(1)
    finally:
        let_go.set()
    clock.sleep(0.01)


def test_a_closed_clock_says_so(clock: Clock) -> None:
    clock.close()
    clock.close()
    for wait in (lambda: clock.sleep(1), lambda: clock.call(lambda: 1), lambda: clock.wait_for(lambda: 1, 1)):
        with pytest.raises(BenchError, match="one that is closed"):
            wait()


def test_a_clock_never_started_can_be_closed() -> None:
    clock = WarpClock()
    clock.close()
    assert clock.loop.is_closed()


def test_closing_lets_cancelled_tasks_clean_up_even_if_that_takes_time() -> None:
    cleaned = threading.Event()

    async def life() -> None:
        try:
            await asyncio.sleep(DAY_S)
        finally:
            await asyncio.sleep(1)
            cleaned.set()

    with WarpClock() as clock:
        clock.call(lambda: clock.spawn(life()))
        clock.sleep(1)
    assert cleaned.is_set()


# -- virtual time


def test_virtual_time_begins_at_its_epoch_and_moves_only_in_waits(warp: WarpClock) -> None:
    fired: list[float] = []
    soon(warp, 1.0, lambda: fired.append(warp.time()))
    assert warp.utc() == WARP_EPOCH
    warp.call(lambda: None)
    assert (warp.time(), fired) == (0, [])
    warp.sleep(2.5)
    assert (warp.time(), fired) == (2.5, [1.0])


def test_a_deadline_is_inclusive(warp: WarpClock) -> None:
    seen: list[float] = []
    soon(warp, 5.0, lambda: seen.append(warp.time()))
    assert warp.wait_for(lambda: seen or None, timeout=5.0) == [5.0]


def test_settle_lets_everything_of_this_instant_happen_and_no_time_pass(warp: WarpClock) -> None:
    steps: list[int] = []

    def step() -> None:
        steps.append(len(steps))
        if len(steps) < 100:
            warp.loop.call_soon(step)

    warp.call(lambda: warp.loop.call_soon(step))
    soon(warp, 1e-3, lambda: steps.append(-1))
    warp.settle()
    assert steps == list(range(100))
    assert warp.time() == 0


def test_a_wait_for_nothing_without_a_time_out_is_a_hang(warp: WarpClock) -> None:
    with pytest.raises(HangError, match="give the wait a time-out"):
        warp.wait_for(lambda: None, timeout=None)
    warp.sleep(1)
    assert warp.time() == 1


def test_a_wait_without_a_time_out_lasts_as_long_as_something_is_scheduled(warp: WarpClock) -> None:
    soon(warp, 100 * DAY_S, lambda: None)
    with pytest.raises(HangError):
        warp.wait_for(lambda: None, timeout=None)
    assert warp.time() == 100 * DAY_S


@pytest.mark.parametrize("start_s", [0, 1e7 + 0.1, 1e9 + 0.3])
def test_500_days_of_12000_timers_take_as_many_steps(start_s: float) -> None:
    rng = random.Random(500)
    with WarpClock() as clock:
        assert isinstance(clock, WarpClock)
        clock.sleep(start_s)
        due = [start_s + rng.uniform(0, 500 * DAY_S) for _ in range(12_000)]
        late: list[float] = []

        def arrived(moment: float) -> None:
            late.append(clock.time() - moment)

        def plan() -> None:
            for moment in due:
                clock.loop.call_at(moment, arrived, moment)

        clock.call(plan)
        before = clock._steps
        clock.sleep(500 * DAY_S)
        assert len(late) == 12_000
        assert max(late) < 2e-6 and min(late) > -2e-6
        assert clock._steps - before < 40_000     # a jump and a call each; a loop that spins makes millions
        assert abs(clock.time() - start_s - 500 * DAY_S) < 2e-6


def test_a_microsecond_a_million_times_is_a_second(warp: WarpClock) -> None:
    warp.sleep(1e7)

    async def tick() -> None:
        for _ in range(20_000):
            await asyncio.sleep(1e-6)

    warp.run(tick())
    assert abs(warp.time() - 1e7 - 0.02) < 1e-6


# -- virtual time and real wires


class PtyStream:
    """One end writes lines to a pty and says so, the other reads them and says so."""

    def __init__(self, clock: WarpClock) -> None:
        self.clock = clock
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.lines: list[tuple[float, bytes]] = []
        self._rest = b""

    def write(self, line: bytes) -> None:
        self.clock.in_flight.sent("pty", os.write(self.master, line))

    def listen(self) -> None:
        self.clock.loop.add_reader(self.slave, self._readable)

    def _readable(self) -> None:
        data = os.read(self.slave, 4096)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += [(self.clock.time(), line) for line in lines]
        self.clock.in_flight.received("pty", len(data))

    def close(self) -> None:
        self.clock.loop.remove_reader(self.slave)
        os.close(self.master)
        os.close(self.slave)


def test_20000_lines_over_a_pty_are_all_in_time_while_the_clock_jumps(warp: WarpClock) -> None:
    stream = PtyStream(warp)
    warp.call(stream.listen)

    async def write() -> None:
        for number in range(20_000):
            await asyncio.sleep(3600)
            stream.write(f"{warp.time():.0f} {number}\n".encode())

    warp.run(write())
    warp.settle()
    warp.call(stream.close)
    assert len(stream.lines) == 20_000
    assert [seen for seen in stream.lines if seen[1].split()[0] != f"{seen[0]:.0f}".encode()] == []


def test_bytes_in_flight_that_nobody_takes_are_an_error_that_names_the_wire(
        warp: WarpClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.clock, "LOST_AFTER_LOOKS", 100)
    warp.in_flight.sent("the panel's wire", 12)
    with pytest.raises(BenchError, match="12 bytes on the panel's wire nobody took"):
        warp.sleep(1)
    assert warp.time() == 0
    warp.in_flight.received("the panel's wire", 12)
    warp.sleep(1)
    assert warp.time() == 1


def test_a_closed_wire_has_nothing_in_flight(warp: WarpClock) -> None:
    warp.in_flight.sent("nfc", 3)
    warp.in_flight.forget("nfc")
    warp.in_flight.forget("never opened")
    assert not warp.in_flight.any()
    warp.sleep(1)


def test_datagrams_from_loop_to_loop_arrive_at_the_instant_they_are_sent(warp: WarpClock) -> None:
    arrived: list[tuple[float, float]] = []

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: object) -> None:
            arrived.append((float(data), warp.time()))

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        receiver, _ = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
        sender, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=receiver.get_extra_info("sockname"))
        for _ in range(2000):
            await asyncio.sleep(3600)
            sender.sendto(f"{warp.time()}".encode())
        await asyncio.sleep(1)
        sender.close()
        receiver.close()

    warp.run(talk())
    assert len(arrived) == 2000
    assert [pair for pair in arrived if pair[0] != pair[1]] == []


def test_streams_from_loop_to_loop_arrive_at_the_instant_they_are_sent(warp: WarpClock) -> None:
    arrived: list[tuple[float, float]] = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            arrived.append((float(line), warp.time()))
        writer.close()

    async def talk() -> None:
        server = await asyncio.start_server(receive, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2000):
            await asyncio.sleep(3600)
            writer.write(f"{warp.time()}\n".encode())
        await asyncio.sleep(1)
        writer.close()
        server.close()
        await server.wait_closed()

    warp.run(talk())
    assert len(arrived) == 2000
    assert [pair for pair in arrived if pair[0] != pair[1]] == []


def trace_of(seed: int) -> list[tuple[float, str, int]]:
    """A random programme of tasks, timers and datagrams, and a main thread that waits now and then."""
    rng, mains_rng = random.Random(seed), random.Random(-seed)
    trace: list[tuple[float, str, int]] = []
    with WarpClock() as clock:
        class Echo(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, address: Any) -> None:
                trace.append((clock.time(), "datagram", int(data)))
                if rng.random() < 0.5:
                    following = b"%d" % (int(data) + 1)
                    clock.loop.call_later(rng.expovariate(1), lambda: self.transport.sendto(following, address))

            def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
                self.transport = transport

        async def programme(number: int) -> None:
            transport, _ = await clock.loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
            for _ in range(50):
                await asyncio.sleep(rng.choice([0, 1e-6, 0.1, 1, rng.expovariate(1e-4)]))
                trace.append((clock.time(), "step", number))
                transport.sendto(b"%d" % number, transport.get_extra_info("sockname"))

        clock.call(lambda: [clock.spawn(programme(number)) for number in range(8)])
        for _ in range(50):
            clock.sleep(mains_rng.expovariate(1e-4))
            trace.append((clock.time(), "main", 0))
            time.sleep(random.SystemRandom().uniform(0, 2e-3))   # chance of the real world
    return trace


def test_equal_programmes_give_equal_traces_whatever_the_machine_does() -> None:
    first, second = trace_of(7), trace_of(7)
    assert len(first) > 500
    assert first == second
    assert trace_of(8) != first
