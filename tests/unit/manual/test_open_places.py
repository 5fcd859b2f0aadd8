"""The open places of the manual, as data and as a page."""

from __future__ import annotations

import pytest

from bench.commands.open_places import PAGE, render
from bench.errors import BenchError
from bench.manual.open_places import load, parse

PLACE = """
[[place]]
number = "C01"
where = "Table 11"
says = "seconds and minutes"
read_as = "minutes"
statements = ["SCH-09"]
"""


def test_the_page_is_made_from_the_data() -> None:
    assert PAGE.read_text("utf-8") == render(), "run python -m bench.commands.open_places"


def test_there_are_places_of_each_kind() -> None:
    assert {number[0] for number in load()} == {"C", "U", "G"}
    assert load()["U06"].readings == ("newest first", "oldest first")


@pytest.mark.parametrize(("text", "said"), [
    (PLACE + PLACE.replace("Table 11", "7.3.4"), "C01 twice: Table 11; 7.3.4"),
    (PLACE.replace("SCH-09", "SCH-99"), "C01 with SCH-99"),
    (PLACE + 'readings = ["minutes"]\n', "C01 with .*minutes"),
    (PLACE + 'readings = ["minutes", "minutes"]\n', "C01 with .*minutes"),
    (PLACE + "reading = []\n", "C01: .*reading"),
    (PLACE.replace('says = "seconds and minutes"\n', ""), "C01: .*says"),
])
def test_a_broken_file_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        parse(text)
