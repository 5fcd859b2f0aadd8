"""A sheet to draw on and the finished picture: matplotlib with pixels as units, and the colours of all pictures.

Colours are those of Okabe and Ito, which stay apart for colour-blind readers.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

INK, MUTED, GRID, FOLDED, PAPER = "#1b1f24", "#69717a", "#d3d8de", "#eceff2", "#ffffff"
GREEN, RED, BLUE, ORANGE, PURPLE, SKY = "#009e73", "#d55e00", "#0072b2", "#e69f00", "#b0609a", "#56b4e9"
COLOURS = {"ink": INK, "muted": MUTED, "grid": GRID, "folded": FOLDED, "paper": PAPER, "green": GREEN, "red": RED,
           "blue": BLUE, "orange": ORANGE, "purple": PURPLE, "sky": SKY}
"""The names under which a page may replace the colours of a picture (dark mode)."""


_SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "mcm-bench", "font.sans-serif": ["DejaVu Sans", "sans-serif"]}

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture; the same observations give the same bytes."""

    figure: Figure
    description: str

    def svg(self) -> str:
        """A standalone SVG document; text stays text."""
        with mpl.rc_context(_SVG), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # letters that the measuring font lacks; the reader's has them
            file = io.StringIO()
            self.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        return re.sub(r'(?<= d=")[^"]*', _compact, file.getvalue())

    def inline_svg(self) -> str:
        """The picture for inside a page: no prolog, no addresses, the page's font, colours as ``--pic-NAME``."""
        text = self.svg()
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r"<!--.*?-->", "", text[text.index("<svg"):], flags=re.DOTALL)
        view = re.search(r'viewBox="[^"]*"', text)
        label = html.escape(self.description, quote=True)
        head = f'<svg class="timeline" role="img" aria-label="{label}" {view.group() if view else ""}>'
        text = head + text[text.index(">") + 1:]
        text = re.sub(r' id="(?:figure|axes|patch|text)_\d+"| transform="rotate\(-0 [^"]*\)"', "", text)
        text = re.sub(r" font-family: [^;]*;", "", text)
        own = hashlib.sha256(text.encode()).hexdigest()[:8]  # ids are shared by all pictures of a page
        text = re.sub(r'((?<= id=")|(?<=url\(#))(?=[^")]+["|)])', f"p{own}-", text)
        text = text.replace(f"fill: {PAPER}", "fill: none", 1)  # the page is the background
        for name, colour in COLOURS.items():
            text = text.replace(f": {colour}", f": var(--pic-{name}, {colour})")
        return re.sub(r">\s+<", "><", text)

    def png(self, dots_per_inch: int = 160) -> bytes:
        """A PNG on white, for the evidence."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            file = io.BytesIO()
            self.figure.savefig(file, format="png", dpi=dots_per_inch, metadata={"Software": None})
        return file.getvalue()

    def save(self, path: FilePath) -> FilePath:
        """Write the picture to ``path``, as SVG or PNG by its ending."""
        if path.suffix == ".svg":
            path.write_text(self.svg(), encoding="utf-8")
        else:
            path.write_bytes(self.png())
        return path


class Sheet:
    """A drawing with pixels as units, y down. All shapes of one kind become one path, so that 50,000 stay fast."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=PAPER)
        self._axes = self._figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._axes.set_axis_off()
        self._boxes: dict[tuple[str, float, str | None, float], list[Box]] = {}
        self._lines: dict[tuple[str, float, str, float], list[Box]] = {}

    def boxes(self, boxes: Iterable[Box], colour: str, *, alpha: float = 1.0, hatch: str | None = None,
              order: float = 3) -> None:
        """Filled rectangles (left, top, right, bottom)."""
        self._boxes.setdefault((colour, alpha, hatch, order), []).extend(boxes)

    def lines(self, lines: Iterable[Box], colour: str, *, width: float = 0.8, style: str = "-",
              order: float = 4) -> None:
        """Straight lines (x0, y0, x1, y1); ``width`` in points."""
        self._lines.setdefault((colour, width, style, order), []).extend(lines)

    def text(self, x: float, y: float, text: str, colour: str, size: float, *, align: Any = "left",
             weight: str = "normal", order: float = 6) -> None:
        """Text on a baseline; ``size`` in points. Hostile text is drawn as it is, never interpreted."""
        clean = "".join(letter if letter.isprintable() else "�" for letter in text.replace("\u00a0", " "))
        self._axes.text(x, y, clean, color=colour, fontsize=size, ha=align, va="baseline", weight=weight,
                        zorder=order, parse_math=False)

    def finish(self, description: str) -> Picture:
        """The picture; ``description`` is its text for readers that do not see it."""
        # Not add_patch: it measures each shape for the limits of the axes, which are set: longer than drawing.
        for (colour, alpha, hatch, order), boxes in self._boxes.items():
            if boxes:
                x0, y0, x1, y1 = np.array(boxes, dtype=float).T
                corners = np.stack([x0, y0, x1, y0, x1, y1, x0, y1, x0, y0], axis=1).reshape(-1, 2)
                codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(boxes))
                self._axes.add_artist(PathPatch(Path(corners, codes), facecolor=colour, linewidth=0.0, alpha=alpha,
                                                edgecolor=PAPER if hatch else "none", hatch=hatch,
                                                zorder=order, clip_on=False))
        for (colour, width, style, order), lines in self._lines.items():
            if lines:
                codes = np.tile([Path.MOVETO, Path.LINETO], len(lines))
                ends = np.array(lines, dtype=float).reshape(-1, 2)
                self._axes.add_artist(PathPatch(Path(ends, codes), facecolor="none", edgecolor=colour,
                                                linewidth=width, linestyle=style, zorder=order,
                                                clip_on=False))
        return Picture(self._figure, description)


def _compact(path: re.Match[str]) -> str:
    """A path with a tenth of a point, on one line: a third of the size, no visible difference."""
    short = re.sub(r"\d+\.\d+", lambda number: f"{float(number.group()):.1f}".removesuffix(".0"), path.group())
    return " ".join(short.split())
