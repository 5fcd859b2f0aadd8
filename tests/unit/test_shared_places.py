"""Places without a coordinator: owners, templates, parts, and what imports labgrid."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.commands.shared.owner import Owner
from bench.commands.shared.spread import _in_parts, _Queue, _Work
from bench.commands.shared.template import Held, station_text
from bench.errors import BenchError
from bench.manifest import PROJECT
from bench.toml_file import read_toml

HELD = Held("bench-a", "pc/alice:1-2-00000000", {"endpoint": "unit-a"}, (), {
    "optical": {"kind": "NetworkSerialPort", "path": "pc/a/optical",
                "parameters": {"host": "127.0.0.1", "port": 4001, "protocol": "rfc2217", "speed": 300}},
    "raw": {"kind": "NetworkSerialPort", "path": "pc/a/raw",
            "parameters": {"host": "::1", "port": 4002, "protocol": "raw"}},
    "supply": {"kind": "NetworkService", "path": "pc/a/supply", "parameters": {"address": "127.0.0.2", "port": 5025}},
    "cell": {"kind": "PyVISADevice", "path": "pc/a/cell", "parameters": {"url": "TCPIP::127.0.0.1::hislip0::INSTR"}},
    "odd": {"kind": "Oddity", "path": "pc/a/odd", "parameters": {"colour": "red"}}})


def made(folder: Path, line: str, held: Held = HELD) -> str:
    template = folder / "template.toml"
    template.write_text(line, "utf-8")
    return station_text(template, held).rstrip("\n")


@pytest.mark.parametrize(("written", "becomes"), [
    ('optical = "${optical}"', 'optical = "rfc2217://127.0.0.1:4001"'),
    ('mbus = "${raw}"', 'mbus = "socket://[::1]:4002"'),
    ('address = "TCPIP::${supply.address}::${supply.port}::SOCKET"', 'address = "TCPIP::127.0.0.2::5025::SOCKET"'),
    ('address = "${cell}"', 'address = "TCPIP::127.0.0.1::hislip0::INSTR"'),
    ("dm_port = ${supply.port}", "dm_port = 5025"),
    ('name = "${place}"  # not "${that}"', 'name = "bench-a"  # not "${that}"'),
    ('x = "#${tag.endpoint}"', 'x = "#unit-a"'),
    ('command = ["{bootstrap}"]', 'command = ["{bootstrap}"]')])
def test_a_template_names_what_the_place_has(tmp_path: Path, written: str, becomes: str) -> None:
    assert made(tmp_path, written) == becomes


@pytest.mark.parametrize(("written", "sentence"), [
    ("a = '${opticl}'", "line 1: expected resource 'opticl' at place bench-a, saw cell, odd, optical, raw, supply; "
                        "write optical if that is meant"),
    ("\na = '${supply.prot}'", "line 2: expected parameter 'prot' of resource pc/a/supply, saw address, port; write "
                               "port"),
    ("a = '${tag.deveui}'", "line 1: expected tag 'deveui' of place bench-a, saw endpoint; set it with"),
    ("a = '${odd}'", "expected ${odd} to be a serial port, a service, a path or a URL, saw a Oddity with colour"),
    ("a = '${}'", "expected resource '' at place bench-a")])
def test_what_a_place_has_not_is_one_sentence(tmp_path: Path, written: str, sentence: str) -> None:
    with pytest.raises(BenchError) as raised:
        made(tmp_path, written)
    assert sentence in str(raised.value)


def test_a_template_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"expected to read it, saw no such file or directory; give the path"):
        station_text(tmp_path / "none.toml", HELD)


@given(st.text(st.characters(codec="utf-8")))
def test_no_tag_gets_out_of_its_string(tmp_path_factory: pytest.TempPathFactory, tag: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    text = made(folder, 'a = "${tag.evil}"', replace(HELD, tags={"evil": tag}))
    (folder / "made.toml").write_text(text, "utf-8")
    assert read_toml(folder / "made.toml", "it", "look") == {"a": tag}


def test_an_owner_is_a_process_and_is_gone_with_it() -> None:
    me = Owner.of_this_process()
    assert me.name.count("/") == 1, "labgrid's client parts it there"
    assert Owner.read(me.name) == me
    assert not me.is_gone
    assert str(me).endswith(f"process {os.getpid()}")
    other = subprocess.Popen([sys.executable, "-c", "from bench.commands.shared.owner import Owner; "
                              "print(Owner.of_this_process().name)"], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    name = other.communicate(timeout=60)[0].strip()
    assert Owner.read(name).is_gone
    assert not replace(Owner.read(name), machine="01234567").is_gone, "of other machines nobody knows"
    assert not Owner.read("lab-pc/bob").is_gone, "labgrid's own client says nothing of its process"


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1e4)), min_size=1, max_size=60), st.integers(1, 12))
def test_parts_have_every_test_once_and_in_order(tests: list[tuple[int, float]], count: int) -> None:
    tests.sort(key=lambda test: test[0])
    times = {f"suites/test_{file}.py::test_{number}": time_s for number, (file, time_s) in enumerate(tests)}
    parts = [part.tests for part in _in_parts({test: number for number, test in enumerate(times)}, times, count)]
    assert [test for part in parts for test in part] == list(times)
    assert all(parts)


def test_work_that_every_place_has_tried_ends_the_queue() -> None:
    queue = _Queue([_Work(("a",)), _Work(("b",), frozenset({"x"}))], ["x", "y"])
    first = queue.take("x")
    assert first == _Work(("a",))
    queue.done([_Work(("a",), frozenset({"x"}))])
    assert queue.take("x") is None, "b and a are for y now"
    assert {work.tests for work in (queue.take("y"), queue.take("y")) if work} == {("a",), ("b",)}
    queue.retire("y")
    assert queue.take("y") is None


def test_nothing_of_the_bench_imports_labgrid() -> None:
    """It brings another module ``serial``, which pyserial's users must not get."""
    for folder in ("bench", "drivers", "fixtures", "reports", "suites"):
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = ([alias.name for alias in node.names] if isinstance(node, ast.Import)
                         else [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
                assert not [name for name in names if name.partition(".")[0] == "labgrid"], path
