"""Healthy units on the line, one after the other, each in another life and with other legal variants; and units that
draw too much. Prints how long they took, which judge was wrong about which, and what that says of all units.

    python tests/line_lives.py [UNITS] [--from SEED] [--variants] [--defect NAME]... [-n JOBS]

``make takt`` runs it. With defects each unit must fail.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys

from bench.commands.prove.trial import Trial
from bench.commands.prove.trials import Trials
from bench.twin.variants import VARIANTS

TOGETHER = 4
"""So many legal variants of different places meet in a unit."""


def variants_of(seed: int) -> list[str]:
    chosen: list[str] = []
    places: set[str] = set()
    for name in random.Random(seed).sample(sorted(VARIANTS), len(VARIANTS)):
        place = VARIANTS[name].place
        if place not in places and len(chosen) < TOGETHER:
            chosen.append(name)
            places.add(place)
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("units", type=int, nargs="?", default=200)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("-n", dest="jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--defect", action="append", default=[])
    asked = parser.parse_args()
    took_s, wrong = [], []
    wanted = "fail" if asked.defect else "pass"
    with Trials(asked.jobs) as trials:
        judges = [test for test, about in trials.tests.items() if "line" in about.profiles]
        units = (Trial(name=str(seed), tests=judges, seed=seed, profile="line", defects=asked.defect,
                       variants=variants_of(seed) if asked.variants else [])
                 for seed in range(asked.first, asked.first + asked.units))
        for outcome in trials.run(units):
            took_s.append(sum(one.device_time_s for one in outcome.seen))
            said = [f"{one.test.rpartition('::')[2]}: {one.message.splitlines()[0]}" for one in outcome.seen
                    if one.verdict in ("fail", "error")]
            blamed = any(one.verdict == "fail" for one in outcome.seen)
            if outcome.unfit or ("fail" if blamed else "pass") != wanted or (said and not asked.defect):
                wrong.append(outcome.trial.name)
                print(f"unit {outcome.trial.name} {' '.join(outcome.trial.variants)}: "
                      f"{outcome.unfit or '; '.join(said[:3]) or 'passes'}", flush=True)
    took_s.sort()
    bound = 1 - 0.05 ** (1 / len(took_s)) if not wrong else float("nan")
    print(f"{len(took_s)} units, {len(wrong)} wrong; device time: median {statistics.median(took_s):.1f} s, "
          f"95 % within {took_s[int(0.95 * (len(took_s) - 1))]:.1f} s, longest {took_s[-1]:.1f} s"
          + ("" if wrong or asked.defect else f"; false alarms: at most {bound:.2%} of all units, at 95 %"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
