"""Certification packs as data: what the loader takes, and that it tells all that is wrong at once."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.manual import pack as packs
from bench.manual import pics
from bench.manual.pics import Condition

WHOLE = """
name = "own"
title = "Own"
scope = "A pack of a test."
[[document]]
name = "Standard"
edition = "1"
source = "memory"
known = ["0"]
[[row]]
id = "1"
title = "First"
source = "ours"
bench = "Looked at."
requirements = ["SEC-01"]
[[row]]
id = "2"
title = "Second"
source = "memory"
left = "All."
to = "laboratory"
"""


def written(folder: Path, text: str, name: str = "own") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", packs.names())
def test_the_packs_of_the_bench_are_right(name: str) -> None:
    pack = packs.load(name)
    assert pack.name == name
    assert all(row.is_for_the_bench or row.to for row in pack.rows)


def test_a_pack_of_ones_own_is_given_by_its_path(tmp_path: Path) -> None:
    pack = packs.load(str(written(tmp_path, WHOLE)))
    assert [row.id for row in pack.rows] == ["1", "2"]
    assert pack.rows[0].is_about("suites/test_x.py::test_y[1]", ("SEC-01",), ())
    assert not pack.rows[0].is_about("suites/test_x.py::test_y[1]", ("SEC-02",), ("int-1",))


def test_a_pattern_is_of_a_test_or_of_one_case() -> None:
    row = packs.Row(id="1", title="x", source="ours", bench="x", tests=("test_a.py::test_b*", "test_a.py::test_c[1/2]"))
    assert row.is_about("suites/test_a.py::test_bees[x[y]]", (), ())
    assert row.is_about("suites/test_a.py::test_c[1/2]", (), ())
    assert not row.is_about("suites/test_a.py::test_c[2/2]", (), ())


@pytest.mark.parametrize(("old", "new", "said"), [
    ('requirements = ["SEC-01"]', 'requirements = ["SEC-99"]', "row 1: no requirement SEC-99"),
    ('requirements = ["SEC-01"]', 'ets = ["int-9999"]', "row 1: no ETS case int-9999"),
    ('id = "2"', 'id = "1"', "row 1 twice"),
    ('name = "own"', 'name = "other"', "its name is other"),
    ('bench = "Looked at."', "", "row 1: bench"),
    ('left = "All."', "", "row 2: nothing is done for it"),
    ('left = "All."', 'left = "All."\nrisk = "huge"', "row 2 risk"),
    ('left = "All."', 'left = "All."\napplies = ["nfcc"]\notherwise = "x"', "write nfc if that is meant"),
    ('left = "All."', 'left = "All."\napplies = ["nfc"]', "otherwise doesn't say why not"),
    ('left = "All."', 'left = "All."\napplies = ["nfc == 3"]\notherwise = "x"', "is no condition such as"),
    ('left = "All."', 'left = "All."\ndocument = "Other"', "row 2: document Other"),
    ('left = "All."', 'left = "All."\nguard = { x = 1 }', "nothing of their uncertainty"),
    ('left = "All."', 'left = "All."\nlefts = "x"', "row 2 lefts: extra inputs"),
    ('source = "ours"', 'source = "guess"', "row 1 source"),
    ('title = "Own"', "title = 3", "title: input should be a valid string"),
])
def test_what_is_wrong_is_told_in_a_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert WHOLE.count(old) == 1
    with pytest.raises(BenchError) as caught:
        packs.read(written(tmp_path, WHOLE.replace(old, new)))
    assert said in str(caught.value), str(caught.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = WHOLE.replace('"SEC-01"', '"SEC-99", "SEC-98"').replace('id = "2"', 'id = "1"')
    with pytest.raises(BenchError, match=r"3 faults: .*twice; .*SEC-99; .*SEC-98"):
        packs.read(written(tmp_path, text))


def test_a_pack_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(BenchError, match="oma-ets"):
        packs.load("oma-etz")
    with pytest.raises(BenchError, match="expected a file"):
        packs.load("nowhere/pack.toml")


# -- declarations


def test_what_the_manual_says_is_the_default() -> None:
    declared = pics.load().declared
    assert declared["bands"] == [3, 8, 20]
    assert declared["lock_at_delivery"] == "open"


def test_a_declaration_with_faults_tells_all_of_them(tmp_path: Path) -> None:
    path = written(tmp_path, '[pics]\nnfcs = true\nbands = "3"\n[pixit]\nsacrificial = "all"\n', "pics")
    with pytest.raises(BenchError) as caught:
        pics.load(path)
    text = str(caught.value)
    assert "pics.nfcs" in text
    assert "write nfc" in text
    assert "pics.bands" in text
    assert "pixit.sacrificial" in text


@pytest.mark.parametrize(("text", "values", "holds"), [
    ("nfc", {"nfc": True}, True), ("nfc", {"nfc": False}, False), ("nfc", {}, None), ("not nfc", {"nfc": True}, False),
    ("bands has 20", {"bands": [3, 20]}, True), ("not bands has 20", {"bands": [3, 20]}, False),
    ("bands has 2", {"bands": [20]}, False), ("category is NB2", {"category": "NB2"}, True),
    ("category is not NB2", {"category": "NB1"}, True), ("lwm2m is 1.1", {"lwm2m": "1.1"}, True),
    ("services", {"services": []}, False)])
def test_conditions(text: str, values: dict[str, object], holds: bool | None) -> None:
    assert Condition.of(text).holds(values) is holds


def test_sacrificial_units_are_named_in_any_spelling(tmp_path: Path) -> None:
    path = written(tmp_path, '[pixit]\nsacrificial = ["94-19-3a-04-01-00-00-01"]\n', "pics")
    declaration = pics.load(path)
    assert declaration.is_sacrificial("94193A0401000001")
    assert not declaration.is_sacrificial("94193A0401000002")
    assert not pics.load().is_sacrificial("94193A0401000001")
