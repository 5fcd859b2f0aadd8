"""The two kinds of blame.

The unit's fault is an AssertionError (``LimitError``, or a plain ``assert`` of a suite) and makes the verdict
*fail*. The bench's fault is a ``BenchError`` and makes the verdict *error*. The two are never mixed: a reader of a
report must be able to trust that a failed unit is a bad unit.
"""

from __future__ import annotations


class LimitError(AssertionError):
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


class HangError(BenchError):
    """Virtual time can't go on: somebody waits, and nothing is left that could happen."""


class NotObserved(AssertionError):  # noqa: N818 - reads as a sentence: pulse not observed
    """The unit did not do, within the time it is given, what the manual says it does."""
