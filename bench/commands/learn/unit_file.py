"""A unit file, written: what ``bench/twin/like.py`` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bench.twin.like import Like

_HEAD = """# Written by mcm-bench learn: the twin that is like the unit of these runs. Use it with --like; it may be
# corrected by hand.
"""


def dump(like: Like) -> str:
    """As TOML; strings and numbers are written as in JSON, which TOML reads the same."""
    content = like.model_dump(exclude_defaults=True, mode="json")
    told = {name: content.pop(name, []) for name in ("cannot", "undecided")}
    plain = {name: value for name, value in content.items() if not isinstance(value, Mapping)}
    lines = [_HEAD, *_pairs(plain)]
    for name, table in content.items():
        if isinstance(table, Mapping) and table:
            lines += ["", f"[{name}]", *_pairs(table)]
    for name, rows in told.items():
        for row in rows:
            lines += ["", f"[[{name}]]", *_pairs(row)]
    return "\n".join(lines) + "\n"


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        key = name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)
        yield f"{key} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float):
        return repr(round(value, 9)) if "e" not in repr(value) else f"{value:.6e}"
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
