"""CoAP messages as octets, as one line for a person, and as fields for the timeline.

Source: RFC 7252 section 3. Payloads appear by their length only, for bootstrap messages carry keys.
"""

from __future__ import annotations

from typing import Any

from aiocoap import error
from aiocoap.message import Message
from aiocoap.numbers.codes import EMPTY
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.numbers.types import Type

_MAX_TOKEN_LENGTH = 8
_RESERVED_CODE_CLASSES = (1, 6, 7)
_decode: Any = Message.decode


class CoapError(ValueError):
    """The octets are no CoAP message."""


def parse(data: bytes) -> Message:
    """The message in a datagram. Raises CoapError for each message format error of RFC 7252 section 3.

    aiocoap itself lets pass: token lengths 9 to 15, a payload marker without payload, an empty message with a rest.
    """
    if len(data) < 4:
        raise CoapError(f"{len(data)} octet(s), a CoAP header has 4")
    if data[0] >> 6 != 1:
        raise CoapError(f"octet 0: version {data[0] >> 6} instead of 1")
    token_length = data[0] & 0x0F
    if token_length > _MAX_TOKEN_LENGTH:
        raise CoapError(f"octet 0: token length {token_length} is reserved")
    if len(data) < 4 + token_length:
        raise CoapError(f"octet 4: token needs {token_length} octet(s), {len(data) - 4} left")
    if data[1] >> 5 in _RESERVED_CODE_CLASSES:
        raise CoapError(f"octet 1: code class {data[1] >> 5} is reserved")
    if data[1] == 0 and len(data) > 4:
        raise CoapError("octet 4: an empty message ends with the message id")
    try:
        message: Message = _decode(data)
    except (error.Error, ValueError, IndexError) as malformed:
        raise CoapError(f"octet {4 + token_length}: options can't be read ({malformed})") from malformed
    if not message.payload and data[-1] == 0xFF and _ends_with_marker(data[4 + token_length:]):
        raise CoapError(f"octet {len(data) - 1}: payload marker without payload")
    return message


def _ends_with_marker(options: bytes) -> bool:
    """Whether the last octet, 0xFF, is the payload marker and not the end of an option's value."""
    position = 0
    while position < len(options) and options[position] != 0xFF:
        delta, length = options[position] >> 4, options[position] & 0x0F
        position += 1 + (delta == 13) + 2 * (delta == 14)
        if length == 13:
            length = 13 + options[position]
            position += 1
        elif length == 14:
            length = 269 + int.from_bytes(options[position:position + 2], "big")
            position += 2
        position += length
    return position < len(options)


def _code(message: Any) -> str:
    """``GET``, ``2.05 Content``; a code without a name as ``2.09``."""
    name = str(message.code)
    return name if name[0].isalnum() and not name.isdigit() else str(message.code.dotted)


def path_of(message: Message) -> str:
    """Path and query of a request, ``/rd?ep=94193A04010020B8&lt=86400``."""
    path = "/" + "/".join(message.opt.uri_path)
    return path + ("?" + "&".join(message.opt.uri_query) if message.opt.uri_query else "")


def describe(message: Message, response: Message | None = None) -> str:
    """One line for a person: ``CON POST /rd?ep=94193A04010020B8 -> 2.01 Created``.

    Line breaks and other control characters in what the peer sent are escaped.
    """
    code: Any = message.code
    parts = [] if message.mtype is None else [Type(message.mtype).name]
    if code is None or code == EMPTY:
        parts.append("empty")
    elif code.is_request():
        parts += [_code(message), path_of(message)]
    else:
        parts.append(_code(message))
    if message.opt.location_path:
        parts.append("at /" + "/".join(message.opt.location_path))
    if message.opt.observe is not None:
        parts.append(f"observe {message.opt.observe}")
    for name in ("block1", "block2"):
        block = getattr(message.opt, name)
        if block is not None:
            parts.append(f"{name} {block.block_number}/{int(block.more)}/{block.size}")
    if message.payload:
        parts.append(f"{len(message.payload)} B")
        if message.opt.content_format is not None:
            parts.append(f"format {int(message.opt.content_format)}")
    if response is not None:
        parts += ["->", describe(response)]
    text = " ".join(parts)
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def fields(data: bytes) -> dict[str, Any]:
    """The fields of a datagram by name, ready for JSON; see ``fields_of``. Raises CoapError."""
    return fields_of(parse(data))


def fields_of(message: Any) -> dict[str, Any]:
    """The fields of a message by name, ready for JSON.

    ``options`` has all of them in the order of their numbers, as ``[number, hex]``; those of LwM2M also stand by
    their names.
    """
    opt = message.opt
    result: dict[str, Any] = {
        "type": Type(message.mtype).name, "code": _code(message), "message_id": message.mid,
        "token": message.token.hex(), "payload_length": len(message.payload),
        "options": [[int(option.number), option.encode().hex()] for option in opt.option_list()],
    }
    if opt.uri_path:
        result["uri_path"] = "/" + "/".join(opt.uri_path)
    if opt.uri_query:
        result["uri_query"] = list(opt.uri_query)
    if opt.location_path:
        result["location_path"] = "/" + "/".join(opt.location_path)
    for name in ("content_format", "accept", "observe", "size1", "size2"):
        value = getattr(opt, name)
        if value is not None:
            result[name] = int(value)
    for name in ("block1", "block2"):
        block = getattr(opt, name)
        if block is not None:
            result[name] = {"number": block.block_number, "more": bool(block.more), "size": block.size}
    if opt.get_option(OptionNumber.ETAG):
        result["etag"] = [option.encode().hex() for option in opt.get_option(OptionNumber.ETAG)]
    return result
