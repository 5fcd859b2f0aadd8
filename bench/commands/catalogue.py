"""``mcm-bench list`` and ``mcm-bench run --dry-run``: what there is to choose from, and what a choice comes to."""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import instruments
from bench.abilities import ABILITIES
from bench.commands.licences import licences
from bench.commands.order import Order
from bench.commands.run import would_run
from bench.errors import unknown
from bench.station_file import AmmeterTable, CellTable, NfcTable, PanelTable, SupplyTable
from bench.twin.defects import DEFECTS
from bench.twin.faults import FAULTS
from bench.twin.variants import VARIANTS
from fixtures import words
from fixtures.plugin import hands, line, lives
from fixtures.words import PROFILES
from reports.text import duration

Row = Mapping[str, Any]
"""What is listed, with what is said of it: text, or a list of names."""

_ALL = Order("all", Path())

START_S, TWIN_S = 10, 0.15
"""What a run takes to begin, and each test of it on the twin, about: docs/architecture.md."""


def show(what: str, having: Sequence[str], profile: str | None, requirement: str | None, as_json: bool,
         console: Console) -> None:
    """Print what there is of ``what``. Raises ``BenchError`` where there is no such thing to list."""
    found = [row for row in rows(what) if _has(row, having) and _names(row, requirement)
             and (profile is None or profile in row.get("profiles", ()))]
    if as_json:
        print(json.dumps({what: found}, indent=1))
        return
    table = Table(box=None, pad_edge=False, show_header=bool(found))
    for name in found[0] if found else ():
        table.add_column(name.replace("_", " "), overflow="fold", justify="right" if name == "device_time" else "left")
    for row in found:
        table.add_row(*(Text(_text(value), overflow="fold") for value in row.values()))
    console.print(table)
    console.print(Text(f"{len(found)} {what if len(found) != 1 else what.removesuffix('s')}", "dim"))


def rows(what: str) -> list[Row]:
    """All that there is of ``what``, each row with the same names. Raises ``BenchError`` for what can't be listed."""
    if what not in _LISTS:
        raise unknown("list", what, _LISTS, "choose one of them")
    return list(_LISTS[what]())


def what_would_run(order: Order, console: Console) -> int:
    """Print which tests ``order`` chooses and how long they take; exit code 0. Raises ``BenchError`` for none."""
    order = order.read()
    for catalogue, names in ((DEFECTS, order.defects), (VARIANTS, order.variants), (FAULTS, order.faults)):
        catalogue.find(names)
    found = would_run(order)
    for test, times in found.device_times.items():
        console.print(Text(f"{duration(times):>12}  {test.removeprefix('suites/')}"), soft_wrap=True)
    total = sum(found.device_times.values())
    left = found.plan.left_out if found.plan is not None else []
    for reason, count in Counter(one.reason for one in left).most_common(5):
        console.print(Text(f"left out: {count} × {reason}", "dim"), soft_wrap=True)
    count = len(found.collected)
    on_twin = f", about {duration(START_S + count * TWIN_S)} on the twin" if order.file is None else ""
    tests = f"{count} {'test' if count == 1 else 'tests'}"
    console.print(f"{tests}, {duration(total)} on hardware{on_twin}; nothing was run")
    return 0


def _has(row: Row, having: Sequence[str]) -> bool:
    text = " ".join(map(_text, row.values())).lower()
    return all(re.search(rf"(?<![a-z0-9]){re.escape(word.lower())}", text) for word in having)    # where a word begins


def _names(row: Row, requirement: str | None) -> bool:
    return requirement is None or any(fnmatchcase(one, requirement) for one in row.get("requirements", ()))


def _text(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ").removesuffix("::").strip()


def _profiles() -> Iterator[Row]:
    found = would_run(_ALL)
    for name in PROFILES:
        times = [found.device_times[test] for test, profiles in found.profiles.items() if name in profiles]
        yield {"name": name, "tests": str(len(times)), "device_time": duration(sum(times)), "text": _PROFILES[name]}


def _tests() -> Iterator[Row]:
    found = would_run(_ALL)
    for test in found.collected:
        yield {"name": test.removeprefix("suites/"), "device_time": duration(found.device_times[test]),
               "profiles": list(found.profiles[test]), "requirements": list(found.collected[test]),
               "needs": list(found.needs[test])}


def _words() -> Iterator[Row]:
    """The fixtures that a suite asks for by name, what each can do, and the marks."""
    for name, made in sorted((vars(lives) | vars(hands) | vars(line)).items()):
        function = getattr(made, "_fixture_function", None)    # of pytest's FixtureFunctionDefinition
        if function is None or name.startswith("_"):
            continue
        yield {"name": name, "text": _first_line(function)}
        given = typing.get_type_hints(function).get("return")
        for kind in (given, *typing.get_args(given)):
            if inspect.isclass(kind) and kind.__module__.partition(".")[0] in ("fixtures", "drivers"):
                for attribute, member in vars(kind).items():
                    if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                        yield {"name": f"{name}.{attribute}{_call(member)}", "text": _first_line(member)}
    for name, made in sorted(vars(words).items()):
        if inspect.isfunction(made) and made.__module__ == words.__name__:
            yield {"name": f"@{name}{_call(made)}", "text": _first_line(made)}


def _call(member: object) -> str:
    if not inspect.isfunction(member):
        return ""
    return "(" + ", ".join(name for name in inspect.signature(member).parameters if name != "self") + ")"


def _instruments() -> Iterator[Row]:
    for table in (SupplyTable, AmmeterTable, PanelTable, NfcTable, CellTable):
        for name in instruments.names(table.kind):
            driver = instruments.find(table.kind, name)
            yield {"name": name, "table": f"[{table.kind}]", "keys": list(driver.options.model_fields),
                   "abilities": sorted(driver.abilities), "text": _first_line(driver.build)}


_PROFILES: Mapping[str, str] = {
    "line": "one unit on the production line, driven once and judged by many tests",
    "acceptance": "the first look at a unit, and what a release must pass; leaves nothing out",
    "regression": "every statement of the manual that this station can prove",
    "certification": "regression, held strictly: a pre-check before a laboratory",
    "client": "what any LwM2M client owes its servers, for a unit that is no CMi6110"}

_LISTS: Mapping[str, Callable[[], Iterator[Row]]] = {
    "profiles": _profiles,
    "tests": _tests,
    "defects": lambda: ({"name": one.name, "wire": one.wire, "kind": one.kind, "requirements": list(one.requirements),
                         "text": one.text} for one in DEFECTS.values()),
    "variants": lambda: ({"name": one.name, "place": one.place, "text": one.text} for one in VARIANTS.values()),
    "faults": lambda: ({"name": one.name, "instrument": one.instrument, "text": one.text} for one in FAULTS.values()),
    "words": _words,
    "instruments": _instruments,
    "licences": lambda: ({"name": one.package, "version": one.version, "licence": one.licence or "not installed",
                          "extras": list(one.extras)} for one in licences()),
    "abilities": lambda: ({"name": name, "text": text} for name, text in ABILITIES.items())}
