"""What objects and resources the unit has, and with which values it was delivered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bench.analysis.shown.fact import Area, Seen
from bench.manual import resources, settings
from bench.protocols import coap_message, lwm2m, lwm2m_links
from bench.protocols.lwm2m import Path
from bench.protocols.lwm2m_values import Lwm2mError, Value
from bench.timeline import Observation

_OF_ITS_OWN = ("meter_id",)
"""Settings in which two units differ."""

_CONSTANT = {Path(3, 0, 0), Path(3, 0, 1), Path(3, 0, 3), Path(3, 0, 16), Path(3, 0, 17), Path(3, 0, 18),
             Path(3, 0, 19), Path(5, 0, 8), Path(5, 0, 9), Path(3, 0, 6)}
"""Resources that are no settings, and that no time and no network changes."""


class Delivered:
    """What of the unit the bench has not written yet, in one life: of that the values read are those of delivery."""

    def __init__(self) -> None:
        self._written: set[str] = set()

    def settings(self, values: Mapping[str, Any]) -> Iterator[Seen]:
        """Settings by name, as read over NFC."""
        for name, value in values.items():
            if name not in self._written and name not in _OF_ITS_OWN and name in settings.load():
                yield Seen(Area.DEFAULT, f"setting {name}", str(value))

    def resource(self, path: Path, value: Value) -> Iterator[Seen]:
        """A resource, as read over device management."""
        known = resources.find(path)
        names = known.settings if known is not None else ()
        is_setting = bool(names) and not set(names) & self._written and not set(names) & set(_OF_ITS_OWN)
        if (is_setting or path.resource in _CONSTANT) and str(path) not in self._written:
            name = f"setting {names[0]}, over LwM2M" if is_setting else f"resource {path}"
            yield Seen(Area.DEFAULT, name, str(value))

    def wrote(self, names: Iterable[str]) -> None:
        self._written.update(names)

    def wrote_below(self, path: Path) -> None:
        """A write to ``path``: of an instance, all that is in it."""
        self._written.add(str(path))
        for known, one in resources.load().items():
            if known.is_under(path):
                self._written.update((str(known), *one.settings))


def tree(observations: Iterable[Observation], delivered: Delivered) -> Iterator[Seen]:
    """Of plain datagrams: those in DTLS can't be looked into."""
    requests: dict[tuple[str, int, bytes], Any] = {}
    for one in observations:
        if one.source == "nfc" and one.kind == "read":
            yield from delivered.settings(one.data)
        elif one.source == "nfc" and one.kind == "write":
            if "factory_reset" in one.data:
                delivered.wrote(settings.load())
            delivered.wrote(name for name in one.data if name != "status")
        elif one.source in ("bootstrap", "dm", "dm-2") and one.kind == "message":
            yield from _secure_write(one, delivered)
        elif one.source in ("bootstrap", "dm", "dm-2") and one.kind == "datagram" and not one.data.get("secure"):
            yield from _datagram(one, requests, delivered)


def _secure_write(one: Observation, delivered: Delivered) -> Iterator[Seen]:
    """The path of a write can be seen in DTLS, too."""
    if one.data["direction"] == "out" and one.data.get("code") in ("PUT", "POST", "DELETE", "iPATCH"):
        path = _path(one.data.get("uri_path") or "/")
        if path is not None:
            delivered.wrote_below(path)
    return iter(())


def _datagram(one: Observation, requests: dict[tuple[str, int, bytes], Any], delivered: Delivered) -> Iterator[Seen]:
    try:
        message = coap_message.parse(bytes.fromhex(one.data["hex"]))
    except ValueError:
        return
    exchange = (one.source, one.data["peer"], bytes(message.token))
    if one.data["direction"] == "out":
        requests[exchange] = message
        return
    path = coap_message.path_of(message)
    if message.code is not None and message.code.is_request() and path == "/rd" and message.payload:
        yield from _registration(message.payload)
    request = requests.get(exchange)
    if request is not None and str(message.code).startswith("2.05") and message.payload:
        yield from _answer(coap_message.path_of(request), message, delivered)


def _registration(payload: bytes) -> Iterator[Seen]:
    try:
        links = lwm2m_links.parse_links(payload)
    except ValueError:
        yield Seen(Area.TREE, "object links of a registration", "can't be read")
        return
    named = sorted(str(link.path) for link in links)
    yield Seen(Area.TREE, "objects of a registration", " ".join(named))
    for link in links:
        if link.attributes:
            said = ";".join(f"{key}={value}" for key, value in sorted(link.attributes.items()))
            yield Seen(Area.TREE, f"attributes of {link.path}", said)


def _answer(asked: str, message: Any, delivered: Delivered) -> Iterator[Seen]:
    base = _path(asked)
    content_format = message.opt.content_format
    if base is None or content_format is None or not base or message.opt.block2 is not None:
        return
    try:
        values = lwm2m.decode(message.payload, base, int(content_format), resources.type_of)
    except (Lwm2mError, ValueError):
        yield Seen(Area.TREE, f"content of {base}", f"can't be read in format {int(content_format)}")
        return
    if len(base) == 2:
        yield Seen(Area.TREE, f"resources of {base}", " ".join(str(number) for number in sorted({
            path[2] for path in values if len(path) >= 3})))
    for path, value in values.items():
        if len(path) >= 3:
            yield Seen(Area.TREE, f"type of {path.resource}", type(value).__name__)
            yield from delivered.resource(path, value)


def _path(text: str) -> Path | None:
    try:
        return Path.parse(text) if text not in ("", "/") else Path()
    except (Lwm2mError, ValueError):
        return None
