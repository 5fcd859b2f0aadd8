"""The bench's side of "pages/3"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from bench.errors import BenchError
from bench.manual import settings
from bench.manual.settings import Value
from drivers.nfc import ApplyResult, CodecInfo, Pak, Snapshot, Status, UnitIdentity
from drivers.nfc.tag_session import TagFormatError, TagSession

_FAST_READ, _WRITE = 0x3A, 0xA2
_MOST_PAGES = 32
_HEAD, _SETTINGS, _REQUEST, _LAST = 0x04, 0x12, 0x80, 0xE9
_NOT_UNDERSTOOD = 0xFFFFFFFF
_OUTCOMES = {
    0x01: Status.OK, 0x10: Status.BAD_FORMAT, 0x11: Status.VERSION, 0x12: Status.STALE, 0x20: Status.AUTH_REQUIRED,
    0x21: Status.AUTH_FAILED, 0x22: Status.AUTH_BLOCKED, 0x30: Status.READ_ONLY, 0x31: Status.UNKNOWN_SETTING,
    0x32: Status.TYPE, 0x33: Status.RANGE, 0x34: Status.RULE_CONFLICT, 0x40: Status.FLASH_WRITE_FAILED,
    0x41: Status.BUSY, 0x42: Status.NO_METER}


class PagesCodec:
    """A ``SettingsCodec``."""

    info = CodecInfo("otc-in-pages", "3", vendor_format=True, note="made up, to try the place of a vendor's codec")

    def recognises(self, tag: TagSession) -> bool:
        return _pages(tag, _HEAD, 1) == b"PGS3"

    def read(self, tag: TagSession) -> Snapshot:
        head = self._head(tag)
        raw = dict(_settings(tag, self._body(tag, head)[0]))
        known = settings.by_number()
        return Snapshot(
            UnitIdentity("CMi6110", head[4:12][::-1].hex().upper(), _text(tag, head[12:24].rstrip(b"\0"))),
            {known[number].key: known[number].decode(value) for number, value in sorted(raw.items())
             if number in known},
            locked=bool(head[24] & 1), unknown={number: raw[number] for number in sorted(raw) if number not in known})

    def write(self, tag: TagSession, changes: Mapping[str, Value], pak: Pak | None) -> bytes:
        head = self._head(tag)
        deveui, number, challenge = head[4:12], head[32:36], head[36:52]
        content = b"".join(_setting(key, value) for key, value in changes.items())
        proof = bytes(16) if pak is None else pak.prove(_cmac(number + challenge + deveui + content))
        body = number + proof + content
        if len(body) > (_LAST - _REQUEST) * 4:
            raise TagFormatError(tag.subject, expected="changes that fit into one request",
                                 seen=f"{len(content)} octets", do="write fewer settings at once")
        for offset in range(0, len(body), 4):
            page = _REQUEST + 1 + offset // 4
            tag.transceive(bytes((_WRITE, page)) + body[offset:offset + 4].ljust(4, b"\0"))
        tag.transceive(bytes((_WRITE, _REQUEST, 0xC5, pak is not None)) + len(content).to_bytes(2, "little"))
        return number

    def result(self, tag: TagSession, ticket: bytes) -> ApplyResult | None:
        head = self._head(tag)
        if int.from_bytes(head[28:32], "little") not in (int.from_bytes(ticket, "little"), _NOT_UNDERSTOOD):
            return None
        outcomes = self._body(tag, head)[1]
        known = settings.by_number()
        return ApplyResult(_status(tag, head[25]), {
            known[_number(register)].key: _status(tag, outcome)
            for register, outcome in zip(outcomes[::2], outcomes[1::2], strict=True) if _number(register) in known})

    def _head(self, tag: TagSession) -> bytes:
        head = _pages(tag, _HEAD, _SETTINGS - _HEAD)
        if head[:4] != b"PGS3":
            raise _malformed(tag, "PGS3 in page 4", head[:4].hex())
        return head

    def _body(self, tag: TagSession, head: bytes) -> tuple[bytes, bytes]:
        """The settings, and the outcomes of those that were not taken."""
        of_settings, of_outcomes = int.from_bytes(head[52:54], "little"), 2 * head[26]
        size = of_settings + of_outcomes
        if size > (_REQUEST - _SETTINGS) * 4:
            raise _malformed(tag, "settings that end before page 80", f"{size} octets")
        body = _pages(tag, _SETTINGS, -(-size // 4))
        return body[:of_settings], body[of_settings:size]


def _pages(tag: TagSession, first: int, count: int) -> bytes:
    content = b""
    for page in range(first, first + count, _MOST_PAGES):
        last = min(page + _MOST_PAGES, first + count) - 1
        piece = tag.transceive(bytes((_FAST_READ, page, last)))
        if len(piece) != (last - page + 1) * 4:
            raise _malformed(tag, f"pages {page:02X} to {last:02X}", "a refusal")
        content += piece
    return content


def _cmac(message: bytes) -> Callable[[bytes], bytes]:
    def proof(key: bytes) -> bytes:
        cmac = CMAC(AES(key))
        cmac.update(message)
        return cmac.finalize()
    return proof


def _setting(key: str, value: Value) -> bytes:
    setting = settings.find(key)
    if isinstance(value, datetime):
        raw: int | str = int((value - datetime(2000, 1, 1)).total_seconds())  # noqa: DTZ001  # local standard time
    else:
        raw = setting.encode(value)
    register = (setting.table - 8) * 32 + setting.row
    if isinstance(raw, str):
        text = raw.encode()
        if len(text) > 127:
            raise BenchError(f"setting {key}", expected="a text of at most 127 octets", seen=f"{len(text)} octets",
                             do="write a shorter one")
        return bytes((register, 0x80 | len(text))) + text
    size = abs(raw).bit_length() // 8 + 1
    magnitude = bytearray(abs(raw).to_bytes(size, "little"))
    magnitude[-1] |= 0x80 * (raw < 0)
    return bytes((register, size)) + magnitude


def _settings(tag: TagSession, octets: bytes) -> list[tuple[int, int | str]]:
    """Settings by their number in the manual, table * 100 + row."""
    found: list[tuple[int, int | str]] = []
    while octets:
        size = octets[1] & 0x7F if len(octets) > 1 else 0
        value, rest = octets[2:2 + size], octets[2 + size:]
        is_text = len(octets) > 1 and bool(octets[1] & 0x80)
        if len(value) != size or len(octets) < 2 or (size == 0 and not is_text):
            raise _malformed(tag, "a whole setting", octets[:4].hex())
        if is_text:
            found.append((_number(octets[0]), _text(tag, value)))
        else:
            magnitude = int.from_bytes(value[:-1] + bytes((value[-1] & 0x7F,)), "little")
            found.append((_number(octets[0]), -magnitude if value[-1] & 0x80 else magnitude))
        octets = rest
    return found


def _number(register: int) -> int:
    return (8 + register // 32) * 100 + register % 32


def _text(tag: TagSession, octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise _malformed(tag, "a text in UTF-8", octets.hex()) from None


def _status(tag: TagSession, outcome: int) -> Status:
    if outcome not in _OUTCOMES:
        raise _malformed(tag, "an outcome", f"{outcome:02X}")
    return _OUTCOMES[outcome]


def _malformed(tag: TagSession, expected: str, seen: str) -> TagFormatError:
    return TagFormatError(tag.subject, expected=expected, seen=seen,
                          do="check that the settings codec in the station file fits this unit")
