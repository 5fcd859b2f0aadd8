"""The page of a run: one file that explains itself, opens from a disk, asks nothing of any network and needs no script.

Everything that comes from a device, an instrument or a record is hostile text: the template escapes all of it, and the
Content-Security-Policy of the page lets nothing run but the page's own few lines, named by their hash.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path, PurePosixPath

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bench.analysis.jls import read_jls
from bench.errors import BenchError
from bench.evidence import number_of
from bench.manifest import LeftOut
from bench.manual.requirements import Requirement, closed
from reports.current_picture import Mark, current_picture
from reports.ets_matrix import ets_rows
from reports.matrix import ORDER, Coverage, TraceRow, trace
from reports.measurement_picture import distance, measurement_picture
from reports.run import Measurement, Run, Test
from reports.run_picture import MOST_TESTS, test_picture
from reports.takt_picture import takt_picture
from reports.text import VERDICTS, WORDS, duration, limits, name_of_test, quantity
from reports.views import Views

BAD = ("fail", "error")
"""The verdicts of tests that come first."""

PICTURES = 12
"""At most this many tests that did not pass get their own timeline picture; the file stays small."""

LONG, LARGE = 60, 200
"""Of more tests than the first, what passed is folded away; of more than the second, the page leaves out what of passed
tests stands in the record: steps, and of its evidence: pictures, names of files."""

CURRENTS = 20
"""At most this many captures of the supply current are drawn, of tests that did not pass first; all are files."""


@dataclass(frozen=True, slots=True)
class _Why:
    """The test that decided the verdict, with what a reader needs to understand it at once."""

    number: int
    test: Test
    headline: str
    details: str
    fault: dict[str, str]
    measurements: list[Measurement]
    statements: list[Requirement]
    others: list[tuple[int, Test]]


@dataclass(frozen=True, slots=True)
class _File:
    """A file of evidence; ``href`` links to it if it is there, inside the run directory; ``test`` is the number of the
    test whose it is."""

    path: str
    sha256: str
    href: str | None
    test: int | None

    @property
    def kind(self) -> str:
        """Its name without that of the test: ``vcd``, ``2.jls``, ``arrivals.png``."""
        return self.path.rpartition("/")[2].partition(".")[2]


@dataclass(frozen=True, slots=True)
class _Row:
    """A requirement with its verdict, as listed on the page."""

    requirement: Requirement
    trace: TraceRow
    reason: str


def write_page(run: Run, requirements: Sequence[Requirement], views: Views | None = None) -> Path:
    """Write ``report.html`` into the run's directory and return its path. ``views`` that have been drawn before are not
    drawn again."""
    views = views or Views.of(run)
    numbers = {test.id: test.number for test in run.tests}
    script = _source("page.js").strip()
    rows = _requirement_rows(run, requirements)
    files = _files(run)
    in_profile = [row for row in rows if run.profile in row.requirement.profile]
    not_covered = _not_covered(in_profile)
    unpictured = {test.id for test in run.tests if test.verdict not in BAD} if len(run.tests) > LARGE else set()
    beyond = [row for row in run.measurements if row.verdict != "pass"]
    template = _environment().from_string(_source("page.html.j2"))
    page = template.render(
        run=run, numbers=numbers, counts={verdict: run.count(verdict) for verdict in VERDICTS},
        css=Markup(_source("page.css")), script=Markup(script), policy=_policy(script), started=_started(run.started),
        takt=Markup(takt_picture(run.stages)) if run.stages else None,
        why=_why(run, numbers, requirements), closest=_closest(run), run_picture=Markup(views.whole.svg),
        pictured=MOST_TESTS, pictures=_pictures(run), currents=_currents(run, files, unpictured),
        arrivals={test_id: Markup(drawn.svg) for test_id, drawn in views.arrivals.items() if test_id not in unpictured},
        within=_by_prefix([row for row in run.measurements if row.verdict == "pass"]), beyond=_by_prefix(beyond),
        beyond_count=len(beyond), suites=_by_suite(run), is_long=len(run.tests) > LONG, is_large=len(run.tests) > LARGE,
        not_passed=[test for test in run.tests if test.verdict in BAD], left_out=_by_reason(run),
        areas=_by_area(rows), in_profile=in_profile, coverage=Counter(row.trace.verdict for row in in_profile),
        whole=Coverage.of(trace([run], {}, {}), knows_all_tests=False),
        ets=[row for row in ets_rows([run], {}) if row.tests],
        order=ORDER, not_covered=not_covered, missing=sum(len(group) for *_, group in not_covered),
        files=files, evidence=_by_test(files), listed=_listed(run, files),
    )
    path = run.directory / "report.html"
    path.write_bytes(page.encode("utf-8", "replace"))  # a device may send half a surrogate pair
    return path


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        quantity=quantity, duration=duration, name_of_test=name_of_test, slug=lambda text: re.sub(r"\W+", "-", text))
    environment.globals.update(
        WORDS=WORDS, limits=limits, distance=distance, bullet=_bullet, ORDER=ORDER)
    return environment


def _bullet(row: Measurement, large: bool = False) -> Markup:
    return Markup(measurement_picture(row, large=large))  # the picture escapes its own texts


def _source(name: str) -> str:
    return files("reports").joinpath(name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'")


def _started(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.strftime("%Y-%m-%d %H:%M:%S ") + (str(moment.tzinfo) if moment.tzinfo else "(no time zone)")


def _why(run: Run, numbers: dict[str, int], requirements: Sequence[Requirement]) -> _Why | None:
    test = None if run.verdict in ("pass", "incomplete") else run.first(run.verdict)
    if test is None:
        return None
    headline, _, details = (test.message.strip() or "The test says no more.").partition("\n")
    fault = re.fullmatch(r"(?P<subject>.+?): expected (?P<expected>.+?), saw (?P<seen>.+); (?P<do>.+)", headline)
    return _Why(
        number=numbers[test.id], test=test, headline=headline, details=details,
        fault=fault.groupdict() if fault and test.verdict == "error" else {},
        measurements=[row for row in run.measurements_of(test.id) if row.verdict != "pass"][:4],
        statements=[row for row in requirements if row.id in test.requirements],
        others=[(numbers[other.id], other) for other in run.tests
                if other.verdict in BAD and other.id != test.id])


def _closest(run: Run) -> list[Measurement]:
    """The three passed measurements that are nearest to a limit."""
    near = [(away.percent, index) for index, row in enumerate(run.measurements) if row.verdict == "pass"
            and (away := distance(row)) is not None and away.percent is not None]
    return [run.measurements[index] for _, index in sorted(near)[:3]]


def _pictures(run: Run) -> dict[str, Markup]:
    chosen = [test.id for test in run.tests if test.verdict in BAD and test.id in run.timeline]
    deciding = run.first(run.verdict)
    chosen.sort(key=lambda test_id: deciding is None or test_id != deciding.id)
    return {test_id: Markup(test_picture(run.timeline[test_id]).inline_svg()) for test_id in chosen[:PICTURES]}


def _currents(run: Run, files: Sequence[_File], without: Collection[str]) -> dict[str, list[Markup]]:
    """The current pictures of each test that captured some, ``without`` those. A capture that can't be read is in the
    list of files."""
    numbers = {test.number for test in run.tests if test.id in without}
    passed = {test.number for test in run.tests if test.verdict == "pass"}
    captures = [file for file in files if file.path.endswith(".jls") and file.href and file.test not in numbers]
    captures.sort(key=lambda file: file.test in passed)
    found: dict[str, list[Markup]] = {}
    for file in captures[:CURRENTS]:
        try:
            capture = read_jls(run.directory / file.path)
        except BenchError:
            continue
        picture = current_picture(capture, _current_limits(run, capture.test))
        found.setdefault(capture.test, []).append(Markup(picture.inline_svg()))
    return found


_AMPERES = {"uA": 1e-6, "mA": 1e-3, "A": 1.0}


def _current_limits(run: Run, test_id: str) -> list[Mark]:
    """The upper limits of the currents that the test measured; of equal ones the first."""
    marks: list[Mark] = []
    for row in run.measurements_of(test_id):
        if row.high is not None and row.unit in _AMPERES:
            mark = Mark(row.high * _AMPERES[row.unit], row.name)
            if all(abs(mark.current_a / other.current_a - 1) > 0.05 for other in marks if other.current_a):
                marks.append(mark)
    return marks


def _by_prefix(rows: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    groups: dict[str, list[Measurement]] = {}
    for row in rows:
        groups.setdefault(row.name.split(".", 1)[0], []).append(row)
    return dict(sorted(groups.items()))


def _by_suite(run: Run) -> dict[str, list[Test]]:
    """The tests that passed, or were skipped, by their files."""
    groups: dict[str, list[Test]] = {}
    for test in run.tests:
        if test.verdict not in BAD:
            groups.setdefault(test.suite, []).append(test)
    return groups


def _by_reason(run: Run) -> dict[tuple[str, bool], list[LeftOut]]:
    """What was left out, by why and whether that is excused."""
    groups: dict[tuple[str, bool], list[LeftOut]] = {}
    for one in run.left_out:
        groups.setdefault((one.reason, one.excused), []).append(one)
    return groups


def _listed(run: Run, files: Sequence[_File]) -> Sequence[_File]:
    if len(run.tests) <= LARGE:
        return files
    passed = {test.number for test in run.tests if test.verdict not in BAD}
    return [file for file in files if file.test not in passed]


def _requirement_rows(run: Run, requirements: Sequence[Requirement]) -> list[_Row]:
    """The requirements of the run's profile, and those that its tests prove besides."""
    collected = {test.id: test.requirements for test in run.tests}
    skipped = {one.what: one.reason for one in run.left_out}
    skipped |= {test.id: test.reason or test.message for test in run.tests if test.verdict == "skipped"}
    by_id = {row.id: row for row in requirements}
    rows = []
    for row in trace([run], collected, closed(), requirements):
        requirement = by_id[row.id]
        if run.profile not in requirement.profile and not row.tests:
            continue
        reason = row.reason or ""
        if row.verdict == "not run":
            reason = "; ".join(dict.fromkeys(skipped[name] or "no reason given" for name in row.tests
                                             if name in skipped))
        rows.append(_Row(requirement, row, reason))
    return rows


def _by_area(rows: Sequence[_Row]) -> dict[str, tuple[list[_Row], Counter[str]]]:
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        groups.setdefault(row.requirement.area, []).append(row)
    return {area: (group, Counter(row.trace.verdict for row in group)) for area, group in groups.items()}


def _not_covered(rows: Sequence[_Row]) -> list[tuple[str, str, list[_Row]]]:
    """What the run says nothing about, by why: (title, explanation, rows); empty groups are left out."""
    groups = [
        ("Skipped", "A test exists, but this run could not or did not run it.",
         [row for row in rows if row.trace.verdict == "not run"]),
        ("Closed without a test", "Left to another activity, for the reason given. Nothing was proven here.",
         [row for row in rows if row.trace.reason]),
        ("No test in this run", "No test of this run names them.",
         [row for row in rows if row.trace.verdict == "no test" and not row.trace.reason]),
    ]
    return [group for group in groups if group[2]]


def _by_test(files: Sequence[_File]) -> dict[int, list[_File]]:
    """What can be opened of each test, by its number."""
    groups: dict[int, list[_File]] = {}
    for file in files:
        if file.test is not None and file.href is not None:
            groups.setdefault(file.test, []).append(file)
    return groups


def _files(run: Run) -> list[_File]:
    """All evidence, in the order of the record."""
    numbers = {test.number for test in run.tests}
    files = []
    for artifact in run.artifacts:
        path = PurePosixPath(artifact.path)
        inside = bool(re.fullmatch(r"[\w./ -]+", artifact.path)) and not path.is_absolute() and ".." not in path.parts
        present = inside and (run.directory / artifact.path).is_file()
        number = number_of(path) if path.parent.name == "evidence" else None
        files.append(_File(artifact.path, artifact.sha256, "./" + artifact.path if present else None,
                           number if number in numbers else None))
    return files
