"""A run as JUnit XML, which CI systems read: faults of the bench are errors, faults of the unit failures.

There is no standard; this keeps to what Jenkins' and GitLab's readers have in common (testsuites, testsuite, testcase
with failure, error or skipped, properties). Of a run that could not go on, or that is incomplete, there is a case that
says so: a reader that counts cases never sees a better run than it was.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from bench.errors import BenchError
from reports.text import limits

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no form for (2.2)."""

_OUTCOMES = {"fail": "failure", "error": "error", "skipped": "skipped"}
_COUNTS = {"failure": "failures", "error": "errors", "skipped": "skipped"}

RUN = "mcm-bench"
"""The suite of what is said of the run itself."""


def write_junit(record: Mapping[str, Any], path: Path) -> None:
    """Write ``record`` (as in record.json) to ``path``, whole or not at all. Raises ``BenchError`` where it can't be
    written."""
    _write(junit(record), path)


def write_together(records: Mapping[str, Path], path: Path, beside: Iterable[Path] = ()) -> None:
    """One file of several runs, their suites with the name of each before their own; ``beside``: other JUnit files
    whose suites belong there, too. Raises ``BenchError`` where one can't be read or written."""
    root = ET.Element("testsuites", name=RUN)
    try:
        for name, record in records.items():
            for suite in junit(json.loads(record.read_text("utf-8"))):
                suite.set("name", f"{name}: {suite.get('name')}")
                root.append(suite)
        for other in beside:
            root.extend(ET.parse(other).getroot())
    except (OSError, ValueError, KeyError, ET.ParseError) as error:
        raise BenchError(f"JUnit file {path}", expected="the records of all its runs", seen=str(error),
                         do="look at the run directory") from error
    _count(root, [case for suite in root for case in suite.findall("testcase")])
    _write(root, path)


def _write(root: ET.Element, path: Path) -> None:
    draft = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
        draft.replace(path)
    except OSError as error:
        raise BenchError(f"JUnit file {path}", expected="to write it", seen=(error.strerror or str(error)).lower(),
                         do="choose another place with --junit; the record is in the run directory") from error


def junit(record: Mapping[str, Any], facts: Mapping[str, object] | None = None) -> ET.Element:
    """The element ``testsuites``. ``facts``: what else is said of the run, as properties of it."""
    root = ET.Element("testsuites", name=_text(f"{RUN} {record['profile']}"))
    by_file: dict[str, list[ET.Element]] = {}
    measured: dict[str, list[Mapping[str, Any]]] = {}
    for row in record.get("measurements", ()):
        measured.setdefault(row["test"], []).append(row)
    for test in record["tests"]:
        by_file.setdefault(test["id"].partition("::")[0], []).append(_case(test, measured.get(test["id"], ())))
    suites = [_suite(record, name, cases) for name, cases in by_file.items()]
    root.extend([_suite(record, RUN, list(_of_the_run(record)), facts or {}), *suites])
    _count(root, [case for suite in root for case in suite.findall("testcase")])
    return root


def _suite(record: Mapping[str, Any], name: str, cases: list[ET.Element],
           facts: Mapping[str, object] | None = None) -> ET.Element:
    suite = ET.Element("testsuite", name=_text(name), hostname=_text(record["station"]),
                       timestamp=_text(record["started"])[:19])
    said = {key: record[key] for key in ("run_id", "unit", "seed", "verdict", "simulated")}
    _properties(suite, (said | dict(facts or {})).items())
    suite.extend(cases)
    _count(suite, cases)
    return suite


def _case(test: Mapping[str, Any], measured: Iterable[Mapping[str, Any]]) -> ET.Element:
    file, _, name = test["id"].partition("::")
    case = ET.Element("testcase", classname=_text(file.removesuffix(".py").replace("/", ".")), name=_text(name),
                      file=_text(file), time=f"{test['wall_time_s']:.3f}")
    _properties(case, [("device_time_s", f"{test['device_time_s']:.3f}"),
                       *(("requirement", one) for one in test["requirements"]),
                       *((row["name"], f"{row['value']} {row['unit']} ({limits(row['low'], row['high'], row['unit'])}) "
                                       f"{row['verdict']}") for row in measured)])
    outcome = _OUTCOMES.get(test["verdict"])
    if outcome is not None:
        _say(case, outcome, test["message"] or test.get("reason") or "")
    return case


def _of_the_run(record: Mapping[str, Any]) -> Iterable[ET.Element]:
    """Whether it came to its end, and whether all of it is there."""
    ended = ET.Element("testcase", classname=RUN, name="the run comes to its end", time="0.000")
    if record["message"]:
        _say(ended, "error", record["message"])
    yield ended
    left_out = [one for one in (record.get("manifest") or {}).get("left_out", ()) if not one["excused"]]
    if left_out:
        complete = ET.Element("testcase", classname=RUN, name="nothing is left out", time="0.000")
        reasons = Counter(one["reason"] for one in left_out).most_common(5)
        _say(complete, "skipped", f"incomplete: {len(left_out)} left out\n" + "\n".join(
            f"{count} × {reason}" for reason, count in reasons))
        yield complete


def _say(case: ET.Element, outcome: str, text: str) -> None:
    said = _text(text) or outcome
    element = ET.SubElement(case, outcome, message=said.splitlines()[0] if said.splitlines() else outcome)
    if outcome != "skipped":
        element.set("type", "unit" if outcome == "failure" else "bench")
    element.text = said


def _properties(element: ET.Element, pairs: Iterable[tuple[str, object]]) -> None:
    box = ET.SubElement(element, "properties")
    for name, value in pairs:
        ET.SubElement(box, "property", name=_text(name), value=_text(value))


def _count(element: ET.Element, cases: list[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    for outcome, name in _COUNTS.items():
        element.set(name, str(sum(case.find(outcome) is not None for case in cases)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _text(value: object) -> str:
    return _NO_XML.sub("�", str(value).replace("\u00a0", " "))
