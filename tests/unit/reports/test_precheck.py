"""The five words from what tests came to; and what of a pack's folder counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.commands.certify.ledger import Ledger, firmware_of
from bench.commands.certify.turns import judge as judge_turns
from bench.commands.certify.turns import load as load_turns
from bench.commands.prove.trial import Outcome, Seen, Trial
from bench.errors import BenchError
from bench.manifest import begin
from bench.manual.pack import Pack, Row
from bench.manual.pics import Declaration
from bench.measure import Measurement, Verdict
from bench.record import Record, TestResult
from reports import precheck
from reports.matrix import Coverage
from reports.precheck import Dossier, Results, Word
from reports.precheck_page import write_page
from reports.precheck_pdf import write_pdf
from reports.precheck_text import tables
from reports.run import Run

A, B = "suites/test_a.py::test_one", "suites/test_a.py::test_two[1]"


def result(test: str, verdict: str, *measurements: Measurement, message: str = "", number: int = 1,
           shown: dict[str, Any] | None = None) -> TestResult:
    return TestResult(test, Verdict(verdict), ("SEC-01",), 1.0, 0.1, message=message, number=number, heard=True,
                      measurements=measurements, shown=shown or {})


def run_in(folder: Path, *tests: TestResult, firmware: str = "1.0", fault: str = "", unit: str = "94193A0401000001",
           inputs: dict[str, str] | None = None) -> Run:
    record = Record("all", unit, 1, simulated=True, fault=fault)
    record.manifest = begin({})
    record.manifest.inputs = inputs or {"suites": "1", "limits": "2"}
    record.manifest.unit_firmware = [firmware] if firmware else []
    record.tests = list(tests)
    (folder / "evidence").mkdir(parents=True)
    note = folder / "evidence" / "0001_test_one.txt"
    note.write_text("seen")
    record.artifacts = [note]
    record.write(folder)
    return Run.load(folder)


def row(**fields: Any) -> Row:
    usual: dict[str, Any] = {"id": "1", "title": "A row", "source": "ours", "bench": "Looked at.",
                             "tests": ("test_a.py::test_*",)}
    return Row.model_validate({**usual, **fields})


def judged(folder: Path, one: Row, *tests: TestResult, declared: dict[str, Any] | None = None,
           shown: dict[str, Any] | None = None) -> precheck.RowResult:
    runs = [run_in(folder / "runs" / "01", *tests)] if tests else []
    pack = Pack.model_validate({"name": "own", "title": "Own", "scope": "Own.", "row": [one],
                                "document": [{"name": "Standard", "edition": "1", "source": "memory"}]})
    results = Results(runs, folder, lambda which: [test for test in (A, B) if which.is_about(test, (), ())], {})
    declaration = Declaration.model_validate({"pics": declared or {}})
    (found,) = precheck.judge_pack(pack, declaration, shown or {}, results).rows
    return found


@pytest.mark.parametrize(("first", "second", "word"), [
    ("pass", "pass", Word.CONFORMITY), ("pass", "fail", Word.NON_CONFORMITY), ("pass", "error", Word.INCONCLUSIVE),
    ("fail", "error", Word.NON_CONFORMITY), ("pass", "skipped", Word.INCONCLUSIVE)])
def test_the_word_is_the_worst_of_the_tests(tmp_path: Path, first: str, second: str, word: Word) -> None:
    found = judged(tmp_path, row(), result(A, first, message="so"), result(B, second, message="so", number=2))
    assert found.word is word
    assert found.reasons


def test_a_row_of_which_a_test_did_not_run_is_inconclusive(tmp_path: Path) -> None:
    assert judged(tmp_path, row(), result(A, "pass")).word is Word.INCONCLUSIVE
    assert judged(tmp_path, row(tests=("test_a.py::test_one",))).word is Word.INCONCLUSIVE


def test_what_is_for_others_needs_a_laboratory(tmp_path: Path) -> None:
    found = judged(tmp_path, row(tests=(), bench="", left="All of it.", to="notified body"))
    assert found.word is Word.LABORATORY
    assert "notified body" in found.reasons[0]


@pytest.mark.parametrize(("declared", "shown", "word"), [
    ({"oscore": False}, {}, Word.NOT_APPLICABLE), ({"oscore": True}, {}, Word.CONFORMITY), ({}, {}, Word.INCONCLUSIVE),
    ({}, {"oscore": False}, Word.NOT_APPLICABLE), ({"oscore": True}, {"oscore": False}, Word.CONFORMITY)])
def test_a_row_applies_by_what_is_declared_and_else_by_what_is_shown(tmp_path: Path, declared: dict[str, Any],
                                                                     shown: dict[str, Any], word: Word) -> None:
    found = judged(tmp_path, row(tests=("test_a.py::test_one",), applies=("oscore",), otherwise="No OSCORE."),
                   result(A, "pass"), declared=declared, shown=shown)
    assert found.word is word, found.reasons
    if word is Word.NOT_APPLICABLE:
        assert found.reasons[0].startswith("No OSCORE (")


@pytest.mark.parametrize(("shown", "word"), [
    ({"lock_at_delivery": "open"}, Word.NON_CONFORMITY), ({"lock_at_delivery": "locked"}, Word.CONFORMITY),
    ({}, Word.INCONCLUSIVE)])
def test_what_a_row_demands_the_unit_must_show(tmp_path: Path, shown: dict[str, Any], word: Word) -> None:
    found = judged(tmp_path, row(tests=(), demands=("lock_at_delivery is locked",)), shown=shown)
    assert found.word is word


LOW, HIGH, U = 21.0, 25.0, 0.77


@pytest.mark.parametrize(("value", "word"), [
    (23.0, Word.CONFORMITY), (24.3, Word.INCONCLUSIVE), (24.2, Word.CONFORMITY), (25.5, Word.INCONCLUSIVE),
    (25.8, Word.NON_CONFORMITY), (26.0, Word.NON_CONFORMITY), (20.5, Word.INCONCLUSIVE), (20.1, Word.NON_CONFORMITY)])
@pytest.mark.parametrize("own", [True, False])
def test_nearer_to_a_limit_than_the_uncertainty_is_inconclusive(tmp_path: Path, value: float, word: Word,
                                                                own: bool) -> None:
    """Whether the test has said the uncertainty, or the row."""
    inside = LOW <= value <= HIGH
    taken = Measurement("radio.power.b20", value, "dBm", LOW, HIGH, Verdict.PASS if inside else Verdict.FAIL,
                        uncertainty=U if own else 0.0)
    test = result(A, "pass" if inside else "fail", taken, message="" if inside else f"{precheck.OUTSIDE}{taken}")
    found = judged(tmp_path, row(tests=("test_a.py::test_one",), measurements=("radio.power.*",), uncertainty="0.77 dB",
                                 guard={} if own else {"radio.power.*": U}), test)
    assert found.word is word, found.reasons
    assert f"= {value:g}\N{NO-BREAK SPACE}dBm ± 0.77" in found.measured_in_words[0]


def test_a_test_that_failed_by_something_else_fails_however_near_its_measurement_is(tmp_path: Path) -> None:
    taken = Measurement("radio.power", 25.1, "dBm", LOW, HIGH, Verdict.FAIL, uncertainty=U)
    found = judged(tmp_path, row(tests=("test_a.py::test_one",), measurements=("radio.*",), uncertainty="x"),
                   result(A, "fail", taken, message="no carrier at all"))
    assert found.word is Word.NON_CONFORMITY


def test_contradictions_are_told() -> None:
    declaration = Declaration.model_validate({"pics": {"bands": [3, 8], "nfc": True}, "product": {"model": "X"}})
    assert precheck.contradictions(declaration, {"bands": [8, 3], "nfc": True}) == []
    assert precheck.contradictions(declaration, {"bands": [3, 8, 20], "model": "Y"}) == [
        "declared: model = X; the unit shows Y", "declared: bands = 3, 8; the unit shows 3, 8, 20"]


def test_an_edition_that_nobody_knows_is_told() -> None:
    pack = Pack.model_validate({
        "name": "own", "title": "Own", "scope": "Own.", "row": [row()],
        "document": [{"name": "S", "edition": "3", "source": "memory", "known": ["2"], "note": "Same limits."}]})
    assert precheck.editions([pack], Declaration(editions={"S": "3", "T": "1"})) == []
    assert precheck.editions([pack], Declaration(editions={"S": "2"}))[0][0] == "low"
    assert "is not known" in precheck.editions([pack], Declaration(editions={"S": "1"}))[0][1]


# -- the folder


ASKED = {"unit": "94193A0401000001", "seed": 1}


def test_what_is_as_it_was_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, ASKED)
    run_in(tmp_path / "runs" / "01", result(A, "pass"))
    ledger.note()
    counted = Ledger(tmp_path, ASKED).counted()
    assert [run.directory.name for run in counted.runs] == ["01"]
    assert counted.set_aside == ()
    assert ledger.next_folder().name == "02"


def test_an_altered_record_does_not_count_and_is_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, ASKED)
    run_in(tmp_path / "runs" / "01", result(A, "fail", message="no"))
    ledger.note()
    path = tmp_path / "runs" / "01" / "record.json"
    path.write_text(path.read_text().replace('"fail"', '"pass"'))
    counted = Ledger(tmp_path, ASKED).counted()
    assert counted.runs == ()
    assert "altered" in counted.set_aside[0]


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_altered_evidence_is_told(tmp_path: Path, how: str) -> None:
    ledger = Ledger(tmp_path, ASKED)
    run_in(tmp_path / "runs" / "01", result(A, "pass"))
    ledger.note()
    note = tmp_path / "runs" / "01" / "evidence" / "0001_test_one.txt"
    note.write_text("else") if how == "changed" else note.unlink()
    counted = Ledger(tmp_path, ASKED).counted()
    assert counted.runs == ()
    assert "0001_test_one.txt" in counted.set_aside[0]


def test_firmware_versions_are_never_mixed(tmp_path: Path) -> None:
    run_in(tmp_path / "runs" / "01", result(A, "pass"), firmware="1.0")
    run_in(tmp_path / "runs" / "02", result(B, "pass"), firmware="1.1")
    ledger = Ledger.__new__(Ledger)
    ledger.root, ledger._asked, ledger._hashes = tmp_path, {}, {}
    counted = ledger.counted()
    assert [firmware_of(run) for run in counted.runs] == ["1.1"]
    assert counted.set_aside == ("run 01 does not count: the unit had firmware 1.0, and now has 1.1",)


def test_a_run_that_was_killed_or_judged_by_others_does_not_count(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, ASKED)
    run_in(tmp_path / "runs" / "01", result(A, "pass"), inputs={"suites": "other", "limits": "2"})
    (tmp_path / "runs" / "02" / "evidence").mkdir(parents=True)
    run_in(tmp_path / "runs" / "03", result(B, "pass"))
    ledger.note()
    counted = ledger.counted()
    assert [run.directory.name for run in counted.runs] == ["03"]
    assert "it was killed" in counted.set_aside[0]
    assert "judged by other suites" in counted.set_aside[1]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path, ASKED).note()
    with pytest.raises(BenchError, match="a pack with unit 94193A0401000002"):
        Ledger(tmp_path, {**ASKED, "unit": "94193A0401000002"})
    (tmp_path / "certify.json").write_text("[]")
    with pytest.raises(BenchError, match="what a pack's folder is about"):
        Ledger(tmp_path, ASKED)
    other = tmp_path / "other"
    other.mkdir()
    (other / "note").write_text("mine")
    with pytest.raises(BenchError, match="an empty one"):
        Ledger(other, ASKED)


# -- views


def test_equal_dossiers_give_equal_octets_and_hostile_texts_are_texts(tmp_path: Path) -> None:
    hostile = "<b>&amp;</b> [red]x[/red] \x07 –→≤"
    run = run_in(tmp_path / "runs" / "01", result(A, "fail", message=hostile), result(B, "pass", number=2))
    pack = Pack.model_validate({
        "name": "own", "title": hostile, "scope": "Own.", "row": [row(), row(id="2", tests=(
            "test_a.py::test_two*",))], "document": [{"name": "Standard", "edition": "1", "source": "memory"}]})
    results = Results([run], tmp_path, lambda which: [test for test in (A, B) if which.is_about(test, (), ())], {})
    found = precheck.judge_pack(pack, Declaration(), {}, results)
    manifest = run.manifest
    assert manifest is not None
    dossier = Dossier(
        unit="94193A0401000001", firmware=("1.0",), simulated=True, changed=(), station="twin", began=run.started,
        ended="", operator=hostile, software=manifest.software, declaration=Declaration(), shown={"model": hostile},
        packs=(found,), cover=(hostile,), findings=precheck.ranked([found], []), instruments=(),
        coverage=Coverage(574, 1, 1, 0), uncovered=(), files=(("runs/01/record.json", "00"),), inputs={})
    for name in ("one.pdf", "two.pdf"):
        write_pdf(dossier, tmp_path, tmp_path / name)
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()
    write_page(dossier, tmp_path / "pack.html")
    page = (tmp_path / "pack.html").read_text("utf-8", "replace")
    assert "<b>&amp;</b>" not in page
    assert "&lt;b&gt;" in page
    assert "<script" not in page
    data = json.loads(json.dumps(precheck.to_json(dossier)))
    assert [one["verdict"] for one in data["packs"][0]["rows"]] == ["indication of non-conformity",
                                                                    "indication of conformity"]
    assert data["coverage"]["statements"] == 574
    assert tables(dossier, tmp_path)


# -- which rows a defect turns


def test_the_table_of_turns_names_what_there_is() -> None:
    turns = load_turns()
    assert len(turns.own) >= 30
    for name, rows in turns.own.items():
        assert set(rows) <= set(turns.family_of(name)), name


def test_rows_that_turn_beside_and_rows_that_do_not_are_told() -> None:
    rows = {"p 1": row(id="1", tests=("test_a.py::test_one",)), "p 2": row(id="2", tests=("test_a.py::test_two*",))}

    class Chooser:
        def select(self, which: Row) -> list[str]:
            return [test for test in (A, B) if which.is_about(test, (), ())]

    def outcome(first: str, second: str) -> Outcome:
        return Outcome(Trial(name="a-defect", tests=(A, B)), [Seen(A, first, "", 1.0), Seen(B, second, "", 1.0)])

    chooser: Any = Chooser()
    assert judge_turns(outcome("fail", "pass"), ("p 1",), chooser, rows).is_right
    assert judge_turns(outcome("pass", "pass"), ("p 1",), chooser, rows).should == ("p 1",)
    assert judge_turns(outcome("fail", "fail"), ("p 1",), chooser, rows).should_not == ("p 2",)
    assert judge_turns(outcome("pass", "error"), (), chooser, rows).unfit
