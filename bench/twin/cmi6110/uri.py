"""The URIs that servers give the unit. It has no DNS: hosts are IP addresses (docs/open-in-the-manual.md, G21)."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from bench.twin.radio.cell import Address


class NoUri(Exception):  # noqa: N818 - what the text is, not an error of the program
    """The text is no URI with an IP address."""


def split(uri: str) -> SplitResult:
    """The parts of ``uri``. Raises NoUri when it has no scheme, or a host that is no IP address."""
    try:
        parts = urlsplit(uri)
        ipaddress.ip_address(parts.hostname or "")
        _ = parts.port
    except ValueError as error:
        raise NoUri(uri) from error
    if not parts.scheme:
        raise NoUri(uri)
    return parts


def address_of(uri: str) -> Address | None:
    """Host and port of coap://h:p or udp://h:p; None when ``uri`` doesn't name both."""
    try:
        parts = split(uri)
    except NoUri:
        return None
    return (parts.hostname, parts.port) if parts.hostname and parts.port else None
