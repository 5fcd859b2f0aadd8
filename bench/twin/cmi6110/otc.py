"""The unit's side of the settings codec "bench-otc/1": settings over NFC, with a lock that a PAK opens.

This is the bench's reference format. It is NOT Elvaco's OTC format, which is not public.

The tag holds one NDEF message of external records ``urn:nfc:ext:bench.example:NAME``, each with canonical CBOR that
has integer keys:

=========  ============================================================================================================
otc-id     0 version (1), 1 model, 2 DevEUI (8 bytes), 3 firmware, 4 locked, 5 sequence number, 6 nonce (16 bytes)
otc-cfg    setting number (table * 100 + row): value; everything that may be read
otc-req    0 transaction id (8 bytes), 1 sequence number, 2 {setting number: value}, 3 MAC (16 bytes, not when open)
otc-res    0 transaction id, 1 status, 2 {setting number: status}, 3 applied at (Unix time), 4 sequence number
=========  ============================================================================================================

The reader writes a message with nothing but otc-req; the unit answers with otc-id, otc-cfg and otc-res. The request
carries the sequence number of otc-id plus one. The MAC is the first 16 bytes of
HMAC-SHA-256(PAK, "otc-req/1" || DevEUI || nonce || canonical([sequence number, transaction id, changes])).
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol

import cbor2

from bench.clock import Clock
from bench.twin.nfc.type2tag import FIRST_PAGE, Type2Tag

RawValue = int | str

SYNCHRONIZE_METER_TIME = 804
FACTORY_RESET = 807

_MODEL = "CMi6110"
_DOMAIN = b"bench.example:"


class Status(IntEnum):
    """Outcome of a request, and of each setting in it."""

    OK = 0
    BAD_FORMAT = 1
    VERSION = 2
    STALE = 3
    AUTH_REQUIRED = 4
    AUTH_FAILED = 5
    AUTH_BLOCKED = 6
    READ_ONLY = 7
    UNKNOWN_SETTING = 8
    TYPE = 9
    RANGE = 10
    RULE_CONFLICT = 11
    FLASH_WRITE_FAILED = 12
    BUSY = 13
    NO_METER = 14


class FlashWriteError(Exception):
    """``SettingsStore.apply`` could not store the settings; it has changed nothing."""


class SettingsStore(Protocol):
    """What the unit's settings must offer. Settings go by their number, values as they are on the wire."""

    @property
    def locked(self) -> bool: ...

    @property
    def deveui(self) -> bytes:
        """8 bytes."""

    @property
    def firmware(self) -> str: ...

    def read_all(self) -> Mapping[int, RawValue]:
        """Every setting that may be read. Commands (synchronize meter time, factory reset) are not among them."""

    def check(self, changes: Mapping[int, RawValue]) -> Mapping[int, Status]:
        """What is wrong with which change, rules between settings included; empty when all may be applied.

        Changes may also hold the commands 804 (value: local standard time as ISO text) and 807 (value: 1).
        """

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        """Store checked changes, all or none. Raises ``FlashWriteError``."""

    def synchronize_time(self, local: datetime) -> None:
        """Set the meter's clock (local standard time, no zone)."""

    def factory_reset(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """What a reader asks for. ``signed`` is what ``mac`` is made over; None is a request without the PAK."""

    transaction: bytes
    sequence: int
    changes: Mapping[int, RawValue]
    signed: bytes
    mac: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the request ``transaction`` (empty: it was not well-formed). ``applied_at``: Unix time."""

    transaction: bytes
    status: Status
    per_setting: Mapping[int, Status]
    applied_at: int
    sequence: int


class OtcService:
    """Serves the settings of ``store`` on ``tag``. All calls belong into the loop's thread.

    ``start`` when the unit boots, ``stop`` when it loses power, ``refresh`` when settings changed by another way.
    The rules are here; what a unit with another format has otherwise stands together under "the format".
    """

    processing_s = 0.05
    """From the completed request on the tag to the answer on it."""
    wrong_macs_allowed = 3
    block_s = 60.0
    """After so many wrong ones; twice as long each time (not printed: G19)."""

    def __init__(self, clock: Clock, tag: Type2Tag, store: SettingsStore, pak: bytes, rng: random.Random) -> None:
        self._clock = clock
        self.tag = tag
        self.store = store
        self.pak = pak
        self._rng = rng
        self._running = False
        self.sequence = 0
        self.nonce = b""
        self.answer: Answer | None = None               # to the last request
        self._wrong_macs = 0
        self._blocks = 0
        self._blocked_until = 0.0
        tag.follow_pages(self._on_page)
        tag.field.follow(self._on_field)

    def start(self) -> None:
        self._running = True
        self.answer = None
        self.renew_nonce()
        self.refresh()

    def stop(self) -> None:
        self._running = False

    def refresh(self) -> None:
        """Write what is true now onto the tag."""
        if self._running:
            self.show()

    # -- events ---------------------------------------------------------------------------------------------------

    def _on_page(self, page: int) -> None:
        if self._running and page == self.last_page and (message := self.message()):
            self._clock.loop.call_later(self.processing_s, self._process, message)

    def _on_field(self, on: bool) -> None:
        if not on and not self.message():
            self.refresh()                  # the reader went away in the middle of writing

    def _process(self, message: bytes) -> None:
        if not self._running or self.message() != message:
            return                          # lost power, or overtaken by another message
        request = self.parse(message)
        if request is None:
            self._finish(b"", Status.BAD_FORMAT, {})
        elif self.is_repeated(request):
            self.refresh()                  # asked again: the same answer, nothing applied twice
        else:
            self._finish(request.transaction, *self._serve(request))

    def _finish(self, transaction: bytes, status: Status, per_setting: Mapping[int, Status]) -> None:
        if status not in (Status.STALE, Status.BAD_FORMAT):
            self.sequence += 1
        self.renew_nonce()
        self.answer = Answer(transaction, status, per_setting, applied_at=int(self._clock.utc().timestamp()),
                             sequence=self.sequence)
        self.refresh()

    def renew_nonce(self) -> None:
        self.nonce = self._rng.randbytes(16)

    # -- a request ------------------------------------------------------------------------------------------------

    def _serve(self, request: Request) -> tuple[Status, Mapping[int, Status]]:
        """All or nothing: may it, is it right, is it stored."""
        refusal = self.authorise(request)
        if refusal is not Status.OK:
            return refusal, {}
        changes = request.changes
        wrong = {**self.store.check(changes), **_wrong_commands(changes)}
        if wrong:
            return wrong[min(wrong)], {number: wrong.get(number, Status.OK) for number in changes}
        try:
            self.apply(changes)
        except FlashWriteError:
            return Status.FLASH_WRITE_FAILED, {}
        return Status.OK, dict.fromkeys(changes, Status.OK)

    def authorise(self, request: Request) -> Status:
        if not self.is_next(request):
            return Status.STALE
        if not self.store.locked or self.is_free(request.changes):
            return Status.OK
        if self._clock.time() < self._blocked_until:
            return Status.AUTH_BLOCKED
        if request.mac is None:
            return Status.AUTH_REQUIRED
        if not self.is_authentic(request, request.mac):
            self._wrong_macs += 1
            if self._wrong_macs >= self.wrong_macs_allowed:
                self._blocked_until = self._clock.time() + self.block_s * 2 ** self._blocks
                self._blocks += 1
                self._wrong_macs = 0
            return Status.AUTH_FAILED
        self._wrong_macs = self._blocks = 0
        return Status.OK

    def is_repeated(self, request: Request) -> bool:
        """Whether ``request`` is the one that was answered last."""
        return self.answer is not None and request.transaction == self.answer.transaction

    def is_next(self, request: Request) -> bool:
        """Whether it was made after the last answer."""
        return request.sequence == self.sequence + 1

    def is_authentic(self, request: Request, mac: bytes) -> bool:
        """Whether who made it has the PAK."""
        return hmac.compare_digest(mac, self.mac(request.signed))

    def is_free(self, changes: Mapping[int, RawValue]) -> bool:
        """Whether a locked unit takes ``changes`` without the PAK."""
        return False

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        settings = {number: value for number, value in changes.items()
                    if number not in (SYNCHRONIZE_METER_TIME, FACTORY_RESET)}
        if settings:
            self.store.apply(settings)
        if SYNCHRONIZE_METER_TIME in changes:
            self.store.synchronize_time(datetime.fromisoformat(str(changes[SYNCHRONIZE_METER_TIME])))
        if FACTORY_RESET in changes:
            self.store.factory_reset()

    # -- the format -----------------------------------------------------------------------------------------------

    last_page = FIRST_PAGE
    """The page of the tag with which a reader has completed a message."""

    def show(self) -> None:
        """Write the unit's identity, its settings and its answer onto the tag."""
        records: list[tuple[str, dict[int, Any]]] = [
            ("otc-id", {0: 1, 1: _MODEL, 2: self.store.deveui, 3: self.store.firmware, 4: self.store.locked,
                        5: self.sequence, 6: self.nonce}),
            ("otc-cfg", dict(self.store.read_all()))]
        answer = self.answer
        if answer is not None:
            per_setting = {number: int(each) for number, each in answer.per_setting.items()}
            records.append(("otc-res", {0: answer.transaction, 1: int(answer.status), 2: per_setting,
                                        3: answer.applied_at, 4: answer.sequence}))
        self.tag.ndef = _message([(name, cbor2.dumps(content, canonical=True)) for name, content in records])

    def message(self) -> bytes:
        """What a reader has written, or what is shown; empty while a reader is in the middle of writing."""
        return self.tag.ndef

    def parse(self, message: bytes) -> Request | None:
        """The request in what a reader has written, or None where it is not well-formed."""
        content = _request(message)
        if content is None:
            return None
        transaction, sequence, changes = content[0], content[1], content[2]
        signed = cbor2.dumps([sequence, transaction, changes], canonical=True)
        return Request(transaction, sequence, changes, b"otc-req/1" + self.store.deveui + self.nonce + signed,
                       content.get(3))

    def mac(self, signed: bytes) -> bytes:
        """What only the owner of the PAK can make of ``signed``."""
        return hmac.digest(self.pak, signed, hashlib.sha256)[:16]


def _wrong_commands(changes: Mapping[int, RawValue]) -> Mapping[int, Status]:
    """What is wrong with the two commands among ``changes``. A factory reset comes alone."""
    wrong: dict[int, Status] = {}
    if SYNCHRONIZE_METER_TIME in changes:
        try:
            zone = datetime.fromisoformat(str(changes[SYNCHRONIZE_METER_TIME])).tzinfo
        except ValueError:
            wrong[SYNCHRONIZE_METER_TIME] = Status.TYPE
        else:
            if zone is not None:
                wrong[SYNCHRONIZE_METER_TIME] = Status.TYPE
    if FACTORY_RESET in changes and (len(changes) > 1 or changes[FACTORY_RESET] != 1):
        wrong[FACTORY_RESET] = Status.RULE_CONFLICT
    return wrong


def _request(message: bytes) -> dict[int, Any] | None:
    """The otc-req in an NDEF message that holds nothing else, every field of the right type, or None."""
    payload = _only_record(message, "otc-req")
    if payload is None:
        return None
    try:
        content = cbor2.loads(payload)
        if cbor2.dumps(content, canonical=True) != payload:
            return None                     # not canonical: doubled keys, bytes left over
    except (cbor2.CBORError, ValueError, TypeError):
        return None
    if not isinstance(content, dict) or not {0, 1, 2} <= content.keys() <= {0, 1, 2, 3}:
        return None
    transaction, sequence, changes, mac = content[0], content[1], content[2], content.get(3)
    good = (isinstance(transaction, bytes) and len(transaction) == 8
            and isinstance(sequence, int) and not isinstance(sequence, bool) and sequence >= 0
            and isinstance(changes, dict) and changes
            and all(type(number) is int and type(value) in (int, str) for number, value in changes.items())
            and (mac is None or (isinstance(mac, bytes) and len(mac) == 16)))
    return content if good else None


# -- NDEF: external records (type name format 4), no chunks -----------------------------------------------------------

def _message(records: list[tuple[str, bytes]]) -> bytes:
    message = b""
    for index, (name, payload) in enumerate(records):
        kind = _DOMAIN + name.encode()
        first, last, short = index == 0, index == len(records) - 1, len(payload) < 256
        head = first << 7 | last << 6 | short << 4 | 4
        message += bytes((head, len(kind))) + len(payload).to_bytes(1 if short else 4, "big") + kind + payload
    return message


def _only_record(message: bytes, name: str) -> bytes | None:
    """The payload of the only record of ``message`` if that is an external record of our ``name``."""
    kind = _DOMAIN + name.encode()
    if len(message) < 6 or message[0] & 0xEF != 0xC4:      # begin and end, no chunk, no id; short or long
        return None
    size = 1 if message[0] & 0x10 else 4
    payload = message[2 + size + len(kind):]
    length = int.from_bytes(message[2:2 + size], "big")
    if message[1] != len(kind) or message[2 + size:2 + size + len(kind)] != kind or length != len(payload):
        return None
    return payload
