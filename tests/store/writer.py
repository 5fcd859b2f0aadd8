"""Stores runs until it is killed: ``writer.py STORE OUTSIDE NAME COUNT``. Says each run that it has stored."""

from __future__ import annotations

import sys
from pathlib import Path

from records import body

from bench.store.address import StoreAddress
from bench.store.deposit import Depot

store, outside, name, count = sys.argv[1:]
depot = Depot(StoreAddress.of(store, Path(outside)))
done = set(sys.stdin.read().split())
for number in range(int(count)):
    run_id = f"{name}-{number}"
    if run_id not in done and depot.deposit(body(number, "fail" if number % 20 == 7 else "pass", run_id)).of(run_id):
        print(run_id, flush=True)
