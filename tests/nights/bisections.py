"""Show 4 of issue 18: ``python tests/nights/bisections.py COUNT [FLAKY]``. COUNT searches among 32 builds with one
planted defect from some build on, and FLAKY where it shows in one life of three."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from builds import Planted, catchers, forked, write_builds

from bench.commands.bisect.command import Bisection, Run, Task
from bench.errors import BenchError

BUILDS = 32


def search(seed: int, one_in: int) -> tuple[bool | None, int, Planted] | None:
    """Whether the build was found (None: it was not, nor another one), and in how many runs. None where the defect
    does not show in the last build: it is one that an update can't bring, or the test sees it only in another life."""
    drawn = random.Random(seed)
    defect, test = drawn.choice(sorted(catchers().items()))
    planted = Planted(defect, test, drawn.randrange(1, BUILDS))
    with tempfile.TemporaryDirectory() as folder:
        each = write_builds(Path(folder) / "each", BUILDS, planted)
        if forked(test, seed)(Run(each[-1], 0, Path(folder) / "shows")).outcome != "fail":
            print(f"seed {seed}: {defect} does not show in a build", flush=True)
            return None
        paths = write_builds(Path(folder) / "builds", BUILDS, planted, one_in)
        bisection = Bisection(Task(paths, Path(folder) / "runs", one_in), forked(test, seed * 1000), lambda text: None)
        try:
            found = bisection.to_its_end()
        except BenchError as error:
            print(f"seed {seed}: {error}", flush=True)
            found = None
        return None if found is None else found[0] == planted.first, bisection.runs, planted


def main(count: int, flaky: int) -> int:
    bad = 0
    for one_in, searches, most in ((1, count, 7), (3, flaky, 60)):
        found = wrong = worst = done = seed = 0
        while done < searches:
            began, seed = time.monotonic(), seed + 1
            outcome = search(seed, one_in)
            if outcome is None:
                continue
            is_right, runs, planted = outcome
            done += 1
            found, wrong, worst = found + (is_right is True), wrong + (is_right is False), max(worst, runs)
            print(f"one in {one_in}, seed {seed}: {planted.defect} from build {planted.first} on: {is_right}, "
                  f"{runs} runs, {time.monotonic() - began:.0f} s", flush=True)
        if searches:
            print(f"one in {one_in}: {found} of {searches} found, {wrong} wrong, at most {worst} runs", flush=True)
        bad += wrong + (worst > most) + (found < (1.0 if one_in == 1 else 0.8) * searches)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
