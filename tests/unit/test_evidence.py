"""One number for a test, in the names of its files as in the record and on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.evidence import evidence_file, number_of


def test_the_name_has_the_number_and_says_which_test_it_is() -> None:
    file = evidence_file(Path("run"), 7, "suites/test_led.py::test_red_is_off[b-1.0 s]", "pcapng")
    assert file == Path("run/evidence/0007_test_red_is_off_b_1_0_s_.pcapng")
    assert number_of(file) == 7


@pytest.mark.parametrize("number", [1, 9999, 10_000, 1_234_567])
def test_any_number_is_read_back(number: int) -> None:
    assert number_of(evidence_file(Path("run"), number, "a.py::test_x", "arrivals.png")) == number


@pytest.mark.parametrize("parameter", ["coap://[::1]:5683", "../../etc", "é" * 300, "a" * 300, "x\ny\0z"])
def test_a_parameter_of_any_kind_makes_a_name_that_a_disk_takes(tmp_path: Path, parameter: str) -> None:
    file = evidence_file(tmp_path, 3, f"suites/test_a.py::test_b[{parameter}]", "vcd")
    file.parent.mkdir()
    file.write_text("x")
    assert file.parent == tmp_path / "evidence"
    assert number_of(file) == 3


@pytest.mark.parametrize("name", ["run.png", "run.pcapng", "12_test.vcd", "gateway.pcapng"])
def test_what_belongs_to_the_run_has_no_number(name: str) -> None:
    assert number_of(Path("evidence") / name) is None
