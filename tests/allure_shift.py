"""A shift through the real Allure Report (``make allure``): ``allure_shift.py COMMAND``.

Twenty units, of which one failed and passed at its second attempt, one failed and one was spoilt by the bench, go into
a store. The counts of the report must be those of the store's tables, and Chromium must open it from the disk and ask
nobody for anything; then the same tests over three firmware versions, of which the second broke something.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from playwright.sync_api import sync_playwright
from sqlalchemy import func, select

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "store")]

from records import body  # noqa: E402 - it is in the folder named above

from bench.store.address import StoreAddress  # noqa: E402
from bench.store.deposit import Depot  # noqa: E402
from bench.store.store import create  # noqa: E402
from bench.store.tables import PHASE  # noqa: E402
from reports.allure_report import Allure  # noqa: E402
from reports.exports.runs import run_of  # noqa: E402

NAMES = {"pass": "passed", "fail": "failed", "error": "broken", "skipped": "skipped"}


def asked_for(page: Path, picture: Path) -> set[str]:
    """What ``page`` asks for that is not in its own file, whether it gets it or not; not what Chromium asks its maker
    for on its own account."""
    asked: set[str] = set()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium",
                                             args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": 1366, "height": 900})
        shown.on("request", lambda request: asked.add(request.url))
        shown.goto(page.as_uri(), wait_until="networkidle", timeout=300_000)
        shown.screenshot(path=picture, timeout=300_000)
        browser.close()
    return {url for url in asked if not url.startswith(("file:", "data:", "blob:"))}


def main(command: str) -> None:
    allure = Allure(Path(command).resolve())
    folder = Path(tempfile.mkdtemp(prefix="allure-shift-"))
    depot = Depot(StoreAddress.of(str(folder / "records.db"), folder / "outside"))
    depot.accept(create(depot.address, simulated=False))
    store = depot.open()
    for number in range(1, 21):
        store.add_run(body(number, {4: "fail", 9: "fail", 13: "error"}.get(number, "pass")))
    again = body(30)
    again["record"]["unit"] = body(4)["record"]["unit"]
    store.add_run(again)
    numbers = [*range(1, 21), 30]
    counts = allure.report([run_of(store, f"run-{number}") for number in numbers], folder / "shift", "a shift")
    with store.reading() as connection:
        stored = Counter({NAMES[verdict]: count for verdict, count in connection.execute(
            select(PHASE.c.verdict, func.count()).group_by(PHASE.c.verdict))})
    assert counts == stored, (counts, stored)
    page = folder / "shift/index.html"
    asked = asked_for(page, folder / "report.png")
    assert not asked, asked
    print(f"a shift: {dict(counts)}, as in the store; asked for outside of its file: nothing; {folder / 'report.png'}")

    history = folder / "history.jsonl"
    for firmware, verdict in (("2.3.0", "pass"), ("2.3.1", "fail"), ("2.3.2", "pass")):
        one = run_of(store, {"pass": "run-1", "fail": "run-4"}[verdict])
        to = folder / f"history-{firmware}"
        allure.report([one], to, firmware, history)
    told = [json.loads(line)["name"] for line in history.read_text("utf-8").splitlines()]
    assert told == ["2.3.0", "2.3.1", "2.3.2"], told
    last = (folder / "history-2.3.2/index.html").read_text("utf-8")
    parts = [base64.b64decode(part).decode("utf-8", "replace")
             for part in re.findall(r'd\("data/test-results/[^"]+","([^"]+)"\)', last)]
    transitions = Counter(found for part in parts for found in re.findall(r'"transition":"(\w+)"', part))
    print(f"over firmware {', '.join(told)}: {dict(transitions)}")
    assert transitions["fixed"] >= 1, transitions
    if len(sys.argv) < 3:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1])
