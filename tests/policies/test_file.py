"""Files of policies and lists of people: all that is wrong at once, each with its line."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.policies.file import Policies
from bench.policies.people import People, Person, Role
from bench.policies.scan import Badge

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "policies.md"
EXAMPLE = next(iter(re.findall(r"```toml\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)))


def load(folder: Path, text: str) -> Policies:
    path = folder / "line.toml"
    path.write_text(text, "utf-8")
    return Policies.load(path)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A folder with people."""
    for name, role in (("anna", Role.OPERATOR), ("lena", Role.LEAD), ("erik", Role.ENGINEER)):
        People.add(tmp_path / "people.toml", Person(name, role), Badge(f"B00000{name}"))
    return tmp_path


def test_the_example_is_right(line: Path) -> None:
    policies = load(line, EXAMPLE)
    assert policies.golden is not None
    assert [(one.unit, one.is_) for one in policies.golden.unit] == [
        ("94193A04000000A1", "good"), ("94193A04000000B1", "bad")]
    assert policies.retest.most == 2


def test_the_page_names_every_key() -> None:
    said = HOW_TO.read_text("utf-8")
    for name, field in Policies.model_fields.items():
        models: list[str] = re.findall(r"\w+(?:Policy|Plan)", str(field.annotation))
        assert f"`{name}" in said or f"[[{name}]]" in said, name
        for model in models:
            module = __import__("bench.policies.file", fromlist=[model])
            for key in getattr(module, model).model_fields:
                assert f"`{name}.{key}`" in said or f"`{key}`" in said or f"[[{name}.{key}]]" in said, f"{name}.{key}"


def test_all_that_is_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = EXAMPLE.replace('people = "people.toml"', 'peple = "x"').replace('is = "good"', 'is = "god"').replace(
        "[4.6, 5.4]", "[5.4, 4.6]").replace("Stockholm", "Stokholm").replace("every = 50", "every = 0")
    with pytest.raises(BenchError) as told:
        load(tmp_path, text)
    said = str(told.value)
    assert said.startswith(f"policies {tmp_path}/line.toml, line 3, key time_zone: expected a time zone like ")
    assert "write Europe/Stockholm" in said
    for complaint in ("line 15, key golden.unit.0.is: expected 'good' or 'bad', saw 'god'",
                      "line 16, key golden.unit.0.correlation.power.sleep.current: expected low below high",
                      "line 30, key sampling.0.every: expected greater than or equal to 1, saw 0",
                      "line 2, key peple: expected a key that policies have, saw an unknown one; write people"):
        assert complaint in said


CONTRADICTIONS = [
    ("[retest]\nmost = 1\npasses = 2", "line 4, key retest.passes and line 3, key retest.most: expected no more"),
    ("[fixture]\nwarn_at = 5\nlock_at = 5", "line 3, key fixture.warn_at and line 4, key fixture.lock_at"),
    ('[route]\nafter = ["line"]', "line 3, key route.after and key process"),
    ('[golden]\nprocess = "line"\n[[golden.unit]]\nunit = "94193A04000000A1"\nis = "good"',
     "line 3, key golden.process and key process"),
    ("[golden]\neach_shift = true", "line 2, key golden and line 2, key golden.unit: expected a reference unit"),
    ('[golden]\neach_shift = true\n[[golden.unit]]\nunit = "94193A04000000A1"\nis = "good"',
     "line 3, key golden.each_shift and key shifts: expected the hours"),
    ('[golden]\n[[golden.unit]]\nunit = "94193A04000000A1"\nis = "good"\n[[golden.unit]]\nunit = "94193a04000000a1"'
     '\nis = "bad"\nfails = "x"', "line 4, key golden.unit.0.unit and line 7, key golden.unit.1.unit: expected each"),
    ('shifts = ["06:00", "06:00"]', "line 2, key shifts.0 and line 2, key shifts.1"),
    ('[[sampling]]\nname = "a"\nevery = 2\n[[sampling]]\nname = "a"\nevery = 3',
     "line 3, key sampling.0.name and line 6, key sampling.1.name"),
    ('[[sampling]]\nname = "line"\nevery = 2', "line 3, key sampling.0.name and key process"),
    ("[start]\nbadge = true", "line 3, key start.badge and key people"),
    ('people = "people.toml"', "line 2, key people and key scan.badge"),
    ("[start]\nwork_order = true", "line 3, key start.work_order and key scan.work_order"),
    ('[scan]\nbadge = "[0-9A-F]+"', "line 3, key scan.badge and line 2, key scan: expected what no DevEUI looks like"),
    ('[scan]\nbadge = "X.*"\nwork_order = "X.*"', "line 3, key scan.badge and line 4, key scan.work_order"),
]


@pytest.mark.parametrize(("text", "complaint"), CONTRADICTIONS)
def test_two_policies_that_contradict_each_other_are_named(line: Path, text: str, complaint: str) -> None:
    with pytest.raises(BenchError) as told:
        load(line, f'name = "line 1"\n{text}\n')
    assert complaint in str(told.value)


def test_a_role_that_nobody_has_is_a_contradiction(tmp_path: Path) -> None:
    People.add(tmp_path / "people.toml", Person("anna", Role.OPERATOR), Badge("B000001"))
    with pytest.raises(BenchError, match=r"key retest.needs and line 2, key people: expected somebody who is lead, saw "
                                         r"nobody on the list"):
        load(tmp_path, EXAMPLE)


@pytest.mark.parametrize("text", ["", "name = 1", "[[golden]]", 'name = "\\u0000"', "name = 'x'\nretest = 3",
                                  "name = 'x'\nsampling = [1]", "name = 'x'\n[scan]\nbadge = '('", "x" * 2000,
                                  "name = 'x'\ngolden = {unit = {}}", "name = 'x'\n[fixture]\nwarn_at = 1e400"])
def test_no_file_is_more_than_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(BenchError, match=r"^policies .*line\.toml") as told:
        load(tmp_path, text)
    assert len(str(told.value)) < 1200


def test_shifts_are_those_of_the_line_s_own_time() -> None:
    policies = Policies.model_validate({"name": "x", **tomllib.loads(
        'time_zone = "Europe/Stockholm"\nshifts = ["22:00", "06:00", "14:00"]')})
    for at, began in (("2026-11-30T04:59Z", "2026-11-29T22:00+01:00"), ("2026-11-30T05:00Z", "2026-11-30T06:00+01:00"),
                      ("2026-07-01T04:00Z", "2026-07-01T06:00+02:00"), ("2026-10-25T04:59Z", "2026-10-24T22:00+02:00"),
                      ("2026-10-25T05:00Z", "2026-10-25T06:00+01:00")):    # clocks go back at three
        found = policies.shift_began(datetime.fromisoformat(at))
        assert found == datetime.fromisoformat(began), at
    assert policies.shift(datetime(2026, 11, 30, 5, 0, tzinfo=UTC)) == "06:00"


def test_people_are_known_by_their_badges(line: Path) -> None:
    people = People(line / "people.toml")
    assert people.whose(Badge("B00000lena")) == Person("lena", Role.LEAD)
    with pytest.raises(BenchError, match="one that is not on it") as told:
        people.whose(Badge("B666666"))
    assert "666666" not in str(told.value)
    assert "B00000" not in (line / "people.toml").read_text()
    People.add(line / "people.toml", Person("lena", Role.ENGINEER), Badge("B777777"))
    people = People(line / "people.toml")
    assert people.whose(Badge("B777777")).role is Role.ENGINEER
    with pytest.raises(BenchError, match="not on it"):
        people.whose(Badge("B00000lena"))
    with pytest.raises(BenchError, match="expected one that nobody has, saw that of lena"):
        People.add(line / "people.toml", Person("otto", Role.OPERATOR), Badge("B777777"))
    assert len(people.all) == 3


def test_a_list_that_others_may_write_to_is_refused(line: Path) -> None:
    (line / "people.toml").chmod(0o660)
    with pytest.raises(BenchError, match="expected a file that only its owner may write to, saw mode 660"):
        People(line / "people.toml")


def test_a_wrong_list_is_told_without_its_hashes(line: Path) -> None:
    path = line / "people.toml"
    path.write_text(path.read_text().replace('role = "lead"', 'role = "boss"').replace('badge = "', 'badge = "XYZ'))
    with pytest.raises(BenchError) as told:
        People(path)
    assert "line 10, key person.1.role" in str(told.value)
    assert "XYZ" not in str(told.value)
