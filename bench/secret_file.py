"""Files with secrets: TOML that only its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.toml_file import read_toml


def read_secrets(path: Path, subject: str, do: str) -> dict[str, Any]:
    """The content of a file with secrets. Raises ``BenchError`` about ``subject`` when it can't be read (``do`` says
    what to do then), or others could: that is looked at before it is read. Never shows what it has.
    """
    def refuse_if_open(found: os.stat_result) -> None:
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise BenchError(subject, expected="access for its owner only", seen=f"mode {mode:04o}",
                             do=f"chmod 600 {path}")
        if found.st_uid not in (os.geteuid(), 0):
            raise BenchError(subject, expected="to be owned by who runs the bench", seen=f"user {found.st_uid}",
                             do=f"chown {os.geteuid()} {path}, and give the unit new keys if they are known now")

    return read_toml(path, subject, do, check=refuse_if_open, secret=True)
