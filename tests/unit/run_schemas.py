"""Records and events held to their JSON Schemas by a third party's validator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from bench.commands import schemas


def objections_to_run(run_dir: Path) -> list[str]:
    """What a reader of the schemas would not understand of a run's ``record.json`` and ``events.ndjson``."""
    events = run_dir / "events.ndjson"
    lines = events.read_text("utf-8").splitlines() if events.exists() else []
    return [*objections("record", json.loads((run_dir / "record.json").read_text("utf-8"))),
            *(one for line in lines for one in objections("events", json.loads(line)))]


def objections(name: str, content: Any) -> list[str]:
    schema = json.loads((schemas.FOLDER / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)]
    return wrong or [f"{at} is not in the schema" for at in _unknown(content, schema)]


def _unknown(content: Any, schema: dict[str, Any], at: str = "$") -> Iterator[str]:
    for one in schema.get("oneOf", ()):
        if one["properties"]["event"]["const"] == content["event"]:
            yield from _unknown(content, one, at)
    if isinstance(content, list):
        for item in content:
            yield from _unknown(item, schema.get("items", {}), f"{at}[]")
    elif isinstance(content, dict) and "properties" in schema:
        for key, value in content.items():
            if key in schema["properties"]:
                yield from _unknown(value, schema["properties"][key], f"{at}.{key}")
            else:
                yield f"{at}.{key}"
