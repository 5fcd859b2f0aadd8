"""Settings of the unit over NFC, by their key in the manual's Tables 8 to 12."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from bench import installed
from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError, NotObserved
from bench.manual import settings
from bench.manual.settings import Value
from bench.timeline import Timeline
from drivers.nfc import ApplyResult, Pak, SettingsCodec, Snapshot
from drivers.nfc.bench_otc import BenchOtcCodec
from drivers.nfc.nfc_reader import NfcReader
from drivers.nfc.tag_session import Recording, TagFormatError, TagIdentity, TagLostError, TagSession

T = TypeVar("T")

CODECS = "mcm_bench.otc_codecs"
"""The entry-point group in which a vendor's package offers its settings codec (a class without arguments)."""

_POLL_S = 0.1


def load_codec(name: str = BenchOtcCodec.info.name) -> SettingsCodec:
    """The settings codec of that name: the built-in one, or one that an installed package offers."""
    if name == BenchOtcCodec.info.name:
        return BenchOtcCodec()
    offered = installed.offered(CODECS)
    if name not in offered:
        raise BenchError("settings codec",
                         expected=f"one of {', '.join(sorted({BenchOtcCodec.info.name, *offered}))}",
                         seen=repr(name), do="correct its name or install the package with the codec")
    codec: SettingsCodec = installed.load(CODECS, name, then=lambda codec: codec())
    return codec


class Otc:
    """Reads and writes settings through ``reader`` in the format of ``codec``.

    >>> otc.write({"transmit_interval": 720, "message_encoding": "JSON"}).status    # doctest: +SKIP
    <Status.OK: 0>

    Only keys are checked, values are not: tests send bad ones on purpose. Writing in a format that is not the vendor's
    is refused, unless ``reference_tag`` says that the tag is the twin's or a tag made for trying out.
    Everything read and written is on the timeline as ("nfc", "read") and ("nfc", "write"), secrets excepted.
    Raises ``BenchError`` (reader dead, ``NoTagError``, ``TagLostError``, ``TagFormatError``), and ``NotObserved`` when
    the unit doesn't answer a write within ``timeout_s``.
    """

    def __init__(self, reader: NfcReader, codec: SettingsCodec, clock: Clock, timeline: Timeline, *,
                 reference_tag: bool = False, timeout_s: float = 3.0) -> None:
        self.codec = codec
        self._reader = reader
        self._clock = clock
        self._timeline = timeline
        self._reference_tag = reference_tag
        self._timeout_s = timeout_s
        self._recorded: Recording | None = None

    def close(self) -> None:
        """Let go of the reader. Never raises."""
        self._reader.close()

    def identify_reader(self) -> str:
        """The reader's chip and firmware; needs no tag."""
        return self._reader.identify()

    def identify(self) -> TagIdentity:
        """What kind of tag is there, whatever is written on it."""
        with self._reader.tap() as tag:
            return tag.identity

    def read(self) -> Snapshot:
        """All settings that can be read; needs no PAK."""
        with self._reader.tap() as tag:
            snapshot = self._ask(lambda: self.codec.read(tag))
        self._timeline.append("nfc", "read", snapshot.values)
        return snapshot

    def memory(self) -> bytes:
        """All that any reader can have of the unit's tag. It may hold what nobody should see: it is on no timeline."""
        with self._reader.tap() as tag:
            return tag.memory()

    def write(self, changes: Mapping[str, Value], pak: Pak | None = None) -> ApplyResult:
        """Ask the unit to apply all of ``changes`` or none, and wait for what it says.

        The value of a command (``factory_reset``) is None.
        """
        for key in changes:
            settings.find(key)
        with self._reader.tap() as tag:
            self._refuse_foreign(tag)
            before = _message_on(tag)
            ticket = self._ask(lambda: self.codec.write(tag, changes, pak))
            self._recorded = tag.recording
            result = self._answer(tag, ticket)
            if result is None and before is not None:
                _refuse_unwritten(tag, before)
        self._timeline.append("nfc", "write", {**changes, "status": result.status.name if result else "no answer"})
        if result is None:
            raise NotObserved(f"no answer to a write of {', '.join(changes)} over NFC within {self._timeout_s:g} s")
        return result

    def write_torn(self, changes: Mapping[str, Value], pages: int, pak: Pak | None = None) -> bool:
        """Begin a write, and switch the field off when ``pages`` pages of the tag are written, or at once after the
        last. Returns whether all was sent.
        """
        for key in changes:
            settings.find(key)
        try:
            with self._reader.tap() as tag:
                self._refuse_foreign(tag)
                tag.tear_after(pages)
                self._ask(lambda: self.codec.write(tag, changes, pak))
        except TagLostError:
            return False
        return True

    @property
    def recorded(self) -> Recording:
        """What the last ``write`` sent over the air. Raises ``BenchError`` before the first."""
        if self._recorded is None:
            raise BenchError(self.codec.info.name, expected="a write to record", seen="none yet", do="write first")
        return self._recorded

    def write_message(self, message: bytes) -> None:
        """Write any octets where a reader's message goes, and give the unit time to act on them."""
        with self._reader.tap() as tag:
            self._refuse_foreign(tag)
            tag.write_ndef(message)
            self._clock.sleep(self._timeout_s)
        self._timeline.append("nfc", "replay", {})

    def replay(self, recording: Recording) -> None:
        """Send a recorded write once more, as an eavesdropper would, and give the unit time to act on it."""
        with self._reader.tap() as tag:
            self._refuse_foreign(tag)
            tag.send_again(recording)
            self._clock.sleep(self._timeout_s)
        self._timeline.append("nfc", "replay", {})

    def _answer(self, tag: TagSession, ticket: bytes) -> ApplyResult | None:
        self._clock.sleep(_POLL_S)
        try:
            return self._clock.poll(lambda: self._ask(lambda: self.codec.result(tag, ticket)), self._timeout_s, _POLL_S)
        except DeadlinePassed:
            return None

    def _ask(self, call: Callable[[], T]) -> T:
        """What the codec says. Whatever it raises beside ``BenchError`` is its own fault and not the unit's. The place
        is told and not the text, for it has had the PAK."""
        try:
            return call()
        except BenchError:
            raise
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            raise BenchError(f"settings codec {self.codec.info.name}", expected="an answer, or a BenchError",
                             seen=f"{type(error).__name__} in {Path(at.filename).name}, line {at.lineno}",
                             do="tell who made the codec") from None

    def _refuse_foreign(self, tag: TagSession) -> None:
        """Write to nothing but what the codec is made for."""
        info = self.codec.info
        if not info.vendor_format and not self._reference_tag:
            raise BenchError(tag.subject, expected="a settings codec in the vendor's format",
                             seen=f"{info.name}: {info.note}",
                             do="install the vendor's codec, or set reference_tag for a twin or a reference tag")
        if not self._ask(lambda: self.codec.recognises(tag)):
            raise TagFormatError(tag.subject, expected=f"a tag in the format {info.name}", seen="another format",
                                 do="check that the settings codec in the station file fits this unit")


def _message_on(tag: TagSession) -> bytes | None:
    """None where a codec's format is not NDEF."""
    try:
        return tag.read_ndef()
    except TagFormatError:
        return None


def _refuse_unwritten(tag: TagSession, before: bytes) -> None:
    """Before the unit is blamed for its silence: has it been told anything? Raises ``BenchError`` where the tag still
    holds the message that was there before another one was written."""
    wrote = any(kind == "ndef" and octets != before for kind, octets in tag.recording.sent)
    if wrote and tag.read_ndef(again=True) == before:
        raise BenchError(tag.subject, expected="what the reader has written to be on the tag",
                         seen="what was there before", do="exchange the reader, or hold the unit nearer to its coil")
