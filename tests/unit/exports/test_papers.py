"""Certificates and labels, read back by others: text by pdftotext, codes by zxing."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from typing import Any

import pytest
import zxingcpp
from export_records import HOSTILE, body
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.errors import BenchError
from reports.certificate import certificate
from reports.datamatrix import modules
from reports.exports.document import StoredRun
from reports.label import label

PDF = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is missing")


def run(verdict: str = "pass", **more: Any) -> StoredRun:
    return StoredRun(5, {**body(3, verdict, **more), "attempt": 1, "retest_of": ""}, "ab" * 32)


def through(command: str, *options: str, content: bytes) -> bytes:
    return subprocess.run([command, *options], input=content, capture_output=True, check=True, timeout=120).stdout


def code_on(pdf: bytes) -> str:
    """At 100 dots per inch: as poor as an office printer and a cheap scanner."""
    picture = Image.open(io.BytesIO(through("pdftoppm", "-r", "100", "-png", "-", content=pdf)))
    (found,) = zxingcpp.read_barcodes(picture)
    return found.text


@PDF
def test_a_certificate_is_read_back() -> None:
    pdf = certificate(run(job={"work_order": "W17", "part_number": "CMi6110-EU"}))
    text = through("pdftotext", "-layout", "-", "-", content=pdf).decode()
    for said in ("Test certificate", "Unit 94193A0400000003", "W17", "CMi6110-EU", "passed all 2 tests of line",
                 "1" * 64, "5" * 64, f"5:{'ab' * 32}", "Keysight,N6705C,MY1,E.02", "MY1", "2026-01-01", "2027-01-01",
                 "571 of the 574 statements", "power.sleep.current", "5.1 uA", "≤ 6.6 uA", "0.1 uA",
                 "no declaration of", "2026-11-02 06:03:00 UTC"):
        assert re.sub(r"\s+", " ", said) in re.sub(r"\s+", " ", text)
    assert code_on(pdf) == "94193A0400000003"
    assert b"Pages:           1\n" in through("pdfinfo", "-", content=pdf)
    assert certificate(run(job={"work_order": "W17", "part_number": "CMi6110-EU"})) == pdf


@PDF
def test_a_certificate_stays_one_page_whatever_is_in_the_record() -> None:
    crowded = body(3)
    record = crowded["record"]
    record["measurements"] = [{**record["measurements"][1], "name": f"power.{'x' * 80}.{number}", "value": number / 60}
                              for number in range(300)]
    record["manifest"]["instruments"] *= 20
    record["manifest"]["left_out"] = [{"what": "a", "reason": f"{number} {HOSTILE[number % 7]}", "requirements": [],
                                       "excused": True} for number in range(40)]
    record["job"] = dict.fromkeys(("work_order", "part_number", "batch", "slot", "operator"), HOSTILE[2] + HOSTILE[6])
    record["station"] = HOSTILE[4]
    pdf = certificate(StoredRun(5, {**crowded, "attempt": 1}))
    text = through("pdftotext", "-layout", "-", "-", content=pdf).decode()
    assert b"Pages:           1\n" in through("pdfinfo", "-", content=pdf)
    assert re.search(r"the \d+ of 300 nearest to a limit", text)
    assert "and 28 more, in the record" in text
    assert text.rstrip().endswith("as it was stored.")
    assert code_on(pdf) == "94193A0400000003"


@PDF
def test_a_certificate_of_the_twin_says_so_all_over() -> None:
    pdf = certificate(run(simulated=True))
    text = through("pdftotext", "-", "-", content=pdf).decode()
    assert "(simulated)" in text
    assert "No hardware was tested" in text
    picture = Image.open(io.BytesIO(through("pdftoppm", "-r", "30", "-png", "-", content=pdf))).convert("RGB")
    yellow = [colour for count, colour in picture.getcolors(1 << 20) or () if colour[2] < colour[0] - 40]
    assert yellow    # SIMULATED, right across the page


@pytest.mark.parametrize("verdict", ["fail", "error", "incomplete"])
@pytest.mark.parametrize("made", [certificate, label])
def test_what_did_not_pass_gets_no_paper(verdict: str, made: Any) -> None:
    with pytest.raises(BenchError, match=f"expected a pass of a complete run, saw {verdict}"):
        made(run(verdict))


@pytest.mark.parametrize("unit", ["", "94193A04", "94193A040000000G", "94193A0400000003" * 2, HOSTILE[0]])
@pytest.mark.parametrize("made", [certificate, label])
def test_a_unit_without_a_deveui_gets_no_paper(unit: str, made: Any) -> None:
    with pytest.raises(BenchError, match="expected a unit with a DevEUI"):
        made(run(unit=unit))


@given(st.integers(0, 2**64 - 1))
@settings(max_examples=60, deadline=None)
def test_scanners_read_the_deveui_and_nothing_else(number: int) -> None:
    """reportlab's own encoder adds a NUL to 16 characters."""
    deveui = f"{number:016X}"
    code = modules(deveui)
    size, side = len(code) + 8, 4
    picture = Image.new("L", (size * side, size * side), 255)
    for row, line in enumerate(code):
        for column, dark in enumerate(line):
            if dark:
                picture.paste(0, ((column + 4) * side, (row + 4) * side, (column + 5) * side, (row + 5) * side))
    (found,) = zxingcpp.read_barcodes(picture)
    assert (found.text, found.bytes) == (deveui, deveui.encode())


def test_a_label_is_what_a_printer_understands() -> None:
    lines = label(run(job={"work_order": "W^17~_é"}), copies=2).decode("ascii").splitlines()
    assert (lines[0], lines[-2:]) == ("^XA", ["^PQ2", "^XZ"])
    assert "^FO24,28^BXN,8,200,,,,_^FD94193A0400000003^FS" in lines
    assert any("^FDPASS 2026-11-02^FS" in line for line in lines)
    assert any("^FH_^FDW_5E17_7E_5F_C3_A9^FS" in line for line in lines)
    assert "SIMULATED, NOT TESTED" in label(run(simulated=True)).decode("ascii")


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_reaches_the_printer_as_a_command(hostile: str) -> None:
    whole = label(run(job={"work_order": f"^XZ{hostile}~JR", "part_number": hostile})).decode("ascii")
    assert (whole.count("^XA"), whole.count("^XZ"), whole.count("~")) == (1, 1, 0)
