"""One pass over what arrived, under one reading of the manual (bench/analysis/retransmission.py tries them all)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise

from bench.analysis.observed import Arrived, Observed, Outage, Tolerances
from bench.analysis.readouts import Extra, Store
from bench.analysis.schedule import Order, Schedule, Window

WITHIN_S = 60.0
"""Stamps to the minute don't tell in which order two readouts of one minute were made."""


class Standing(Enum):
    """What the rules say of a readout at a transmission."""

    MUST = "waits"
    MAY = "is at the edge of a rule"
    OLD = "is beyond the age limit"
    GONE = "was sent"
    YOUNG = "was made too late for it"


@dataclass(frozen=True, slots=True)
class Transmission:
    """Telegrams that came together. ``window``: the one they keep to; None outside all. ``left``: how many readouts
    still waited when it was over. ``reason``: why it came outside the plan, "" for a planned one."""

    time_s: float
    window: Window | None
    telegrams: tuple[Arrived, ...]
    left: int
    reason: str = ""

    @property
    def is_planned(self) -> bool:
        return not self.reason

    @property
    def readouts(self) -> int:
        return sum(len(telegram.stamps) for telegram in self.telegrams)


@dataclass(slots=True)
class _Burst:
    window: Window | None
    telegrams: list[Arrived] = field(default_factory=list)

    @property
    def time_s(self) -> float:
        return self.telegrams[0].time_s


class Replay:
    """``run`` it once; then ``faults``, ``findings`` and ``transmissions`` say what was seen."""

    def __init__(self, schedule: Schedule, seen: Observed, tolerances: Tolerances, planned: Sequence[Window],
                 store: Store, *, cut_at_plan: bool, cut_before: bool, age_at_plan: bool) -> None:
        self.faults: list[str] = []
        self.findings: list[str] = []
        self.transmissions: list[Transmission] = []
        self._schedule = schedule
        self._seen = seen
        self._allowed = tolerances
        self._planned = planned
        self._store = store
        self._due = store.readouts
        self._cut_at_plan = cut_at_plan
        self._cut_before = cut_before
        self._age_at_plan = age_at_plan
        self._limit = timedelta(minutes=schedule.age_limit_min)
        self._begin = seen.clock.at(seen.since_s).replace(second=0, microsecond=0)
        self._sent: dict[int, float] = {}
        self._again: set[int] = set()
        self._excused: set[int] = set()
        self._first_open = 0
        self._made: dict[int, float] = {}
        self._arrival_times = [arrival.time_s for arrival in seen.arrivals]
        self._silences = [(outage.since_s - tolerances.latency, self._resumed(outage)) for outage in seen.outages]

    def run(self) -> None:
        bursts = self._bursts()
        in_window = {id(burst.window) for burst in bursts if burst.window is not None}
        # A window is looked at when it closes; one with telegrams is done when they come.
        events: list[tuple[float, int, _Burst | Window]] = [(burst.time_s, 0, burst) for burst in bursts]
        events += [(window.closes_s, 1, window) for window in self._planned if id(window) not in in_window]
        for _, _, event in sorted(events, key=lambda event: event[:2]):
            if isinstance(event, _Burst):
                self._take(event)
            else:
                self._expect_nothing_waits(event)
        self._look_for_extras()

    def never_sent(self) -> list[datetime]:
        """Certain readouts that were not sent and are too old now."""
        now = self._seen.clock.at(self._seen.until_s)
        return [due.stamp for number, due in enumerate(self._due)
                if due.certain and number not in self._sent and now - due.stamp > self._limit]

    def waiting(self) -> list[datetime]:
        """Certain readouts that were not sent and still may be."""
        now = self._seen.clock.at(self._seen.until_s)
        return [due.stamp for number, due in enumerate(self._due)
                if due.certain and number not in self._sent and now - due.stamp <= self._limit]

    # -- telegrams to transmissions

    def _bursts(self) -> list[_Burst]:
        bursts: list[_Burst] = []
        for arrival in self._seen.arrivals:
            window = self._window_of(arrival, bursts[-1] if bursts else None)
            follows = bursts and arrival.time_s - bursts[-1].telegrams[-1].time_s <= self._allowed.latency
            if follows and bursts[-1].window is window:
                bursts[-1].telegrams.append(arrival)
            elif earlier := self._spread(bursts, window, arrival):
                earlier.telegrams.append(arrival)
                self._find("U10: the telegrams of a transmission come each at a moment of its own")
            else:
                bursts.append(_Burst(window, [arrival]))
        return bursts

    def _window_of(self, arrival: Arrived, last: _Burst | None) -> Window | None:
        time_s, allowed = arrival.time_s, self._allowed
        fits = [window for window in self._planned
                if window.opens_s - self._early_s(time_s) <= time_s <= window.closes_s + allowed.latency]
        exact = [window for window in fits if time_s <= window.closes_s + self._early_s(time_s)]
        unused = [window for window in exact if last is None or last.window is not window]
        if last is not None and last.window in fits and time_s - last.telegrams[-1].time_s <= (
                allowed.step if unused else allowed.latency):
            return last.window
        choice = unused or exact or fits
        return min(choice, key=lambda window: (not window.certain, window.opens_s), default=None)

    def _early_s(self, time_s: float) -> float:
        return self._allowed.early + self._seen.clock.off_by_s(time_s)

    def _spread(self, bursts: Sequence[_Burst], window: Window | None, arrival: Arrived) -> _Burst | None:
        """The transmission of the same window that a later telegram belongs to, if it is not for an extra readout."""
        if window is None or not bursts or bursts[-1].window is not window:
            return None
        return None if self._extra_in([arrival]) or self._extra_in(bursts[-1].telegrams) else bursts[-1]

    def _extra_in(self, telegrams: Sequence[Arrived]) -> Extra | None:
        """The extra readout that was asked for shortly before and is among these."""
        for telegram in telegrams:
            for stamp in telegram.stamps:
                for number in self._store.find(stamp, telegram.time_s):
                    extra = self._due[number].extra
                    if extra is not None and telegram.time_s - extra.time_s <= self._allowed.extra:
                        return extra
        return None

    # -- one transmission

    def _take(self, burst: _Burst) -> None:
        extra, reason = self._extra_in(burst.telegrams), ""
        found, excused = list(self.findings), set(self._excused)
        faults = self._faults_of(burst)
        if extra is not None and (burst.window is None or faults):
            self.findings, self._excused = found, excused    # it does not follow the plan, so the plan says nothing
            reason, faults = extra.reason, self._strangers(burst)
            alone = sum(len(telegram.stamps) for telegram in burst.telegrams) == 1
            self._find(f"U04: the readout after {extra.reason} is sent at once, "
                       + ("alone" if alone else "with what else is unsent"))
        elif burst.window is None and self._first_after_outage(burst.time_s):
            self._find("U11: the first transmission after an outage does not wait for its window")
            reason = "the network is back"
        elif burst.window is None:
            faults.insert(0, f"a telegram at {self._clock(burst.time_s)} is in no window{self._nearest(burst)}")
            reason = "no reason known"
        self.faults += faults
        self._deliver(burst)
        left = len(self._waiting_for(burst))
        self.transmissions.append(Transmission(burst.time_s, burst.window, tuple(burst.telegrams), left, reason))

    def _faults_of(self, burst: _Burst) -> list[str]:
        """What is wrong with a transmission that keeps to the plan."""
        schedule, telegrams, when = self._schedule, burst.telegrams, self._clock(burst.time_s)
        faults = self._strangers(burst)
        if len(telegrams) > schedule.uploads:
            faults.append(f"the transmission at {when} has {len(telegrams)} telegrams, {schedule.uploads} are allowed")
        most = schedule.readouts_per_telegram
        if most is not None and (full := max(len(telegram.stamps) for telegram in telegrams)) > most:
            faults.append(f"a telegram at {when} has {full} readouts, {most} are expected at most")
        sent = self._numbers(burst)
        faults += self._order_faults(sent, when)
        faults += self._choice_faults(burst, {number for numbers in sent for number in numbers})
        return faults

    def _strangers(self, burst: _Burst) -> list[str]:
        """Readouts that can't be in the transmission: never planned, sent before, too old, of the future."""
        faults, taken = [], set[int]()
        for telegram in burst.telegrams:
            for stamp in telegram.stamps:
                numbers = self._store.find(stamp, telegram.time_s)
                if not numbers and stamp.replace(second=0, microsecond=0) <= self._begin:
                    continue    # from before the observation: nothing is known of it
                free = [number for number in numbers if number not in taken]
                standings = {number: self._standing(number, burst) for number in free}
                fit = next((number for number in free if standings[number] in (Standing.MUST, Standing.MAY)), None)
                text = f"the readout of {stamp:%Y-%m-%d %H:%M} in the telegram at {self._clock(telegram.time_s)}"
                if fit is not None:
                    taken.add(fit)
                elif not numbers:
                    faults.append(f"{text}: nothing planned or asked for a readout then")
                elif not free or standings[free[0]] is Standing.GONE:
                    before = f" at {self._clock(self._sent[numbers[0]])}" if numbers[0] in self._sent else ""
                    faults.append(f"{text} was sent before{before}")
                else:
                    age = self._seen.clock.at(burst.time_s) - stamp
                    faults.append(f"{text} {standings[free[0]].value}: it is {_duration(age)} old, the limit is "
                                  f"{_duration(self._limit)}" if standings[free[0]] is Standing.OLD
                                  else f"{text} {standings[free[0]].value}")
                    taken.add(free[0])
        return faults

    def _order_faults(self, sent: Sequence[Sequence[int]], when: str) -> list[str]:
        """FIFO: each telegram is older than the next. LIFO: newer; packs of several may rise (RETX-04, unclear)."""
        made = [[self._made_s(number) for number in numbers] for numbers in sent if numbers]
        pairs = list(pairwise(made))
        rising = all(max(earlier) < min(later) + WITHIN_S for earlier, later in pairs)
        falling = all(min(earlier) > max(later) - WITHIN_S for earlier, later in pairs)
        lifo = self._schedule.order is Order.LIFO
        if not pairs or (falling if lifo else rising):
            return []
        if lifo and rising and any(len(numbers) > 1 for numbers in sent):
            self._find("RETX-04: latest first chooses the readouts; the telegrams of a transmission rise")
            return []
        stamps = ", ".join(f"{self._due[numbers[0]].stamp:%d. %H:%M}" for numbers in sent if numbers)
        return [f"the telegrams of the transmission at {when} are not {self._schedule.order}: {stamps}"]

    def _choice_faults(self, burst: _Burst, sent: set[int]) -> list[str]:
        """Whether the readouts that come first were chosen, and as many as there is room for."""
        when, schedule = self._clock(burst.time_s), self._schedule
        must = self._waiting_for(burst)
        known = [number for number in sent if self._standing(number, burst) in (Standing.MUST, Standing.MAY)]
        places = [self._made_s(number) for number in known]
        if schedule.order is Order.LIFO:
            skipped = [number for number in must if places and self._made_s(number) > min(places)
                       and number not in sent]
        else:
            skipped = [number for number in must if places and self._made_s(number) < max(places)
                       and number not in sent]
        faults = []
        if skipped:
            self._excused.update(skipped)
            faults.append(f"the transmission at {when} skips {self._names(skipped)}, though {schedule.order} they "
                          f"come before others that it carries")
        left = [number for number in must if number not in sent and number not in skipped]
        if left and not self._is_cut_short(burst):
            count, most = len(burst.telegrams), schedule.readouts_per_telegram
            loose = sum(len(telegram.stamps) for telegram in burst.telegrams) if most is not None else 0
            if count < schedule.uploads:
                faults.append(f"the transmission at {when} ends after {count} of {schedule.uploads} telegrams, with "
                              f"{self._names(left)} waiting")
            elif most is not None and loose < count * most and len(known) == len(sent):
                faults.append(f"the transmission at {when} carries {loose} readouts in {count} telegrams of {most}, "
                              f"with {self._names(left)} waiting")
        return faults

    def _open(self, until_s: float) -> range:
        """The numbers of the readouts made until then, without those at the beginning that are done with."""
        now = self._seen.clock.at(until_s) - self._limit - timedelta(days=1)    # generous: the exact rule is below
        while self._first_open < len(self._due) and (
                (self._first_open in self._sent and self._first_open not in self._again)
                or self._due[self._first_open].stamp < now):
            self._first_open += 1
        return range(self._first_open, bisect_right(self._due, until_s, key=lambda due: due.time_s))

    def _waiting_for(self, burst: _Burst) -> list[int]:
        """The readouts that the rules want a transmission to carry, or to leave for the next."""
        return [number for number in self._open(burst.telegrams[-1].time_s)
                if self._standing(number, burst) is Standing.MUST]

    def _standing(self, number: int, burst: _Burst) -> Standing:
        return self._standing_at(number, burst.time_s, burst.telegrams[-1].time_s, burst.window)

    def _standing_at(self, number: int, first_s: float, last_s: float, window: Window | None) -> Standing:
        """``first_s``, ``last_s``: when the first and the last telegram came."""
        due, allowed = self._due[number], self._allowed
        if number in self._sent:
            return Standing.MAY if number in self._again else Standing.GONE
        certain = due.certain and number not in self._excused
        # Until when a readout was made to be in it.
        if self._cut_at_plan and window is not None:
            edge = window.planned_s - (60.0 if self._cut_before else 0.0)
            if due.time_s > edge + 30.0:
                return Standing.YOUNG if due.extra is None else Standing.MAY
            certain = certain and due.time_s <= edge
        else:
            if due.time_s > last_s:
                return Standing.YOUNG
            began = first_s - allowed.latency if window is None else max(first_s - allowed.latency, window.opens_s)
            certain = certain and due.time_s <= began - self._early_s(began)
        # How old it is; what the unit saw when it began is up to the latency ago.
        now = window.planned if self._age_at_plan and window is not None else self._seen.clock.at(first_s)
        slack = timedelta(seconds=allowed.age)
        age = now - due.stamp
        if age > self._limit + slack + timedelta(seconds=0.0 if self._age_at_plan else allowed.latency):
            return Standing.OLD
        return Standing.MUST if certain and age <= self._limit - slack else Standing.MAY

    def _numbers(self, burst: _Burst) -> list[list[int]]:
        """The readouts of each telegram, those that wait where a stamp may mean several."""
        taken: set[int] = set()
        numbers: list[list[int]] = []
        for telegram in burst.telegrams:
            numbers.append([])
            for stamp in telegram.stamps:
                found = self._store.find(stamp, telegram.time_s)
                free = [number for number in found if number not in taken]
                waiting = [number for number in free if number not in self._sent or number in self._again]
                chosen = (waiting or free or found)[:1]
                taken.update(chosen)
                numbers[-1] += chosen
                self._made.update((number, self._when_made(number, stamp)) for number in chosen)
        return numbers

    def _when_made(self, number: int, stamp: datetime) -> float:
        """When (bench time, to the minute) a readout was made that has this stamp."""
        due = self._due[number]
        if due.extra is None:
            return due.time_s
        return due.time_s + max((stamp - self._seen.clock.at(due.time_s)).total_seconds(), 0.0)

    def _made_s(self, number: int) -> float:
        return self._made.get(number, self._due[number].time_s)

    def _deliver(self, burst: _Burst) -> None:
        ends_in_outage = any(outage.since_s - self._allowed.latency <= burst.telegrams[-1].time_s <= outage.until_s
                             for outage in self._seen.outages)
        for telegram, numbers in zip(burst.telegrams, self._numbers(burst), strict=True):
            for number in numbers:
                self._sent.setdefault(number, telegram.time_s)
                # Its acknowledgement may not have reached the unit: it may come again, once.
                if number in self._again:
                    self._again.discard(number)
                elif not telegram.acknowledged or ends_in_outage:
                    self._again.add(number)

    # -- what did not come

    def _expect_nothing_waits(self, window: Window) -> None:
        """A window without a telegram is right only where nothing waits."""
        allowed, seen = self._allowed, self._seen
        if not window.certain or window.closes_s + allowed.latency > seen.until_s or self._is_silent(window):
            return
        waits = [number for number in self._open(window.opens_s)
                 if self._standing_at(number, window.opens_s, window.opens_s, window) is Standing.MUST
                 and self._standing_at(number, window.closes_s, window.closes_s, window) is Standing.MUST]
        if waits:
            self._excused.update(waits)
            self.faults.append(f"no telegram came in the window {window}, with {self._names(waits)} waiting")

    def _look_for_extras(self) -> None:
        """Each extra readout that something asked for was made and sent, at once or in the next window (U04)."""
        for number, due in enumerate(self._due):
            if due.extra is None or not due.extra.required or due.certain is False:
                continue
            in_outage = any(since_s <= due.time_s + self._allowed.extra and due.time_s <= until_s
                            for since_s, until_s in self._silences)
            at_once = due.time_s + self._allowed.extra
            later = next((window.closes_s + self._allowed.latency for window in self._planned
                          if window.opens_s > due.time_s and window.certain), at_once)
            deadline = max(at_once, later)
            came = self._sent.get(number)
            if came is None and not in_outage and deadline <= self._seen.until_s and number not in self._excused:
                self.faults.append(f"the readout after {due.extra.reason} at {self._clock(due.extra.time_s)} was not "
                                   f"sent until {self._clock(deadline)}")
            elif came is not None and not in_outage and came > deadline:
                self.faults.append(f"the readout after {due.extra.reason} at {self._clock(due.extra.time_s)} was sent "
                                   f"at {self._clock(came)} only")

    def _resumed(self, outage: Outage) -> float:
        """Until when nothing is expected after an outage: the first telegram, or the end of all patience."""
        patience = outage.until_s + self._allowed.reconnect
        index = bisect_left(self._arrival_times, outage.until_s)
        return min(patience, self._arrival_times[index]) if index < len(self._arrival_times) else patience

    def _first_after_outage(self, time_s: float) -> bool:
        return any(outage.until_s <= time_s and bisect_left(self._arrival_times, time_s)
                   == bisect_left(self._arrival_times, outage.until_s) for outage in self._seen.outages)

    def _is_silent(self, window: Window) -> bool:
        return any(window.opens_s < until_s and window.closes_s > since_s for since_s, until_s in self._silences)

    def _is_cut_short(self, burst: _Burst) -> bool:
        last_s = burst.telegrams[-1].time_s
        return (any(outage.since_s - self._allowed.latency <= last_s <= outage.until_s for outage in self._seen.outages)
                or last_s + self._allowed.latency > self._seen.until_s)

    # -- words

    def _find(self, text: str) -> None:
        if text not in self.findings:
            self.findings.append(text)

    def _clock(self, time_s: float) -> str:
        return f"{self._seen.clock.at(time_s):%Y-%m-%d %H:%M:%S}"

    def _nearest(self, burst: _Burst) -> str:
        nearest = min(self._planned, key=lambda window: min(abs(window.opens_s - burst.time_s),
                                                            abs(window.closes_s - burst.time_s)), default=None)
        return f"; the nearest is {nearest}" if nearest is not None else ""

    def _names(self, numbers: Iterable[int]) -> str:
        names = [str(self._due[number]) for number in numbers]
        if len(names) <= 3:
            return "the readout" + ("s" if len(names) > 1 else "") + " of " + ", ".join(names)
        return f"{len(names)} readouts from {names[0]} to {names[-1]}"


def _duration(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
