"""``mcm-bench export`` as its users call it, and exporters from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from export_records import body
from scripted_target import ScriptedTarget, status

from bench.cli import main
from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.store import create
from reports.exports.outbox import Outbox
from reports.exports.targets_file import read_targets

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def depot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Depot:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("MCM_BENCH_STORE", str(tmp_path / "records.db"))
    depot = Depot(StoreAddress.of(str(tmp_path / "records.db")))
    depot.accept(create(depot.address, simulated=False))
    for number in (1, 2):
        depot.open().add_run(body(number))
    return depot


@pytest.fixture
def bench(depot: Depot, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["mcm-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfdbinary.readouterr()
        return int(ended.value.code or 0), told.out.decode(), told.err.decode()
    return call


def test_what_waits_is_sent_said_and_tried_again(bench: Call, tmp_path: Path) -> None:
    target = ScriptedTarget([status(422, b"no such part")])
    (tmp_path / "exports.toml").write_text(
        f'[mes]\nexporter = "http"\nformat = "json"\nurl = "http://127.0.0.1:{target.port}/{{run_id}}"\n', "ascii")
    here = ("--targets", tmp_path / "exports.toml")
    code, out, _ = bench("export", "state", *here, "--json")
    assert (code, json.loads(out)) == (3, {"mes": {"sent": 0, "waiting": 2, "refused": {}}})
    code, out, _ = bench("export", "send", *here)
    assert (code, "mes: 1 sent, 1 put aside" in out, "saw 422 no such part" in out) == (3, True, True)
    assert target.requests[1].line == "PUT /run-2 HTTP/1.1"
    assert bench("export", "state", *here)[1].startswith("mes: 1 sent, 0 waiting, 1 put aside\n")
    assert bench("export", "retry", *here)[1] == "mes: 1 wait again\n"
    code, out, _ = bench("export", "send", *here, "--json")
    assert (code, json.loads(out)) == (0, {"mes": {"sent": ["run-1"], "refused": {}, "away": ""}})
    assert bench("export", "send", *here)[:2] == (0, "mes: 0 sent\n")
    target.close()
    code, _, told = bench("export", "send", *here, "--only", "mess")
    assert (code, "write mes if that is meant" in told) == (2, True)


def test_one_run_is_written_in_a_format(bench: Call, tmp_path: Path) -> None:
    code, out, _ = bench("export", "write", "run-1", "--format", "csv")
    assert (code, out.splitlines()[1].split(",")[0]) == (0, "run-1")
    assert bench("export", "write", "94193a0400000002", "--format", "wsjf", "--option", "process_code=7", "--out",
                 tmp_path / "a.json")[0] == 0
    assert json.loads((tmp_path / "a.json").read_text("ascii"))["processCode"] == 7
    assert "NAME=VALUE with no option at all" in bench("export", "write", "run-1", "--option", "a=b")[2]
    assert "expected one in the store" in bench("export", "write", "run-9")[2]


def test_papers_are_written_beside(bench: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert bench("certificate", "run-1")[:2] == (0, "certificate-94193A0400000001.pdf\n")
    assert (tmp_path / "certificate-94193A0400000001.pdf").read_bytes().startswith(b"%PDF")
    assert bench("label", "run-1")[:2] == (0, "label-94193A0400000001.zpl\n")


OUTSIDE = """
from reports.exports.exporter import TargetAway
class Mes:
    OPTIONS = ("line",)
    taken = []
    def __init__(self, options, folder):
        self.line = options["line"]
    def send(self, document):
        if self.line == "down":
            raise TargetAway("mes", expected="line", seen="down", do="wait")
        if self.line == "odd":
            raise RuntimeError("what a stranger raises")
        Mes.taken.append((self.line, document.run_id))
"""


@pytest.mark.parametrize(("line", "away"), [("7", ""), ("down", "expected line, saw down"),
                                            ("odd", "saw RuntimeError: what a stranger raises")])
def test_an_exporter_from_outside(depot: Depot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str,
                                  away: str) -> None:
    """Installed as any package is: by its metadata in the path."""
    name = f"outside_mes_{line}"
    metadata = tmp_path / f"site/{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (tmp_path / f"site/{name}.py").write_text(OUTSIDE, "ascii")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "ascii")
    (metadata / "entry_points.txt").write_text(f"[mcm_bench.exporters]\nmes = {name}:Mes\n", "ascii")
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "exports.toml").write_text(f'[a]\nexporter = "mes"\nformat = "json"\nline = "{line}"\n', "ascii")
    (target,) = read_targets(tmp_path / "exports.toml")
    done = Outbox(depot.open(), target).send()
    assert away in done.away
    assert (done.sent, bool(done.away)) == ([] if away else ["run-1", "run-2"], bool(away))
    (tmp_path / "exports.toml").write_text('[a]\nexporter = "mes"\nformat = "json"\nlien = "7"\n', "ascii")
    with pytest.raises(BenchError, match="write line if that is meant"):
        read_targets(tmp_path / "exports.toml")
