"""What the files of evidence of a test are called: by its number in the run, which the record and the page show too."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

_LONGEST = 100
"""Of a test's name in the name of a file. A file system takes 255 octets."""


def evidence_file(run_dir: Path, number: int, test_id: str, ending: str) -> Path:
    """The file of the test ``number`` (counted from 1 in a run): ``evidence/0007_test_red_is_off_b_.pcapng``."""
    name = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in test_id.partition("::")[2])
    return run_dir / "evidence" / f"{number:04d}_{name[:_LONGEST]}.{ending}"


def number_of(file: PurePath) -> int | None:
    """The number of the test whose evidence the file is; None for what belongs to the whole run."""
    found = re.match(r"(\d{4,})_", file.name)
    return int(found[1]) if found else None
