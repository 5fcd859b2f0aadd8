"""Tests that take minutes of real time begin first: so they wait beside the others, not behind them."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "real_time" not in item.name)
