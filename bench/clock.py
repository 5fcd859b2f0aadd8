"""Time, and the one background loop that serves the world.

Suites are plain synchronous functions in the main thread. One asyncio loop runs in a background thread and holds the
bench's servers (and, without hardware, the twin). There are two clocks with one face:

``WallClock``   time passes by itself. Used with hardware, and with a twin in another process.
``WarpClock``   virtual time. It advances **only while the main thread waits for the world** (``sleep``, ``wait_for``,
                ``run``), and then it jumps: when no callback is ready, no I/O is pending and no byte is in flight,
                the loop's selector moves the time to the next timer. While the main thread works (a blocking driver
                call, say) time stands still and the loop only serves I/O. So the order of everything that happens
                follows from the seed alone, and five days of outage cost a second while every datagram still
                crosses a real socket.

Four traps of virtual time are closed here:

* Time is counted in whole microseconds and each jump is at least one of them; with floats alone the loop spins for
  ever beyond 1e7 s.
* A pty hands bytes over through a kernel work queue, so bytes just written may not be visible to ``select`` yet and a
  jump would overtake them. Whoever writes to such a wire says so with ``in_flight.sent``, whoever reads takes them off
  with ``in_flight.received``, and the clock does not jump in between.
* A driver that blocks for an answer has a time-out in real time, and on a machine under load the loop may not get its
  turn before. So the twin's serial wires say what they have taken and given (``wires``), and the driver waits for that.
* A wait without a deadline, with nothing scheduled, would freeze: it is a ``HangError``.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from bench.errors import BenchError, HangError

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

WARP_EPOCH = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""Where virtual time begins: a Monday morning in standard time, away from midnight and from the full hour."""

STUCK_AFTER_S = 60.0
"""Real seconds after which a loop that makes no step counts as stuck."""

LOST_AFTER_LOOKS = 10_000
"""Looks of half a millisecond after which bytes in flight that nobody took count as lost: 5 s of real time, more on a
machine under load."""

COMPANION_S = 30.0
"""Real seconds that a process which lives in the same virtual time has for what it does at one moment."""

CLOSING_S = 5.0
"""Seconds that cancelled tasks have for their clean-up when a clock is closed."""

_LOOK_AGAIN_S = 0.02


class DeadlinePassed(Exception):  # noqa: N818 - neutral: whose fault it is, the caller knows
    """What was waited for did not happen before the deadline. Neither the unit's nor the bench's fault by itself."""


class TimeIsUp(BaseException):
    """The clock has come to ``ends_s``: what still goes on is broken off. Raised once. Nobody is to blame, so who
    catches errors does not catch it."""


class InFlight:
    """Bytes that are on a wire: written by one end, not yet read by the other (see the module's second trap)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes: Counter[str] = Counter()

    def sent(self, wire: str, count: int) -> None:
        """``count`` bytes were written to ``wire`` (a name that both ends know, such as the port's path)."""
        with self._lock:
            self._bytes[wire] += count

    def received(self, wire: str, count: int) -> None:
        """``count`` bytes were read from ``wire`` and have been acted upon."""
        with self._lock:
            left = self._bytes[wire] - count
            if left > 0:
                self._bytes[wire] = left
            else:
                del self._bytes[wire]

    def forget(self, wire: str) -> None:
        """The wire was closed: nothing on it will arrive any more."""
        with self._lock:
            del self._bytes[wire]

    def any(self) -> bool:
        return bool(self._bytes)

    def describe(self) -> str:
        with self._lock:
            return ", ".join(f"{count} bytes on {wire}" for wire, count in sorted(self._bytes.items()))


@dataclass
class WireCounts:
    """Bytes that the twin's end of a serial wire has taken from its driver and acted upon, and has given to it.

    Counted before they are written to the driver, so that nobody reads what is not counted yet.
    """

    taken: int = 0
    given: int = 0


class Companion(Protocol):
    """A process that lives in the same virtual time. It is asked before each jump: the time does not pass while it has
    something to do, and not beyond the moment at which it wants to act next."""

    def fileno(self) -> int:
        """Readable when an answer is there."""

    def ask(self, now_us: int) -> None:
        """Tell it the time, and ask when it wants to act next. Does not wait."""

    def take(self) -> bool:
        """Read the answers there are; False when the process has gone."""

    @property
    def next_us(self) -> int | None:
        """The answer to the last question: when it wants to act next. None: it waits for others, or has gone."""

    @property
    def is_answered(self) -> bool:
        """Whether the last question is answered; it is when the process has gone."""


class _Wait:
    """What the main thread waits for. Evaluated in the loop's thread."""

    def __init__(self, predicate: Callable[[], object], deadline: float | None) -> None:
        self.predicate = predicate
        self.deadline = deadline
        self.finished = threading.Event()
        self.result: object = None
        self.error: BaseException | None = None

    def look(self, now: float) -> bool:
        """Whether the wait is over; then the main thread has been told."""
        try:
            self.result = self.predicate()
        except BaseException as error:  # handed to the main thread, which raises it
            self.error = error
        else:
            if not self.result:
                if self.deadline is None or now < self.deadline - 5e-7:    # half a step of virtual time
                    return False
                self.error = DeadlinePassed()
        self.finished.set()
        return True

    def fail(self, error: BaseException) -> None:
        self.error = error
        self.finished.set()


class Clock(ABC):
    """One time axis and one background loop. ``with clock:`` starts and ends the loop.

    ``epoch`` is the UTC moment of time 0. All times are seconds on this axis.
    """

    is_virtual: bool

    def __init__(self, epoch: datetime) -> None:
        self.epoch = epoch
        self.in_flight = InFlight()
        self.wires: dict[str, WireCounts] = {}
        """The twin's ends of serial wires in this process, by the name of the port."""
        self.loop = self._new_loop()
        self.loop.set_exception_handler(self._on_loop_error)
        self._thread = threading.Thread(target=self._run_loop, name="bench-loop", daemon=True)
        self._wait: _Wait | None = None
        self._steps = 0
        self._loop_error: BenchError | None = None
        self.ends_s: float | None = None
        """When who waits for the world is told that time is up (a night's budget); None: never."""

    # -- the two clocks differ here

    @abstractmethod
    def _new_loop(self) -> asyncio.AbstractEventLoop: ...

    @abstractmethod
    def time(self) -> float:
        """Seconds since the epoch of this clock."""

    @abstractmethod
    def _begin(self, wait: _Wait) -> None:
        """Start to look at ``wait`` (called in the main thread)."""

    # -- life

    def __enter__(self) -> Clock:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the loop: cancel what still runs in it and join the thread. Idempotent."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=10)
        elif not self.loop.is_closed():
            self.loop.close()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            if tasks:
                # What they still wait for when they are cancelled may take (virtual) time, but not for ever.
                self._wait = _Wait(lambda: None, self.time() + CLOSING_S)
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSING_S))
            self.loop.close()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception nobody caught in the loop is the bench's fault; the next wait raises it."""
        error = context.get("exception")
        _LOG.debug("nobody caught an exception in the background loop", exc_info=error)
        if isinstance(error, BenchError):    # a sentence already
            self._loop_error = self._loop_error or error
            self.nudge()
            return
        seen = "".join(traceback.format_exception(error)).strip() if error else str(context.get("message"))
        if self._loop_error is None:
            self._loop_error = BenchError("background loop", expected="no uncaught exception", seen=seen,
                                          do="report this as a fault of the bench")
            self._loop_error.__cause__ = error
        self.nudge()

    # -- waiting for the world

    def utc(self) -> datetime:
        """The time of day, aware, in UTC."""
        return self.epoch + timedelta(seconds=self.time())

    @property
    def stepped_s(self) -> float:
        """How far (seconds) the machine's own clock has been moved since this one began."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass. A last resort: wait for an observation with a deadline where there is one."""
        if seconds > 0:
            self._wait_for_the_world(lambda: None, seconds, expect_deadline=True)

    def settle(self) -> None:
        """Let the world finish what it does at this instant, without letting time pass (virtual time only)."""
        if self.is_virtual:
            self._wait_for_the_world(lambda: None, 0.0, expect_deadline=True)

    def wait_for(self, predicate: Callable[[], T | None], timeout: float | None) -> T:
        """Let time pass until ``predicate`` gives something true, and return that.

        The predicate is called in the loop's thread and must not block. Raises ``DeadlinePassed`` after ``timeout``
        seconds, and ``HangError`` when there is no time-out and nothing is left that could happen.
        """
        return self._wait_for_the_world(predicate, timeout)  # type: ignore[return-value]

    def poll(self, ask: Callable[[], T | None], timeout: float, every: float) -> T:
        """Ask an instrument (in the main thread) ``every`` so many seconds until the answer is true.

        Raises ``DeadlinePassed`` after ``timeout`` seconds.
        """
        deadline = self.time() + timeout
        while True:
            answer = ask()
            if answer:
                return answer
            left = deadline - self.time()
            if left < 1e-6:    # a step of virtual time; less of it would never pass
                raise DeadlinePassed
            self.sleep(min(every, left))

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run ``coroutine`` in the loop while time passes and return its result.

        After ``timeout`` seconds it is cancelled and ``DeadlinePassed`` is raised.
        """
        task = self.call(lambda: self.loop.create_task(coroutine))
        task_done = task.done
        try:
            self.wait_for(lambda: task_done() or None, timeout)
        except BaseException:
            self.call(task.cancel)
            raise
        return task.result()

    def call(self, function: Callable[[], T]) -> T:
        """Run a plain function in the loop's thread, now, and return its result. Time does not pass."""
        if threading.current_thread() is self._thread:
            return function()
        self._check_open()
        box: list[Any] = []
        done = threading.Event()

        def job() -> None:
            try:
                box.append((function(), None))
            except BaseException as error:
                box.append((None, error))
            done.set()

        self.loop.call_soon_threadsafe(job)
        while not done.wait(timeout=1.0):
            if not self._thread.is_alive():
                raise BenchError("background loop", expected="a running loop", seen="its thread has ended",
                                 do="report this as a fault of the bench")
        result, error = box[0]
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start, in the loop's thread, a task that nobody awaits. What it raises is the bench's fault, and at once:
        asyncio itself would keep it to itself as long as somebody holds the task."""
        task = self.loop.create_task(job)
        task.add_done_callback(lambda done: None if done.cancelled() else done.result())
        return task

    def _check_open(self) -> None:
        if not self._thread.is_alive():
            raise BenchError("background loop", expected="a running loop", seen="one that is closed, or not started",
                             do="use the clock inside 'with clock:' only")

    def nudge(self) -> None:
        """Something happened: look again at what is waited for. Callable from any thread; cheap when nobody waits."""
        if self._wait is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(lambda: None)

    def _wait_for_the_world(self, predicate: Callable[[], object], timeout: float | None, *,
                            expect_deadline: bool = False) -> object:
        if threading.current_thread() is self._thread:
            raise BenchError("background loop", expected="waiting to be done in the main thread",
                             seen="a blocking wait inside the loop", do="await in the loop instead")
        self._check_open()
        deadline = None if timeout is None else self.time() + timeout
        if deadline is not None and self.ends_s is not None and deadline > self.ends_s:
            deadline = max(self.ends_s, self.time())
        wait = _Wait(predicate, deadline)
        try:
            self._begin(wait)
            self._watch(wait)
        finally:
            self._wait = None
        if self._loop_error is not None:
            error, self._loop_error = self._loop_error, None
            raise error
        if isinstance(wait.error, DeadlinePassed):
            if self.ends_s is not None and self.time() >= self.ends_s:
                self.ends_s = None
                raise TimeIsUp
            if expect_deadline:
                return None
        if wait.error is not None:
            raise wait.error
        return wait.result

    def _watch(self, wait: _Wait) -> None:
        """Block the main thread until ``wait`` is over; notice a loop that does not move any more."""
        steps, since = self._steps, time.monotonic()
        while not wait.finished.wait(timeout=1.0):
            if steps != self._steps:
                steps, since = self._steps, time.monotonic()
            elif not self._thread.is_alive() or time.monotonic() - since > STUCK_AFTER_S:
                frame = sys._current_frames().get(self._thread.ident or 0)
                where = "".join(traceback.format_stack(frame)[-3:]) if frame else "its thread has ended"
                raise HangError("background loop", expected=f"a step within {STUCK_AFTER_S:.0f} s of real time",
                                seen=f"none, at:\n{where}", do="report this as a fault of the bench")


class WallClock(Clock):
    """Time as it passes. ``epoch`` is the moment of construction."""

    is_virtual = False

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))
        self._origin = self.loop.time()

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop()

    def time(self) -> float:
        return self.loop.time() - self._origin

    @property
    def stepped_s(self) -> float:
        return (datetime.now(UTC) - self.utc()).total_seconds()

    def nudge(self) -> None:
        wait = self._wait
        if wait is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._look, wait, False)

    def _begin(self, wait: _Wait) -> None:
        self._wait = wait
        self.loop.call_soon_threadsafe(self._look, wait, True)

    def _look(self, wait: _Wait, again: bool) -> None:
        """Look at ``wait`` now and, if ``again``, every 20 ms: not every change announces itself."""
        self._steps += 1
        if wait is not self._wait or wait.finished.is_set():
            return
        if self._loop_error is not None:
            wait.fail(self._loop_error)
            return
        if wait.look(self.time()):
            return
        if again:
            delay = _LOOK_AGAIN_S
            if wait.deadline is not None:
                delay = min(delay, max(wait.deadline - self.time(), 0.0))
            self.loop.call_later(delay, self._look, wait, True)


class WarpClock(Clock):
    """Virtual time; see the module's text."""

    is_virtual = True

    def __init__(self, epoch: datetime = WARP_EPOCH) -> None:
        self._now_us = 0
        self.host_step_s = 0.0
        """A fault of the machine that the twin stands for: somebody has moved its clock."""
        self.companions: list[Companion] = []
        super().__init__(epoch)

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        self._selector = _WarpSelector()
        self._selector.clock = self
        return _WarpLoop(self, self._selector)

    def time(self) -> float:
        return self._now_us / 1e6

    @property
    def stepped_s(self) -> float:
        return self.host_step_s

    def _begin(self, wait: _Wait) -> None:
        self._wait = wait
        self.loop.call_soon_threadsafe(lambda: None)   # wakes the selector, which then looks

    def join(self, companion: Companion) -> None:
        """From now on time does not pass without ``companion``, until ``part``."""
        def joined() -> None:
            self.companions.append(companion)
            self._selector.register(companion, selectors.EVENT_READ, companion)

        self.call(joined)

    def part(self, companion: Companion) -> None:
        """Time passes without ``companion`` again; call it before its socket is closed. Idempotent."""
        self.call(lambda: self.lose(companion))

    def lose(self, companion: Companion) -> None:
        """The same, in the loop's thread."""
        if companion in self.companions:
            self._selector.unregister(companion)
            self.companions.remove(companion)

    def next_events(self, select: Callable[[float | None], list[Any]], timeout: float | None) -> list[Any]:
        """The selector's ``select``: real I/O first, then what is waited for, then a jump to the next timer."""
        self._steps += 1
        if timeout == 0:
            return [] if self.companions else select(0)    # all that one datagram leads to comes before the next
        looks = 0
        while True:
            events = select(0)
            if events:
                return self._with_time_passed(events)
            wait = self._wait
            if wait is None or wait.finished.is_set():
                return select(None)                    # the main thread works: time stands still
            if self.in_flight.any():
                looks += 1
                if looks > LOST_AFTER_LOOKS:
                    wait.fail(BenchError("virtual clock", expected="bytes in flight to be read",
                                         seen=f"{self.in_flight.describe()} nobody took",
                                         do="check the reader of that wire"))
                    continue
                events = select(0.0005)
                if events:
                    return events
                continue
            if self._loop_error is not None:
                wait.fail(self._loop_error)
                continue
            if wait.look(self.time()):
                continue
            events = self._asked_companions(select)
            if events:
                return self._with_time_passed(events)
            if not all(companion.is_answered for companion in self.companions):
                wait.fail(HangError("virtual clock", expected="the unit's process to say when it acts next",
                                    seen=f"nothing for {COMPANION_S:g} s", do="see what it does: its log"))
                continue
            steps = [timeout, None if wait.deadline is None else wait.deadline - self.time(),
                     *(one.next_us and (one.next_us - self._now_us) / 1e6 for one in self.companions)]
            step = min((one for one in steps if one is not None), default=None)
            if step is None:
                wait.fail(HangError("virtual clock", expected="something to happen, or a deadline",
                                    seen="no timer, no I/O and no time-out", do="give the wait a time-out"))
                continue
            self._now_us += max(1, round(step * 1e6))
            return self._with_time_passed(self._asked_companions(select))    # who is told anything now knows the time

    def _with_time_passed(self, events: list[Any]) -> list[Any]:
        """What another process has sent comes later than what it answers, and one after the other: each has its step of
        virtual time."""
        if not self.companions or self._wait is None:
            return events
        self._now_us += 1
        return events[:1]    # the others are still there at the next look

    def _asked_companions(self, select: Callable[[float | None], list[Any]]) -> list[Any]:
        """Ask each companion until all have answered and nothing else has happened meanwhile; what did."""
        asked = list(self.companions)
        for companion in asked:
            companion.ask(self._now_us)
        deadline = time.monotonic() + COMPANION_S
        while not all(companion.is_answered for companion in asked):
            left_s = deadline - time.monotonic()
            events = select(left_s) if left_s > 0 else []
            if events or left_s <= 0:
                return events
        return select(0) if asked else []    # one that has gone may have left something to do


class _WarpSelector(selectors.DefaultSelector):
    """The real selector, asked through the clock."""

    clock: WarpClock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self.clock.next_events(self._look, timeout)

    def _look(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """What happens within ``timeout``, but for answers of companions: these are taken, and end the wait."""
        events = []
        for key, mask in super().select(timeout):
            if key.data in self.clock.companions:
                if not key.data.take():
                    self.clock.lose(key.data)
            else:
                events.append((key, mask))
        return events


class _WarpLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time."""

    def __init__(self, clock: WarpClock, selector: _WarpSelector) -> None:
        super().__init__(selector)
        self._warp_clock = clock
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._warp_clock.time()
