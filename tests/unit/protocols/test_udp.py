"""The UDP endpoint over loopback, and the guard against public addresses."""

from __future__ import annotations

import asyncio

import pytest

from bench.errors import BenchError
from bench.protocols.udp import Address, UdpEndpoint, is_public, refuse_public


def test_datagrams_go_both_ways_between_two_endpoints() -> None:
    async def scenario() -> None:
        arrived: asyncio.Queue[tuple[Address, bytes]] = asyncio.Queue()
        one = await UdpEndpoint.open("127.0.0.1", 0, lambda peer, data: arrived.put_nowait((peer, data)))
        two = await UdpEndpoint.open("127.0.0.1", 0)
        two.on_datagram = lambda peer, data: two.send(peer, data[::-1])
        one.send(("127.0.0.1", two.port), b"abc")
        assert await asyncio.wait_for(arrived.get(), 10) == (("127.0.0.1", two.port), b"cba")
        assert one.host == "127.0.0.1"
        one.close()
        two.close()

    asyncio.run(scenario())


def test_an_empty_datagram_is_sent_on_purpose_only() -> None:
    async def scenario() -> None:
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        one = await UdpEndpoint.open("127.0.0.1", 0, lambda peer, data: arrived.put_nowait(data))
        with pytest.raises(ValueError, match="on purpose"):
            one.send(("127.0.0.1", one.port), b"")
        one.send(("127.0.0.1", one.port), b"", allow_empty=True)
        assert await asyncio.wait_for(arrived.get(), 10) == b""
        one.close()

    asyncio.run(scenario())


def test_a_port_in_use_is_the_benchs_fault_and_is_free_after_close() -> None:
    async def scenario() -> None:
        one = await UdpEndpoint.open("127.0.0.1", 0)
        with pytest.raises(BenchError, match=f"127.0.0.1:{one.port}.*Address already in use"):
            await UdpEndpoint.open("127.0.0.1", one.port)
        one.close()
        one.close()
        one.send(("127.0.0.1", 9), b"into the void")
        await asyncio.sleep(0)
        again = await UdpEndpoint.open("127.0.0.1", one.port)
        again.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("address", [
    "8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "100.64.0.1", "100.127.255.254", "192.0.2.1",
    "198.51.100.1", "203.0.113.1", "2001:db8::1", "198.18.0.1", "240.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
    "64:ff9b::808:808", "2002:808:808::1", "::8.8.8.8", "::", "::ffff:192.0.2.1"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)
    with pytest.raises(BenchError, match="a public address"):
        refuse_public(address, [])
    refuse_public(address, [address])


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.1.1", "::1",
                                     "fe80::1", "fd00::1", "::ffff:10.0.0.1"])
def test_addresses_of_the_lab_are_not_public(address: str) -> None:
    assert not is_public(address)
    refuse_public(address, [])


def test_host_names_are_refused_unless_the_station_file_names_them() -> None:
    with pytest.raises(BenchError, match="a host name"):
        refuse_public("lwm2m.example.com", ["other.example.com"])
    refuse_public("lwm2m.example.com", ["lwm2m.example.com"])
