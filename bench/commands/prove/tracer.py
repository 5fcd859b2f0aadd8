"""Which lines of a folder's files a thread executes."""

from __future__ import annotations

from pathlib import Path
from types import CodeType, FrameType
from typing import Any

Place = tuple[str, int, bool]
"""A file (its path in the folder), a line, and whether it is of a lambda: that runs at another time than the line
around it."""


class Tracer:
    """A function for ``threading.settrace``. A code object of which all lines have been seen costs no more than a call;
    what is not of ``folder`` is left alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._codes: dict[CodeType, _Lines | None] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        try:
            lines = self._codes[code]
        except KeyError:
            lines = self._codes[code] = self._lines_of(code)
        if lines is None or not lines.missing:
            return None
        return lines.see

    def take(self) -> frozenset[Place]:
        """The places that were seen since the last call."""
        places = frozenset((lines.file, line, lines.in_lambda) for lines in self._codes.values() if lines is not None
                           for line in lines.all - lines.missing)
        for lines in self._codes.values():
            if lines is not None:
                lines.missing = set(lines.all)
        return places

    def _lines_of(self, code: CodeType) -> _Lines | None:
        path = Path(code.co_filename)
        if not path.is_relative_to(self._folder):
            return None
        return _Lines(path.relative_to(self._folder).as_posix(), code)


class _Lines:
    """The lines of a code object, and those of them that are still to be seen."""

    def __init__(self, file: str, code: CodeType) -> None:
        self.file = file
        self.in_lambda = code.co_name == "<lambda>"
        self.all = frozenset(line for _, _, line in code.co_lines() if line is not None)
        self.missing = set(self.all)

    def see(self, frame: FrameType, event: str, argument: object) -> Any:
        self.missing.discard(frame.f_lineno)
        return self.see if self.missing else None
