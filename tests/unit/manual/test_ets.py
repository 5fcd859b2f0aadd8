"""The list of ETS cases, and that the suites have a test for each that applies."""

import re
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.manual import ets

SUITES = Path(__file__).parents[3] / "suites"


def named_in_suites() -> set[str]:
    return {name for file in SUITES.glob("test_*.py")
            for call in re.findall(r"\bets\(([^)]*)\)", file.read_text("utf-8"))
            for name in re.findall(r'"(int-\d+)"', call)}


def test_every_case_that_applies_has_a_test() -> None:
    applying = {case.id for case in ets.load().values() if case.kind in "AM"}
    assert applying <= named_in_suites()


def test_every_deviation_of_the_manual_is_written_down() -> None:
    assert all(case.note for case in ets.load().values() if case.kind == "M")


def test_the_list_has_the_cases_that_were_read() -> None:
    kinds = [case.kind for case in ets.load().values()]
    assert {kind: kinds.count(kind) for kind in ets.KINDS} == {"A": 38, "M": 17, "C": 28, "-": 6}


@pytest.mark.parametrize("text", [
    '[[case]]\nid = "int-1"', '[[case]]\nid = "int-1"\ntitle = "t"\nkind = "X"\nessence = "e"\nnote = "n"',
    '[[case]]\nid = "int-1"\ntitle = "t"\nkind = "M"\nessence = "e"',
    '[[case]]\nid = 1\ntitle = "t"\nkind = "A"\nessence = "e"',
    '[[case]]\nid = "int-1"\ntitle = "t"\nkind = "A"\nessence = "e"\ncolour = "red"',
])
def test_what_is_no_case_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match=r"ets\.toml"):
        ets.parse(text)
