"""``mcm-bench policy``: policies as data. What a file says, what it would decide, and what people do about a place."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from bench.commands.terminal import plain
from bench.errors import BenchError

if TYPE_CHECKING:    # what SQLAlchemy and pydantic need to load, no other command waits for
    from bench.policies.facts import Decision, Question
    from bench.policies.file import Policies
    from bench.policies.history import History
    from bench.policies.people import Person
    from bench.policies.scan import Badge

app = typer.Typer(no_args_is_help=True, help="Policies of a line: check a file, ask what it decides, unlock a place.")

File = Annotated[Path, typer.Argument(metavar="POLICIES", help="File of policies (docs/how-to/policies.md).")]
Station = Annotated[Path, typer.Option(help="Station file: the place, its [store] and its [calibration].")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_EXIT = {"allowed": 0, "refused": 1, "locked": 3}


@app.command()
def check(policies: File, as_json: Json = False) -> None:
    """Read a file of policies: all that is wrong, each with its line, or what it says. Exit code 2: something is."""
    from bench.policies.file import Policies

    found = Policies.load(policies)
    people = found.list_of_people()
    everybody = [{"name": one.name, "role": one.role} for one in people.all] if people is not None else []
    if as_json:
        print(json.dumps({"policies": found.model_dump(mode="json", by_alias=True), "people": everybody}, indent=1))
        return
    golden, fixture = found.golden, found.fixture
    _say(f"policies {found.name}: {found.profile}, stored under {found.process}; {len(everybody)} people")
    _say(f"retests: {found.retest.most} at most, allowed by {found.retest.needs.with_article}")
    _say(f"reference units: {', '.join(f'{one.unit} ({one.is_})' for one in golden.unit)}" if golden is not None
         else "reference units: none")
    _say(f"fixture: locks at {fixture.lock_at} cycles" if fixture is not None else "fixture: cycles don't lock")
    for plan in found.sampling:
        _say(f"sampling {plan.name}: {plan.profile}")


@app.command()
def scan(text: Annotated[str, typer.Argument(help="What the scanner typed; - reads it from the standard input.")],
         policies: Annotated[Path | None, typer.Option(help="For the shapes of badges and work orders.")] = None,
         as_json: Json = False) -> None:
    """Say what a scan is. A badge's content is not shown. Exit code 2: it is nothing known."""
    from bench.policies.file import Policies
    from bench.policies.scan import Shapes, Unit, WorkOrder, read

    typed = sys.stdin.read() if text == "-" else text
    found = read(typed, Policies.load(policies).scan.shapes() if policies is not None else Shapes())
    value = found.deveui if isinstance(found, Unit) else found.number if isinstance(found, WorkOrder) else ""
    kind = "unit" if isinstance(found, Unit) else "work order" if isinstance(found, WorkOrder) else "badge"
    print(json.dumps({"kind": kind, "value": value})) if as_json else _say(f"{kind} {value}".strip())


@app.command()
def ask(
    policies: File,
    station: Station,
    unit: Annotated[str, typer.Argument(help="A unit's label, as scanned; without it the place itself.")] = "",
    after: Annotated[bool, typer.Option("--after", help="What is done with the unit whose run has ended?")] = False,
    work_order: str = "",
    more: Annotated[str, typer.Option(help="Name of the sampling plan whose run it is.")] = "",
    reseated: Annotated[bool, typer.Option("--reseated", help="The unit was taken out and put in anew.")] = False,
    role: Annotated[Literal["", "operator", "lead", "engineer"], typer.Option(
        help="As if somebody with that role stood there.")] = "",
    at: Annotated[datetime | None, typer.Option(help="As if it were then, UTC.")] = None,
    as_json: Json = False,
) -> None:
    """May the unit be started at the station's place? Nothing is stored. Exit code 0 allowed, 1 refused, 3 the place is
    locked, 2 the bench can't say."""
    from bench.policies import decide

    rules, history = _open(policies, station)
    question = _question(rules, station, unit, work_order, more, reseated, role, at)
    facts = history.facts(question)
    _tell((decide.after if after else decide.before)(rules, question, facts), as_json)


@app.command()
def badge(
    name: str,
    people: Annotated[Path, typer.Option(help="The list; it is made where there is none.")],
    role: Annotated[Literal["operator", "lead", "engineer"], typer.Option()] = "operator",
) -> None:
    """Put somebody on the list of people, or give them another badge or role. The badge is asked for, and scanned; the
    list keeps a hash of it."""
    from bench.policies.people import People, Person, Role

    People.add(people, Person(name, Role(role)), _badge())
    _say(f"{name} is {Role(role).with_article}")


@app.command()
def unlock(policies: File, station: Station, why: Annotated[str, typer.Option(help="What was found and done.")],
           fixture: Annotated[bool, typer.Option("--fixture", help="New contacts: cycles are counted anew.")] = False,
           ) -> None:
    """Use a place again that has locked itself after errors; with --fixture after new contacts. Asks for the badge of
    somebody who may; that it was done stays in the store."""
    from bench.policies import record
    from bench.station_file import StationFile

    rules, history = _open(policies, station)
    place = StationFile.load(station).name
    do = record.fixture_was_renewed if fixture else record.unlock
    do(history.depot, rules, _person(rules), place, why)
    _say(f"{place} is used again")


def _open(policies: Path, station: Path) -> tuple[Policies, History]:
    from bench.commands.records import depot
    from bench.policies.file import Policies
    from bench.policies.history import History

    rules = Policies.load(policies)
    return rules, History(depot(None, station), rules)


def _question(rules: Policies, station: Path, unit: str, work_order: str, more: str, reseated: bool, role: str,
              at: datetime | None) -> Question:
    from bench.policies.facts import Question
    from bench.policies.people import Person, Role
    from bench.policies.scan import Unit, read
    from bench.station_file import StationFile

    found = read(unit, rules.scan.shapes()) if unit else None
    if found is not None and not isinstance(found, Unit):
        raise BenchError("scan", expected="a unit's label", seen="something else", do="scan the unit's label")
    file = StationFile.load(station)
    return Question(unit=found.deveui if found is not None else "", place=file.name, more=more, reseated=reseated,
                    now=at.replace(tzinfo=UTC) if at is not None else datetime.now(UTC), work_order=work_order,
                    person=Person(f"the {role}", Role(role)) if role else None, calibration_due=file.calibration.due)


def _tell(decision: Decision, as_json: bool) -> None:
    if as_json:
        print(json.dumps(decision.to_json(), indent=1))
    else:
        _say(f"{decision.answer.upper()}  {decision}" + (f" [{decision.next}]" if decision.next is not None else ""))
        for one in [*decision.reasons, *decision.notes]:
            who = "" if one.may == "nobody" else f"; {one.may.with_article} may allow it"
            _say(f"  {one.code}: {one.says}; {one.do}{who}")
        for plan in decision.more:
            _say(f"  then {plan.plan}: {plan.profile}{''.join(f' {test}' for test in plan.tests)}")
    raise typer.Exit(_EXIT[decision.answer])


def _person(rules: Policies) -> Person:
    people = rules.list_of_people()
    if people is None:
        raise BenchError("policies", expected="a list of people", seen="none",
                         do="make one with mcm-bench policy badge")
    return people.whose(_badge())


def _badge() -> Badge:
    from getpass import getpass

    from bench.policies.scan import Badge

    content = (getpass("badge: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if len(content) < 4:
        raise BenchError("badge", expected="a badge of 4 characters at least", seen=f"{len(content)}", do="scan it")
    return Badge(content)


def _say(sentence: str) -> None:
    plain().print(Text(sentence), soft_wrap=True)
