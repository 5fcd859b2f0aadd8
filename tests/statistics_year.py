"""How long ``mcm-bench stats`` takes over a year of 500 units a day, printed (``make year``). The store takes minutes
to make: in a folder named by YEAR it stays for the next time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "store")]

from year_of_runs import fill  # noqa: E402 - it is in the folder named above

from bench.store.address import StoreAddress  # noqa: E402

with tempfile.TemporaryDirectory() as name:
    folder = Path(os.environ.get("YEAR") or name)
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    is_new = not (folder / "records.db").exists()
    if is_new:
        fill(StoreAddress.of(str(folder / "records.db")), int(os.environ.get("UNITS", 365 * 500)))
    for what in (*["with nothing read yet"] * is_new, *["again"] * 5):
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "bench.cli", "stats", "--store", folder / "records.db", "--page",
                        folder / "page.html"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{what}: {time.monotonic() - began:.2f} s, {busy_s:.2f} s of processor", flush=True)
