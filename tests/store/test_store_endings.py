"""However storing ends: what was said to be stored is in the store, once, and what was not is not lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from postgres import Server
from records import body
from sqlalchemy import select
from test_store import verified

from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.store import create
from bench.store.tables import RUN

HERE = Path(__file__).parent
RUNS, KILLS = 40, 8


def start(depot: Depot, name: str, count: int, done: str = "") -> subprocess.Popen[str]:
    address = depot.address
    text = address.url.replace("postgresql+psycopg", "postgresql") or str(address.path)
    process = subprocess.Popen([sys.executable, str(HERE / "writer.py"), text, str(address.outside), name, str(count)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1])
    assert process.stdin is not None
    process.stdin.write(done)
    process.stdin.close()
    return process


def stored(depot: Depot) -> Counter[str]:
    with depot.open().reading() as connection:
        return Counter(connection.execute(select(RUN.c.run_id)).scalars())


def test_a_writer_killed_at_any_moment_loses_nothing_and_doubles_nothing(depot: Depot) -> None:
    chance = random.Random(6110)
    said: list[str] = []
    for kill in range(KILLS + 1):
        process = start(depot, "run", RUNS, " ".join(said))
        assert process.stdout is not None
        if kill < KILLS:
            said += process.stdout.readline().split()    # it is at work
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
        said += process.stdout.read().split()
        process.wait()
        assert depot.flush().away == ""
        assert set(said) <= stored(depot).keys(), "said to be stored, and is not"
    assert stored(depot) == Counter({f"run-{number}": 1 for number in range(RUNS)})
    report = verified(depot)
    assert (report.findings, report.vouched, report.runs) == ([], True, RUNS)
    assert depot.spool.waiting() == []


def test_places_that_share_a_store_do_not_meet(depot: Depot) -> None:
    """Their spool, too: each may store what another has left there."""
    writers = [start(depot, name, 15) for name in ("a", "b", "c")]
    for process in writers:
        assert process.stdout is not None
        assert len(process.stdout.read().split()) == 15
        assert process.wait() == 0
    assert stored(depot) == Counter({f"{name}-{number}": 1 for name in "abc" for number in range(15)})
    assert verified(depot).findings == []
    with depot.open().reading() as connection:
        attempts = Counter(connection.execute(select(RUN.c.attempt)).scalars())
    assert attempts == {1: 15, 2: 15, 3: 15}, "each unit came to each place once"


def test_while_postgresql_is_gone_records_wait(postgres: Server, tmp_path: Path) -> None:
    depot = Depot(StoreAddress.of(postgres.database(), tmp_path / "outside"))
    depot.accept(create(depot.address, simulated=False))
    depot.deposit(body(1))
    postgres.kill()
    try:
        assert depot.await_run(simulated=False), "a run may go on"
        for number in (2, 3):
            done = depot.deposit(body(number))
            assert (done.stored, bool(done.away)) == ([], True)
            assert "expected to read and write it" in done.away
    finally:
        postgres.start()
    assert [one.run_id for one in depot.deposit(body(4)).stored] == ["run-2", "run-3", "run-4"]
    assert verified(depot).findings == []


FULL_DISK = """
import contextlib, sys; sys.path[:0] = [{here!r}, {project!r}]
from pathlib import Path
from records import body
from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.store import create
depot = Depot(StoreAddress.of("{store}", Path("{outside}")))
depot.accept(create(depot.address, simulated=False))
said = []
for number in range(400):
    if number == 5:
        with Path("{ballast}").open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
    try:
        # A slot that is there already takes a record of the same size on a full disk, too.
        done = depot.deposit(body(number, run_dir="/" + "x" * (50_000 if number > 5 else 1)))
    except BenchError as error:
        print(error)
        break
    said += [one.run_id for one in done.stored]
    if done.away:
        print(done.away)
        break
print(*said)
depot.open().engine.dispose()
Path("{ballast}").unlink()
done = depot.flush()
assert not done.away, done.away
from test_store import verified
report = verified(depot)
assert not report.findings, report.findings
assert report.runs >= len(said) > 3, said
"""


@pytest.mark.parametrize("full", ["store", "outside"])
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path, full: str) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "room").mkdir()
    places = {"store": tmp_path / "room" / "a.db", "outside": tmp_path / "room", full: tmp_path / "disk" / "a"}
    script = FULL_DISK.format(here=str(HERE), project=str(HERE.parents[1]), **places,
                              ballast=tmp_path / "disk" / "ballast")
    (tmp_path / "script.py").write_text(script, "utf-8")
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c",
         f"mount -t tmpfs -o size=2m none {tmp_path}/disk && exec {sys.executable} {tmp_path}/script.py"],
        capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip("no user namespaces here: A FULL DISK IS NOT TRIED")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"store": "database or disk is full", "outside": "saw no space left on device"}[full] in done.stdout
