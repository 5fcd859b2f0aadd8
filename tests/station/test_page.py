"""The station's pages, as people use them: Debian's chromium, driven by playwright, against ``mcm-bench station`` on
the twin. In the long form (MCM_BENCH_LONG) with eight places.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from bench.policies.people import People, Person, Role
from bench.policies.scan import Badge
from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.search import Wanted, find
from bench.store.tables import EVENT

CHROMIUM = shutil.which("chromium")
PLACES = 8 if os.environ.get("MCM_BENCH_LONG") else 2
PATIENCE_MS = 240_000
GOLDEN, BROKEN, GOOD = "94193A04000000A1", "94193A0401000002", "94193A0401000003"
OPERATOR, LEAD = "B111111", "B222222"

POLICIES = """
name = "line 1"
people = "people.toml"
[scan]
badge = "B[0-9]{6}"
work_order = "W[0-9]{2,8}"
[start]
badge = true
[golden]
per = "line"
[[golden.unit]]
unit = "94193A04000000A1"
is = "good"
"""
PROMPTS = """
[[prompt]]
id = "cable"
picture = "cable.svg"
text.en = "Lay the cable through the left notch."
text.sv = "Lägg kabeln genom vänster skåra."
text.de = "Das Kabel durch die linke Kerbe legen."
"""
PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100"><rect x="20" y="20" width="160" height="60"
fill="none" stroke="black" stroke-width="4"/><path d="M0 50H40" stroke="red" stroke-width="6"/></svg>"""
HOSTILE = ("<img src=x onerror=document.title='hit'>", "'; DROP TABLE run; --", "\x1b[31m\x00\u202e" + "A" * 4090,
           "{{7*7}}", "94193A0401000002<script>")

pytestmark = [pytest.mark.timeout(900), pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is missing "
                                                           "(apt-get install chromium)")]


class Station:
    """``mcm-bench station`` on the twin, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "policies.toml").write_text(POLICIES)
        (folder / "prompts.toml").write_text(PROMPTS, "utf-8")
        (folder / "cable.svg").write_text(PICTURE)
        (folder / "defects.json").write_text(json.dumps({BROKEN: ["sleep-current-high"]}))
        for name, role, badge in (("anna", Role.OPERATOR, OPERATOR), ("lena", Role.LEAD, LEAD)):
            People.add(folder / "people.toml", Person(name, role), Badge(badge))
        with socket.socket() as free:
            free.bind(("127.79.0.1", 0))
            self.address = f"127.79.0.1:{free.getsockname()[1]}"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, page: str = "") -> list[str]:
        options = {"--twin": str(PLACES), "--runs": self.folder / "runs", "--page": page or self.address,
                   "--twin-defects": self.folder / "defects.json", "--policies": self.folder / "policies.toml",
                   "--prompts": self.folder / "prompts.toml"}
        return [sys.executable, "-m", "bench.cli", "station",
                *(str(word) for pair in options.items() for word in pair)]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL)

    def end(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(120) == 0

    @property
    def depot(self) -> Depot:
        runs = self.folder / "runs"
        return Depot(StoreAddress.of(str(runs / "records.db"), runs / "outside"))


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    made = Station(tmp_path_factory.mktemp("station"))
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


def scan(page: Page, text: str) -> None:
    """As a scanner does: it types wherever the focus is, and sends Enter."""
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def shot(page: Page, name: str) -> None:
    """For a person to look at, where a folder is named for it."""
    if folder := os.environ.get("MCM_BENCH_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def serious(page: Page) -> list[str]:
    found: Any = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found
            if one["impact"] in ("serious", "critical")]


def wait_until_up(page: Page, address: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        with socket.socket() as tried:
            if tried.connect_ex((address.partition(":")[0], int(address.partition(":")[2]))) == 0:
                break
        assert time.monotonic() < deadline, "the page did not come up"
        time.sleep(0.2)
    page.goto(f"http://{address}/")


def test_a_shift_at_the_page(station: Station, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    asked: list[Request] = []
    wrong: list[str] = []
    context.on("request", lambda request: asked.append(request))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    wait_until_up(page, station.address)
    said, tiles = page.locator("#said"), page.locator(".place")
    expect(page.locator(".place.ready")).to_have_count(PLACES)
    expect(page.locator("#scan")).to_be_focused()

    # No reference unit yet: the places are closed, and say so.
    expect(page.locator(".place.is-closed")).to_have_count(PLACES)
    scan(page, OPERATOR)
    expect(page.locator("#person")).to_contain_text("anna")
    scan(page, "W1734")
    expect(page.locator("#order")).to_have_text("W1734")
    scan(page, GOOD)
    expect(said).to_contain_text("reference unit")
    shot(page, "golden-missing")

    # What is no label is refused in words, and does nothing.
    for text in HOSTILE:
        page.locator("#scan").fill(text)
        page.keyboard.press("Enter")
        expect(said).to_contain_text("no label of a unit")
    assert page.title() == "line"
    assert not page.locator("#said *, .place img").count()

    # The lead runs the reference unit; the prompt has its picture.
    scan(page, LEAD)
    expect(page.locator("#person")).to_contain_text("lena")
    scan(page, GOLDEN)
    expect(page.locator(".place.prompt .asks")).to_have_text("Lay the cable through the left notch.")
    assert page.locator(".place.prompt img").evaluate("one => one.decode().then(() => one.naturalWidth > 0)")
    shot(page, "prompt")
    page.get_by_role("button", name="DONE").click()
    expect(page.locator("#scan")).to_be_focused()
    expect(page.locator(".place.running .stage b")).not_to_have_text("starts")
    expect(page.locator(".place.running .left")).to_have_text(re.compile(r"\d+ s"))
    scan(page, GOLDEN.lower())
    expect(said).to_contain_text(f"{GOLDEN} is at place")
    shot(page, "running")
    passed = page.locator(".place.is-pass")
    expect(passed.locator(".big strong")).to_have_text("PASS")
    expect(page.locator(".place.is-closed")).to_have_count(0)

    # A broken unit, its label with colons: it fails, and stays to be seen.
    scan(page, OPERATOR)
    scan(page, ":".join(re.findall("..", BROKEN.lower())))
    expect(page.locator(".place.prompt")).to_have_count(1)
    scan(page, "#DONE")
    failed = page.locator(".place.is-fail")
    expect(failed.locator(".big strong")).to_have_text("FAIL")
    expect(failed.locator(".failing")).to_contain_text("power.passive.current")
    expect(failed.locator(".next")).to_contain_text("Red box")
    assert failed.locator(".big strong").evaluate("one => parseFloat(getComputedStyle(one).fontSize)") >= 55
    assert failed.locator(".shape rect").count() == 1
    shot(page, "fail")

    # A retest: refused to the operator, allowed by the lead with a reason that is stored.
    expect(page.locator(".place.verdict.is-fail")).to_have_count(1)
    scan(page, BROKEN)
    expect(said).to_contain_text("has failed before")
    expect(page.locator("#retest")).to_contain_text("Scan the badge first: lead")
    scan(page, LEAD)
    scan(page, BROKEN)
    shot(page, "retest")
    page.get_by_role("button", name="Contact or cable").click()
    expect(page.locator(".place.prompt .unit")).to_have_text(BROKEN)
    page.get_by_role("button", name="NO", exact=True).click()
    expect(page.locator(".place.prompt")).to_have_count(0)

    # Languages and themes.
    for language, word in (("sv", "FEL"), ("de", "FEHLER"), ("en", "FAIL")):
        page.select_option("#language", language)
        expect(failed.locator(".big strong")).to_have_text(word)
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "the page scrolls"
        shot(page, f"language-{language}")
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        assert serious(page) == []
    shot(page, "dark")

    # A second station on the same runs is refused in a sentence.
    second = subprocess.run(station.command("127.0.0.1:0"), capture_output=True, text=True, timeout=120, check=False)
    assert second.returncode == 2
    assert "another process that does" in second.stderr

    # The supervisor is killed, and is back.
    assert station.process is not None
    station.process.kill()
    station.process.wait()
    expect(page.locator("#link")).to_contain_text("STATION NOT REACHED")
    scan(page, GOOD)
    expect(said).to_contain_text("Nothing was started")
    station.start()
    expect(page.locator("#link")).to_have_text("connected")
    expect(page.locator(".place.verdict.is-fail .big strong")).to_have_text("FAIL")
    expect(tiles).to_have_count(PLACES)

    # What engineers look at.
    page.goto(f"http://{station.address}/engineer")
    expect(page.locator("#pareto")).to_contain_text("power.passive.current")
    page.locator("#unit").fill(BROKEN)
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#history")).to_contain_text("W1734")
    page.select_option("#measurement", "power.passive.current")
    expect(page.locator("#capability")).to_contain_text("Cpk")
    assert serious(page) == []
    shot(page, "engineer")

    assert wrong == []
    assert {request.url.partition("//")[2].partition("/")[0] for request in asked
            if not request.url.startswith("data:")} == {station.address}
    station.end()
    with station.depot.open().reading() as connection:
        runs = find(connection, Wanted(partial=True), 100)
        events = connection.execute(EVENT.select()).mappings().all()
    assert [(run["unit_serial"], run["verdict"], run["process"], run["operator"]) for run in reversed(runs)] == [
        (GOLDEN, "pass", "golden", "lena"), (BROKEN, "fail", "line", "anna")]
    assert ("override", "lena", "contact or cable") in {(one["kind"], one["who"], one["why"]) for one in events}
