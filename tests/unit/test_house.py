"""The house as it is built: beside the walls that import-linter holds, no module needs itself."""

from __future__ import annotations

import io
import re
from graphlib import TopologicalSorter

import grimp
from rich.table import Table

from bench.commands.terminal import plain
from bench.manifest import PROJECT


def test_no_module_imports_itself_by_a_detour() -> None:
    """An import for types counts as well: who reads one of the two needs the other."""
    graph = grimp.build_graph("bench", "drivers", "fixtures", "reports", "suites", cache_dir=None)
    needs = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert "bench.twin.radio.cell" in needs["bench.twin.lab"]
    TopologicalSorter(needs).prepare()    # raises CycleError, which has the circle


def test_all_that_commands_print_is_text_as_it_is() -> None:
    """Rich reads ``[/33906/0/40]`` in the name of a test as markup, and raises."""
    makers = [path.relative_to(PROJECT).as_posix() for folder in ("bench", "fixtures", "reports")
              for path in (PROJECT / folder).rglob("*.py")
              if re.search(r"(?<![\w.])Console\(", path.read_text("utf-8"))]
    assert makers == ["bench/commands/terminal.py"]
    said = io.StringIO()
    console = plain(file=said, width=120)
    table = Table("name")
    table.add_row("test_a_value[/33906/0/40 = 1]")
    console.print(table)
    console.print("test_another[bold]")
    assert "test_a_value[/33906/0/40 = 1]" in said.getvalue()
    assert "test_another[bold]" in said.getvalue()
