"""How large the operator's page is after many units: the real page, floor and browser; only that a unit's run is short,
for its stages are told instead of lived.

    python tests/station/page_memory.py [UNITS]

Prints the heap of the page and the memory of the station's process on the way. Exit code 0: neither grew by more than a
quarter behind the first tenth of the units (what is shown just then differs).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from bench.commands.station.figures import Figures
from bench.commands.station.floor import Floor, Plan
from bench.commands.station.gate import Gate
from bench.commands.station.page import Page
from bench.commands.station.places import READY, RUNNING, SEALING, VERDICT
from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.store import create

PLACES = 8
STAGES = ["dark", "power-up", "delivery", "passive", "settings", "activation", "join", "device management", "telegrams",
          "sleep", "switch-off", "activation again", "delivered again", "dark again"]
MEASURED = [{"name": f"measurement.{number}", "value": number / 7, "unit": "s", "low": 0.0, "high": 10.0,
             "verdict": "pass", "test": "suites/line/test_power.py::test_something_of_the_unit", "guard": 0.001}
            for number in range(29)]


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def live(floor: Floor, page: Page, figures: Figures, ready: threading.Event) -> None:
    serving = asyncio.create_task(page.serve(floor, figures))
    for place in floor.places.values():
        place.show(state=READY)
    ready.set()
    await serving


async def units(floor: Floor, first: int, count: int) -> None:
    """So many units at the places, one after the other, as ``PlaceHandle`` shows them."""
    for number in range(first, first + count):
        place = floor.places[number % PLACES + 1]
        place.show(state=RUNNING, unit=f"{0x94193A0400000000 + number:016X}", verdict="", measurements=[],
                   stages=STAGES, message="")
        for stage, name in enumerate(STAGES, start=1):
            place.show(stage=name, stage_number=stage, ends=2e9 + stage)
        place.show(state=SEALING, verdict="fail" if number % 20 == 0 else "pass", measurements=MEASURED, attempt=1,
                   message="a sentence of this unit" if number % 20 == 0 else "")
        place.show(state=VERDICT, next="take out")
        floor.done += 1
        floor.tell_header()
        await asyncio.sleep(0.004)


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        depot = Depot(StoreAddress.of(str(folder / "records.db"), folder / "outside"))
        depot.accept(create(depot.address, simulated=True))
        page = Page("127.0.0.1:0")
        gate = Gate.of_file(depot, None, simulated=True)
        floor = Floor(Plan("line", folder, [None] * PLACES), gate, depot, page.tell)
        loop, ready = asyncio.new_event_loop(), threading.Event()
        threading.Thread(target=lambda: loop.run_until_complete(live(floor, page, Figures(depot, "line"), ready)),
                         daemon=True).start()
        ready.wait()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"),
                                             args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page(viewport={"width": 1366, "height": 768})
        view.goto(page.uri)
        view.wait_for_selector(".place")
        inspector = view.context.new_cdp_session(view)
        inspector.send("Performance.enable")
        rows: list[dict[str, Any]] = []
        for step in range(10):
            job = asyncio.run_coroutine_threadsafe(units(floor, step * count // 10, count // 10), loop)
            while not job.done():
                view.wait_for_timeout(200)
            view.wait_for_function("done => document.getElementById('done').textContent === String(done)",
                                   arg=floor.done, timeout=300_000)
            inspector.send("HeapProfiler.collectGarbage")
            told = {one["name"]: one["value"] for one in inspector.send("Performance.getMetrics")["metrics"]}
            rows.append({"units": floor.done, "heap_mb": round(told["JSHeapUsedSize"] / 1e6, 2),
                         "nodes": int(told["Nodes"]), "listeners": int(told["JSEventListeners"]),
                         "station_mb": round(memory_mb(), 1)})
            print(json.dumps(rows[-1]), flush=True)
        browser.close()
        loop.call_soon_threadsafe(page.stop)
    grew = [name for name in ("heap_mb", "nodes", "listeners", "station_mb") if rows[-1][name] > 1.25 * rows[0][name]]
    print("constant" if not grew else f"grew: {', '.join(grew)}")
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
