"""The catalogue is whole, and a broken one is refused."""

from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.manual.requirements import closed, ids, load, parse

ROW = """
[[requirement]]
id = "A-01"
clause = "1"
area = "a"
statement = "s"
method = "m"
observable = ["nfc"]
oracle = "o"
profile = ["acceptance"]
duration = "s"
ambiguity = ""
"""


def test_the_catalogue_has_574_rows_in_its_order() -> None:
    names = list(load())
    assert len(names) == 574
    assert names[0] == "BTN-01"
    row = load()["LED-02"]
    assert row.clause == "5.3.5"
    assert row.profile == ("acceptance", "regression", "certification")
    assert load() is load()


def test_ids_are_found_by_pattern() -> None:
    assert ids("LED-0[1-3]") == ("LED-01", "LED-02", "LED-03")
    assert len(ids("PHY-*")) == 18
    assert ids("NOTHING-*") == ()


def test_every_closed_statement_is_real_and_has_a_reason() -> None:
    assert set(closed()) <= set(load())
    assert {"OTC-06", "CMP-05", "PHY-01", "PHY-02", "PHY-18",
            *(f"PHY-{number:02}" for number in range(7, 15))} <= set(closed())
    assert all(len(reason) > 30 for reason in closed().values())


@pytest.mark.parametrize(("text", "words"), [
    (ROW + ROW, "A-01 twice"), (ROW.replace('area = "a"\n', ""), "area"), (ROW + 'extra = "x"\n', "extra"),
    (ROW.replace('"s"\nambiguity', "3\nambiguity"), "text in duration"),
    (ROW.replace('["nfc"]', '"nfc"'), "observable"),
    ("[[requirement", "valid TOML"), ("", "tables")])
def test_a_broken_catalogue_is_refused(text: str, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        parse(text)
