"""Link lists of LwM2M: registration, Discover and Bootstrap-Discover payloads (content format 40).

Source: RFC 6690, and OMA LightweightM2M 1.1 core, sections 6.2.1, 6.1.7.2 and 6.3.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bench.protocols.lwm2m_values import Lwm2mError, Path

_PARAMETER_NAME = re.compile(r"[A-Za-z0-9!#$&+\-.^_`|~]+\*?")
_UNQUOTED = re.compile(r"[A-Za-z0-9!#$%&'()*+\-./:<=>?@\[\]^_`{|}~]+")
_NEEDS_NO_QUOTES = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_TARGET = re.compile(r"[^<>\"\s]*")


ROOT_TYPE = "oma.lwm2m"
"""The resource type with which a client announces where its objects are (1.1 core, 6.2.1; 1.0, 5.3.1)."""


@dataclass(frozen=True, slots=True)
class Link:
    """``</3/0>;ver=1.1`` is ``Link("/3/0", {"ver": "1.1"})``; an attribute without a value has None."""

    target: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The target as a path; raises Lwm2mError when it is none, e.g. below an alternate root."""
        return Path.parse(self.target)


def format_links(links: Iterable[Link]) -> bytes:
    """The payload. Numbers stand as they are, all other attribute values in quotes. Raises Lwm2mError."""
    return ",".join(_format(link) for link in links).encode("utf-8")


def parse_links(payload: bytes) -> list[Link]:
    """The links in their order. Raises Lwm2mError naming the character.

    The ``lwm2m="1.0"`` that LwM2M 1.0 puts before a bootstrap-discover list, outside any link, is given as an
    attribute of the root, which is where LwM2M 1.1 has it.
    """
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Lwm2mError(f"octet {error.start}: a link list is UTF-8") from None
    if not text.strip():
        return []
    parser = _Parser(text)
    links = [parser.link()]
    while parser.accept(","):
        links.append(parser.link())
    parser.expect_end()
    return links


def root_of(links: Iterable[Link]) -> tuple[str, ...]:
    """The alternate path that is announced, below which all objects are; () for none."""
    announced = next((link.target for link in links if ROOT_TYPE in (link.attributes.get("rt") or "").split()), "/")
    return tuple(part for part in announced.split("/") if part)


def below(root: tuple[str, ...], links: Iterable[Link]) -> list[Link]:
    """``links`` with targets as seen from ``root``, itself "/"; what lies elsewhere stays as it is."""
    prefix = "".join(f"/{part}" for part in root)
    return [replace(link, target=link.target[len(prefix):] or "/")
            if root and f"{link.target}/".startswith(f"{prefix}/") else link for link in links]


def _format(link: Link) -> str:
    if not _TARGET.fullmatch(link.target):
        raise Lwm2mError(f"{link.target[:80]!r} can't be the target of a link")
    text = f"<{link.target}>"
    for name, value in link.attributes.items():
        if not _PARAMETER_NAME.fullmatch(name):
            raise Lwm2mError(f"{name[:80]!r} can't be the name of an attribute")
        text += f";{name}"
        if value is not None:
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            text += "=" + (value if _NEEDS_NO_QUOTES.fullmatch(value) else f'"{quoted}"')
    return text


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def link(self) -> Link:
        self._skip_space()
        if self.text.startswith("lwm2m", self.position):
            name, value = self._attribute()
            return Link("/", {name: value})
        if not self.accept("<"):
            raise self._error("'<' expected")
        target = self._match(_TARGET, "a target")
        if not self.accept(">"):
            raise self._error("'>' expected")
        attributes: dict[str, str | None] = {}
        while self.accept(";"):
            self._skip_space()
            name, value = self._attribute()
            if name in attributes:
                raise self._error(f"attribute {name} occurs twice")
            attributes[name] = value
        return Link(target, attributes)

    def accept(self, character: str) -> bool:
        self._skip_space()
        if self.text.startswith(character, self.position):
            self.position += 1
            return True
        return False

    def expect_end(self) -> None:
        self._skip_space()
        if self.position < len(self.text):
            raise self._error("',' or ';' expected")

    def _attribute(self) -> tuple[str, str | None]:
        name = self._match(_PARAMETER_NAME, "an attribute")
        if not self.accept("="):
            return name, None
        if self.accept('"'):
            return name, self._quoted()
        return name, self._match(_UNQUOTED, f"a value of {name}")

    def _quoted(self) -> str:
        value = ""
        while self.position < len(self.text):
            character = self.text[self.position]
            self.position += 1
            if character == '"':
                return value
            if character == "\\" and self.position < len(self.text):
                character = self.text[self.position]
                self.position += 1
            value += character
        raise self._error("closing quote expected")

    def _match(self, pattern: re.Pattern[str], what: str) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            raise self._error(f"{what} expected")
        self.position = match.end()
        return match.group()

    def _skip_space(self) -> None:
        while self.position < len(self.text) and self.text[self.position] in " \t\r\n":
            self.position += 1

    def _error(self, what: str) -> Lwm2mError:
        return Lwm2mError(f"character {self.position} of the link list: {what}")
