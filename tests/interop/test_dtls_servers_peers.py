"""The bench's own servers in DTLS, called by OpenSSL's and libcoap's clients of Debian, in real time."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator

import pytest

from bench.backend.backend import Backend
from bench.backend.psk import Psk, Psks
from bench.backend.tap import Source
from bench.clock import WallClock
from bench.protocols.lwm2m import Type
from bench.timeline import Timeline

UNIT = "94193A04010020B8"
KEY = b"sixteen octets!!"
DEADLINE_S = 30


def tool(name: str, package: str) -> str:
    program = shutil.which(name)
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing: apt-get install {package}")
        pytest.skip(f"{name} is missing (apt-get install {package}): OUR SERVERS IN DTLS ARE NOT CHECKED AGAINST IT")
    return program


@pytest.fixture
def clock() -> Iterator[WallClock]:
    with WallClock() as clock:
        yield clock


@pytest.fixture
def timeline(clock: WallClock) -> Timeline:
    return Timeline(clock.time, clock.nudge)


@pytest.fixture
def backend(clock: WallClock, timeline: Timeline) -> Iterator[Backend]:
    servers: tuple[Source, ...] = ("bootstrap", "dm", "mdm")
    backend = Backend(clock, timeline, lambda path: Type.STRING,
                      psks={source: Psks({UNIT: Psk(KEY)}) for source in servers})
    clock.run(backend.start())
    yield backend
    clock.run(backend.stop())


def ran(*command: str, typed: bytes = b"") -> str:
    """What a program says until it ends, or a little after what was typed into it."""
    async def run() -> bytes:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        output, _ = await asyncio.wait_for(process.communicate(typed), DEADLINE_S)
        return output
    return asyncio.run(run()).decode("utf-8", "replace")


@pytest.mark.parametrize("client", ["coap-client-openssl", "coap-client-gnutls"])
def test_libcoap_registers_in_its_own_name_only(backend: Backend, client: str) -> None:
    program = tool(client, "libcoap3-bin")

    def register(endpoint: str) -> str:
        return ran(program, "-m", "post", "-u", UNIT, "-k", KEY.decode(), "-B", "10", "-v", "6", "-e", "</3/0>", "-t",
                   "40", f"{backend.secure_uris.dm}/rd?ep={endpoint}&lt=600")

    assert "4.03" in register("94193A04010020B9")
    assert not backend.dm.registrations
    assert "2.01" in register(UNIT)
    registration = backend.dm.registrations[UNIT]
    assert backend.sockets["dm"].identity_of(registration.peer) in (UNIT.encode(), None)    # None once it has said bye
    assert [str(link.path) for link in registration.objects] == ["/3/0"]


def test_openssl_shakes_hands_with_each_server(clock: WallClock, backend: Backend) -> None:
    openssl = tool("openssl", "openssl")
    for source in ("bootstrap", "dm", "mdm"):
        secure = backend.sockets[source].secure    # type: ignore[index]
        assert secure is not None
        said = ran(openssl, "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{secure.port}", "-psk", KEY.hex(),
                   "-psk_identity", UNIT, "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0")
        assert "Cipher is PSK-AES128-CCM8" in said, said
        assert "Protocol  : DTLSv1.2" in said, said


def test_openssl_with_a_wrong_key_or_name_gets_nowhere_and_the_server_goes_on(backend: Backend,
                                                                                         timeline: Timeline) -> None:
    openssl = tool("openssl", "openssl")
    secure = backend.sockets["dm"].secure
    assert secure is not None
    for key, identity in (("00" * 16, UNIT), (KEY.hex(), "nobody")):
        command = [openssl, "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{secure.port}", "-psk", key,
                   "-psk_identity", identity, "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0"]
        ran(tool("timeout", "coreutils"), "2", *command)
    told = " ".join(seen.data.get("text", "") for seen in timeline.select("dm", "dtls"))
    assert "wrong key" in told and "unknown identity b'nobody'" in told
    assert not timeline.select("dm", "dtls", event="established")
    said = ran(openssl, "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{secure.port}", "-psk", KEY.hex(),
               "-psk_identity", UNIT, "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0")
    assert "Cipher is PSK-AES128-CCM8" in said, said
