"""JUnit's XML of a run in the store: as ``run --junit`` writes it, with what the store knows besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from reports.exports.document import Document, StoredRun
from reports.junit import junit as document_of


def junit(run: StoredRun, _: Mapping[str, Any]) -> Document:
    facts = {"process": run.process, "attempt": run.attempt, "firmware": run.firmware, "operator": run.operator,
             **run.job}
    whole = document_of(run.record, facts)
    return Document(run.run_id, ".xml", "application/xml",
                    ElementTree.tostring(whole, encoding="utf-8", xml_declaration=True))
