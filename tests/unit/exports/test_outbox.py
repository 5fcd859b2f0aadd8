"""Every run of a store gets to its target once: over real sockets, to targets that behave as badly as they can."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from export_records import body
from scripted_target import CREATED, Act, ScriptedTarget, answer, silence, status

from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.backup import back_up, restore
from bench.store.deposit import Depot
from bench.store.store import create
from reports.exports.outbox import STUMBLES, Outbox, Sent, keep_on, pauses
from reports.exports.targets_file import read_targets

PATIENCE_S = 1.5
"""Real seconds: longer than an answer over loopback takes on any machine."""


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    """Ten units: the third failed, the bench spoilt the fifth, of the sixth a part was left out."""
    depot = Depot(StoreAddress.of(str(tmp_path / "records.db"), tmp_path / "outside"))
    depot.accept(create(depot.address, simulated=False))
    for number in range(1, 11):
        depot.open().add_run(body(number, {3: "fail", 5: "error", 6: "incomplete"}.get(number, "pass")))
    return depot


EXPECTED = [f"run-{number}" for number in (1, 2, 3, 4, 7, 8, 9, 10)]


@pytest.fixture
def target() -> Iterator[ScriptedTarget]:
    target = ScriptedTarget()
    yield target
    target.close()


def outbox(depot: Depot, target: ScriptedTarget, **more: Any) -> Outbox:
    folder = depot.address.outside.parent
    (folder / "token.toml").write_text('token = "s3cret-t0ken"\n', "ascii")
    (folder / "token.toml").chmod(0o600)
    options = {"exporter": "http", "format": "json", "url": f"http://127.0.0.1:{target.port}/runs",
               "token_file": "token.toml", "patience_s": PATIENCE_S, **more}
    (folder / "exports.toml").write_text("[mes]\n" + "".join(
        f"{name} = {json.dumps(value)}\n" for name, value in options.items()), "utf-8")
    (read,) = read_targets(folder / "exports.toml")
    return Outbox(depot.open(), read)


def test_all_that_is_judged_is_sent_in_order_and_once(depot: Depot, target: ScriptedTarget) -> None:
    box = outbox(depot, target)
    assert (box.send().sent, box.send().sent) == (EXPECTED, [])
    assert [request.headers["idempotency-key"] for request in target.requests] == EXPECTED
    assert {request.headers["authorization"] for request in target.requests} == {"Bearer s3cret-t0ken"}
    assert json.loads(target.taken["run-3"])["record"]["verdict"] == "fail"
    depot.open().add_run(body(11))
    assert box.state().waiting == 1
    assert outbox(depot, target).send().sent == ["run-11"]
    assert (box.state().sent, box.state().waiting) == (9, 0)


def test_a_target_that_dies_for_an_hour_and_answers_twice(depot: Depot, target: ScriptedTarget) -> None:
    """It takes the second run and dies before it says so; for an hour nobody is there; then each answer comes twice."""
    target.script = [answer(CREATED), silence]
    target.then = answer(CREATED * 2)
    box, told, passed_s = outbox(depot, target), list[Sent](), [0.0]

    class AllSentError(Exception):
        pass

    def sleep(pause_s: float) -> None:
        passed_s[0] += pause_s
        if len(told) == 1:
            target.close()
        if target._listener is None and passed_s[0] > 3600:
            target.open()
        if told and not told[-1].away:
            raise AllSentError

    with pytest.raises(AllSentError):
        keep_on(box, sleep, told.append, random.Random(1))
    assert passed_s[0] > 3600
    assert list(target.taken) == EXPECTED
    times = [request.headers["idempotency-key"] for request in target.requests]
    assert {run: times.count(run) for run in EXPECTED} == {run: 1 + (run == "run-2") for run in EXPECTED}
    assert len({request.body for request in target.requests if request.headers["idempotency-key"] == "run-2"}) == 1
    assert sum(bool(one.away) for one in told) < 30    # not a try a second
    assert [run for one in told for run in one.sent] == EXPECTED


def trickle(connection: Any) -> None:
    """An octet at a time, for ever: each is within any time-out."""
    stop = threading.Event()
    for octet in itertools.cycle(b"HTTP/1.1 200 OK\r\nX: "):
        connection.sendall(bytes([octet]))
        stop.wait(0.2)


PORTAL = b"<!doctype html><title>Log in</title>"


@pytest.mark.parametrize(("bad", "said"), [
    (silence, "no whole answer in 1.5 s"), (trickle, "no whole answer in 1.5 s"),
    (lambda connection: connection.close(), "saw"), (answer(b"\x00\x01\x02\r\n"), "saw"),
    (status(200, PORTAL, "text/html; charset=utf-8"), "a page of HTML: something else answers in its place"),
    (status(200, b"  <html>", "application/json"), "a page of HTML"),
    (answer(CREATED[:-1]), "lacks 1 octets"),
    (answer(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70000), "more than 65536 octets"),
    (status(302), "no redirection is followed"), (status(401), "another token"), (status(404), "another address"),
    (status(500, b'{"oops": "s3cret-t0ken"}'), r'500 {"oops": "\[token\]"}'), (status(503), "503"),
    (status(429), "429"), (status(409), "409")])
def test_what_is_not_taken_waits_and_nothing_overtakes_it(depot: Depot, target: ScriptedTarget, bad: Act,
                                                          said: str) -> None:
    target.script = [answer(CREATED), bad]
    box = outbox(depot, target)
    first = box.send()
    assert (first.sent, first.refused) == (["run-1"], {})
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(first.away)
    assert "s3cret" not in first.away
    assert box.send().sent == EXPECTED[1:]
    assert list(target.taken) == EXPECTED


def test_what_is_refused_is_put_aside_and_can_be_sent_again(depot: Depot, target: ScriptedTarget) -> None:
    target.script = [answer(CREATED), status(422, b'{"error": "no such part"}')]
    box = outbox(depot, target)
    done = box.send()
    assert done.sent == [run for run in EXPECTED if run != "run-2"]
    assert 'saw 422 {"error": "no such part"}' in done.refused["run-2"]
    assert box.state().refused.keys() == {"run-2"}
    assert (box.retry(), box.send().sent) == (1, ["run-2"])
    assert (box.state().sent, box.state().refused) == (8, {})


def test_a_run_over_which_the_target_stumbles_holds_up_no_other(depot: Depot, target: ScriptedTarget) -> None:
    def poisoned(connection: Any) -> None:
        (status(500) if target.requests[-1].headers["idempotency-key"] == "run-2" else answer(CREATED))(connection)

    target.then = poisoned
    box = outbox(depot, target)
    for _ in range(STUMBLES - 1):
        assert box.send().away
    last = box.send()
    assert (last.sent, list(last.refused), last.away) == (EXPECTED[2:], ["run-2"], "")


def test_a_target_that_stumbles_over_everything_is_away(depot: Depot, target: ScriptedTarget) -> None:
    target.then = status(502)
    box = outbox(depot, target)
    rounds = [box.send() for _ in range(3 * STUMBLES)]
    assert all(one.away and not one.refused and not one.sent for one in rounds)
    target.then = answer(CREATED)
    assert box.send().sent == EXPECTED


def test_two_processes_do_not_send_twice(depot: Depot, target: ScriptedTarget) -> None:
    box = outbox(depot, target)
    with box._file(), pytest.raises(BenchError, match="another process that sends"):
        outbox(depot, target).send()
    assert target.requests == []


def test_a_store_that_was_restored_sends_nothing_twice(depot: Depot, target: ScriptedTarget, tmp_path: Path) -> None:
    """And what came after the backup, which has other places in the ledger now, is known by its id."""
    back_up(depot.open(), tmp_path / "backup")
    depot.open().add_run(body(11))
    assert outbox(depot, target).send().sent == [*EXPECTED, "run-11"]
    (tmp_path / "records.db").unlink()
    restore(tmp_path / "backup", depot.address)
    again = Depot(depot.address)
    (tmp_path / "outside/anchor.json").unlink()
    for number in (12, 11):
        again.open().add_run(body(number))
    assert outbox(again, target).send().sent == ["run-12"]


def test_runs_on_the_twin_go_only_where_they_are_meant_to(tmp_path: Path, target: ScriptedTarget) -> None:
    depot = Depot(StoreAddress.of(str(tmp_path / "records.db"), tmp_path / "outside"))
    depot.accept(create(depot.address, simulated=True))
    with pytest.raises(BenchError, match="target mes: expected real runs, saw a store of simulated ones"):
        outbox(depot, target)
    assert outbox(depot, target, simulated=True).send() == Sent()


def test_pauses_grow_to_a_bound() -> None:
    found = list(itertools.islice(pauses(random.Random(7)), 40))
    assert all(0.5 <= pause_s <= 300 for pause_s in found)
    assert min(found[-20:]) >= 150


def test_a_folder_has_each_document_whole(depot: Depot, tmp_path: Path) -> None:
    (tmp_path / "exports.toml").write_text('[drop]\nexporter = "folder"\nformat = "junit"\nfolder = "drop"\n', "ascii")
    (read,) = read_targets(tmp_path / "exports.toml")
    box = Outbox(depot.open(), read)
    assert "no such file or directory" in box.send().away
    (tmp_path / "drop").mkdir()
    assert box.send().sent == EXPECTED
    assert sorted(path.name for path in (tmp_path / "drop").iterdir()) == sorted(f"{run}.xml" for run in EXPECTED)


@pytest.mark.parametrize(("text", "said"), [
    ('exporter = "htp"\nformat = "json"', "write http if that is meant"),
    ('exporter = "http"\nformat = "jason"\nurl = "http://127.0.0.1/"', "write json if that is meant"),
    ('exporter = "http"\nformat = "json"\nurl = "http://127.0.0.1/"\ntokenfile = "x"', "write token_file"),
    ('exporter = "http"\nformat = "json"\nurl = "ftp://127.0.0.1/"', "expected http:// or https://"),
    ('exporter = "http"\nformat = "json"\nurl = "http://a:b@127.0.0.1/"', "no password"),
    ('exporter = "http"\nformat = "json"\nurl = "http://mes.example.com/"', "a host name"),
    ('exporter = "http"\nformat = "json"\nurl = "http://8.8.8.8/"', "a public address"),
    ('exporter = "http"\nformat = "json"\nurl = "http://[::1"', "expected a URL"),
    ('exporter = "http"\nformat = "json"\nurl = "http://127.0.0.1/"\nverdicts = ["good"]', "expected verdicts out of"),
    ('exporter = "http"\nformat = "json"\nurl = "http://127.0.0.1/"\nsince = 3', "expected since = a date"),
    ('exporter = "http"\nformat = "json"\nurl = "http://127.0.0.1/"\npatience_s = -1', "patience_s between"),
    ('exporter = "http"\nformat = "json"\nurl = "http://127.0.0.1/"\ntoken_file = "open.toml"', "mode 0644"),
    ('exporter = "folder"\nformat = "json"', "expected folder")])
def test_a_file_of_exports_that_is_wrong_is_told_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "open.toml").write_text('token = "s3cret"', "ascii")
    (tmp_path / "open.toml").chmod(0o644)
    (tmp_path / "exports.toml").write_text(f"[mes]\n{text}\n", "ascii")
    with pytest.raises(BenchError) as raised:
        read_targets(tmp_path / "exports.toml")
    assert said in str(raised.value)
    assert "a:b" not in str(raised.value)
