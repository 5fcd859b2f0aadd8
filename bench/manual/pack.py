"""Certification packs as data: ``packs/*.toml``, one file for each; ``docs/packs.md`` has the format.

A pack is a pre-check and no conformity assessment: each row says what the bench does for a clause or case, and what is
left, and for whom.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError, unknown
from bench.manual import ets, requirements
from bench.manual.pics import Condition, Pics
from bench.toml_file import read_toml

Source = Literal["memory", "secondary", "standard", "maker", "inferred", "ours"]
"""Where a row's clause, limit or meaning comes from: ``memory`` of who wrote it, a ``secondary`` text that quotes the
document, the ``standard`` itself, a document of the ``maker``, ``inferred`` from a sister document, or ``ours``, the
bench's own choice. Only ``standard`` was read in the document that the row names."""

SOURCES: Mapping[str, str] = {
    "memory": "from memory, to be checked", "secondary": "from texts that quote it",
    "standard": "read in the document", "maker": "from the maker's document",
    "inferred": "inferred from a sister document", "ours": "the bench's own choice"}

Risk = Literal["low", "medium", "high"]
RISKS: tuple[Risk, ...] = ("high", "medium", "low")

_Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Document(_Part):
    """A standard or specification, in the ``edition`` that the rows follow. ``known``: other editions of which it is
    known what they change; ``note`` says that. An edition that is neither is said on the cover."""

    name: _Text
    edition: _Text
    source: Source
    known: Annotated[tuple[str, ...], Field(strict=False)] = ()
    note: str = ""


class Row(_Part):
    """One clause or case.

    ``document``: its document's name, the pack's first where it is empty. ``applies``: conditions on the PICS, all of
    which must hold (``bench/manual/pics.py``); ``otherwise``: why a row that does not apply does not.

    What the bench does, ``bench`` in words: ``tests`` (``test_otc.py::test_a_wrong_pak*``, with ``[case]`` for one case
    only), and whichever test names one of ``requirements`` or of the cases ``ets``. A row without any is for others:
    ``left`` says what, ``to`` for whom. ``demands``: conditions on what the unit itself shows (``declaration.shows``).

    ``measurements``: names (or patterns) that the row is about; ``guard``: the uncertainty (k = 2, in the limit's unit)
    of those for which the test says none. Nearer to a limit than that is inconclusive. ``uncertainty``: the same in
    words. ``risk``: how much a non-conformity would matter. ``destructive``: only on a unit that is declared
    sacrificial, and last.
    """

    id: _Text
    title: _Text
    source: Source
    document: str = ""
    applies: Annotated[tuple[str, ...], Field(strict=False)] = ()
    otherwise: str = ""
    bench: str = ""
    tests: Annotated[tuple[str, ...], Field(strict=False)] = ()
    requirements: Annotated[tuple[str, ...], Field(strict=False)] = ()
    ets: Annotated[tuple[str, ...], Field(strict=False)] = ()
    demands: Annotated[tuple[str, ...], Field(strict=False)] = ()
    measurements: Annotated[tuple[str, ...], Field(strict=False)] = ()
    guard: dict[str, Annotated[float, Field(ge=0, strict=False)]] = {}
    left: str = ""
    to: str = ""
    uncertainty: str = ""
    risk: Risk = "medium"
    destructive: bool = False
    note: str = ""

    @property
    def is_for_the_bench(self) -> bool:
        return bool(self.tests or self.requirements or self.ets or self.demands)

    def is_about(self, test: str, named: Sequence[str], cases: Sequence[str]) -> bool:
        """Whether the test with that id, which names those requirements and ETS cases, is one of the row's."""
        name = test.removeprefix("suites/")
        return (any(fnmatchcase(name.partition("[")[0], pattern) or name == pattern for pattern in self.tests)
                or not set(named).isdisjoint(self.requirements) or not set(cases).isdisjoint(self.ets))

    def measures(self, name: str) -> bool:
        """Whether a measurement of that name decides the row."""
        return any(fnmatchcase(name, pattern) for pattern in (*self.measurements, *self.guard))

    def guard_of(self, name: str) -> float:
        """The uncertainty that the row gives to measurements of that name; 0 where it gives none."""
        return next((width for pattern, width in self.guard.items() if fnmatchcase(name, pattern)), 0.0)


class Pack(_Part):
    """``any_client``: the pack is for any LwM2M client, not for the CMi6110 alone."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: _Text
    scope: _Text
    any_client: bool = False
    documents: Annotated[tuple[Document, ...], Field(strict=False, alias="document", min_length=1)]
    rows: Annotated[tuple[Row, ...], Field(strict=False, alias="row", min_length=1)]

    def document_of(self, row: Row) -> Document:
        return next(one for one in self.documents if one.name == (row.document or self.documents[0].name))


def names() -> tuple[str, ...]:
    """The packs that come with the bench."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in files("bench.manual.packs").iterdir()
                        if path.name.endswith(".toml")))


def load(name: str) -> Pack:
    """A pack that comes with the bench, by its name, or any by the path of its file. Raises ``BenchError``."""
    if name in names():
        with as_file(files("bench.manual.packs").joinpath(f"{name}.toml")) as path:
            return read(path)
    if name.endswith(".toml"):
        return read(Path(name))
    raise unknown("pack", name, names(), "give the path of a pack's file")


def read(path: Path) -> Pack:
    """Raises ``BenchError`` with all that is wrong with the file, not the first fault only."""
    subject = f"pack {path}"
    table = read_toml(path, subject, "give the path of a pack's file")
    try:
        pack = Pack.model_validate(table)
    except ValidationError as error:
        found = [f"{_place(table, one['loc'])}: {one['msg'].lower()}" for one in error.errors()]
        raise _broken(subject, found) from None
    faults = [*_faults(pack), *([f"its name is {pack.name}"] if pack.name != path.stem else [])]
    if faults:
        raise _broken(subject, faults)
    return pack


def _place(table: Mapping[str, Any], location: tuple[int | str, ...]) -> str:
    """Where a fault is, in the words of who wrote the file: the row by its id."""
    words = []
    for depth, part in enumerate(location):
        if isinstance(part, int) and depth == 1:
            rows = table.get(str(location[0]), [])
            row = rows[part] if isinstance(rows, list) and part < len(rows) else None
            said = row.get("id", row.get("name", "")) if isinstance(row, dict) else ""
            words.append(str(said or f"number {part + 1}"))
        else:
            words.append(str(part))
    return " ".join(words)


def _faults(pack: Pack) -> Iterator[str]:
    documents = [one.name for one in pack.documents]
    yield from (f"document {name} twice" for name in sorted({one for one in documents if documents.count(one) > 1}))
    ids = [row.id for row in pack.rows]
    yield from (f"row {name} twice" for name in sorted({one for one in ids if ids.count(one) > 1}))
    for row in pack.rows:
        if row.document and row.document not in documents:
            yield f"row {row.id}: document {row.document} is not among the pack's"
        yield from (f"row {row.id}: no requirement {name}" for name in row.requirements
                    if name not in requirements.load())
        yield from (f"row {row.id}: no ETS case {name}" for name in row.ets if name not in ets.load())
        for condition in (*row.applies, *row.demands):
            yield from (f"row {row.id}: {fault}" for fault in Condition.faults(condition, Pics))
        if row.applies and not row.otherwise:
            yield f"row {row.id}: applies under conditions, and otherwise doesn't say why not"
        if row.is_for_the_bench != bool(row.bench):
            yield f"row {row.id}: bench (what is done, in words) goes with tests, requirements, ets or demands"
        if not row.is_for_the_bench and not (row.left and row.to):
            yield f"row {row.id}: nothing is done for it, so left and to say what is left and for whom"
        if bool(row.left) != bool(row.to):
            yield f"row {row.id}: left and to go together"
        if (row.measurements or row.guard) and not row.uncertainty:
            yield f"row {row.id}: has measurements and says nothing of their uncertainty"


def _broken(subject: str, faults: Sequence[str]) -> BenchError:
    return BenchError(subject, expected="what docs/packs.md says of packs",
                      seen=f"{len(faults)} faults: " + "; ".join(faults) if len(faults) > 1 else faults[0],
                      do="correct the file")
