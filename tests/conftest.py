"""Tests that take long begin first, the longest in front: who waits then waits beside the others, not behind them."""

from __future__ import annotations

import pytest

LONG = ("tests/docs", "tests/station", "tests/interop/test_shared_benches", "tests/interop/test_wheel",
        "tests/interop/test_certify_foreign", "tests/interop/test_foreign_units", "tests/interop/test_host_build",
        "tests/unit/test_shuffled_life", "tests/unit/test_certify", "tests/store/test_store_endings",
        "tests/store/test_history", "tests/endings", "tests/perf", "tests/nights")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each process of xdist begins with a part of its own, in the order of collection (``worksteal``): each gets its
    share of those that take long at the front of that part."""
    order = sorted(items, key=_rank)
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in order if _rank(item) <= len(LONG)]
    short, size = order[len(long):], len(order) // count + 1
    items.clear()
    for number in range(count):
        first = long[number::count]
        items += first + short[:max(0, size - len(first))]
        del short[:max(0, size - len(first))]
    items += short


def _rank(item: pytest.Item) -> int:
    if "real_time" in item.name:
        return 0
    return next((place for place, path in enumerate(LONG, start=1) if item.nodeid.startswith(path)), len(LONG) + 1)
