"""Settings of the unit over NFC, by their key in the manual's Tables 8 to 12."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError, NotObserved
from bench.manual import settings
from bench.manual.settings import Value
from bench.timeline import Timeline
from drivers.nfc import ApplyResult, Pak, SettingsCodec, Snapshot
from drivers.nfc.bench_otc import BenchOtcCodec
from drivers.nfc.pn532_reader import Pn532Reader
from drivers.nfc.tag_session import TagFormatError, TagIdentity, TagSession

CODECS = "mcm_bench.otc_codecs"
"""The entry-point group in which a vendor's package offers its settings codec (a class without arguments)."""

_POLL_S = 0.1


def load_codec(name: str = BenchOtcCodec.info.name) -> SettingsCodec:
    """The settings codec of that name: the built-in one, or one that an installed package offers."""
    if name == BenchOtcCodec.info.name:
        return BenchOtcCodec()
    offered = entry_points(group=CODECS)
    if name not in offered.names:
        raise BenchError("settings codec", expected=f"one of {', '.join({BenchOtcCodec.info.name, *offered.names})}",
                         seen=repr(name), do="correct the station file or install the package with the codec")
    codec: SettingsCodec = offered[name].load()()
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

    def __init__(self, reader: Pn532Reader, codec: SettingsCodec, clock: Clock, timeline: Timeline, *,
                 reference_tag: bool = False, timeout_s: float = 3.0) -> None:
        self.codec = codec
        self._reader = reader
        self._clock = clock
        self._timeline = timeline
        self._reference_tag = reference_tag
        self._timeout_s = timeout_s

    def close(self) -> None:
        """Let go of the reader. Never raises."""
        self._reader.close()

    def identify(self) -> TagIdentity:
        """What kind of tag is there, whatever is written on it."""
        with self._reader.tap() as tag:
            return tag.identity

    def read(self) -> Snapshot:
        """All settings that can be read; needs no PAK."""
        with self._reader.tap() as tag:
            snapshot = self.codec.read(tag)
        self._timeline.append("nfc", "read", snapshot.values)
        return snapshot

    def write(self, changes: Mapping[str, Value], pak: Pak | None = None) -> ApplyResult:
        """Ask the unit to apply all of ``changes`` or none, and wait for what it says.

        The value of a command (``factory_reset``) is None.
        """
        for key in changes:
            settings.find(key)
        with self._reader.tap() as tag:
            self._refuse_foreign(tag)
            ticket = self.codec.write(tag, changes, pak)
            self._clock.sleep(_POLL_S)
            try:
                result = self._clock.poll(lambda: self.codec.result(tag, ticket), self._timeout_s, _POLL_S)
            except DeadlinePassed:
                self._timeline.append("nfc", "write", {**changes, "status": "no answer"})
                raise NotObserved(f"no answer to a write of {', '.join(changes)} over NFC "
                                  f"within {self._timeout_s:g} s") from None
        self._timeline.append("nfc", "write", {**changes, "status": result.status.name})
        return result

    def _refuse_foreign(self, tag: TagSession) -> None:
        """Write to nothing but what the codec is made for."""
        info = self.codec.info
        if not info.vendor_format and not self._reference_tag:
            raise BenchError(tag.subject, expected="a settings codec in the vendor's format",
                             seen=f"{info.name}: {info.note}",
                             do="install the vendor's codec, or set reference_tag for a twin or a reference tag")
        if not self.codec.recognises(tag):
            raise TagFormatError(tag.subject, expected=f"a tag in the format {info.name}", seen="another format",
                                 do="check that the settings codec in the station file fits this unit")
