"""Units of all kinds (healthy, other legal ones, defects; on each kind of station) are driven on the line, and judged
again from their records: the same verdicts, sentences and measurements, byte for byte. With a lower limit for the sleep
current exactly the units beyond it change, in exactly that.

    python tests/line_judged.py [UNITS] [--from SEED]

``make judged`` runs it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from line_lives import variants_of
from rich.console import Console

from bench.commands.judge import judge
from bench.commands.order import Order
from bench.commands.run import run
from bench.twin.defects import DEFECTS

KINDS: tuple[dict[str, str], ...] = ({}, {"cell": "live"}, {"meter": "real"}, {"over": "network"})
LOWER_UA = 5.23
"""About the median of healthy units."""
LIMITS = ('["power.sleep.current"]\nunit = "uA"\nhigh = {}\npossible = [0.5, 1e6]\nguard = true\nclause = "8"\n')
JUDGE = "suites/line/test_power.py::test_a_joined_unit_sleeps_at_6_ua"


def order_of(seed: int, folder: Path) -> Order:
    """One unit in three has a defect, one in three is legal and different, and one in three is on a station of another
    kind."""
    chance = random.Random(seed)
    defects = [chance.choice(sorted(DEFECTS))] if seed % 3 == 0 else []
    variants = variants_of(seed) if seed % 3 == 1 else []
    kind: dict[str, Any] = chance.choice(KINDS) if seed % 3 == 2 else {}
    return Order("line", folder, seed=seed, defects=defects, variants=variants, report=False, doctor=False, **kind)


def differences(folder: Path, limits: Path) -> Iterator[str]:
    record = json.loads((folder / "record.json").read_text("utf-8"))
    found, again = judge(folder), judge(folder)
    if json.dumps(found.to_json()) != json.dumps(again.to_json()):
        yield "two judgements differ"
    recorded = {test["id"]: (test["verdict"], test["message"] or test.get("reason", "")) for test in record["tests"]}
    judged = {test: (str(verdict), message) for test, (verdict, message) in found.tests.items()}
    yield from (f"{test}: recorded {recorded[test]}, judged {judged.get(test)}" for test in recorded
                if recorded[test] != judged.get(test))
    measured = [{key: one[key] for key in ("test", "name", "value", "low", "high", "verdict")}
                for one in record["measurements"]]
    taken = [{"test": test, "name": one.name, "value": one.value, "low": one.low, "high": one.high,
              "verdict": str(one.verdict)} for test, one in found.measurements]
    if json.dumps(measured) != json.dumps(taken):
        yield "other measurements"
    sleeps = [one for test, one in found.measurements if one.name == "power.sleep.current"]
    is_beyond = any(one.value > LOWER_UA - one.guard for one in sleeps) and judged[JUDGE][0] == "pass"
    changed = [sentence.partition(": ")[0] for sentence in judge(folder, limits).changed]
    if changed != ([JUDGE] if is_beyond else []):
        yield f"with other limits {changed or 'nothing'} changed, the unit is {'' if is_beyond else 'not '}beyond them"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("units", type=int, nargs="?", default=200)
    parser.add_argument("--from", dest="first", type=int, default=1)
    asked = parser.parse_args()
    bad, verdicts = 0, dict[str, int]()
    with tempfile.TemporaryDirectory() as scratch:
        limits = Path(scratch) / "limits.toml"
        limits.write_text(LIMITS.format(LOWER_UA), "utf-8")
        for seed in range(asked.first, asked.first + asked.units):
            folder = Path(scratch) / str(seed)
            record = run(order_of(seed, folder), Console(quiet=True))
            verdicts[str(record.verdict)] = verdicts.get(str(record.verdict), 0) + 1
            wrong = list(differences(folder, limits))
            bad += bool(wrong)
            if wrong:
                print(f"unit {seed}: {'; '.join(wrong[:3])}", flush=True)
    print(f"{asked.units} units ({', '.join(f'{count} {name}' for name, count in sorted(verdicts.items()))}): "
          f"{asked.units - bad} judged again byte for byte")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
