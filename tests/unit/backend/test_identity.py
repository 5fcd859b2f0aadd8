from __future__ import annotations

import pytest

from bench.backend.identity import identity_fits


@pytest.mark.parametrize(("identity", "endpoint", "fits"), [
    (None, "94193A04010020B8", True),
    (b"94193A04010020B8", "94193A04010020B8", True),
    (bytes.fromhex("94193A04010020B8"), "94193A04010020B8", True),
    (b"94193A04010020B9", "94193A04010020B8", False),
    (b"", "94193A04010020B8", False),
    (b"urn:dev:x", "urn:dev:x", True),
    (b"\xff", "no hex", False),
])
def test_an_endpoint_is_named_like_the_identity_it_comes_with(identity, endpoint, fits):
    assert identity_fits(identity, endpoint) is fits
