"""A pack of paper as a page: one file without a script, which links to the reports of its runs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from reports.precheck import DISCLAIMER, Dossier, Word, by_area, said, source_in_words
from reports.precheck_text import SHORT, counts
from reports.text import name_of_test

_CLASSES = {Word.NON_CONFORMITY: "fail", Word.INCONCLUSIVE: "error", Word.LABORATORY: "laboratory",
            Word.CONFORMITY: "pass", Word.NOT_APPLICABLE: "skipped"}
"""The colours of the page of a run."""


def write_page(dossier: Dossier, path: Path) -> None:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(said=said, name_of_test=name_of_test)
    page = environment.from_string(_source("precheck.html.j2")).render(
        dossier=dossier, css=Markup(_source("page.css")), words=list(Word), classes=_CLASSES, short=SHORT,
        disclaimer=DISCLAIMER, counts=counts, source_in_words=source_in_words, Word=Word,
        uncovered=by_area(dossier.uncovered))
    path.write_bytes(page.encode("utf-8", "replace"))


def _source(name: str) -> str:
    return files("reports").joinpath(name).read_text(encoding="utf-8")
