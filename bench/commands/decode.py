"""``mcm-bench decode``: what a telegram, an MQTT-SN frame, a meter's wired answer or an optical readout says."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.errors import BenchError
from bench.payload import table
from bench.payload.decode import decode as decode_telegram
from bench.payload.mbus import LongFrame, decode_long_frame, wired_telegram
from bench.payload.optical import OpticalReadout, parse_optical
from bench.payload.readout import PayloadError, Telegram
from bench.protocols import mqttsn

ENCODINGS = ("mbus", "json", "senml-cbor", "optical")


def decode(argument: str, encoding: str | None, as_json: bool, console: Console) -> int:
    """Print what ``argument`` says; the exit code: 0, 1 with findings of severity error, 2 not decodable."""
    if encoding is not None and encoding not in ENCODINGS:
        raise BenchError(f"encoding {encoding}", expected="one of " + ", ".join(ENCODINGS), seen="that name",
                         do="choose one of them or leave it out")
    octets = _octets(argument)
    try:
        frame, found = _decode(octets, encoding)
    except PayloadError as error:
        Console(stderr=True).print(Text(f"not decodable: {error}", "bold red"), soft_wrap=True)
        return 2
    if found is None:
        content = {"encoding": "mqtt-sn", "message": frame, "readouts": [], "findings": []}
        print(json.dumps(content) if as_json else frame)
        return 0
    if as_json:
        content = table.to_json(found)
        print(json.dumps(content if not frame else {**content, "frame": frame}, indent=1))
    else:
        if frame:
            console.print(Text(f"{'M-Bus' if _looks_wired(octets) else 'MQTT-SN'} {frame}", "dim"))
        console.print(table.render(found))
    return table.exit_code(found)


def _octets(argument: str) -> bytes:
    """Hexadecimal digits, or what is in @FILE: digits, octets or text."""
    if not argument.startswith("@"):
        octets = _from_hex(argument)
        if octets is None:
            raise BenchError("telegram", expected="hexadecimal digits or @FILE", seen=repr(argument[:40]),
                             do="give the octets as digits, two for each")
        return octets
    path = Path(argument[1:])
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BenchError(f"file {path}", expected="to read it", seen=(error.strerror or str(error)).lower(),
                         do="check the path") from error
    try:
        digits = _from_hex(content.decode("ascii"))
    except UnicodeDecodeError:
        digits = None
    return content if digits is None else digits


def _from_hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex("".join(text.split()))
    except ValueError:
        return None


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
            return (text, decode_telegram(message.data)) if isinstance(message, mqttsn.Publish) else (text, None)
    return "", decode_telegram(octets, encoding)


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
