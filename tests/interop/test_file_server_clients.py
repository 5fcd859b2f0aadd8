"""The firmware file server, asked by libcoap's client (Debian: libcoap3-bin) and by stock aiocoap."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import aiocoap
import pytest

from bench.backend.backend import Backend
from bench.backend.files import ServedFile
from bench.clock import WallClock
from bench.protocols.lwm2m import Type
from bench.timeline import Timeline

IMAGE = random.Random(5).randbytes(60_001)
DEADLINE_S = 30


@pytest.fixture
def clock() -> Iterator[WallClock]:
    with WallClock() as clock:
        yield clock


@pytest.fixture
def backend(clock) -> Iterator[Backend]:
    backend = Backend(clock, Timeline(clock.time, clock.nudge), lambda path: Type.STRING)
    clock.run(backend.start())
    yield backend
    clock.run(backend.stop())


def libcoap_client() -> str:
    program = shutil.which("coap-client-notls") or shutil.which("coap-client-openssl")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("coap-client-notls is missing: apt-get install libcoap3-bin")
        pytest.skip("coap-client-notls is missing (apt-get install libcoap3-bin): THE FILE SERVER IS NOT CHECKED "
                    "AGAINST IT")
    return program


def fetched_by_libcoap(clock: WallClock, uri: str, target: Path, *options: str) -> bytes:
    async def fetch() -> None:
        process = await asyncio.create_subprocess_exec(libcoap_client(), "-m", "get", "-B", str(DEADLINE_S), *options,
                                                       "-o", str(target), uri)
        await process.wait()

    libcoap_client()
    asyncio.run(asyncio.wait_for(fetch(), DEADLINE_S + 10))
    return target.read_bytes() if target.exists() else b""


@pytest.mark.parametrize(("options", "blocks"), [((), 118), (("-b", "64"), 938), (("-b", "1024"), 59), (("-N",), 118)])
def test_libcoap_fetches_an_image_block_by_block(clock, backend, tmp_path, options, blocks):
    backend.files.files["fw/good.bin"] = ServedFile(IMAGE)
    assert fetched_by_libcoap(clock, f"{backend.uris.files}/fw/good.bin", tmp_path / "got", *options) == IMAGE
    asked = [request.block for request in backend.files.requests]
    assert sorted(set(asked)) == list(range(blocks))


def test_libcoap_notices_that_a_file_is_missing(clock, backend, tmp_path):
    assert fetched_by_libcoap(clock, f"{backend.uris.files}/none.bin", tmp_path / "got") == b""
    assert [request.code for request in backend.files.requests] == ["4.04"]


def test_libcoap_never_ends_up_with_an_image_of_two_etags(clock, backend, tmp_path):
    backend.files.files["mixed.bin"] = ServedFile(IMAGE, other_etag_at_block=40)
    got = fetched_by_libcoap(clock, f"{backend.uris.files}/mixed.bin", tmp_path / "got", "-B", "3")
    assert got != IMAGE


def test_aiocoap_fetches_an_image_block_by_block(clock, backend):
    backend.files.files["good.bin"] = ServedFile(IMAGE)

    async def fetch() -> aiocoap.Message:
        client = await aiocoap.Context.create_client_context()
        try:
            message = aiocoap.Message(code=aiocoap.GET, uri=f"{backend.uris.files}/good.bin")
            return await client.request(message).response
        finally:
            await client.shutdown()

    answer = clock.run(fetch(), timeout=DEADLINE_S)
    assert (answer.payload, answer.opt.content_format) == (IMAGE, 42)
