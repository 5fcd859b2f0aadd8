"""JUnit's XML, in the form of pytest's ``xunit2``: a unit's fault is a failure, the bench's an error.

pytest's own writer makes a failure of a bench's fault in a test's body, so this is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from reports.exports.document import Document, StoredRun, clean
from reports.text import limits

_TAGS = {"fail": "failure", "error": "error", "skipped": "skipped"}


def junit(run: StoredRun, _: Mapping[str, Any]) -> Document:
    """Of a run that the bench could not end, the bench's fault is a case of its own: no reader takes it for passed."""
    record, tests = run.record, run.tests
    cases = [(test["id"], test["verdict"], test.get("message") or test.get("reason") or "") for test in tests]
    if record["verdict"] not in ("pass", "fail") and all(test["verdict"] != "error" for test in tests):
        said = record["message"] or "; ".join(
            f"{one['what']}: {one['reason']}" for one in run.manifest.get("left_out") or () if not one["excused"])
        cases.append((f"bench::{record['verdict']}", "error", said or record["verdict"]))
    suite = Element("testsuite", {
        "name": clean(run.process), "tests": str(len(cases)), **{f"{tag}s" if tag != "skipped" else tag: str(
            sum(verdict == kind for _, verdict, _ in cases)) for kind, tag in _TAGS.items()},
        "time": f"{run.duration_s:.3f}", "timestamp": run.started.isoformat(timespec="seconds"),
        "hostname": clean(record["station"] or "twin")})
    properties = SubElement(suite, "properties")
    facts: dict[str, object] = {
        "run_id": run.run_id, "unit": record["unit"], "verdict": record["verdict"], "attempt": run.attempt,
        "simulated": "yes" if record["simulated"] else "no", "firmware": run.firmware, "operator": run.operator,
        **run.job}
    for name, fact in facts.items():
        SubElement(properties, "property", {"name": name, "value": clean(fact)})
    took = {test["id"]: float(test["wall_time_s"]) for test in tests}
    for test_id, verdict, message in cases:
        place, name = clean(test_id).rsplit("::", 1) if "::" in test_id else ("", clean(test_id))
        case = SubElement(suite, "testcase", {
            "classname": place.removesuffix(".py").replace("/", "."), "name": name,
            "time": f"{took.get(test_id, 0.0):.3f}"})
        measured = run.measurements_of(test_id)
        if measured:
            values = SubElement(case, "properties")
            for row in measured:
                SubElement(values, "property", {"name": clean(row["name"]), "value": clean(
                    f"{row['value']} {row['unit']} ({limits(row['low'], row['high'], row['unit'])}) {row['verdict']}")})
        if verdict in _TAGS:
            told = SubElement(case, _TAGS[verdict], {"message": clean(message).partition("\n")[0]})
            told.text = clean(message)
    whole = Element("testsuites")
    whole.append(suite)
    return Document(run.run_id, ".xml", "application/xml", tostring(whole, "utf-8", xml_declaration=True))
