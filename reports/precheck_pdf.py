"""A pack of paper as one PDF: cover, editions, equipment, declaration, a table for each pack, findings by risk, what
was not covered, pictures, hashes. Equal dossiers give equal octets.

Source: reportlab's user guide; ``invariant`` leaves out date and random id of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_CENTER
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table
from reportlab.platypus.flowables import Flowable, Image, KeepTogether, PageBreak, Spacer

from reports.precheck import DISCLAIMER, Dossier, PackResult, RowResult, Seen, Word, by_area, said, source_in_words
from reports.precheck_text import SHORT, counts

COLOURS = {Word.NON_CONFORMITY: "#b3261e", Word.INCONCLUSIVE: "#8f5300", Word.LABORATORY: "#0b5cad",
           Word.CONFORMITY: "#00795a", Word.NOT_APPLICABLE: "#66707b"}
SOFT = {Word.NON_CONFORMITY: "#fdebe8", Word.INCONCLUSIVE: "#fdf1dc", Word.LABORATORY: "#e6f0fb",
        Word.CONFORMITY: "#e2f4ee", Word.NOT_APPLICABLE: "#eef1f4"}
INK, MUTED, LINE, WARNING = HexColor("#1b1f24"), HexColor("#5b6570"), HexColor("#d9dfe5"), HexColor("#ffd23e")

MARGIN = 16 * mm
WIDTH = A4[0] - 2 * MARGIN
MOST_TESTS = 6
"""Of the tests of a row so many are named; the rest stand in ``pack.json``."""


def write_pdf(dossier: Dossier, root: Path, path: Path) -> None:
    """``root``: the folder that the runs of the dossier are in, for their pictures."""
    _fonts()
    title = f"Certification pre-check of {dossier.unit}"
    document = SimpleDocTemplate(str(path), pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=20 * mm,
                                 bottomMargin=18 * mm, invariant=1, title=title, author="mcm-bench",
                                 subject=DISCLAIMER)
    story = [*_cover(dossier), PageBreak(), *_editions(dossier), *_equipment(dossier), *_declaration(dossier)]
    for pack in dossier.packs:
        story += [PageBreak(), *_pack(pack)]
    story += [PageBreak(), *_findings(dossier), *_not_covered(dossier), *_pictures(dossier, root), *_hashes(dossier)]

    def decorate(canvas: Canvas, document: SimpleDocTemplate) -> None:
        _decorate(canvas, dossier, canvas.getPageNumber())

    document.build(story, onFirstPage=decorate, onLaterPages=decorate)


@cache
def _fonts() -> None:
    """DejaVu comes with matplotlib; the fonts that every reader has lack the signs of units and limits."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name, file in {"Text": "DejaVuSans.ttf", "Bold": "DejaVuSans-Bold.ttf", "Mono": "DejaVuSansMono.ttf"}.items():
        pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    pdfmetrics.registerFontFamily("Text", normal="Text", bold="Bold", italic="Text", boldItalic="Bold")


@cache
def _style(name: str) -> ParagraphStyle:
    base = ParagraphStyle("text", fontName="Text", fontSize=8.5, leading=11.5, textColor=INK)
    return {
        "text": base,
        "small": ParagraphStyle("small", base, fontSize=7, leading=9, textColor=MUTED),
        "cell": ParagraphStyle("cell", base, fontSize=7.5, leading=9.8),
        "mono": ParagraphStyle("mono", base, fontName="Mono", fontSize=6.3, leading=8.2, wordWrap="CJK"),
        "title": ParagraphStyle("title", base, fontName="Bold", fontSize=21, leading=26, spaceAfter=2 * mm),
        "h1": ParagraphStyle("h1", base, fontName="Bold", fontSize=13, leading=17, spaceBefore=5 * mm,
                             spaceAfter=2 * mm, keepWithNext=1),
        "head": ParagraphStyle("head", base, fontName="Bold", fontSize=7, leading=9, textColor=MUTED),
        "notice": ParagraphStyle("notice", base, fontName="Bold", fontSize=10, leading=14, alignment=TA_CENTER),
    }[name]


def _p(text: object, style: str = "text") -> Paragraph:
    """Texts of units, instruments and files are printed as they are, never as markup."""
    return Paragraph(escape(str(text)), _style(style))


def _marked(text: str, style: str = "cell") -> Paragraph:
    """``text`` is markup: what is put into it has been escaped."""
    return Paragraph(text, _style(style))


def _bold(text: object) -> str:
    return f'<font name="Bold">{escape(str(text))}</font>'


def _muted(text: object) -> str:
    return f'<font color="#5b6570" size="6.8">{escape(str(text))}</font>'


def _table(rows: Sequence[Sequence[Flowable]], widths: Sequence[float], extra: Iterable[Any] = (), *,
           head: bool = True) -> Table:
    table = Table([list(row) for row in rows], colWidths=list(widths), repeatRows=1 if head else 0)
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
                    ("TOPPADDING", (0, 0), (-1, -1), 2.2), ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
                    ("LEFTPADDING", (0, 0), (-1, -1), 3), ("RIGHTPADDING", (0, 0), (-1, -1), 3), *extra])
    return table


def _head(*names: str) -> list[Flowable]:
    return [_p(name, "head") for name in names]


def _decorate(canvas: Canvas, dossier: Dossier, page: int) -> None:
    canvas.saveState()
    canvas.setFont("Text", 7)
    canvas.setFillColor(MUTED)
    canvas.drawString(MARGIN, 10 * mm, f"{DISCLAIMER}  Unit {dossier.unit}, firmware "
                                       f"{', '.join(dossier.firmware) or 'unknown'}, {dossier.began[:10] or 'no run'}")
    canvas.drawRightString(A4[0] - MARGIN, 10 * mm, f"page {page}")
    if dossier.simulated:    # on every sheet, for sheets get separated
        canvas.setFillColor(WARNING)
        canvas.rect(0, A4[1] - 9 * mm, A4[0], 9 * mm, stroke=0, fill=1)
        canvas.setFillColor(INK)
        canvas.setFont("Bold", 8)
        canvas.drawCentredString(A4[0] / 2, A4[1] - 6 * mm, "SIMULATED: lab in software, no hardware was tested")
    canvas.restoreState()


# -- cover


def _cover(dossier: Dossier) -> list[Flowable]:
    bench, product = dossier.software, dossier.declaration.product
    facts = {
        "Unit": dossier.unit, "Firmware": ", ".join(dossier.firmware) or "unknown",
        "Product": " ".join(filter(None, (product.manufacturer, product.model))) or "not declared",
        "Station": dossier.station, "Runs": f"{_moment(dossier.began)} to {_moment(dossier.ended)}",
        "Operator": dossier.operator or "unknown",
        "Bench": f"mcm-bench {bench.version}, commit {bench.commit[:12] or 'unknown'}"
                 f"{', with changed files' if bench.modified else ''}"}
    if dossier.changed:
        facts["Twin changed by"] = ", ".join(dossier.changed)
    summary = [_head("pack", "what it is", *(str(word) for word in Word))]
    for pack in dossier.packs:
        counted = pack.counts()
        summary.append([_marked(_bold(pack.pack.name)), _p(pack.pack.title, "cell"),
                        *(_marked(f'<font color="{COLOURS[word]}">{_bold(counted[word])}</font>') for word in Word)])
    return [
        _p("Certification pre-check", "title"),
        _notice(DISCLAIMER + " Indications with their evidence, and what only documents or a laboratory can show."),
        Spacer(1, 4 * mm),
        _table([[_p(name, "head"), _p(value, "cell")] for name, value in facts.items()], [32 * mm, WIDTH - 32 * mm],
               head=False),
        _p("Packs", "h1"), _table(summary, [24 * mm, WIDTH - 24 * mm - 5 * 24 * mm, *[24 * mm] * 5]),
        _p("Read this first", "h1"),
        *([_p(f"• {one}") for one in dossier.cover] or [_p("Nothing spoils this pack.")]),
        _p("Findings of high risk", "h1"),
        *([_p(f"• {one.text}") for one in dossier.findings if one.risk == "high"] or [_p("None.")]),
    ]


def _notice(text: str) -> Table:
    table = Table([[_p(text, "notice")]], colWidths=[WIDTH])
    table.setStyle([("BOX", (0, 0), (-1, -1), 1, INK), ("TOPPADDING", (0, 0), (-1, -1), 5),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 7)])
    return table


def _moment(text: str) -> str:
    return text.replace("T", " ") or "unknown"


# -- what it stands on


def _editions(dossier: Dossier) -> list[Flowable]:
    rows = [_head("pack", "document", "rows follow", "declared", "known from", "note")]
    for pack in dossier.packs:
        for one in pack.pack.documents:
            rows.append([_p(pack.pack.name, "cell"), _p(one.name, "cell"), _p(one.edition, "cell"),
                         _p(dossier.declaration.editions.get(one.name, "not declared"), "cell"),
                         _p(one.source, "cell"), _p(one.note, "small")])
    widths = [22 * mm, 34 * mm, 22 * mm, 22 * mm, 20 * mm]
    return [_p("Editions", "h1"), _table(rows, [*widths, WIDTH - sum(widths)])]


def _equipment(dossier: Dossier) -> list[Flowable]:
    rows = [_head("instrument", "identity", "serial number", "firmware", "calibrated", "due")]
    rows += [[_p(one.name, "cell"), _p(one.identity, "cell"), _p(one.serial or "–", "cell"),
              _p(one.firmware or "–", "cell"), _p(one.calibrated or "unknown", "cell"),
              _p(one.calibration_due or "unknown", "cell")] for one in dossier.instruments]
    widths = [20 * mm, 27 * mm, 24 * mm, 22 * mm, 22 * mm]
    body = _table(rows, [widths[0], WIDTH - sum(widths), *widths[1:]]) if dossier.instruments else _p("None was named.")
    return [_p("Equipment", "h1"), body]


def _declaration(dossier: Dossier) -> list[Flowable]:
    declared, shown = dossier.declaration.declared, dossier.shown
    rows = [_head("item", "declared", "the unit shows")]
    rows += [[_p(name, "cell"), _p(said(declared[name]) if name in declared else "not declared", "cell"),
              _p(said(shown[name]) if name in shown else "–", "cell")]
             for name in dict.fromkeys([*declared, *sorted(shown)])]
    pixit = dossier.declaration.pixit
    return [_p("Declaration (PICS and PIXIT)", "h1"),
            _p(f"Sacrificial units: {', '.join(pixit.sacrificial) or 'none'}. {pixit.note}".strip(), "small"),
            _table(rows, [45 * mm, (WIDTH - 45 * mm) / 2, (WIDTH - 45 * mm) / 2])]


# -- packs


def _pack(result: PackResult) -> list[Flowable]:
    rows = [_head("row", "what it asks, what was done, what is left", "verdict", "evidence")]
    styles: list[tuple[object, ...]] = []
    for number, one in enumerate(result.rows, start=1):
        rows.append([_marked(f"{_bold(one.row.id)}<br/>{_muted(source_in_words(one.row))}"), _row_text(result, one),
                     _marked(f'<font color="{COLOURS[one.word]}">{_bold(SHORT[one.word][:1])} '
                             f"{escape(str(one.word))}</font>"), _evidence(one)])
        styles.append(("BACKGROUND", (2, number), (2, number), HexColor(SOFT[one.word])))
    widths = [27 * mm, 26 * mm, 33 * mm]
    return [_p(f"{result.pack.name}: {result.pack.title}", "h1"), _p(result.pack.scope, "small"),
            Spacer(1, 1 * mm), _p(counts(result)), Spacer(1, 2 * mm),
            _table(rows, [widths[0], WIDTH - sum(widths), *widths[1:]], styles)]


def _row_text(result: PackResult, one: RowResult) -> Paragraph:
    row = one.row
    parts = [_bold(row.title)]
    if row.document:
        parts.append(_muted(one.document))
    if row.bench and one.word is not Word.NOT_APPLICABLE:
        parts.append(f"Done: {escape(row.bench)}")
    if one.word is not Word.LABORATORY:
        parts += [escape(reason) for reason in one.reasons[:4]]
        if len(one.reasons) > 4:
            parts.append(_muted(f"and {len(one.reasons) - 4} more, in pack.json"))
    if row.left and one.word is not Word.NOT_APPLICABLE:
        parts.append(f"Left for {escape(row.to)}: {escape(row.left)}")
    parts += [escape(words) for words in one.measured_in_words]
    if row.uncertainty:
        parts.append(_muted(f"Uncertainty: {row.uncertainty}"))
    if row.destructive:
        parts.append(_muted("Destructive: on units declared sacrificial only."))
    if row.note:
        parts.append(_muted(row.note))
    return _marked("<br/>".join(parts))


def _evidence(one: RowResult) -> Paragraph:
    named = [f"{escape(seen.folder)} no. {seen.number}: {_verdict(seen)}" for seen in _first(one.seen) if seen.folder]
    ran = [seen for seen in one.seen if seen.folder]
    if len(ran) > len(named):
        named.append(_muted(f"and {len(ran) - len(named)} more tests"))
    return _marked("<br/>".join(named) or "–")


def _first(seen: Sequence[Seen]) -> list[Seen]:
    """Those that did not pass come first."""
    return sorted((one for one in seen if one.folder), key=lambda one: one.verdict == "pass")[:MOST_TESTS]


def _verdict(seen: Seen) -> str:
    return escape(seen.verdict if seen.verdict != "error" else "bench fault")


# -- what follows from it


def _findings(dossier: Dossier) -> list[Flowable]:
    rows = [_head("risk", "finding")]
    rows += [[_marked(_bold(one.risk)), _p(one.text, "cell")] for one in dossier.findings]
    return [_p("Findings, by risk", "h1"),
            _table(rows, [20 * mm, WIDTH - 20 * mm]) if dossier.findings else _p("None.")]


def _not_covered(dossier: Dossier) -> list[Flowable]:
    rows = [_head("area", "statements", "ids")]
    rows += [[_p(area, "cell"), _p(len(ids), "cell"), _p(", ".join(ids), "small")]
             for area, ids in by_area(dossier.uncovered).items()]
    left = [_head("pack", "row", "left, and for whom")]
    left += [[_p(pack.pack.name, "cell"), _p(row.row.id, "cell"), _p(f"{row.row.to}: {row.row.left}", "cell")]
             for pack in dossier.packs for row in pack.rows
             if row.row.left and row.word is not Word.NOT_APPLICABLE]
    return [_p("What is left for others", "h1"), _table(left, [24 * mm, 26 * mm, WIDTH - 50 * mm]),
            _p("Statements of the manual that were not judged", "h1"), _p(dossier.coverage.sentence),
            _p("A pack runs what its rows need, not all that the bench has.", "small"), Spacer(1, 2 * mm),
            _table(rows, [24 * mm, 20 * mm, WIDTH - 44 * mm])]


def _pictures(dossier: Dossier, root: Path) -> list[Flowable]:
    found: list[Flowable] = []
    for path, _ in dossier.files:
        picture = root / Path(path).parent / "evidence" / "run.png"
        if picture.is_file():
            wide, high = ImageReader(str(picture)).getSize()
            scale = min(WIDTH / wide, 200 * mm / high)
            found.append(KeepTogether([_p(f"Run {Path(path).parent.name}", "h1"),
                                       Image(str(picture), wide * scale, high * scale)]))
    return found


def _hashes(dossier: Dossier) -> list[Flowable]:
    rows = [_head("file", "SHA-256")]
    rows += [[_p(name, "cell"), _p(digest, "mono")] for name, digest in [*dossier.files, *dossier.inputs.items()]]
    return [_p("Hashes", "h1"),
            _p("Each record names the hash of every file of its evidence; so this page vouches for all.", "small"),
            _table(rows, [70 * mm, WIDTH - 70 * mm])]
