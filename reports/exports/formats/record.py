"""The record as it is, in one line of JSON, with what the store knows of it besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.store.canonical import canonical
from reports.exports.document import Document, StoredRun


def record(run: StoredRun, _: Mapping[str, Any]) -> Document:
    return Document(run.run_id, ".json", "application/json", (canonical(
        {"sequence": run.sequence, **run.body}) + "\n").encode("ascii"))
