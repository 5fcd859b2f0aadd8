"""Single changes of a program: which there are, how they are told, and how a process gets one."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from bench.commands.prove.mutation import mutated, mutations, mutations_of
from bench.manifest import PROJECT

TWIN = PROJECT / "bench" / "twin"


def changes(source: str) -> list[str]:
    return [one.change for one in mutations_of(dedent(source), "some.py")]


@pytest.mark.parametrize(("source", "expected"), [
    ("a < b", ["a <= b"]), ("a == b", ["a != b"]), ("a in b", ["a not in b"]), ("a and b", ["a or b"]),
    ("a + b", ["a - b"]), ("a // b", ["a * b"]), ("not a", ["a"]), ("-a", ["a"]), ("a is None", ["a is not None"]),
    ("3", ["4"]), ("0.5", ["1.5"]), ("True", ["False"]), ("'x'", ["'x_'"]), ("b'x'", ["b'x\\x00'"]), ("None", []),
    ("'x' + a", ["'x_' + a"]),
    ("a if b else c", ["a if not b else c"]), ("[a for a in b if c]", ["[a for a in b if not c]"]),
    ("a if b == c else d", ["a if b != c else d"]),
])
def test_what_may_stand_in_the_place_of_an_expression(source: str, expected: list[str]) -> None:
    assert changes(f"x = {source}") == [f"x = {source}  →  x = {one}" for one in expected]


def test_statements_are_forgotten_in_functions_only() -> None:
    assert changes("""
        count: int = first
        def f(a):
            a.x = b
            a.x += b
            call(a)
            for one in a:
                break
            if a:
                raise ValueError("words of the twin's own")
            return
    """) == ["a.x = b  →  pass", "a.x += b  →  pass", "a.x += b  →  a.x -= b", "call(a)  →  pass", "break  →  continue",
             "a  →  not a", 'raise ValueError("words of the twin\'s own")  →  pass', "return  →  pass"]


def test_what_does_nothing_in_a_run_is_left_alone() -> None:
    assert changes('''
        """A docstring."""
        import os
        from a import b
        __all__ = ["a"]
        __slots__ = ("a",)
        @cache(1)
        def f(a: 1 = b, *, c: "x") -> "y":
            """Another."""
            assert a == 1
            return f"{a:03d}"
    ''') == []


def test_a_change_is_the_same_one_when_its_lines_move_and_another_when_its_function_changes() -> None:
    source = "def f(a):\n    return a + 1\n"
    here = {one.id for one in mutations_of(source, "some.py")}
    assert {one.id for one in mutations_of("\n\nb = None\n" + source, "some.py")} == here
    assert not {one.id for one in mutations_of(source.replace("f(", "g("), "some.py")} & here
    assert not {one.id for one in mutations_of(source, "other.py")} & here


def test_the_same_words_twice_in_a_function_are_two_changes() -> None:
    twice = mutations_of("def f(a):\n    b(a == 1)\n    b(a == 1)\n", "some.py")
    assert len({one.id for one in twice}) == len(twice) == 6
    assert "b(a == 1)  →  b(a != 1) (2)" in [one.change for one in twice]


def test_a_change_knows_its_function_its_lines_and_its_names() -> None:
    found = {one.before: one for one in mutations_of(dedent("""
        LIMIT = 5
        class Part:
            width = 7
            def grow(self, by=9):
                return self.width + by
    """), "some.py")}
    limit, width, default = found["LIMIT = 5"], found["width = 7"], found["9"]
    assert (limit.function, limit.names, limit.lines) == ("", ("LIMIT",), (2,))
    assert (width.function, width.names) == ("Part", ("width",))
    assert (default.function, default.names) == ("Part", ("grow",))
    plus = found["return self.width + by"]
    assert (plus.function, plus.names, plus.lines, plus.in_lambda) == ("Part.grow", (), (6,), False)
    inner = mutations_of("def f():\n    return (a,\n        lambda: 11)\n", "some.py")[0]
    assert (inner.lines, inner.in_lambda) == ((3, 2), True)


@pytest.mark.parametrize("path", [*(TWIN / "cmi6110").glob("*.py"), *(TWIN / "meter").glob("*.py")],
                         ids=lambda path: path.stem)
def test_each_change_of_the_twin_is_a_program_that_says_what_was_told(path: Path) -> None:
    source = path.read_text("utf-8")
    healthy = ast.unparse(ast.parse(source))
    for one in mutations(path)[::17]:
        tree = mutated(source, one.number)
        compile(tree, str(path), "exec")
        assert ast.unparse(tree) != healthy, one
    assert ast.unparse(ast.parse(source)) == healthy


BACKOFF = TWIN / "cmi6110" / "backoff.py"

IN_A_PROCESS = """
import sys
from bench.commands.prove.mutation import install, mutations
from bench.manifest import PROJECT
if sys.argv[2:]:
    import bench.twin.cmi6110.backoff
install(next(one for one in mutations(PROJECT / "bench" / "twin" / "cmi6110" / "backoff.py") if one.id == sys.argv[1]))
from bench.twin.cmi6110.backoff import Backoff
print(Backoff.pause_s.__code__.co_consts[-1])
"""


def in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", IN_A_PROCESS, *arguments], capture_output=True, text=True, timeout=60,
                          check=False)


def test_a_process_imports_the_changed_module_and_nothing_of_it_is_left_behind() -> None:
    before = {path: path.read_bytes() for path in BACKOFF.parent.rglob("backoff*")}
    (change,) = (one for one in mutations(BACKOFF) if one.after.endswith("* 61"))
    assert in_a_process(change.id).stdout == "61\n"
    assert {path: path.read_bytes() for path in BACKOFF.parent.rglob("backoff*")} == before


def test_a_process_that_has_the_healthy_module_is_refused() -> None:
    change = mutations(BACKOFF)[0]
    assert "expected a process that has not loaded the twin" in in_a_process(change.id, "healthy first").stderr
