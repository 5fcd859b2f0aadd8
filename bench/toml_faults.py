"""What is wrong in a TOML file that pydantic has refused: all of it, each with its line, in the words of a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from bench.errors import BenchError, did_you_mean

Place = tuple[int | str, ...]
"""Where a value stands: names of tables and keys, and for an array of tables which one, from 0."""

KeysAt = Callable[[Place], list[str]]
"""The keys that the table around a place may have."""

_HIDDEN = object()
_SHOWN = 60
_ALSO = 5


def told(expected: str, seen: str, do: str = "correct the value", key: str = "") -> PydanticCustomError:
    """For a validator: what is wrong in its own words. ``key``: the one of the table that is meant; ``seen`` is empty
    for what stands there."""
    return PydanticCustomError("told", "{expected}", {"expected": expected, "seen": seen, "do": do, "key": key})


def explain(subject: str, error: ValidationError, path: Path, files: str, keys_at: KeysAt, *,
            secret: Collection[str] = ()) -> BenchError:
    """All that is wrong, each with its line in the file: the first as one sentence, and a line for each other.
    ``files``: what such files are called; ``secret``: keys whose values are not shown."""
    lines = path.read_text("utf-8", "replace").splitlines()
    found = [(one, secret and not {*map(str, one["loc"])}.isdisjoint(secret)) for one in _once(error.errors())]
    return together(subject, [_explain_one(where(lines, one["loc"]), {**one, "input": _HIDDEN} if is_secret else one,
                                           files, keys_at) for one, is_secret in found])


def together(subject: str, errors: Iterable[BenchError]) -> BenchError:
    """The first as one sentence, and a line for each other."""
    first, *others = errors
    also = [str(one).removesuffix(".") for one in others[:_ALSO]]
    if len(others) > _ALSO:
        also.append(f"and {len(others) - _ALSO} more")
    return BenchError(f"{subject}, {first.subject}", expected=first.expected, seen=first.seen,
                      do=".\n".join([first.do.rstrip("."), *also]))


def _once(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """One for each place: of a value that may be this or that pydantic tells both."""
    return list({one["loc"]: one for one in reversed(errors)}.values())[::-1]


def where(lines: list[str], place: Place) -> str:
    """``line 7, key panel.port``; a key that is not there is looked for in its table, and one of the file has no line.
    """
    key = ".".join(map(str, place))
    numbers = {found: number for number, found in reversed([*_places(lines)])}
    for count in range(len(place), 0, -1):
        if isinstance(place[count - 1], str) or isinstance(place[-1], str):
            number = numbers.get(place[:count])
            if number is not None:
                return f"line {number}, key {key}"
    return f"key {key}"


def _places(lines: list[str]) -> Iterator[tuple[int, Place]]:
    """The place that each line begins, a header or a key; as far as a look at single lines shows it."""
    table: Place = ()
    counts: dict[Place, int] = {}
    for number, line in enumerate(lines, start=1):
        if header := re.match(r"\s*(\[\[?)([^\]]+)\]", line):
            table = ()
            names = _names(header[2])
            for depth, name in enumerate(names, start=1):
                table = (*table, name)
                if depth == len(names) and header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                    yield number, table
                if table in counts:    # the newest of the array
                    table = (*table, counts[table])
            yield number, table
        elif key := re.match(r"""\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=""", line):
            yield number, (*table, *_names(key[1]))


def _names(text: str) -> Place:
    """``a."b.c"`` as its names."""
    return tuple(one.strip("\"'") for one in re.findall(r"""("[^"]*"|'[^']*'|[\w-]+)""", text))


def shown(value: object) -> str:
    """A wrong value, short. A table in the wrong place may hold a key."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    try:
        text = "something else" if value is _HIDDEN else repr(value)
    except ValueError:    # Python writes no integer of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _explain_one(subject: str, first: ErrorDetails, files: str, keys_at: KeysAt) -> BenchError:
    match first["type"]:
        case "extra_forbidden":
            return BenchError(subject, expected=f"a key that {files} have", seen="an unknown one",
                              do=did_you_mean(str(first["loc"][-1]), keys_at(first["loc"]),
                                              "correct the spelling or remove it"))
        case "told":
            words = dict(first["ctx"])
            key = words.pop("key", "")
            if not words["seen"]:
                words["seen"] = shown(first["input"].get(key) if isinstance(first["input"], dict) else first["input"])
            return BenchError(f"{subject}.{key}" if key else subject, **words)
        case "missing":
            return BenchError(subject, expected="a value", seen="nothing", do="add it")
        case "model_type":
            expected = "a table"
        case "tuple_type":
            expected = "an array"
        case "path_type":
            expected = "a path"
        case "string_pattern_mismatch":
            expected = f"text like {first['ctx']['pattern']}"
        case _:
            expected = first["msg"].removeprefix("Input should be ")
    return BenchError(subject, expected=expected, seen=shown(first["input"]), do="correct the value")
