"""``mcm-bench run`` of a small suite: ``small_run.py STATION RUN_DIR SUITE[::TEST]...``."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.commands.lock import StationLock
from bench.commands.order import Order
from bench.commands.supervise import supervise
from bench.commands.terminal import terminal


def main() -> int:
    station, run_dir, *suites = sys.argv[1:]
    order = Order(profile="acceptance", run_dir=Path(run_dir), station=Path(station), files=suites, doctor=False,
                  test_timeout_s=60, patience_s=4)
    return supervise(order, terminal(), StationLock(Path(station), "run acceptance"))


if __name__ == "__main__":
    sys.exit(main())
