"""Writes a WSJF document of a run of each verdict into a folder, for ``make wats``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "store")]

from records import body  # noqa: E402 - it is in the folder named above

from reports.exports.document import StoredRun  # noqa: E402
from reports.exports.formats import FORMATS  # noqa: E402

for verdict in ("pass", "fail", "error", "incomplete"):
    run = body(3, verdict)
    if verdict == "error":
        run["record"]["measurements"][1]["value"] = None
    document = FORMATS["wsjf"].write(StoredRun(7, {**run, "attempt": 1}), {"process_code": 100})
    (Path(sys.argv[1]) / f"{verdict}.json").write_bytes(document.content)
