"""The page is one file that is safe to open, says the verdict without doubt and hides nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from bench.evidence import evidence_file
from bench.manual.requirements import load
from reports.page import write_page
from reports.run import Run
from reports.run_picture import MOST_TESTS, run_picture

MakeRun = Callable[..., Path]
CHROMIUM = shutil.which("chromium")

VOID = {"meta", "br", "input", "link", "img", "hr"}


class Reader(HTMLParser):
    """Reads a page as a strict reader would: every element is closed in order, ids are unique."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.text: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "srcset", "action", "xlink:href", "data"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    return reader


def page(directory: Path) -> Path:
    return write_page(Run.load(directory), list(load().values()))


def words(reader: Reader) -> str:
    return " ".join(" ".join(reader.text).split())


@pytest.mark.parametrize("verdict", ["pass", "fail", "error"])
def test_the_page_is_well_formed_and_asks_no_network(make_run: MakeRun, verdict: str) -> None:
    path = page(make_run(verdict))
    reader = read(path)
    assert path.name == "report.html"
    assert reader.faults == []
    assert reader.open == []
    assert [name for name, count in Counter(reader.ids).items() if count > 1] == []
    assert [address for address in reader.addresses if not address.startswith(("#", "./evidence/"))] == []
    assert {address[1:] for address in reader.addresses if address.startswith("#")} <= set(reader.ids)
    content = path.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", content)
    assert reader.tags["link"] == reader.tags["img"] == reader.tags["iframe"] == reader.tags["form"] == 0


def test_the_policy_names_the_only_script_by_its_hash(make_run: MakeRun) -> None:
    content = page(make_run()).read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;" in content
    assert re.search(r"script-src &#39;sha256-[A-Za-z0-9+/]{43}=&#39;", content)
    assert content.count("<script") == 1


@pytest.mark.parametrize(("verdict", "word"), [("pass", "PASS"), ("fail", "FAIL"), ("error", "BENCH FAULT")])
def test_the_verdict_stands_first_and_simulation_is_unmistakable(make_run: MakeRun, verdict: str, word: str) -> None:
    path = page(make_run(verdict))
    content, said = path.read_text(encoding="utf-8"), words(read(path))
    assert f"<h1>{word}</h1>" in content
    assert f'<svg class="icon {verdict}"' in content
    assert "SIMULATED lab in software, no hardware was tested" in said
    assert content.index('class="banner"') < content.index("<h1>")
    assert "0016AFFFFE00A1B2" in said


def test_a_run_on_hardware_does_not_say_simulated(make_run: MakeRun) -> None:
    directory = make_run()
    record = directory / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"simulated": False}))
    assert "SIMULATED" not in words(read(page(directory)))


def test_a_failed_run_shows_its_first_failing_test_first(make_run: MakeRun) -> None:
    content = page(make_run("fail")).read_text(encoding="utf-8")
    why = content[content.index('id="why"'):content.index('id="measurements"')]
    assert "start up lights both leds for 1 s" in why
    assert "led.start.both = 1.42 s is outside 0.7 s … 1.3 s" in why
    assert 'class="bullet large"' in why
    assert 'class="timeline"' in why
    assert "LED-02" in why
    assert "sleep current" in why  # the other failure is linked


def test_a_bench_fault_says_what_to_do_and_does_not_blame_the_unit(make_run: MakeRun) -> None:
    said = words(read(page(make_run("error"))))
    assert "The unit was not judged." in said
    assert "Seen no answer for 2 s" in said
    assert "Switch the instrument on and check the address." in said
    assert "mcm-bench doctor" in said


def test_what_was_not_covered_is_counted_and_listed(make_run: MakeRun) -> None:
    path = page(make_run())
    content, said = path.read_text(encoding="utf-8"), words(read(path))
    expected = {row.id for row in load().values() if "acceptance" in row.profile}
    record = json.loads((path.parent / "record.json").read_text())
    proven = {name for test in record["tests"] if test["verdict"] == "pass" for name in test["requirements"]}
    missing = expected - proven
    assert f"{len(missing)} of {len(expected)} requirements of the acceptance profile" in said
    part = content[content.index('id="not-covered"'):content.index('id="files"')]
    assert part.count("<li>") == len(missing)
    assert all(f">{name}</a>" in part for name in missing)
    assert "needs cell.bands, which this station does not have" in part
    assert "Operator test with a phone" in part


def test_the_assumption_behind_an_unclear_statement_is_shown(make_run: MakeRun) -> None:
    said = words(read(page(make_run())))
    assert "Assumption Contradiction: the activation text says" in said


def test_only_a_certification_run_says_that_it_is_a_pre_check(make_run: MakeRun) -> None:
    sentence = "Pre-check, not a conformity assessment."
    assert sentence in words(read(page(make_run("pass", profile="certification"))))
    assert sentence not in words(read(page(make_run("fail"))))


HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}</svg></style>&amp;\x00"


@pytest.mark.parametrize("verdict", ["pass", "fail", "error"])
def test_hostile_text_of_a_device_stays_text(make_run: MakeRun, verdict: str) -> None:
    reader = read(page(make_run(verdict, hostile=HOSTILE)))
    assert reader.faults == []
    assert reader.tags["script"] == 1
    assert reader.tags["img"] == 0
    assert reader.handlers == []
    assert "<script>alert(1)</script>" in words(reader)
    assert "{{ 7*7 }}" in words(reader)


def test_half_a_surrogate_pair_does_not_stop_the_page(make_run: MakeRun) -> None:
    directory = make_run()
    record = directory / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"unit": "half \ud800"}))
    assert "half ?" in words(read(page(directory)))


@pytest.mark.parametrize("path", ["javascript:alert(1)", "../up", "/etc/hosts", "evidence/../../x", "evidence/gone"])
def test_an_artifact_outside_the_run_or_missing_is_no_link(make_run: MakeRun, path: str) -> None:
    directory = make_run()
    record = directory / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"artifacts": [{"path": path, "sha256": "0" * 64}]}))
    reader = read(page(directory))
    assert not any(path in address for address in reader.addresses)
    assert path in words(reader)


def test_a_run_without_tests_or_timeline_is_a_page_too(make_run: MakeRun) -> None:
    directory = make_run("error")
    (directory / "timeline.jsonl").unlink()
    record = directory / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {
        "tests": [], "measurements": [], "artifacts": [], "unit": None, "seed": None, "started": "noon",
        "profile": "golden", "message": "no instrument answered"}))
    reader = read(page(directory))
    assert reader.faults == []
    assert "no instrument answered" in words(reader)
    assert "This run measured nothing." in words(reader)


def test_the_same_run_gives_the_same_page(make_run: MakeRun) -> None:
    directory = make_run("fail")
    first = page(directory).read_bytes()
    assert page(directory).read_bytes() == first


def test_each_file_of_a_test_is_linked_at_that_test(make_run: MakeRun) -> None:
    directory = make_run()
    path = directory / "record.json"
    record = json.loads(path.read_text())
    test = record["tests"][3] | {"number": 104}     # three were numbered before that are not in this record
    record["tests"][3] = test
    files = [evidence_file(directory, 104, test["id"], ending) for ending in ("pcapng", "vcd", "jls", "2.jls")]
    for file in files:
        file.write_bytes(b"x")
    others = [evidence_file(directory, 104, test["id"], "gone"), evidence_file(directory, 999, "a.py::test_x", "vcd")]
    others[1].write_bytes(b"x")
    record["artifacts"] += [{"path": f"evidence/{file.name}", "sha256": ""} for file in [*files, *others]]
    path.write_text(json.dumps(record))
    content = page(directory).read_text(encoding="utf-8")
    article = content[content.index('id="test-104"'):]
    article = article[:article.index("</article>")]
    assert re.findall(r'href="./(evidence/[^"]*)"', article) == [f"evidence/{file.name}" for file in files]
    assert re.findall(r">([a-z0-9.]*)</a> ", article)[:4] == ["pcapng", "vcd", "jls", "2.jls"]
    assert 'id="test-4"' not in content
    listed = content[content.index('id="files"'):]
    assert listed.count('<a href="#test-104">104</a>') == 5     # the one that has gone, too
    assert "0999_" in listed
    assert '<a href="#test-999">' not in listed


def test_of_very_many_tests_those_that_did_not_pass_are_in_the_picture(make_run: MakeRun) -> None:
    directory = make_run("fail")
    path = directory / "record.json"
    record = json.loads(path.read_text())
    timeline = directory / "timeline.jsonl"
    more = [{**record["tests"][0], "id": f"suites/test_more.py::test_{number}"} for number in range(200)]
    with timeline.open("a") as file:
        for test in more:
            file.write(json.dumps({"t": 1.0, "source": "panel", "kind": "led", "test": test["id"],
                                   "data": {"channel": "red", "on": True}}) + "\n")
    record["tests"] = more + record["tests"]
    path.write_text(json.dumps(record))
    run = Run.load(directory)
    failed = next(test.number for test in run.tests if test.verdict == "fail")
    assert failed > 200
    drawn = run_picture(run).inline_svg()
    assert f"Timeline of {MOST_TESTS} tests" in drawn
    assert f"✕ {failed}<" in drawn
    assert f"of 225 tests the {MOST_TESTS} that did not pass or came first" in words(read(page(directory)))


def test_a_thousand_tests_are_one_small_page_with_those_that_did_not_pass_first(make_run: MakeRun) -> None:
    directory = make_run("fail")
    path = directory / "record.json"
    record = json.loads(path.read_text())
    passed = [test for test in record["tests"] if test["verdict"] == "pass"]
    for number in range(len(record["tests"]) + 1, 1001):
        test = passed[number % len(passed)]
        like = {**test, "id": f"{test['id']}_{number}_as_long_as_the_names_of_tests_are_in_these_suites",
                "number": number}
        record["tests"].append(like)
        for ending in ("pcapng", "vcd"):
            file = evidence_file(directory, number, like["id"], ending)
            file.touch()
            record["artifacts"].append({"path": f"evidence/{file.name}", "sha256": "0" * 64})
    path.write_text(json.dumps(record))
    written = page(directory)
    content, reader = written.read_text(encoding="utf-8"), read(written)
    assert written.stat().st_size < 2_000_000
    assert reader.faults == []
    assert {address[1:] for address in reader.addresses if address.startswith("#")} <= set(reader.ids)
    verdicts = re.findall(r'<article class="test (\w+)"', content)
    assert len(verdicts) == 1000
    assert set(verdicts[:verdicts.index("pass")]) == {"fail"} == set(verdicts) - {"pass", "skipped"}
    first_passed = content.index('<article class="test pass"')
    assert content.rindex('<details class="suite"', 0, first_passed) > content.index('<article class="test fail"')
    assert '<details class="suite" data-file="suites/test_led.py" open>' not in content
    assert "of passed tests are linked there" in words(reader)


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is missing (apt-get install chromium)")
def test_everybody_can_read_the_page_at_each_width_and_it_prints_on_two_sheets(make_run: MakeRun) -> None:
    written = page(make_run("fail"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            shown = browser.new_page(color_scheme=scheme)
            shown.goto(written.as_uri())
            for width in (390, 800, 1366) if scheme == "light" else (1366,):
                shown.set_viewport_size({"width": width, "height": 900})
                assert shown.evaluate("document.documentElement.scrollWidth") <= width, f"clipped at {width} px"
                violations = Axe().run(shown).response["violations"]
                serious = {one["id"] for one in violations if one["impact"] in ("serious", "critical")}
                assert not serious, f"{scheme}, {width} px: {serious}"
        sheets = len(re.findall(rb"/Type\s*/Page\b", shown.pdf(format="A4")))
        browser.close()
    assert 1 <= sheets <= 2


def test_tests_can_be_searched_by_file_and_verdict(make_run: MakeRun) -> None:
    content = page(make_run("fail")).read_text(encoding="utf-8")
    box = content[content.index('id="test-filter"'):content.index('id="test-list"')]
    assert "<option>suites/test_led.py</option>" in box
    assert re.findall(r'data-verdict="(\w+)"', box) == ["pass", "fail", "skipped"]
