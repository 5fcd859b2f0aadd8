"""Which lines a thread executes is noted exactly: a wrong note would keep the test from a mutant that kills it."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from bench.commands.prove.tracer import Place, Tracer

SOURCE = '''\
import asyncio

def choose(flag):
    if flag:
        return [one
                for one in range(3)]
    return None

later = lambda: 7

async def wait(times):
    turns, told = 0, False
    while turns < times:
        await asyncio.sleep(0)
        turns += 1
    return turns
'''


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    (tmp_path / "program.py").write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("program", tmp_path / "program.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(tracer: Tracer, job: Callable[[], object]) -> set[Place]:
    """Those that ``job`` reaches in a thread of its own."""
    threading.settrace(tracer)
    try:
        thread = threading.Thread(target=job)
        thread.start()
        thread.join()
    finally:
        threading.settrace(None)  # type: ignore[arg-type]    # which is how it is taken away
    return {place for place in tracer.take() if place[1] > 3}


def test_a_branch_that_is_not_taken_is_not_reached(module: ModuleType, tmp_path: Path) -> None:
    tracer = Tracer(tmp_path)
    assert {line for _, line, _ in lines(tracer, lambda: module.choose(True))} == {4, 5, 6}
    assert {line for _, line, _ in lines(tracer, lambda: module.choose(False))} == {4, 7}
    assert lines(tracer, lambda: None) == set()


def test_a_lambda_is_told_from_the_line_that_makes_it(module: ModuleType, tmp_path: Path) -> None:
    assert lines(Tracer(tmp_path), module.later) == {("program.py", 9, True)}


def test_a_coroutine_is_seen_from_its_first_line_on(module: ModuleType, tmp_path: Path) -> None:
    import asyncio

    seen = {line for _, line, _ in lines(Tracer(tmp_path), lambda: asyncio.run(module.wait(2)))}
    assert seen >= {12, 13, 14, 15, 16}


def test_what_is_outside_is_left_alone(module: ModuleType, tmp_path: Path) -> None:
    assert lines(Tracer(tmp_path / "elsewhere"), lambda: module.choose(True)) == set()
