"""Parts of the station that need no run: languages, prompts, the page's door, what is made of a run that was killed."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from bench.commands.order import RESULTS, Order, prepare
from bench.commands.progress import Progress
from bench.commands.station import floor as floors
from bench.commands.station.figures import Figures
from bench.commands.station.floor import Floor, Plan
from bench.commands.station.gate import Gate, Refused
from bench.commands.station.page import LANGUAGES, Page
from bench.commands.station.place import BROKEN_OFF, record_of_broken
from bench.commands.station.places import PUT, READY
from bench.commands.station.prompts import Prompts
from bench.errors import BenchError
from bench.measure import Verdict
from bench.record import TestResult
from bench.store.address import StoreAddress
from bench.store.deposit import Depot, body_of
from bench.store.store import create
from fixtures.line.script import Script
from fixtures.line.stages import STAGES

OWN = files("bench.commands.station")
UNIT = "94193A0401000001"


def words(language: str) -> dict[str, str]:
    return dict(json.loads(OWN.joinpath(f"languages/{language}.json").read_text("utf-8")))


# -- languages


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_word(language: str) -> None:
    known, said = words("en"), words(language)
    assert said.keys() == known.keys()
    places = {key: set(re.findall(r"\{\w+\}", text)) for key, text in known.items()}
    assert {key: set(re.findall(r"\{\w+\}", text)) for key, text in said.items()} == places


def test_every_word_that_the_pages_ask_for_is_there() -> None:
    known = words("en")
    for name in ("operator.js", "engineer.js", "operator.html", "engineer.html"):
        text = OWN.joinpath(name).read_text("utf-8")
        asked = re.findall(r'\bsay\("([^"]+)"|data-text="([^"]+)"|\b(?:fact|button)\("([^"]+)"', text)
        assert {next(filter(None, one)) for one in asked} <= known.keys(), name
    assert {f"stage.{name}" for name in STAGES} <= known.keys()
    assert {f"stage.{one.name}" for one in Script.load().stage} <= known.keys()
    source = Path(floors.__file__).read_text("utf-8")
    assert {f"refused.{code}" for code in re.findall(r'Refused\("([^"]+)"', source)} <= known.keys()
    assert {f"said.{code}" for code in re.findall(r'"code": "([^"]+)"', source)} <= known.keys()


# -- prompts


@pytest.mark.parametrize(("text", "seen"), [
    ("", "prompt"), ('[[prompt]]\nid = "A B"\ntext.en = "x"', "id"),
    ('[[prompt]]\nid = "a"\ntext.en = "x"\npicture = "none.svg"', "no such file"),
    ('[[prompt]]\nid = "a"\ntext.en = "x"\npicture = "prompts.toml"', ".toml"), ("prompt = 3", "prompt")])
def test_prompts_that_are_none_are_refused(tmp_path: Path, text: str, seen: str) -> None:
    path = tmp_path / "prompts.toml"
    path.write_text(text)
    with pytest.raises(BenchError, match=re.escape(seen)):
        Prompts.load(path)


# -- a run that was killed


def order(folder: Path) -> Order:
    prepare(folder)
    return Order("line", folder, unit=UNIT)


def test_a_killed_run_is_an_error_with_what_it_had_told(tmp_path: Path) -> None:
    asked = order(tmp_path / "run")
    with (asked.run_dir / RESULTS).open("wb") as file:
        told = Progress(file.fileno())
        told.record(asked.record())
        told.began("suites/line/a.py::one", (), 1.0)
        told.finished(TestResult("suites/line/a.py::one", Verdict.PASS, (), 1.0, 1.0))
        told.began("suites/line/a.py::two", (), 1.0)
        file.flush()
        (asked.run_dir / RESULTS).open("ab").write(b'{"half')
    record = record_of_broken(asked)
    assert (record["verdict"], record["run_id"], record["unit"]) == ("error", asked.run_id, UNIT)
    assert [test["verdict"] for test in record["tests"]] == ["pass", "error"]
    assert record["not_delivered"]


def test_a_pass_that_nobody_saw_to_its_end_is_none(tmp_path: Path) -> None:
    asked = order(tmp_path / "run")
    passed = TestResult("suites/line/a.py::one", Verdict.PASS, (), 1.0, 1.0)
    replace(asked.record(), tests=[passed]).write(asked.run_dir)
    assert json.loads((asked.run_dir / "record.json").read_text())["verdict"] == "pass"
    record = record_of_broken(asked)
    assert record["verdict"] == "error"
    assert BROKEN_OFF in record["message"]


# -- the page's door


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    made = Depot(StoreAddress.of(str(tmp_path / "records.db"), tmp_path / "outside"))
    made.accept(create(made.address, simulated=True))
    return made


@contextmanager
def floor_of(depot: Depot, folder: Path, start: str = "scan", places: int = 2, prompts: Prompts | None = None,
             ) -> Iterator[Floor]:
    """Places that are free, without their processes."""
    plan = Plan("line", folder, [None] * places, start, prompts=prompts or Prompts())
    made = Floor(plan, Gate.of_file(depot, None, simulated=True), depot, lambda event: None)
    for place in made.places.values():
        place.show(state=READY)
    yield made


Answer = tuple[int, dict[str, str]]


def request(address: str, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None) -> Answer:
    """Status and headers of an answer."""
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request(method, path, json.dumps(body) if body is not None else None,
                       {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def asked(depot: Depot, folder: Path, token: str, *requests: tuple[str, str, dict[str, str], dict[str, Any] | None],
          ) -> list[Answer]:
    async def ask() -> list[Answer]:
        page = Page("127.0.0.1:0", token)
        with floor_of(depot, folder) as floor:
            serving = asyncio.create_task(page.serve(floor, Figures(depot, "line")))
            answers = [await asyncio.to_thread(request, page.uri.split("/")[2], *one) for one in requests]
            page.stop()
            await serving
        return answers
    return asyncio.run(ask())


def test_without_the_token_nobody_gets_in(depot: Depot, tmp_path: Path) -> None:
    token = "0123456789abcdef-token"
    shut, wrong, opened, page = asked(
        depot, tmp_path, token, ("GET", "/api/state", {}, None), ("GET", "/?token=0123456789abcdef-tokeN", {}, None),
        ("GET", f"/?token={token}", {}, None), ("GET", "/api/state", {"Cookie": f"mcm-bench-station={token}"}, None))
    assert (shut[0], wrong[0], opened[0], page[0]) == (403, 403, 303, 200)
    assert "HttpOnly" in opened[1]["set-cookie"]
    assert "SameSite=strict" in opened[1]["set-cookie"]
    assert token not in opened[1]["location"]


@pytest.mark.parametrize(("address", "token", "seen"), [
    ("0.0.0.0:0", "", "an address that others reach"), ("127.0.0.1:0", "short", "5"),
    ("localhost:0", "", "localhost"), ("127.0.0.1:99999", "", "99999")])
def test_a_page_for_everybody_is_refused(address: str, token: str, seen: str) -> None:
    with pytest.raises(BenchError, match=seen):
        Page(address, token)


def test_other_sites_names_and_long_bodies_are_refused(depot: Depot, tmp_path: Path) -> None:
    by_name, foreign, long, strange, page = asked(
        depot, tmp_path, "", ("GET", "/api/state", {"Host": "evil.example"}, None),
        ("POST", "/api/scan", {"Origin": "http://evil.example"}, {"text": UNIT}),
        ("POST", "/api/scan", {}, {"text": "A" * 6000}),
        ("POST", "/api/scan", {}, {"text": UNIT, "command": "rm"}), ("GET", "/", {}, None))
    assert (by_name[0], foreign[0], long[0], strange[0]) == (403, 403, 422, 422)
    assert "default-src 'none'" in page[1]["content-security-policy"]


# -- scans


def scanned(floor: Floor, text: str, place: int | None = None) -> dict[str, Any]:
    return asyncio.run(floor.scan(text, place))


def test_a_unit_waits_for_start_or_lid(depot: Depot, tmp_path: Path) -> None:
    with floor_of(depot, tmp_path, "lid") as floor:
        assert scanned(floor, UNIT, 2)["place"] == 2
        assert floor.places[2].shown.state == PUT
        with pytest.raises(Refused, match="starts when its lid is closed"):
            scanned(floor, "", 2)
        with pytest.raises(Refused, match="is at place 2 now"):
            scanned(floor, UNIT.lower(), 1)
        assert scanned(floor, "#cancel")["place"] == 2
        assert floor.places[2].shown.state == READY


def test_a_no_to_a_prompt_takes_the_unit_out(depot: Depot, tmp_path: Path) -> None:
    prompts = Prompts(({"id": "cable", "picture": False, "text": {"en": "Cable?"}},), {})
    with floor_of(depot, tmp_path, "page", prompts=prompts) as floor:
        scanned(floor, UNIT)
        assert scanned(floor, "#NO")["code"] == "cancelled"
        scanned(floor, UNIT)
        assert scanned(floor, "#DONE")["code"] == "answered"
        assert [one["answer"] for one in floor.places[1].answers] == ["yes"]
        assert floor.places[1].shown.state == PUT


def test_a_unit_that_has_passed_is_refused(depot: Depot, tmp_path: Path) -> None:
    record = replace(Order("line", tmp_path, unit=UNIT).record(), tests=[
        TestResult("suites/line/a.py::one", Verdict.PASS, (), 1.0, 1.0)]).to_json(tmp_path)
    record["manifest"]["chosen_by"] = ["profile line"]
    record["manifest"]["ended"] = datetime.now(UTC).isoformat()
    assert not depot.deposit(body_of(tmp_path, record, "run")).refused
    with floor_of(depot, tmp_path) as floor, pytest.raises(Refused, match="has passed already"):
        scanned(floor, UNIT)
