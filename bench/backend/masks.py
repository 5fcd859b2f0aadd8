"""Keys in messages: which octets are not to be written down.

A key that is written over plain CoAP crosses the wire in clear, for that is what is tested; the timeline and the
capture hold zeros in its place.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from aiocoap.message import Message
from aiocoap.numbers.codes import GET

from bench.key_forms import SHORTEST_KEY, without_keys
from bench.protocols.lwm2m import Lwm2mError, Path, Value

SECRET_RESOURCES = frozenset({(0, 4), (0, 5), (11, 6), (33905, 5)})
"""Object and resource ids of keys. 0/x/4 is the Secret Key by the manual and a public key by OMA, 11/x/6 (OMA only) a
password."""

KnownKeys = dict[bytes, None]
"""Keys, in the order in which they became known."""

_REMEMBERED = 1000

def is_secret(path: Path) -> bool:
    """Whether ``path`` is that of a key; a path of fewer than three ids is not."""
    return len(path) >= 3 and (path[0], path[2]) in SECRET_RESOURCES


def secrets_in(values: Mapping[Path, Value]) -> list[bytes]:
    """The keys among ``values``."""
    return [value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
            for path, value in values.items() if is_secret(path)]


class Masks:
    """Knows the messages that carry keys, and how they look without.

    The writer of a key announces the whole payload with ``hide``; then each datagram that carries it, or a block of
    it, loses the key, and so does whatever a unit says that has this key in it, or another of ``keys``, which servers
    may share. What a unit answers to a read of a key is hidden altogether.
    """

    def __init__(self, keys: KnownKeys | None = None) -> None:
        self._shown: dict[bytes, bytes] = {}
        self.keys: KnownKeys = {} if keys is None else keys
        self._reads: dict[tuple[int, bytes], None] = {}

    def hide(self, payload: bytes, secrets: Iterable[bytes] | None = None) -> None:
        """``payload`` is about to be sent: ``secrets`` in it, in any of their encodings, don't show; None: nothing of
        it does, nor where a secret can't be found in it."""
        shown = payload
        for secret in [payload] if secrets is None else [one for one in secrets if one]:
            without = _without(payload, secret)
            shown = _both(shown, without if without != payload else bytes(len(payload)))
            if secrets is not None and len(secret) >= SHORTEST_KEY:
                self.keys[secret] = None
                _forget_oldest(self.keys)
        if shown != payload:
            self._shown[payload] = shown
            _forget_oldest(self._shown)

    def sent(self, peer: int, data: bytes, message: Message) -> bytes:
        """How the datagram ``data`` to ``peer``, which holds ``message``, is written down."""
        if message.code == GET and _asks_for_secret(message):
            self._reads[peer, message.token] = None
            _forget_oldest(self._reads)
        part = message.payload
        if part:
            block = message.opt.block1
            start = block.start if block is not None else 0
            for payload, shown in self._shown.items():
                if payload[start:start + len(part)] == part:
                    return data[:-len(part)] + shown[start:start + len(part)]
            return data[:-len(part)] + self.without_keys(part)
        return data

    def received(self, peer: int, data: bytes, message: Message) -> bytes:
        """How the datagram ``data`` of ``peer`` is written down: a unit may put a key into an option, too."""
        payload: bytes = message.payload
        if payload and (peer, message.token) in self._reads:
            return data[:-len(payload)] + bytes(len(payload))
        return self.without_keys(data)

    def without_keys(self, octets: bytes) -> bytes:
        """Any octets, with zeros for the keys that are known."""
        return without_keys(octets, self.keys)


def _without(payload: bytes, secret: bytes) -> bytes:
    """``payload`` with zeros for ``secret`` in each of its encodings, however short it is."""
    shown = bytearray(without_keys(payload, [secret]))
    for form in {secret, base64.b64encode(secret), base64.urlsafe_b64encode(secret).rstrip(b"=")}:
        at = payload.find(form)
        while at >= 0:
            shown[at:at + len(form)] = bytes(len(form))
            at = payload.find(form, at + 1)
    return bytes(shown)


def _both(one: bytes, other: bytes) -> bytes:
    """Zero wherever either is."""
    return one if one == other else bytes(a if b else 0 for a, b in zip(one, other, strict=True))


def _asks_for_secret(message: Message) -> bool:
    try:
        return is_secret(Path.parse("/".join(message.opt.uri_path)))
    except Lwm2mError:
        return False


def _forget_oldest(table: dict[Any, Any]) -> None:
    if len(table) > _REMEMBERED:
        del table[next(iter(table))]
