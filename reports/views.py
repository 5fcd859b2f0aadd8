"""What is drawn of a run once, for its evidence and for its page: pictures, and what other programs show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.evidence import evidence_file
from bench.timeline import Observation
from reports import allure
from reports.arrivals_picture import arrivals_pictures
from reports.run import Run
from reports.run_picture import run_picture
from reports.sheet import Picture
from reports.vcd_view import write_vcd


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as a file and for inside the page. The picture itself, which holds ten times as much, may go."""

    png: bytes
    svg: str

    @classmethod
    def of(cls, picture: Picture, dots_per_inch: int) -> Drawn:
        return cls(picture.png(dots_per_inch), picture.inline_svg())


@dataclass(frozen=True, slots=True)
class Views:
    """The picture of the run, and those of what arrived when, by the ids of their tests."""

    whole: Drawn
    arrivals: Mapping[str, Drawn]

    @classmethod
    def of(cls, run: Run) -> Views:
        return cls(Drawn.of(run_picture(run), 160),
                   {test_id: Drawn.of(picture, 110) for test_id, picture in arrivals_pictures(run).items()})

    def write(self, run: Run) -> None:
        """Put the pictures and the VCDs beside the other evidence of ``run``, and the pictures into Allure's."""
        evidence = run.directory / "evidence"
        evidence.mkdir(exist_ok=True)
        for test in run.tests:
            if test.id in run.timeline:
                _write_vcd(run, test.id, evidence_file(run.directory, test.number, test.id, "vcd"))
        (evidence / "run.png").write_bytes(self.whole.png)
        arrivals = {test_id: drawn.png for test_id, drawn in self.arrivals.items()}
        numbers = {test.id: test.number for test in run.tests}
        for test_id, png in arrivals.items():
            evidence_file(run.directory, numbers[test_id], test_id, "arrivals.png").write_bytes(png)
        allure.attach_pictures(arrivals, "readouts and arrivals", run.directory / "allure-results")


def _write_vcd(run: Run, test_id: str, path: Path) -> None:
    seen = [one for kind in (("panel", "led"), ("panel", "button")) for one in run.timeline.select(test_id, *kind)]
    if seen:
        seen += run.timeline.select(test_id, "supply", "output")
        write_vcd([*seen, Observation(run.timeline.end_of(test_id), "test", "end")], path)
