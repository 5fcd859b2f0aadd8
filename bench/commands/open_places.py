"""``python -m bench.commands.open_places``: docs/open-in-the-manual.md, from bench/manual/open_places.toml."""

from __future__ import annotations

from pathlib import Path

from bench.manual.open_places import OpenPlace, load

PAGE = Path(__file__).parents[2] / "docs" / "open-in-the-manual.md"

_HEAD = """\
# Open in the manual

Where the user's manual (English, v1.4) contradicts itself, is unclear, or says nothing, and how that is read here. The
numbers are those in comments, findings, and notes of `bench/manual`. Each reading is one to be confirmed by the maker.
Where several readings are named a unit may take any of them: the tests accept each, the record says which one the unit
takes (`readings`), and a unit that takes one here and another there fails. Where none are named, only what stands under
"read as" passes.

Made from `bench/manual/open_places.toml` by `python -m bench.commands.open_places`.
"""
_KINDS = {"C": ("contradictions", "the manual says", "read as"), "U": ("unclear", "what is unclear", "read as"),
          "G": ("gaps", "what is missing", "what is done about it")}


def render() -> str:
    """The page, as Markdown."""
    return _HEAD + "".join(_table(kind) for kind in _KINDS)


def _table(kind: str) -> str:
    title, says, read_as = _KINDS[kind]
    rows = [_row(place) for place in load().values() if place.number.startswith(kind)]
    head = f"| no. | where | {says} | {read_as} | readings | statements |\n|---|---|---|---|---|---|\n"
    return f"\n## {kind}: {title}\n\n{head}" + "".join(rows)


def _row(place: OpenPlace) -> str:
    cells = (place.number, place.where, place.says, place.read_as, " / ".join(place.readings),
             ", ".join(place.statements))
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
