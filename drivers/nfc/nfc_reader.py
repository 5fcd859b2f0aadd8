"""What every NFC reader does, whatever it is: find a tag, let it be read and written, and say what went wrong."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.nfc.tag_session import NoTagError, TagLostError, TagSession


class NfcReader(ABC):
    """A reader that is opened at the first tap, and again after an error. Everything blocks, in real time.

    Raises ``BenchError`` when the reader is dead (``expected`` says what it should be), whatever its library raises,
    ``NoTagError`` when no tag comes within the time-out, ``TagLostError`` when it goes away too early. What goes wrong
    is on the timeline as ("nfc", "mute").
    """

    kind = "nfc"
    abilities: frozenset[str] = frozenset()    # what settings can be had depends on the codec, too
    expected: str
    """What answers when all is well."""
    do: str
    """What to do when it does not."""
    no_tag_do: str = "place the unit on the coil and check that NFC is enabled in it"

    def __init__(self, subject: str, clock: Clock, timeline: Timeline) -> None:
        self.subject = subject
        self._clock = clock
        self._timeline = timeline

    @contextlib.contextmanager
    def tap(self, timeout_s: float = 1.0) -> Iterator[TagSession]:
        """Hold the reader's field on, wait up to ``timeout_s`` for a tag, and end with the field off.

        Don't tap again inside a tap.
        """
        session = TagSession(self._find(timeout_s), self._failed, self._field_off)
        try:
            yield session
        except TagLostError as error:
            self._note(error)
            raise
        finally:
            self._field_off()

    def identify(self) -> str:
        """The reader's kind and firmware, for example PN532v1.6; needs no tag."""
        try:
            return self._identify()
        except BenchError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    @abstractmethod
    def close(self) -> None:
        """Idempotent; never fails."""

    @abstractmethod
    def _identify(self) -> str: ...

    @abstractmethod
    def _search(self, timeout_s: float) -> Any:
        """The tag, activated: one of nfcpy's, or with the same face. Raises ``DeadlinePassed`` when none comes."""

    @abstractmethod
    def _drop(self) -> None:
        """Forget the reader without another word to it. Never fails."""

    @abstractmethod
    def _switch_field_off(self) -> None: ...

    @abstractmethod
    def _reason(self, error: Exception) -> str:
        """What the library's exception means, in words."""

    def _find(self, timeout_s: float) -> Any:
        try:
            return self._search(timeout_s)
        except DeadlinePassed:
            self._field_off()
            error = NoTagError(self.subject, expected="a tag of ISO 14443 (Type 2 or 4) in the field",
                               seen=f"no ISO 14443 tag found in {timeout_s:g} s", do=self.no_tag_do)
            self._note(error)
            raise error from None
        except BenchError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> BenchError:
        """The reader doesn't answer as it should: forget it."""
        self._drop()
        failure = BenchError(self.subject, expected=self.expected, seen=self._reason(error), do=self.do)
        self._note(failure)
        return failure

    def _field_off(self) -> None:
        try:
            self._switch_field_off()
        except Exception:      # the next tap opens the reader anew, or says what is wrong
            self._drop()

    def _note(self, error: BenchError) -> None:
        self._timeline.append("nfc", "mute", {"expected": error.expected, "seen": error.seen})
