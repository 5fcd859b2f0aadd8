"""What is remembered from one call of ``prove`` to the next: what is done, and which test is worth trying first.

None of it changes a verdict: a test that caught something once is run again, only sooner.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

FOLDER = Path("runs") / "prove"

_CATCHERS = "catchers.json"


class Finished:
    """What has been done of a long task, a line of JSON each in ``path``: a task that is broken off goes on from there.
    A line that was cut off is done again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.known: dict[str, Any] = {}
        text = path.read_text("utf-8") if path.exists() else ""
        self._is_cut_off = bool(text) and not text.endswith("\n")
        for line in text.splitlines():
            try:
                key, value = json.loads(line)
            except ValueError:
                continue
            self.known[key] = value

    def add(self, key: str, value: Any) -> None:
        self.known[key] = value
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" * self._is_cut_off + json.dumps([key, value]) + "\n")
            self._is_cut_off = False


def catchers() -> dict[str, str]:
    """By the name of a defect the test that caught it when that was last written down."""
    known: dict[str, str] = json.loads(files(__package__).joinpath(_CATCHERS).read_text("utf-8"))
    return known


def learn(caught: Mapping[str, str]) -> None:
    """Write down which test caught which defect; what is not among ``caught`` is forgotten."""
    text = json.dumps(dict(sorted(caught.items())), indent=0, ensure_ascii=False)
    Path(str(files(__package__).joinpath(_CATCHERS))).write_text(text + "\n", "utf-8")


def in_order(tests: Iterable[str], first: Sequence[str | None], seconds: Mapping[str, float],
             about: str = "") -> list[str]:
    """``tests``, those of ``first`` in front, then those whose names have most to do with the words in ``about``, then
    the quick ones of each file in turn: tests of one file look at much the same."""
    known = list(dict.fromkeys(tests))
    ahead = [test for test in dict.fromkeys(first) if test is not None and test in set(known)]
    ahead += _akin(sorted(set(known) - set(ahead)), about)
    by_file: dict[str, list[str]] = {}
    for test in sorted(set(known) - set(ahead), key=lambda test: (seconds.get(test, 1.0), test)):
        by_file.setdefault(test.partition("::")[0], []).append(test)
    turns = [(turn, seconds.get(test, 1.0), test) for tests in by_file.values() for turn, test in enumerate(tests)]
    return [*ahead, *(test for _, _, test in sorted(turns))]


_AKIN = 20


def _akin(tests: Sequence[str], about: str) -> list[str]:
    """The few whose names share the rarest words with ``about``."""
    words = {test: _words(test) for test in tests}
    counts = Counter(word for those in words.values() for word in those)
    asked = _words(about)
    weights = {test: sum(1 / counts[word] for word in those & asked) for test, those in words.items()}
    return sorted((test for test in tests if weights[test]), key=lambda test: -weights[test])[:_AKIN]


def _words(text: str) -> set[str]:
    """Their beginnings: a unit that is activated has to do with activation."""
    return {word.lower()[:5] for word in re.findall(r"[A-Z]?[a-z]{3,}", text)} - {"self", "test"}
