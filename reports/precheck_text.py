"""A pack of paper in a terminal, of 80 columns or more."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reports.precheck import DISCLAIMER, Dossier, PackResult, Word

STYLES = {Word.NON_CONFORMITY: "bold red", Word.INCONCLUSIVE: "yellow", Word.LABORATORY: "cyan",
          Word.CONFORMITY: "green", Word.NOT_APPLICABLE: "dim"}

SHORT = {Word.NON_CONFORMITY: "✘ non-conformity", Word.INCONCLUSIVE: "? inconclusive", Word.LABORATORY: "→ laboratory",
         Word.CONFORMITY: "✔ conformity", Word.NOT_APPLICABLE: "– not applicable"}
"""The words where a column is narrow; a mark beside each, for colour alone tells nobody apart."""


def tables(dossier: Dossier, folder: Path) -> RenderableType:
    """A table for each pack, what is on the cover, findings by risk, and where the files are."""
    parts: list[RenderableType] = [_table(pack) for pack in dossier.packs]
    if dossier.cover:
        parts.append(_listed("On the cover", [Text(one) for one in dossier.cover]))
    if dossier.findings:
        parts.append(_listed("Findings, by risk", [Text(f"{one.risk}: {one.text}") for one in dossier.findings]))
    if dossier.simulated:
        parts.append(Text("\nSIMULATED: lab in software, no hardware was tested", "bold black on bright_yellow"))
    parts.append(Text(f"\n{DISCLAIMER} {dossier.coverage.sentence}"))
    parts.append(Text(f"pack {folder / 'pack.pdf'}, page {folder / 'pack.html'}, data {folder / 'pack.json'}", "dim"))
    return Group(*parts)


def counts(pack: PackResult) -> str:
    """``24 rows: 1 indication of non-conformity, 3 inconclusive, ...``."""
    counted = pack.counts()
    return f"{len(pack.rows)} rows: " + ", ".join(f"{counted[word]} {word}" for word in Word if counted[word])


def _table(pack: PackResult) -> Table:
    documents = ", ".join(f"{one.name} {one.edition}" for one in pack.pack.documents)
    view = Table(title=f"{pack.pack.name}: {documents}", caption=counts(pack), title_justify="left",
                 caption_justify="left", expand=True, pad_edge=False)
    view.add_column("row", overflow="fold", max_width=12)
    view.add_column("title and reason", ratio=1, overflow="fold")
    view.add_column("verdict", no_wrap=True)
    for one in pack.rows:
        text = Text(one.row.title)
        if one.word is not Word.CONFORMITY:
            text.append(f"\n{one.reasons[0]}", "dim")
        view.add_row(Text(one.row.id), text, Text(SHORT[one.word], STYLES[one.word]))
    return view


def _listed(title: str, rows: list[Text]) -> Group:
    return Group(Text(f"\n{title}", "bold"), *(Text.assemble("  • ", row) for row in rows))
