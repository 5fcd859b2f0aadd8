"""Who may call itself what.

Source: OMA LightweightM2M 1.0, section 7.1 (a server checks the endpoint's name against the identity of the channel).
"""

from __future__ import annotations

from collections.abc import Callable

EndpointCheck = Callable[[bytes | None, str], bool]
"""Whether a peer that has proved this identity (None: none, over plain CoAP) may use that endpoint name."""


def identity_fits(identity: bytes | None, endpoint: str) -> bool:
    """The endpoint's name is the identity, as characters or as the octets that its hex digits say (a DevEUI).

    Over plain CoAP there is nothing to check against.
    """
    if identity is None or identity == endpoint.encode("utf-8", "replace"):
        return True
    try:
        return identity == bytes.fromhex(endpoint)
    except ValueError:
        return False
