"""Prints the files of tests/unit and tests/twin that touch what has changed since a commit (default: HEAD).

A test touches a module that it imports itself, by name. What a module does for others is for `make test`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]
FOLDERS = ("tests/unit", "tests/twin", "tests/store")


def changed(since: str) -> set[Path]:
    """The files, from the project's root, that differ from ``since`` or are new."""
    asked = (["diff", "--name-only", since], ["ls-files", "--others", "--exclude-standard"])
    return {Path(line) for arguments in asked for line in subprocess.run(
        ["git", "-C", str(PROJECT), *arguments], check=True, capture_output=True, text=True).stdout.splitlines()}


def imported(test: Path) -> Iterator[str]:
    """The modules that ``test`` imports, and what it takes from them, which may be modules too."""
    for node in ast.walk(ast.parse(test.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def touching(files: set[Path]) -> list[str]:
    modules = {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files if file.suffix == ".py"}
    tests = [test for folder in FOLDERS for test in sorted((PROJECT / folder).rglob("test_*.py"))]
    return [test.relative_to(PROJECT).as_posix() for test in tests
            if test.relative_to(PROJECT) in files or modules & set(imported(test))]


if __name__ == "__main__":
    print(*touching(changed(*(sys.argv[1:] or ["HEAD"]))), sep="\n")
