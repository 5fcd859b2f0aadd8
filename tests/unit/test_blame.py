"""Whose fault an exception is follows from where it was raised: tried with exceptions raised for real, from there."""

from __future__ import annotations

import ast
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import nfc.clf.device
import pytest
from suite_run import ONE_OF_EACH, run_suite

from bench.backend.dm_answers import answered
from bench.backend.server_socket import ServerSocket
from bench.clock import WallClock
from bench.errors import BenchError, LimitError, NotObserved, UnitError
from bench.measure import Limits, Verdict
from bench.payload.decode import decode
from bench.payload.readout import PayloadError, Readout
from fixtures.blame import PLACES, PROJECT, sentence_of, verdict_of, where
from fixtures.judging import first_of, last_of, require
from fixtures.measure import Measure


def caught(action: Callable[[], object]) -> BaseException:
    try:
        action()
    except BaseException as error:
        return error
    raise RuntimeError("nothing was raised")


def at(place: str, statement: str = "assert 1 == 2", **names: object) -> Callable[[], None]:
    """``statement`` as the code of a file in ``place``."""
    code = compile(statement, str(PROJECT / place), "exec")
    return lambda: exec(code, {"AssertionError": AssertionError, **names})


# -- the unit's


@pytest.mark.parametrize("action", [
    at("suites/test_led.py"), at("fixtures/panel.py"), at("bench/analysis/leds.py"), at("bench/measure.py"),
    at("suites/test_led.py", "pytest.fail('the unit did not transmit')", pytest=pytest),
    at("suites/test_led.py", "with pytest.raises(KeyError): pass", pytest=pytest),
    lambda: first_of([], "a green pulse"), lambda: last_of((), "a telegram"), lambda: require(0, "no"),
    lambda: Readout().stamp, lambda: decode(b"\xff\x00"),
    lambda: _measured().judge(),
], ids=lambda action: action.__name__)
def test_what_a_suite_or_a_judging_word_raises_is_the_units(action: Callable[[], object]) -> None:
    assert verdict_of(caught(action)) is Verdict.FAIL


def _raise(error: BaseException) -> object:
    raise error


def _measured() -> Measure:
    measure = Measure(Limits.load(PROJECT / "suites" / "limits"))
    measure("led.joined.green", 1.0, 0.0)
    return measure


def test_a_word_that_waits_in_the_loops_thread_is_the_units_too() -> None:
    async def silence() -> None:
        raise TimeoutError

    with WallClock() as clock:
        error = caught(lambda: clock.run(answered("read /3/0/2", silence()), 5.0))
    assert isinstance(error, NotObserved)
    assert verdict_of(error) is Verdict.FAIL


# -- the bench's


def _server_without_keys() -> None:
    server = ServerSocket.__new__(ServerSocket)
    server.secure = None
    server._received_secure(("127.0.0.1", 1), b"")


def _deep(number: int = 0) -> int:
    return _deep(number + 1) + 1


@pytest.mark.parametrize("action", [
    lambda: nfc.clf.device.connect(""),                                # an assert of nfcpy
    lambda: pytest.ExceptionInfo.for_later().value,                    # one of pytest
    _server_without_keys,                                              # one of the bench's own servers
    at("drivers/supply/keysight_n6700.py"), at("bench/twin/lab.py"), at("bench/protocols/udp.py"),
    at("fixtures/plugin/lives.py"), at(".venv/lib/python3.11/site-packages/aiocoap/protocol.py"),
    at("suites/../drivers/panel/edge_box.py"),
    at("suites/test_led.py", "[][0]"), at("suites/test_led.py", "{}['a']"), at("fixtures/dm.py", "None.read"),
    at("drivers/nfc/pn532_reader.py", "raise UnitError('the tag is bad')", UnitError=UnitError),
    at("suites/test_led.py", "raise BenchError('a', expected='b', seen='c', do='d')", BenchError=BenchError),
    lambda: _raise(MemoryError()), lambda: sys.exit(0), _deep, lambda: _raise(KeyboardInterrupt()),
    lambda: time.clock_gettime(-1), lambda: (Path("/") / "no such file").read_text("utf-8"),
], ids=lambda action: action.__name__)
def test_what_anybody_else_raises_is_the_benchs(action: Callable[[], object]) -> None:
    assert verdict_of(caught(action)) is Verdict.ERROR


def test_an_assertion_that_was_never_raised_blames_nobody_but_the_bench() -> None:
    assert verdict_of(AssertionError("made up")) is Verdict.ERROR
    assert verdict_of(ExceptionGroup("two", [AssertionError("made up")])) is Verdict.ERROR


# -- together


@pytest.mark.parametrize(("members", "verdict"), [
    ([lambda: require(0, "a"), lambda: require(0, "b")], "fail"),
    ([lambda: require(0, "a"), lambda: _raise(OSError("b"))], "error"),
    ([lambda: require(0, "a"), lambda: pytest.skip("b")], "fail"),
    ([lambda: pytest.skip("b")], "error")])
def test_of_a_group_the_most_severe_member_counts(members: list[Callable[[], object]], verdict: str) -> None:
    group = BaseExceptionGroup("several", [caught(one) for one in members])
    assert verdict_of(group) == verdict
    assert verdict_of(BaseExceptionGroup("in one", [group])) == verdict


def _while(first: BaseException, then: Callable[[], object]) -> Callable[[], None]:
    def action() -> None:
        try:
            raise first
        finally:
            then()
    return action


def _translated() -> None:
    try:
        raise OSError("no bytes")
    except OSError as error:
        raise LimitError("said on purpose") from error


def test_an_assertion_that_came_of_a_fault_of_the_bench_is_the_benchs() -> None:
    gone = BenchError("edge box", expected="an open port", seen="none", do="plug it in")
    assert verdict_of(caught(_while(gone, lambda: require(0, "no pulse")))) is Verdict.ERROR
    assert verdict_of(caught(_while(MemoryError(), lambda: require(0, "no pulse")))) is Verdict.ERROR
    assert verdict_of(caught(_while(UnitError("no pulse"), lambda: require(0, "no telegram")))) is Verdict.FAIL
    assert verdict_of(caught(at("fixtures/unit.py", "try: {}['a']\nexcept KeyError: assert 0"))) is Verdict.FAIL


def test_what_is_raised_from_something_else_is_said_on_purpose() -> None:
    error = caught(at("fixtures/unit.py", textwrap.dedent("""
        try:
            raise OSError("no bytes")
        except OSError as error:
            raise AssertionError("the unit is silent") from error""")))
    assert verdict_of(error) is Verdict.FAIL


def test_every_place_of_the_table_is_there() -> None:
    assert [place for place, _ in PLACES if not (PROJECT / place).exists()] == []


def test_the_way_to_a_fault_is_told_in_places_of_the_project() -> None:
    told = sentence_of(caught(_server_without_keys))
    assert "AssertionError" in told
    assert "bench/backend/server_socket.py:" in told
    assert "in _received_secure, tests/unit/test_blame.py:" in told
    assert where(None) == "nobody knows where"
    assert str(caught(lambda: first_of([], "a pulse"))) == "expected a pulse, saw none"
    with pytest.raises(PayloadError):
        _ = Readout().stamp


SMALL = """
class Registers(dict):
    def get_it(self):
        assert False, "a driver is confused"

@EACH
def test_exits(): raise SystemExit(0)

@EACH
def test_recursion():
    def deeper(): return deeper()
    deeper()

@EACH
def test_a_library():
    import nfc.clf.device
    nfc.clf.device.connect("")

@EACH
def test_a_group():
    try:
        assert False, "no telegram"
    except AssertionError as failed:
        raise ExceptionGroup("two", [failed])

@EACH
def test_gives_up(): pytest.xfail("known")

@EACH
def test_does_not_raise():
    with pytest.raises(KeyError):
        pass

@EACH
@pytest.mark.timeout(1, func_only=True)
def test_hangs_in_a_word(bench):
    bench.clock.call(lambda: time.sleep(3))

@EACH
@needs("cell.level")
def test_silence_in_poor_coverage(joined_unit, cell, dm):
    cell.set_level(-125)
    with dm._bench.station.cell and dm_is_cut(cell):
        dm.read("/3/0/2")

import contextlib
@contextlib.contextmanager
def dm_is_cut(cell):
    cell.off()
    yield
""".replace("@EACH\n", ONE_OF_EACH).replace("with dm._bench.station.cell and dm_is_cut(cell):", "with dm_is_cut(cell):")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    run = run_suite(tmp_path_factory.mktemp("blame"), SMALL, "--profile", "regression")
    assert run.tests, run.output
    return run.tests


@pytest.mark.parametrize(("name", "verdict", "said"), [
    ("test_exits", "error", "SystemExit: 0 at"), ("test_recursion", "error", "RecursionError: maximum"),
    ("test_a_library", "error", "device.py:"), ("test_a_group", "fail", "no telegram"),
    ("test_gives_up", "fail", "known"),
    ("test_does_not_raise", "fail", "DID NOT RAISE"),
    ("test_hangs_in_a_word", "error", "it hung at "),
    ("test_silence_in_poor_coverage", "fail", "the path is a suspect, too: the unit is received at -125 dBm")])
def test_in_a_run(small: dict[str, dict[str, str]], name: str, verdict: str, said: str) -> None:
    assert (small[name]["verdict"], said in small[name]["message"]) == (verdict, True), small[name]["message"]


def test_a_test_that_hangs_says_where(small: dict[str, dict[str, str]]) -> None:
    assert "bench/clock.py:" in small["test_hangs_in_a_word"]["message"]


def _takes_one_of_what_may_be_nothing(node: ast.AST) -> bool:
    """``next(...)`` without a default, and ``...(...)[0]`` of what a call gave."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "next" and len(node.args) == 1
    return (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Call)
            and ast.unparse(node.slice) in ("0", "-1"))


@pytest.mark.parametrize("suite", sorted((PROJECT / "suites").rglob("test_*.py")), ids=lambda path: path.stem)
def test_no_suite_takes_one_of_what_a_unit_may_not_have_given(suite: Path) -> None:
    """It would be an IndexError, and the bench's fault; ``first_of`` and ``last_of`` fail with a sentence."""
    taken = [f"line {node.lineno}: {ast.unparse(node)}" for node in ast.walk(ast.parse(suite.read_text("utf-8")))
             if _takes_one_of_what_may_be_nothing(node) and isinstance(node, ast.expr)]
    assert taken == []
