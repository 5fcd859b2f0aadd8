"""The two kinds of blame.

The unit's fault is a ``UnitError``, or a plain ``assert`` of a suite, and makes the verdict *fail*. The bench's fault
is a ``BenchError`` and makes the verdict *error*, and so does whatever else is raised: an AssertionError of a library
says nothing of the unit (``fixtures/blame.py`` has the places that may blame it). The two are never mixed: a reader of
a report must be able to trust that a failed unit is a bad unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import partial


class UnitError(AssertionError):
    """The unit, not the bench, is to blame; says in one sentence for what."""


class LimitError(UnitError):
    """A measured value of the unit is outside its limits."""


class BenchError(Exception):
    """The bench, not the unit, is to blame.

    Says in one sentence which object it is about, what was expected of it, what was seen, and what to do:

    >>> print(BenchError("supply at TCPIP0::127.0.0.1::5025::SOCKET", expected="an answer to *IDN?",
    ...                  seen="connection refused", do="switch the instrument on and check the address"))
    supply at TCPIP0::127.0.0.1::5025::SOCKET: expected an answer to *IDN?, saw connection refused; \
switch the instrument on and check the address.
    """

    def __init__(self, subject: str, *, expected: str, seen: str, do: str) -> None:
        super().__init__(f"{subject}: expected {expected}, saw {seen}; {do.rstrip('.')}.")
        self.subject = subject
        self.expected = expected
        self.seen = seen
        self.do = do

    def __reduce__(self) -> tuple[Callable[[str], BenchError], tuple[str]]:
        """It may be raised in one process and told by another."""
        return partial(type(self), expected=self.expected, seen=self.seen, do=self.do), (self.subject,)


_LISTED = 12
"""So many names are read at a glance."""


def near(name: str, names: Iterable[str], most: int = 3) -> list[str]:
    """Those of ``names`` that ``name`` may be a misspelling, or a part, of; the best first."""
    by_lower = {one.lower(): one for one in names}
    parts = [one for one in by_lower if len(name) > 2 and name.lower() in one]
    found = dict.fromkeys([*get_close_matches(name.lower(), by_lower, most, 0.7), *sorted(parts, key=len)])
    return [by_lower[one] for one in found][:most]


def did_you_mean(name: str, names: Iterable[str], else_: str) -> str:
    """What to do about ``name``, which is none of ``names``: ``write a or b if that is meant, or`` what else helps."""
    found = near(name, names)
    return f"write {' or '.join(found)} if that is meant, or {else_}" if found else else_


def unknown(subject: str, name: str, names: Iterable[str], do: str) -> BenchError:
    """The error for a ``name`` that is none of ``names``. They are listed where they are few; ``do`` says where to look
    for the others."""
    names = sorted(names)
    listed = ", ".join(names) if len(names) <= _LISTED else f"the {len(names)} there are"
    return BenchError(subject, expected=f"one of {listed}", seen=repr(name), do=did_you_mean(name, names, do))


class UnitUnknown(BenchError):  # noqa: N818 - what is wrong is that it is not known
    """Nobody knows the unit's state, and it could not be brought into one: the run ends."""


class PutBackRefused(BenchError):  # noqa: N818 - reads as a sentence: put-back refused
    """The unit answered, and refused to be put back as it was before the test. It is the bench's error of a test that
    passed; a test that failed the unit has failed it."""


class HangError(BenchError):
    """Virtual time can't go on: somebody waits, and nothing is left that could happen."""


class NotObserved(UnitError):  # noqa: N818 - reads as a sentence: pulse not observed
    """The unit did not do, within the time it is given, what the manual says it does."""
