"""Reads the documents in a folder with the model of the maker of WATS (``make wats``): ``wsjf_model.py FOLDER``.

Runs in an environment of its own, where pywats-api is.
"""

import sys
from pathlib import Path

from pywats.domains.report.report_models.uut.uut_report import UUTReport

for path in sorted(Path(sys.argv[1]).glob("*.json")):
    report = UUTReport.model_validate_json(path.read_bytes())
    steps = report.root.steps
    print(f"{path.name}: unit {report.sn}, result {report.result}, {len(steps)} steps, "
          f"{sum(type(step).__name__ == 'NumericStep' for step in steps)} with a value")
