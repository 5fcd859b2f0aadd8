"""A last look through what a run has written: no key of a unit may stay in it, in whatever form.

Keys are masked where they pass (``bench/backend/masks.py``); what is found here has got past that, and is a finding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bench.key_forms import find_keys

_CHUNK = 1 << 24
_OVERLAP = 1 << 10
"""Octets: more than the longest form of a key, 64 octets as "0xAB, ", takes."""


def scrub(files: Iterable[Path], keys: Iterable[bytes]) -> list[Path]:
    """Overwrite ``keys`` in ``files`` by zeros, in place and of the same length; the files in which any was found.

    Links and what is no file are left alone. Raises ``OSError``.
    """
    wanted = tuple(keys)
    return [path for path in files if wanted and path.is_file() and not path.is_symlink() and _scrub(path, wanted)]


def _scrub(path: Path, keys: tuple[bytes, ...]) -> bool:
    any_found = False
    with path.open("rb") as file:
        start = 0
        while chunk := os.pread(file.fileno(), _CHUNK + _OVERLAP, start):
            found = sorted(find_keys(chunk, keys), key=lambda one: one.start)
            if found:
                any_found = True
                with path.open("r+b", buffering=0) as writer:
                    for one in found:
                        fill = b"0" if one.is_text else b"\0"    # a NUL would make JSON unreadable
                        os.pwrite(writer.fileno(), fill * (one.end - one.start), start + one.start)
            start += _CHUNK
    return any_found
