"""``mcm-bench plan``: what a night would test, and what it would leave out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.commands.nights.night import planned
from bench.commands.nights.order import NightOrder
from bench.commands.nights.plan import Plan, device_seconds
from bench.commands.order import Order
from bench.commands.run import would_run
from reports.text import duration

_SHOWN = 12


def show_plan(profile: str, order: NightOrder, station: Path | None, expression: str, as_json: bool,
              console: Console) -> int:
    """Print the plan. Raises ``BenchError`` where there is no time for anything."""
    asked = Order(profile, Path(), station=station, expression=expression, night=order).read()
    found = would_run(asked)
    made, _ = planned(order, found, asked.file.name if asked.file is not None else None)
    if as_json:
        print(json.dumps(made.to_json(), indent=1))
        return 0
    _print(made, order, console)
    return 0


def _print(made: Plan, order: NightOrder, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("unit", "test", "device time", "from"):
        table.add_column(name, overflow="fold", justify="right" if name == "device time" else "left")
    for number, place in enumerate(made.places, start=1):
        for test in place:
            table.add_row(str(number), Text(test.id.removeprefix("suites/")), duration(test.seconds),
                          "learned" if test.learned else "declared")
    console.print(table)
    for number, place in enumerate(made.places, start=1):
        learned = sum(test.learned for test in place)
        console.print(f"unit {number}: {len(place)} tests, {duration(device_seconds(place))}; {learned} of the times "
                      f"are learned, {len(place) - learned} declared")
    for reason, count in Counter(why.partition(";")[0] for why in made.left_out.values()).most_common(_SHOWN):
        console.print(Text(f"left out: {count} × {reason}", "dim"), soft_wrap=True)
    facts = made.to_json()
    if facts["not_covered"]:
        console.print(Text(f"statements covered in no sense: {', '.join(facts['not_covered'])}", "dim"), soft_wrap=True)
    console.print(f"plan for {order}: {len(made.chosen)} tests cover {made.covered} of {made.coverage.tested} tested "
                  f"statements in at least one sense, and prove {made.proven} in every sense; nothing was run",
                  soft_wrap=True)
