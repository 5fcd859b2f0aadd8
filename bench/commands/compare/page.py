"""The page of a comparison: one file, without a script, that asks nothing of any network. All text in it is hostile."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bench.analysis.shown.fact import Area
from bench.commands.compare.output import Finding, figures, side_text
from bench.commands.compare.statistics import FALSE_ALARMS, FOUND


def write_page(finding: Finding, path: Path) -> Path:
    """Write it to ``path``."""
    css = files("reports").joinpath("page.css").read_text("utf-8") + _source("page.css")
    policy = f"default-src 'none'; style-src 'sha256-{_hash(css)}'; base-uri 'none'; form-action 'none'"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(figures=figures, side_text=side_text)
    said = finding.comparison
    by_area = [(area, [change for change in said.changes if change.area is area]) for area in Area]
    text = environment.from_string(_source("page.html.j2")).render(
        finding=finding, said=said, css=Markup(css), policy=policy,
        areas=[(area, changes) for area, changes in by_area if changes], regressing=set(finding.regressions),
        moved=[row for row in said.requirements if row.old != row.new],
        same=[row for row in said.requirements if row.old == row.new],
        simulated=any(run.simulated for side in (said.old, said.new) for run in side.runs),
        false_alarms=f"{FALSE_ALARMS:.1%}", found=f"{FOUND:.0%}")
    path.write_bytes(text.encode("utf-8", "replace"))
    return path


def _source(name: str) -> str:
    return files("bench.commands.compare").joinpath(name).read_text("utf-8")


def _hash(css: str) -> str:
    """Of the style as it stands between its tags."""
    return base64.b64encode(hashlib.sha256(f"\n{css}\n".encode()).digest()).decode()
