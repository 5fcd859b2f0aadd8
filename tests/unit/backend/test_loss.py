"""The servers' side loses datagrams on purpose: real sockets, plain; with DTLS the records are lost below it."""

from __future__ import annotations

import asyncio
import os

import pytest

from bench.backend.loss import Loss
from bench.protocols.udp import UdpEndpoint


async def echoed(percent: int, count: int) -> tuple[int, int, int]:
    """Of ``count`` datagrams sent to an echo server that loses: (heard there, come back, lost)."""
    loss = Loss(os.urandom)
    heard: list[bytes] = []
    back: list[bytes] = []

    def echo(peer: tuple[str, int], data: bytes) -> None:
        heard.append(data)
        server.send(peer, data)

    server = await UdpEndpoint.open("127.0.0.1", 0, echo, loses=loss.takes)
    client = await UdpEndpoint.open("127.0.0.1", 0, lambda peer, data: back.append(data))
    loss.percent = percent
    for number in range(count):
        client.send(("127.0.0.1", server.port), number.to_bytes(2, "big"))
        while loss.lost + len(back) <= number:    # one of the two has happened to each
            await asyncio.sleep(0)
    server.close()
    client.close()
    return len(heard), len(back), loss.lost


@pytest.mark.parametrize(("percent", "least", "most"), [(0, 500, 500), (100, 0, 0), (20, 320, 470)])
def test_so_many_are_lost_each_way(percent, least, most):
    """20 %: 400 +- 9 of 500 get there by a binomial law, and 80 % of those come back."""
    heard, back, lost = asyncio.run(echoed(percent, 500))
    assert least <= heard <= most
    assert back + lost == 500
    if percent == 20:
        assert 250 <= back <= 390
        assert back < heard
