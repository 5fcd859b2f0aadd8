"""JSON Schemas of what others read of a run: ``bench/record.schema.json`` and ``bench/events.schema.json``.

``python -m bench.commands.schemas`` writes them anew from the classes of which a record and its events are made; a test
holds the files to them, and runs to the files. Interfaces only grow: what a schema does not know may be there.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.commands.safe_state import SafeState
from bench.manifest import Manifest
from bench.measure import Measurement, Verdict
from bench.record import SCHEMA, Record, Stage, TestResult
from fixtures.line.events import Event

FOLDER = Path(__file__).parents[1]

_Schema = dict[str, Any]

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$"


def record() -> _Schema:
    """Of ``record.json``. ``place`` is of a run on a shared bench, ``safe_state`` of one that its supervisor ended."""
    test, measurement = _of(TestResult), _of(Measurement)
    del test["properties"]["measurements"]    # they have a list of their own
    test["required"].remove("measurements")
    test["properties"]["reason"] = _text("Why it was skipped.")
    measurement["properties"]["value"] = {"type": ["number", "null"]}
    measurement["properties"]["test"] = _text("The id of its test.")
    measurement["required"].append("test")
    number, texts = {"type": "number"}, {"type": "array", "items": {"type": "string"}}
    listed = {
        "schema": {"const": SCHEMA}, "run_id": _text("A UUID of version 7."), "job": {"type": "object"},
        "verdict": {"enum": [str(one) for one in Verdict]}, "simulated": {"type": "boolean"},
        "profile": _text(), "unit": _text("DevEUI."), "station": _text(), "seed": {"type": "integer"},
        "defects": texts, "started": {"type": "string", "pattern": _TIME}, "device_time_s": number,
        "wall_time_s": number, "message": _text("Why the bench could not go on; else empty."),
        "labs": {"type": "integer"}, "power_cycles": texts, "not_delivered": texts, "manifest": _of(Manifest),
        "stages": _list(_of(Stage)), "tests": _list(test), "measurements": _list(measurement),
        "artifacts": _list({"type": "object", "required": ["path", "sha256"], "properties": {
            "path": _text("From the folder of the run."), "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}}),
    }
    return _head("record", Record) | {"type": "object", "required": list(listed), "properties": {
        **listed, "safe_state": _of(SafeState), "place": {"type": "object"}}}


def events() -> _Schema:
    """Of one line of ``events.ndjson``."""
    return _head("events", Event) | {"oneOf": [_of(one) for one in Event.__args__]}


def texts() -> Mapping[Path, str]:
    """What the files are to hold."""
    return {FOLDER / f"{name}.schema.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
            for name, schema in (("record", record()), ("events", events()))}


def _head(name: str, thing: Any) -> _Schema:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name,
            **({"description": _plain(thing.__doc__)} if inspect.isclass(thing) and thing.__doc__ else {})}


def _of(thing: Any) -> _Schema:
    """The schema of a class as it stands in JSON, with nothing to look up elsewhere; all of it is always there."""
    schema = TypeAdapter(thing).json_schema(mode="serialization")
    known = schema.pop("$defs", {})

    def told(part: Any) -> Any:
        if isinstance(part, list):
            return [told(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return told(known[part["$ref"].rpartition("/")[2]])
        kept = {key: told(value) for key, value in part.items() if key not in ("title", "default", "properties")}
        if "description" in kept:
            kept["description"] = _plain(kept["description"])
        if "properties" in part:
            kept["required"] = list(part["properties"])
            kept["properties"] = {key: told(value) for key, value in part["properties"].items()}
        return kept

    return dict(told(schema))


def _plain(docstring: str) -> str:
    return " ".join(inspect.cleandoc(docstring).split()).replace("``", "'")


def _text(description: str = "") -> _Schema:
    return {"type": "string", **({"description": description} if description else {})}


def _list(items: _Schema) -> _Schema:
    return {"type": "array", "items": items}


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
