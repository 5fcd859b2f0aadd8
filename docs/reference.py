"""A hook of MkDocs: the pages that are printed from the program itself, and those that are read from elsewhere."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from typer.core import TyperGroup
from typer.main import get_command

from bench import instruments
from bench.cli import app
from bench.commands import schemas
from bench.commands.catalogue import rows
from bench.station_file import InstrumentTable, StationFile

PROJECT = Path(__file__).resolve().parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path, content in pages().items():
        files.append(File.generated(config, path, content=content))
    for path, content in schemas.texts().items():
        files.append(File.generated(config, f"reference/{path.name}", content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to what is no page of the site become the names of the files, which are in the project."""
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?:bench|drivers|fixtures|suites|reports|tests)[^)]*\)", r"`\1`", markdown)


def pages() -> dict[str, str]:
    return {
        "index.md": _index(),
        "reference/command-line.md": "\n".join(["# Command line", "", *_commands()]),
        "reference/station-file.md": "\n".join(["# Station file", "", *_station_file()]),
        **{f"reference/{what}.md": "\n".join([f"# {title}", "", text, "", *_table(rows(what))])
           for what, (title, text) in LISTS.items()},
        "reference/record.md": "\n".join(["# record.json", "", *_record()]),
        "reference/events.md": "\n".join(["# events.ndjson", "", *_events()]),
        "reference/instruments.md": "\n".join(["# Instruments", "", *_instruments()]),
    }


LISTS = {
    "words": ("Words of the suites",
              "What a suite may ask for, from the docstrings. `mcm-bench list words` prints the same."),
    "tests": ("Tests", "All tests of the unit. `mcm-bench list tests` prints the same."),
    "defects": ("Defects", "Deliberate faults of the twin's unit; each is caught by a test that names what is broken."),
    "variants": ("Variants", "Legal units and meters that differ from the twin's usual one; each passes."),
    "faults": ("Faults", "Deliberate faults of the twin's instruments; none ends as a unit's failure."),
    "licences": ("Licences", "Of all that the bench stands on, as the packages say it."),
}


def _index() -> str:
    text = (PROJECT / "README.md").read_text("utf-8")
    return re.sub(r"\(docs/([^)]+)\)", r"(\1)", text).replace("[LICENSE](LICENSE)", "`LICENSE`").replace(
        "[CONTRIBUTING](CONTRIBUTING.md)", "`CONTRIBUTING.md`")


def _table(rows: Iterable[Any]) -> Iterator[str]:
    heads: list[str] = []
    for row in rows:
        if not heads:
            heads = list(row)
            yield "| " + " | ".join(head.replace("_", " ") for head in heads) + " |"
            yield "|---" * len(heads) + "|"
        yield "| " + " | ".join(_cell(head, row[head]) for head in heads) + " |"


def _cell(head: str, value: Any) -> str:
    text = " ".join(value) if isinstance(value, list) else str(value)
    text = text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    return f"`{text}`" if head == "name" and text else text


def _commands() -> Iterator[str]:
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    yield from _exit_codes(command.epilog or "")
    for name, one in command.commands.items():
        yield from _command(f"mcm-bench {name}", one)


def _exit_codes(epilog: str) -> Iterator[str]:
    yield "| exit code | means |"
    yield "|---|---|"
    for line in epilog.splitlines():
        if line[:1].isdigit():
            code, meaning = line.split(maxsplit=1)
            yield f"| {code} | {meaning} |"
    yield ""


def _command(path: str, command: Any) -> Iterator[str]:
    yield from (f"## {path}", "", inspect.cleandoc(command.help or "").replace("<", "&lt;"), "")
    if isinstance(command, TyperGroup):
        for name, one in command.commands.items():
            yield from _command(f"{path} {name}", one)
        return
    context = command.make_context(path, [], resilient_parsing=True)
    told = [record for record in (one.get_help_record(context) for one in command.params) if record is not None]
    if told:
        yield from ("| option | |", "|---|---|")
        yield from (f"| `{option}` | {_cell('', text)} |" for option, text in told)
        yield ""


def _station_file() -> Iterator[str]:
    yield _doc(StationFile)
    yield ""
    yield from _keys(StationFile)
    for name, field in StationFile.model_fields.items():
        model = next((one for one in _members(field.annotation) if _is_table(one)), None)
        if model is None:
            continue
        yield from ("", f"## [{name}]", "", _doc(model), "")
        yield from _keys(model)
        if issubclass(model, InstrumentTable):
            yield from ("", "Keys of its drivers:", "")
            for driver in instruments.names(model.kind):
                options = instruments.find(model.kind, driver).options
                yield from (f"### {name}: {driver}", "", _doc(options), "")
                yield from _keys(options)
                yield ""


def _record() -> Iterator[str]:
    schema = schemas.record()
    yield "What a run leaves behind, as a [JSON Schema](record.schema.json) to hold it against. Keys are only added."
    yield from ("", schema["description"], "", *_schema_keys(schema))
    for key, value in schema["properties"].items():
        inner = value.get("items", value)
        if "properties" in inner:
            yield from ("", f"## {key}", "", inner.get("description", ""), "", *_schema_keys(inner))


def _events() -> Iterator[str]:
    yield "A line of JSON for each event, as a [JSON Schema](events.schema.json). Keys and events are only ever added."
    for one in schemas.events()["oneOf"]:
        yield from ("", f"## {one['properties']['event']['const']}", "", one["description"], "", *_schema_keys(one))


def _schema_keys(schema: dict[str, Any]) -> Iterator[str]:
    yield from ("| key | value | |", "|---|---|---|")
    for key, value in schema["properties"].items():
        yield f"| `{key}` | {_cell('', _schema_value(value))} | {_cell('', value.get('description', ''))} |"


def _schema_value(value: dict[str, Any]) -> str:
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        return " or ".join(map(_schema_value, value["anyOf"]))
    kinds = value.get("type", "anything")
    items = f" of {_schema_value(value['items'])}" if kinds == "array" else ""
    return " or ".join([kinds] if isinstance(kinds, str) else kinds) + items


def _keys(model: type[BaseModel]) -> Iterator[str]:
    yield from ("| key | values | default |", "|---|---|---|")
    for key, field in model.model_fields.items():
        if any(_is_table(one) for one in _members(field.annotation)):
            continue    # has a chapter of its own
        default = "needed" if field.is_required() else _default(field.get_default(call_default_factory=True))
        yield f"| `{key}` | {_values(field.annotation)} | {_cell('', default)} |"


def _default(value: Any) -> str:
    """As it is written in TOML, which has nothing for what is not there."""
    if value is None or value == "":
        return ""
    if isinstance(value, (list, tuple, dict)):
        return f"`{value if isinstance(value, dict) else list(value)}`" if value else ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _values(annotation: Any) -> str:
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_values(one) for one in _members(annotation) if one is not NoneType)
    if (choices := get_args(annotation)) and all(isinstance(one, str) for one in choices):
        return ", ".join(f'`"{one}"`' for one in choices)
    name = getattr(annotation, "__name__", str(annotation))
    return {"str": "text", "int": "whole number", "float": "number", "bool": "`true`, `false`", "Path": "path",
            "tuple": "list", "dict": "table"}.get(name, name)


def _is_table(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, BaseModel)


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) or (annotation,)


def _doc(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "").replace("``", "`").replace("<", "&lt;")


def _instruments() -> Iterator[str]:
    yield "What each twin answers, line by line, with its source, is on the instrument's own page."
    yield ""
    for page in sorted((PROJECT / "docs" / "instruments").glob("*.md")):
        title = page.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        yield f"* [{title}](../instruments/{page.name})"
    yield ""
    yield from _table(rows("instruments"))
