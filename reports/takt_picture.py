"""The takt of a unit on the line as a picture (SVG): per stage what it took, and what is declared for it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from reports.run import Stage

WIDTH, ROW, LEFT, RIGHT = 860, 22, 150, 260


def takt_picture(stages: Sequence[Stage]) -> str:
    """A bar per stage, where it stood in the unit's life. The dashed frame is what is declared for it (``physics_s``):
    a bar may end inside it, or stand out. The stage that stands out most is named."""
    origin, end = stages[0].began_s, stages[-1].ended_s
    scale = (WIDTH - LEFT - RIGHT) / max(end - origin, sum(stage.physics_s for stage in stages), 1e-9)
    over = max(stages, key=lambda stage: stage.took_s - stage.physics_s)
    height = ROW * (len(stages) + 1)
    parts = [f'<svg class="takt" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
             f'aria-label="What each stage took, and what is declared for it" font-size="12">']
    for number, stage in enumerate(stages):
        y, x = number * ROW, LEFT + (stage.began_s - origin) * scale
        colour = f"var(--{'idle' if stage.verdict == 'skipped' else stage.verdict}, #888)"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end" fill="var(--ink, #222)">'
                     f'{escape(stage.name)}</text>')
        parts.append(f'<rect x="{x:.1f}" y="{y + 4}" width="{max(stage.took_s * scale, 1):.1f}" height="14" rx="2" '
                     f'fill="{colour}" opacity="0.85"/>')
        parts.append(f'<rect x="{x:.1f}" y="{y + 4}" width="{max(stage.physics_s * scale, 1):.1f}" height="14" rx="2" '
                     f'fill="none" stroke="var(--ink, #222)" stroke-dasharray="3 2"/>')
        said = "not reached" if stage.verdict == "skipped" else f"{stage.took_s:.1f} s of {stage.physics_s:g} s"
        mark = ", most over what is declared" if stage is over and stage.took_s > stage.physics_s else ""
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{y + 15}" fill="var(--muted, #666)">{said}{mark}</text>')
    physics_s, busy_s = sum(stage.physics_s for stage in stages), sum(stage.busy_s for stage in stages)
    parts.append(f'<text x="{LEFT}" y="{height - 6}" fill="var(--ink, #222)" font-weight="600">'
                 f'{end - origin:.1f} s in all; unit, meter and network may take {physics_s:.1f} s, as declared; '
                 f'the bench computed for {busy_s:.1f} s</text>')
    return "".join([*parts, "</svg>"])
