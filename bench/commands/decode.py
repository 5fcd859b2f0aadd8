"""``mcm-bench decode``: what telegrams, MQTT-SN frames, a meter's wired answers or optical readouts say, in whatever
form somebody has them: digits, base64, a dump, a file, a capture.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.commands.terminal import plain
from bench.errors import BenchError, unknown
from bench.payload import table
from bench.payload.decode import decode as decode_telegram
from bench.payload.decode import detect, is_likely
from bench.payload.forms import from_digits, octets_of
from bench.payload.mbus import LongFrame, decode_long_frame, wired_telegram
from bench.payload.optical import OpticalReadout, parse_optical
from bench.payload.readout import PayloadError, Telegram
from bench.protocols import coap_message, dtls, mqttsn
from bench.protocols.captures import ETHERNET, RAW_IP, datagram_in, is_capture, read_capture
from bench.protocols.dtls import opened

ENCODINGS = ("mbus", "json", "senml-cbor", "optical")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Octets to be decoded, and where they were found: nothing where there is one place only."""

    where: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class _Found:
    """What a piece says: the frame around it in words, if there is one, and the telegram, if there is one; or why it
    is not decodable."""

    where: str
    frame: str = ""
    telegram: Telegram | OpticalReadout | None = None
    wrong: str = ""
    protocol: str = "mqtt-sn"

    @property
    def code(self) -> int:
        return 2 if self.wrong else table.exit_code(self.telegram) if self.telegram is not None else 0

    def to_json(self) -> dict[str, Any]:
        if self.wrong:
            return {"encoding": None, "readouts": [], "findings": [], "not_decodable": self.wrong}
        if self.telegram is None:
            return {"encoding": self.protocol, "message": self.frame, "readouts": [], "findings": []}
        content = table.to_json(self.telegram)
        return content if not self.frame else {**content, "frame": self.frame}


def decode(arguments: str | Sequence[str], encoding: str | None, as_json: bool, console: Console) -> int:
    """Print what ``arguments`` say; the exit code: 0, 1 with findings of severity error, 2 not decodable.

    Of a capture all datagrams are told, and it is enough that one carries a telegram.
    """
    _check(encoding)
    given = [arguments] if isinstance(arguments, str) else _joined(arguments)
    found = [one for argument in given for one in _look_into(_content(argument), encoding)]
    _print(found, as_json, console)
    return max((one.code for one in found), default=2)


def as_rows(content: bytes, encoding: str | None = None) -> list[dict[str, Any]]:
    """What is in ``content``, as ``--json`` tells of several telegrams, and the ``frame`` around each in words.
    Raises ``BenchError`` for an encoding that there is not."""
    _check(encoding)
    return [one.to_json() | {"where": one.where} for one in _look_into(content, encoding)]


def _check(encoding: str | None) -> None:
    if encoding is not None and encoding not in ENCODINGS:
        raise unknown(f"encoding {encoding}", encoding, ENCODINGS, "leave it out")


def _look_into(content: bytes, encoding: str | None) -> list[_Found]:
    if is_capture(content):
        return list(_in_capture(content, encoding))
    try:
        return [_attempt(piece, encoding) for piece in _pieces(content, encoding)]
    except PayloadError as wrong:
        return [_Found("", wrong=str(wrong))]


def _print(found: Sequence[_Found], as_json: bool, console: Console) -> None:
    several = len(found) != 1
    if as_json and not (not several and found[0].wrong):
        content = [one.to_json() | {"where": one.where} for one in found]
        print(json.dumps({"telegrams": content} if several else found[0].to_json(), indent=1))
        return
    for number, one in enumerate(found, start=1):
        place = f"{number} of {len(found)}: {f'{one.where}: ' if one.where else ''}" if several else ""
        frame = one.frame if one.frame.startswith("RSP_UD") or one.telegram is None else f"MQTT-SN {one.frame}"
        if one.wrong:
            plain(stderr=True).print(Text(f"{place}not decodable: {one.wrong}", "bold red"), soft_wrap=True)
        elif one.telegram is None:
            console.print(Text(place + frame), soft_wrap=True)
        else:
            if place or one.frame:
                console.print(Text(place + (frame if one.frame else ""), "bold" if place else "dim"),
                              soft_wrap=True)
            console.print(table.render(one.telegram))


def _joined(arguments: Sequence[str]) -> list[str]:
    """Digits that a shell has taken apart belong together: ``decode 04 06 4E 61``."""
    parts = groupby(arguments, key=lambda one: re.fullmatch(r"(0x)?[0-9a-fA-F]{1,4}[,:]?", one) is not None)
    return [one for digits, group in parts for one in ([" ".join(group)] if digits else group)]


def _content(argument: str) -> bytes:
    """What is given on the command line, in a file (@FILE, or the name of one), or on the standard input (-)."""
    if argument == "-":
        return sys.stdin.buffer.read()
    if not argument.startswith("@") and (from_digits(argument) is not None or not Path(argument[:255]).is_file()):
        return argument.encode("utf-8", "surrogateescape")
    path = Path(argument.removeprefix("@"))
    try:
        return path.read_bytes()
    except OSError as error:
        raise BenchError(f"file {path}", expected="to read it", seen=(error.strerror or str(error)).lower(),
                         do="check the path") from error


def _pieces(content: bytes, encoding: str | None) -> list[_Piece]:
    """The telegrams in ``content``: octets as they are, or as text shows them. Raises ``PayloadError``."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return [_Piece("", content)]
    is_text = all(letter.isprintable() or letter.isspace() for letter in text)
    is_json = text.lstrip()[:1] in ("{", "[") and from_digits(text) is None    # and no array of C
    if not is_text or is_json or _looks_optical(content):
        return [_Piece("", content)]
    try:
        shown = octets_of(text)
    except PayloadError:
        if encoding in (None, "mbus", "senml-cbor"):
            raise
        return [_Piece("", content)]
    lines = [line for line in text.splitlines() if line.strip()]
    if len(shown) == 1 and shown[0][0] != "dump" and len(lines) > 1:
        each = [octets_of(line)[0] if from_digits(line) else ("", b"") for line in lines]
        if all(_is_whole(octets) for _, octets in each):
            shown = each
    return [_Piece("" if len(shown) == 1 else form, octets) for form, octets in shown]


def _is_whole(octets: bytes) -> bool:
    """Whether a line is a telegram by itself, and not a part of one; the parts of a wired answer belong together."""
    try:
        _, telegram = _decode(octets, None) if not _looks_wired(octets) else ("", None)
    except PayloadError:
        return False
    return isinstance(telegram, Telegram) and all(readout.meter_id for readout in telegram.readouts)


def _attempt(piece: _Piece, encoding: str | None) -> _Found:
    inside = datagram_in(piece.octets, ETHERNET) or datagram_in(piece.octets, RAW_IP)    # as Wireshark shows it
    octets = inside[2] if inside is not None else piece.octets
    try:
        frame, telegram = _decode(octets, encoding)
    except PayloadError as wrong:
        return _Found(piece.where, wrong=str(wrong))
    return _Found(piece.where, frame, telegram)


def _in_capture(content: bytes, encoding: str | None) -> Iterator[_Found]:
    """What each datagram carries. Those that are in DTLS and can't be opened are counted."""
    capture = read_capture(content)
    reader = opened.Reader(capture.secrets)
    closed, telegrams = 0, 0
    for number, source, destination, payload in capture.datagrams:
        where = f"frame {number}, {source[0]}:{source[1]} to {destination[0]}:{destination[1]}"
        messages: list[bytes] | None = [payload]
        if opened.is_dtls(payload):
            where += ", in DTLS"
            messages = reader.read(source, destination, payload)
            if not messages:
                closed += messages is None
                yield _Found(where, f"{dtls.describe(payload)}{' (not opened)' if messages is None else ''}",
                             protocol="dtls")
        for message in messages or ():
            found = _message(_Piece(where, message), encoding)
            telegrams += found.telegram is not None
            yield found
    if not telegrams:
        why = f"{closed} of them are in DTLS, without the keys in the file" if closed else "nothing in them is known"
        yield _Found("the capture", wrong=f"expected a telegram in {len(capture.datagrams)} datagrams of "
                     f"{capture.frames} frames, saw none: {why}")


def _message(piece: _Piece, encoding: str | None) -> _Found:
    """A datagram of a capture: MQTT-SN or CoAP, else told by its length."""
    with contextlib.suppress(mqttsn.MqttSnError):
        mqttsn.decode(piece.octets)
        return _attempt(piece, encoding)
    with contextlib.suppress(coap_message.CoapError):
        return _Found(piece.where, f"CoAP {coap_message.describe(coap_message.parse(piece.octets))}", protocol="coap")
    found = _attempt(piece, encoding)
    return found if not found.wrong else _Found(piece.where, f"{len(piece.octets)} octets that are no telegram",
                                                protocol="")


def _decode(octets: bytes, encoding: str | None) -> tuple[str, Telegram | OpticalReadout | None]:
    """The frame around it in words, if there is one, and what it says. Raises ``PayloadError``."""
    if encoding == "optical" or (encoding is None and _looks_optical(octets)):
        return "", parse_optical(octets)
    if encoding in (None, "mbus") and _looks_wired(octets):
        return _wired(octets)
    if encoding is None:
        try:
            message = mqttsn.decode(octets)
        except mqttsn.MqttSnError:
            pass
        else:
            text = mqttsn.describe(message)
            return (text, _guessed(message.data)) if isinstance(message, mqttsn.Publish) else (text, None)
    return "", decode_telegram(octets, encoding) if encoding is not None else _guessed(octets)


def _guessed(octets: bytes) -> Telegram:
    """A telegram that is sure to be one. Raises ``PayloadError``."""
    if detect(octets) != "mbus":
        return decode_telegram(octets)
    not_sure = (f"expected JSON, SenML, M-Bus, MQTT-SN or an optical readout, saw {len(octets)} octets that begin "
                f"{octets[:8].hex(' ').upper()} and are most likely none; as M-Bus (--encoding mbus): ")
    try:
        telegram = decode_telegram(octets)
    except PayloadError as wrong:
        raise PayloadError(not_sure + str(wrong)) from None
    if not is_likely(telegram):
        raise PayloadError(not_sure + "records that no heat meter sends")
    return telegram


def _looks_wired(octets: bytes) -> bool:
    """``68 L L 68``: no DIB of a naked telegram begins so."""
    return len(octets) >= 4 and octets[0] == octets[3] == 0x68 and octets[1] == octets[2]


def _wired(octets: bytes) -> tuple[str, Telegram]:
    """A meter's answers on the wired bus (RSP_UD), one after the other: parts of a readout are joined."""
    frames = []
    while octets:
        length = octets[1] + 6 if _looks_wired(octets) else len(octets)
        frames.append(decode_long_frame(octets[:length]))
        octets = octets[length:]
    return "; ".join(_describe(frame) for frame in frames), wired_telegram(frames)


def _describe(frame: LongFrame) -> str:
    text = f"RSP_UD from address {frame.address}, CI {frame.ci:02X}"
    if frame.application_error is not None:
        return f"{text}, {frame.error_text}"
    header = frame.header
    if header is None:
        return text
    return (f"{text}, meter {header.manufacturer} {header.identification}, version {header.version}, "
            f"medium {header.medium:02X}, status {header.status:02X}")


def _looks_optical(octets: bytes) -> bool:
    start = octets.lstrip(b"\x02\r\n ")[:80]
    return start.startswith((b"/", b"6.8(")) or b"6.8(" in start
