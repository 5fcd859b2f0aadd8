"""The names of resources: one each, and those of the manual."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path as File

from bench.commands import resource_paths
from bench.manual import paths, resources
from bench.protocols.lwm2m import Path

ROOT = File(__file__).parents[3]
SPEAKERS = [*sorted((ROOT / "suites").rglob("*.py")), *sorted((ROOT / "fixtures").rglob("*.py"))]


def named() -> dict[Path, str]:
    classes = [one for one in vars(paths).values() if isinstance(one, type) and one.__module__ == paths.__name__]
    return {path: f"{one.__name__}.{name}" for one in classes for name, path in vars(one).items()
            if isinstance(path, Path)}


def test_the_module_is_the_one_that_the_catalogue_writes() -> None:
    assert resource_paths.TARGET.read_text("utf-8") == resource_paths.module(), \
        "bench/manual/paths.py is not what resources.toml gives: python -m bench.commands.resource_paths"


def test_each_resource_of_the_manual_has_a_name_and_nothing_else_has() -> None:
    assert {path for path in named() if len(path) == 3} == set(resources.load())


def raw_paths(source: str) -> Iterator[tuple[int, Path]]:
    """Line and path of each text ``"/3/0/3"`` and each call ``Path(3, 0, 3)``."""
    tree = ast.parse(source)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in parts and re.fullmatch(r"(/\d{1,5}){2,4}", text):
                yield node.lineno, Path.parse(text)
            case ast.Call(func=ast.Name(id="Path" | "ResourcePath"), args=[_, _, *_] as given):
                numbers = [one.value for one in given if isinstance(one, ast.Constant)]
                if len(numbers) == len(given) and all(isinstance(one, int) for one in numbers):
                    yield node.lineno, Path(*map(int, map(str, numbers)))


def test_suites_and_fixtures_speak_of_resources_by_name() -> None:
    names = named()
    raw = [f"{file.relative_to(ROOT)}:{line}: {path} is {names[path.resource]}"
           for file in SPEAKERS for line, path in raw_paths(file.read_text("utf-8")) if path.resource in names]
    assert not raw, "paths for which bench.manual.paths has names:\n" + "\n".join(raw)
