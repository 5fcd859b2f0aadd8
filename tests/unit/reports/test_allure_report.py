"""What the wrapper of Allure Report looks for. Allure itself is asked by ``make allure``: it takes Node.js and 160
packages."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from reports.allure_report import VERSION, Allure
from reports.exports.document import StoredRun

sys.path.append(str(Path(__file__).parents[2] / "store"))

from records import body

GTAG = ('<script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script>\n<script>\n window.dataLayer = '
        'window.dataLayer || [];\n</script>')

STANDS_IN = """#!{python}
import base64, json, pathlib, sys
if sys.argv[1] == "--version":
    print({version!r})
    sys.exit()
config = json.loads(pathlib.Path(sys.argv[3]).read_text())
read = [json.loads(path.read_text()) for folder in sys.argv[4:] for path in pathlib.Path(folder).glob("*-result.json")]
counts = dict(total=len({{one["historyId"] for one in read}}))
for one in {{one["historyId"]: one for one in read}}.values():
    counts[one["status"]] = counts.get(one["status"], 0) + 1
counts |= {more!r}
out = pathlib.Path(config["output"])
out.mkdir()
told = base64.b64encode(json.dumps(counts).encode()).decode()
(out / "index.html").write_text("<html><head></head>" + {page!r} + f'd("widgets/statistic.json","{{told}}")')
if "historyPath" in config:
    with open(config["historyPath"], "a") as file:
        file.write(json.dumps(dict(name=config["name"])) + "\\n")
"""


def stands_in(folder: Path, *, version: str = VERSION, page: str = GTAG, **more: int) -> Path:
    """A program that does with results what Allure does: one of each history id is shown."""
    path = folder / "allure"
    path.write_text(STANDS_IN.format(python=sys.executable, version=version, page=page, more=more), "utf-8")
    path.chmod(0o700)
    return path


def runs() -> list[StoredRun]:
    return [StoredRun(number, {**body(number, verdict), "attempt": 1})
            for number, verdict in enumerate(("pass", "fail", "error", "pass"), start=2)]


def test_each_test_of_each_unit_is_counted_and_nobody_is_called(tmp_path: Path) -> None:
    counts = Allure(stands_in(tmp_path)).report(runs(), tmp_path / "report", "a shift")
    assert counts == Counter(passed=6, failed=1, broken=1)
    page = (tmp_path / "report/index.html").read_text("utf-8")
    assert "googletagmanager" not in page
    assert "<head><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["allure", "report"]


@pytest.mark.parametrize(("options", "said"), [
    ({"version": "3.19.0"}, f"expected release {VERSION}, saw 3.19.0"),
    ({"page": GTAG.replace("window.dataLayer", "window.other")}, "a tag manager"),
    ({"page": '<script src="//cdn.example.com/a.js"></script>'}, "a tag manager"),
    ({"total": 7, "passed": 5}, "the records' counts"), ({"retries": 1}, "the records' counts"),
    ({"unknown": 1}, "the records' counts")])
def test_a_report_that_is_not_right_is_none(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchError, match=said):
        Allure(stands_in(tmp_path, **options)).report(runs(), tmp_path / "report", "a shift")
    assert not (tmp_path / "report").exists()


def test_a_report_goes_into_a_new_folder(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    with pytest.raises(BenchError, match="expected a new folder, saw one that is there"):
        Allure(stands_in(tmp_path)).report(runs(), tmp_path / "report", "a shift")


def test_two_units_in_one_history_would_hide_each_other(tmp_path: Path) -> None:
    """With a history a test is the same one in every run: the counts then say that something is missing."""
    with pytest.raises(BenchError, match="the records' counts"):
        Allure(stands_in(tmp_path)).report(runs(), tmp_path / "report", "a shift", tmp_path / "history.jsonl")
    assert not (tmp_path / "history.jsonl").exists()
    Allure(stands_in(tmp_path)).report(runs()[:1], tmp_path / "report", "2.3.1", tmp_path / "history.jsonl")
    assert json.loads((tmp_path / "history.jsonl").read_text("ascii"))["name"] == "2.3.1"


def test_no_allure_no_report(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="npm install allure@"):
        Allure(tmp_path / "none")
