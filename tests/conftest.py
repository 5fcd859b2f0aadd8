"""Tests that take long begin first, the longest in front: who waits then waits beside the others, not behind them."""

from __future__ import annotations

import pytest

LONG = ("tests/docs", "tests/station", "tests/interop/test_shared_benches", "tests/interop/test_wheel",
        "tests/interop/test_certify_foreign", "tests/interop/test_foreign_units", "tests/interop/test_host_build",
        "tests/unit/test_shuffled_life", "tests/unit/test_certify", "tests/store/test_store_endings",
        "tests/store/test_history", "tests/endings", "tests/perf", "tests/nights")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each process of xdist begins with a part of its own, in the order of collection (``worksteal``). Those that wait
    for real time are at the front of two parts, those that take long at the front of the others."""
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    waiting = [item for item in items if "real_time" in item.name]
    long = sorted((item for item in items if item not in waiting and _rank(item) < len(LONG)), key=_rank)
    first = [waiting + long] if count < 3 else [
        *(waiting[number::2] for number in range(2)), *(long[number::count - 2] for number in range(count - 2))]
    chosen = {item for part in first for item in part}
    short, size = [item for item in items if item not in chosen], len(items) // count + 1
    items.clear()
    for part in first:
        rest = max(0, size - len(part))
        items += part + short[:rest]
        del short[:rest]
    items += short


def _rank(item: pytest.Item) -> int:
    return next((place for place, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))
