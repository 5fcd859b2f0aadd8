"""The records of the store's tests, for those of exports."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "store"))

from records import HOSTILE, body

__all__ = ["HOSTILE", "body"]
