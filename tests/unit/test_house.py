"""The house as it is built: beside the walls that import-linter holds, no module needs itself."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp


def test_no_module_imports_itself_by_a_detour() -> None:
    """An import for types counts as well: who reads one of the two needs the other."""
    graph = grimp.build_graph("bench", "drivers", "fixtures", "reports", "suites", cache_dir=None)
    needs = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert "bench.twin.radio.cell" in needs["bench.twin.lab"]
    TopologicalSorter(needs).prepare()    # raises CycleError, which has the circle
