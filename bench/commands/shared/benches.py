"""``mcm-bench benches``: who has which shared bench since when, what it offers, and what the doctor said last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.commands.shared.coordinator import Coordinator, Place, resources_of, since
from bench.commands.shared.owner import Owner
from bench.errors import unknown


def benches(address: str, free: Sequence[str], as_json: bool, console: Console) -> int:
    """Print all places, after the locks of those in ``free`` have been taken off. Raises ``BenchError``."""
    with Coordinator(address, Owner.of_this_process().name) as coordinator:
        freed = [_freed(coordinator, name) for name in free]
        rows = [_row(coordinator, place) for _, place in sorted(coordinator.places.items())]
    if as_json:
        print(json.dumps({"coordinator": address, "freed": freed, "benches": rows}, indent=1))
        return 0
    for one in freed:
        console.print(Text(f"place {one['name']} is free; it was {one['owner'] or 'nobody'}'s"), soft_wrap=True)
    if not rows:
        console.print(Text(f"the {coordinator.subject} has no place; make one with labgrid-client create"))
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("bench", "who has it", "since", "tags", "resources", "doctor"):
        table.add_column(head, overflow="fold")
    for row in rows:
        gone = ", its process has ended" if row["stale"] else ""
        table.add_row(*map(Text, (
            row["name"], f"{row['owner']}{gone}" if row["owner"] else "free" if not row["reserved"] else "reserved",
            row["since"] if row["owner"] else "",
            " ".join(f"{key}={value}" for key, value in row["tags"].items()),
            "\n".join(name if one["available"] else f"{name} (lost)" for name, one in row["resources"].items())
            or "none: no exporter offers any", row["doctor"] or "nobody looked")))
    console.print(table)
    return 0


def _freed(coordinator: Coordinator, name: str) -> dict[str, str]:
    place = coordinator.places.get(name)
    if place is None:
        raise unknown(coordinator.subject, name, coordinator.places, "look at mcm-bench benches")
    if place.owner:
        coordinator.release(name, place.owner)
    return {"name": name, "owner": str(Owner.read(place.owner)) if place.owner else ""}


def _row(coordinator: Coordinator, place: Place) -> dict[str, Any]:
    owner = Owner.read(place.owner) if place.owner else None
    return {"name": place.name, "owner": str(owner or ""), "since": since(place) if owner else "",
            "stale": owner is not None and owner.is_gone, "reserved": bool(place.reservation) and owner is None,
            "tags": {key: value for key, value in sorted(place.tags.items()) if key != "doctor"},
            "resources": {name: {"path": str(one), "kind": one.kind, "available": one.available}
                          for name, one in resources_of(place, coordinator.resources)},
            "doctor": place.tags.get("doctor", ""), "comment": place.comment}
