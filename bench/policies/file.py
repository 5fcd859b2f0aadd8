"""The policies of a line, as a person writes them: one TOML file. docs/how-to/policies.md says what each key does.

::

    name = "line 1"
    people = "people.toml"
    time_zone = "Europe/Stockholm"
    shifts = ["06:00", "14:00", "22:00"]

    [retest]
    most = 2

    [golden]
    each_shift = true

    [[golden.unit]]
    unit = "94193A04000000A1"
    is = "good"
    correlation = { "power.sleep.current" = [4.6, 5.4] }

    [[golden.unit]]
    unit = "94193A04000000B1"
    is = "bad"
    fails = "power.sleep.current"

What a file does not speak of is as the defaults here say. Two policies that contradict each other are refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bench.errors import BenchError, did_you_mean
from bench.policies.people import People, Role, printable
from bench.policies.scan import Shapes
from bench.station_file import deveui_of
from bench.toml_faults import Place, explain, together, told, where
from bench.toml_file import read_toml

PROFILES = ("line", "acceptance", "regression", "certification")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise told("a regular expression", f"{text[:40]!r}: {error}") from None
    return text


def _hour(text: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise told('a time like "06:00"', repr(text[:20]))
    return text


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise told('a time zone like "Europe/Stockholm"', repr(text[:40]),
                   did_you_mean(text, available_timezones(), "look for it in the IANA time zone database"))
    return text


def _unit(text: object) -> object:
    try:
        return deveui_of(text) if isinstance(text, str) else text
    except ValueError:
        raise told("a DevEUI of 16 hexadecimal digits", repr(text)[:40]) from None


def _some(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise told("one at least", "none")
    return values


Expression = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_expression)]
Words = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(printable)]
DevEui = Annotated[str, BeforeValidator(_unit)]
Needed = Annotated[Role, Field(strict=False)]


class ScanPolicy(_Table):
    """Regular expressions that fit the whole of a badge's, and of a work order's, code."""

    badge: Expression | None = None
    work_order: Expression | None = None

    def shapes(self) -> Shapes:
        return Shapes(*(re.compile(one) if one is not None else None for one in (self.badge, self.work_order)))


class StartPolicy(_Table):
    """``badge``: nobody starts a unit who has not shown one. ``work_order``: nor without a work order."""

    badge: bool = False
    work_order: bool = False


class DuplicatesPolicy(_Table):
    """``may``: who may have a unit tested again that has passed. On two places at once no unit ever is."""

    may: Needed = Role.LEAD


class RetestPolicy(_Table):
    """After a unit's failure. ``most``: so many times a unit is tested again. ``passes``: so many passes in a row make
    a unit that has failed a good one; where nothing is said, all retests must pass. ``needs``: who allows each.
    ``elsewhere``: at another place, or seated anew. ``reasons``: one of these is chosen."""

    most: int = Field(default=2, ge=0, le=2)
    passes: int | None = Field(default=None, ge=1, le=2)
    needs: Needed = Role.LEAD
    elsewhere: bool = True
    reasons: Annotated[tuple[Words, ...], Field(strict=False), AfterValidator(_some)] = (
        "not seated well", "contact or cable", "wrong label scanned", "disturbed while it ran", "other")


class RoutePolicy(_Table):
    """``after``: steps of production, by the process their runs are stored under, that a unit must have passed."""

    after: Annotated[tuple[Words, ...], Field(strict=False), AfterValidator(_some)]
    may: Needed = Role.NOBODY


class Correlation(_Table):
    """Where a measurement of the good unit must lie: between ``low`` and ``high``; or within ``sigma`` standard
    deviations of the mean of its own ``runs`` passes before, as soon as there are so many."""

    low: float | None = None
    high: float | None = None
    sigma: float | None = Field(default=None, gt=0, le=10)
    runs: int = Field(default=10, ge=5, le=100)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, list):
            if len(value) != 2 or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
                raise told("[low, high], or a table with sigma", "another array")
            return {"low": float(value[0]), "high": float(value[1])}
        return value

    @model_validator(mode="after")
    def _is_one(self) -> Correlation:
        bounds = (self.low, self.high)
        if (self.sigma is None) == (None in bounds) or (self.sigma is not None and bounds != (None, None)):
            raise told("low and high, or sigma", "neither, or both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise told("low below high", f"{self.low} and {self.high}")
        return self


class GoldenUnit(_Table):
    """A reference unit. A ``good`` one must pass with its measurements in ``correlation``; a ``bad`` one must fail
    in ``fails``, the name of a measurement or of a test."""

    unit: DevEui
    is_: Literal["good", "bad"] = Field(alias="is")
    fails: Words | None = None
    correlation: dict[str, Correlation] = {}

    @model_validator(mode="after")
    def _is_whole(self) -> GoldenUnit:
        if (self.is_ == "bad") != (self.fails is not None):
            raise told("fails for a bad unit, and only for one", f"is = \"{self.is_}\"" + (
                "" if self.fails is None else " with fails"))
        if self.is_ == "bad" and self.correlation:
            raise told("correlation for a good unit only", "a bad one")
        return self


class GoldenPolicy(_Table):
    """``process``: under which runs of reference units are stored, so that they count for no yield. ``needs``: who may
    start them. They must have been right within ``max_age_h`` hours, with ``each_shift`` also in this shift; at each
    place, or with ``per = "line"`` at any of them. ``after_changes``: and with the bench and the limits of now."""

    process: Words = "golden"
    needs: Needed = Role.LEAD
    max_age_h: float = Field(default=12, gt=0, le=168)
    each_shift: bool = False
    per: Literal["place", "line"] = "place"
    after_changes: bool = True
    unit: Annotated[tuple[GoldenUnit, ...], Field(strict=False)] = ()


class CalibrationPolicy(_Table):
    """Out of calibration, a place is locked. ``warn_days`` before it is spoken of. ``unknown``: what to do about an
    instrument of which nobody knows the day."""

    warn_days: int = Field(default=14, ge=0, le=365)
    unknown: Literal["allow", "lock"] = "allow"
    may: Needed = Role.NOBODY


class FixturePolicy(_Table):
    """A fixture's contacts wear: from ``warn_at`` cycles it is spoken of, at ``lock_at`` the place is locked until
    somebody who may (``reset``) has put in new ones and said so."""

    warn_at: int = Field(ge=1)
    lock_at: int = Field(ge=1)
    reset: Needed = Role.ENGINEER
    may: Needed = Role.ENGINEER


class ErrorsPolicy(_Table):
    """A place that errs ``lock_after`` times in a row is locked until somebody who may (``unlock``) has looked."""

    lock_after: int = Field(default=2, ge=1, le=20)
    unlock: Needed = Role.LEAD


class AwayPolicy(_Table):
    """While the record store can't be reached the line goes on for ``minutes``: what is to be stored waits."""

    minutes: float = Field(default=60, ge=0, le=1440)


class SamplingPlan(_Table):
    """Units that go through ``profile`` (or ``tests`` of it) besides, after they have passed: ``every`` so-manieth;
    ``per_lot`` of each work order, the first ones, or spread over a lot of ``lot_size``; or one in ``one_in`` by
    ``seed``."""

    name: Words
    profile: Literal["line", "acceptance", "regression", "certification"] = "acceptance"
    tests: Annotated[tuple[Words, ...], Field(strict=False)] = ()
    every: int | None = Field(default=None, ge=1)
    per_lot: int | None = Field(default=None, ge=1)
    lot_size: int | None = Field(default=None, ge=1)
    one_in: int | None = Field(default=None, ge=1)
    seed: int = 1

    @model_validator(mode="after")
    def _is_one(self) -> SamplingPlan:
        ways = [name for name in ("every", "per_lot", "one_in") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise told("every, per_lot or one_in: one of them", ", ".join(ways) or "none")
        if self.lot_size is not None and (self.per_lot is None or self.per_lot > self.lot_size):
            raise told("lot_size with per_lot, and not below it", f"lot_size = {self.lot_size}")
        return self


class Policies(_Table):
    """A file of policies, validated; unknown keys are refused. ``process``: the step of production that it is for;
    ``profile`` is run in it. ``people``: the list of who may do what (``bench/policies/people.py``)."""

    name: Words
    profile: Literal["line", "acceptance", "regression", "certification"] = "line"
    process: Words = "line"
    people: Annotated[Path, Field(strict=False)] | None = None
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    shifts: Annotated[tuple[Annotated[str, AfterValidator(_hour)], ...], Field(strict=False)] = ()
    scan: ScanPolicy = ScanPolicy()
    start: StartPolicy = StartPolicy()
    duplicates: DuplicatesPolicy = DuplicatesPolicy()
    retest: RetestPolicy = RetestPolicy()
    route: RoutePolicy | None = None
    golden: GoldenPolicy | None = None
    calibration: CalibrationPolicy = CalibrationPolicy()
    fixture: FixturePolicy | None = None
    errors: ErrorsPolicy = ErrorsPolicy()
    away: AwayPolicy = AwayPolicy()
    sampling: Annotated[tuple[SamplingPlan, ...], Field(strict=False)] = ()

    @classmethod
    def load(cls, path: Path) -> Policies:
        """Read and validate ``path``; the path of the people in it is relative to it. Raises ``BenchError`` with all
        that is wrong, each with its line."""
        subject = f"policies {path}"
        content = read_toml(path, subject, "give the path of a file of policies")
        try:
            policies = cls.model_validate(content)
        except ValidationError as error:
            raise explain(subject, error, path, "policies", _keys_at) from None
        except (RecursionError, OverflowError, ValueError) as error:    # what pydantic itself can't hold
            raise BenchError(subject, expected="policies", seen=type(error).__name__,
                             do="look for numbers and tables that are far too large") from None
        lines = path.read_text("utf-8", "replace").splitlines()
        faults = [BenchError(f"{where(lines, one)} and {where(lines, other)}", expected=expected, seen=seen,
                             do="change one of the two")
                  for one, other, expected, seen in _contradictions(policies)]
        if faults:
            raise together(subject, faults)
        if policies.people is None:
            return policies
        policies = policies.model_copy(update={"people": path.parent / policies.people})
        _refuse_role_without_people(subject, policies, lines)
        return policies

    def list_of_people(self) -> People | None:
        """Raises ``BenchError``. None: anybody may do what an operator may, and nobody more."""
        return People(self.people) if self.people is not None else None

    def golden_unit(self, unit: str) -> GoldenUnit | None:
        return next((one for one in (self.golden.unit if self.golden else ()) if one.unit == unit), None)

    def shift_began(self, now: datetime) -> datetime | None:
        """When the shift of ``now`` began; None where the day has none."""
        if not self.shifts:
            return None
        local = now.astimezone(ZoneInfo(self.time_zone))
        begins = (datetime.combine(local.date() - timedelta(days=day), time.fromisoformat(hour), local.tzinfo)
                  for day in (0, 1) for hour in self.shifts)
        return max(begin for begin in begins if begin <= local)

    def shift(self, now: datetime) -> str:
        """The shift of ``now`` as records call it, by the hour at which it began."""
        began = self.shift_began(now)
        return began.strftime("%H:%M") if began is not None else ""


def _contradictions(policies: Policies) -> Iterator[tuple[Place, Place, str, str]]:
    """Pairs of keys that can't both be meant, what was expected of them, and what was seen."""
    retest, golden, fixture, route = policies.retest, policies.golden, policies.fixture, policies.route
    if retest.passes is not None and retest.passes > retest.most:
        yield ("retest", "passes"), ("retest", "most"), "no more passes than retests", (
            f"{retest.passes} and {retest.most}: no unit could ever pass again")
    if fixture is not None and fixture.warn_at >= fixture.lock_at:
        yield ("fixture", "warn_at"), ("fixture", "lock_at"), "to warn before it locks", (
            f"{fixture.warn_at} and {fixture.lock_at}")
    if golden is not None:
        if not golden.unit:
            yield ("golden",), ("golden", "unit"), "a reference unit at least", "none"
        if golden.process == policies.process:
            yield ("golden", "process"), ("process",), "reference units apart from the line's", repr(golden.process)
        if golden.each_shift and not policies.shifts:
            yield ("golden", "each_shift"), ("shifts",), "the hours at which shifts begin", "none"
        for one, other in _repeated([one.unit for one in golden.unit]):
            yield ("golden", "unit", one, "unit"), ("golden", "unit", other, "unit"), "each reference unit once", (
                golden.unit[one].unit)
    if route is not None and policies.process in route.after:
        yield ("route", "after"), ("process",), "steps before this one", repr(policies.process)
    if route is not None and golden is not None and golden.process in route.after:
        yield ("route", "after"), ("golden", "process"), "steps that units go through", repr(golden.process)
    for one, other in _repeated(policies.shifts):
        yield ("shifts", one), ("shifts", other), "each hour once", policies.shifts[one]
    taken = [policies.process, golden.process if golden is not None else "golden"]
    for number, plan in enumerate(policies.sampling):
        if plan.name in taken:
            yield ("sampling", number, "name"), ("process",) if plan.name == policies.process else (
                "golden", "process"), "a name that no process has", repr(plan.name)
    for one, other in _repeated([plan.name for plan in policies.sampling]):
        yield ("sampling", one, "name"), ("sampling", other, "name"), "each name once", policies.sampling[one].name
    if policies.start.badge and policies.people is None:
        yield ("start", "badge"), ("people",), "a list of people for their badges", "none"
    if policies.people is not None and policies.scan.badge is None:
        yield ("people",), ("scan", "badge"), "what a badge looks like", "nothing"
    if policies.start.work_order and policies.scan.work_order is None:
        yield ("start", "work_order"), ("scan", "work_order"), "what a work order looks like", "nothing"
    for key, pattern in (("badge", policies.scan.badge), ("work_order", policies.scan.work_order)):
        if pattern is not None and re.fullmatch(pattern, "94193A0401020304"):
            yield ("scan", key), ("scan",), "what no DevEUI looks like", f"{pattern!r} fits one"
    if policies.scan.badge is not None and policies.scan.badge == policies.scan.work_order:
        yield ("scan", "badge"), ("scan", "work_order"), "two different patterns", "the same twice"


def _repeated(values: list[str] | tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where each value stands first, and where again."""
    for value, count in Counter(values).items():
        if count > 1:
            first = values.index(value)
            yield first, values.index(value, first + 1)


def _refuse_role_without_people(subject: str, policies: Policies, lines: list[str]) -> None:
    """What needs a role that nobody on the list has can never be done."""
    people = policies.list_of_people()
    roles = [one.role for one in people.all] if people is not None else []
    needed: dict[Place, Role] = {("retest", "needs"): policies.retest.needs,
                                 ("errors", "unlock"): policies.errors.unlock}
    if policies.golden is not None:
        needed["golden", "needs"] = policies.golden.needs
    if policies.fixture is not None:
        needed["fixture", "reset"] = policies.fixture.reset
    faults = [BenchError(f"{where(lines, key)} and {where(lines, ('people',))}", expected=f"somebody who is {role}",
                         seen="nobody on the list", do="add one with mcm-bench policy badge, or change the policy")
              for key, role in needed.items() if role is not Role.NOBODY and not any(one.may(role) for one in roles)]
    if faults:
        raise together(subject, faults)


def _keys_at(place: Place) -> list[str]:
    """The keys that the table around ``place`` may have."""
    model: Any = Policies
    for part in [one for one in place[:-1] if isinstance(one, str)]:
        field = model.model_fields.get(part)
        kinds = [*_kinds(field.annotation)] if field is not None else []
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if model is None:
            return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for one in get_args(annotation):
        yield from _kinds(one)
