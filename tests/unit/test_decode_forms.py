"""``mcm-bench decode`` takes telegrams in the forms that people have them in: one table, one answer each."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.commands.decode import decode
from bench.errors import BenchError
from bench.payload.forms import octets_of
from bench.protocols.captures import read_capture
from bench.protocols.dtls import ClientOptions, DtlsClient, DtlsServer, Send, ServerOptions, opened
from bench.protocols.pcapng import PcapngWriter

DATA = Path(__file__).parents[1] / "data"
PUBLISH = bytes.fromhex(next(frame["hex"] for frame in json.loads(
    (DATA / "elvaco/mqttsn_cmi6110_frames.json").read_text("utf-8"))["frames"] if frame["name"] == "PUBLISH"))
WIRED = (DATA / "mbus/landisgyr_t230_wired.hex").read_text("ascii")
SENML = bytes.fromhex((DATA / "elvaco/senml_example_as_83.hex").read_text("ascii"))
UNIT, GATEWAY = ("10.64.0.1", 49152), ("10.0.0.3", 1885)


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = decode(arguments, None, True, Console())
    return code, json.loads(capsys.readouterr().out)


def by(*words: str) -> Callable[[bytes, Path], str]:
    """What that program prints of the octets."""
    def printed(octets: bytes, folder: Path) -> str:
        if shutil.which(words[0]) is None:
            pytest.skip(f"{words[0]} is missing")
        (folder / "octets").write_bytes(octets)
        done = subprocess.run([*words, str(folder / "octets")], capture_output=True, text=True, check=True)
        return done.stdout
    return printed


def wireshark(octets: bytes, folder: Path) -> str:
    """The packet as Wireshark copies it, under Ethernet, IP and UDP."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is missing")
    done = subprocess.run(["tshark", "-n", "-x", "-r", str(capture(folder, octets))], capture_output=True, text=True,
                          check=True)
    return done.stdout


def capture(folder: Path, *payloads: bytes) -> Path:
    path = folder / "capture.pcapng"
    with PcapngWriter(path) as writer:
        for number, payload in enumerate(payloads):
            writer.packet("mdm", number, UNIT, GATEWAY, payload, inbound=True)
    return path


FORMS: dict[str, Callable[[bytes, Path], str]] = {
    "digits": lambda octets, _: octets.hex(),
    "spaces": lambda octets, _: octets.hex(" ").upper(),
    "colons": lambda octets, _: octets.hex(":"),
    "dashes": lambda octets, _: octets.hex("-"),
    "0x": lambda octets, _: " ".join(f"0x{one:02X}," for one in octets),
    "one 0x": lambda octets, _: "0x" + octets.hex(),
    "C array": lambda octets, _: "{ " + ", ".join(f"0x{one:02x}" for one in octets) + " };",
    "escapes": lambda octets, _: '"' + "".join(f"\\x{one:02x}" for one in octets) + '"',
    "lines": lambda octets, _: "\r\n".join(
        octets[at:at + 8].hex(" ") for at in range(0, len(octets), 8)),
    "base64": lambda octets, _: base64.b64encode(octets).decode(),
    "base64 of URLs": lambda octets, _: base64.urlsafe_b64encode(octets).decode(),
    "base64 in lines": by("base64"),
    "hexdump -C": by("hexdump", "-C"), "hexdump": by("hexdump"), "od": by("od"), "od -x": by("od", "-x"),
    "od -t x1": by("od", "-t", "x1"), "od -A x -t x1z": by("od", "-A", "x", "-t", "x1z", "-v"),
    "xxd": by("xxd"), "xxd -c 8": by("xxd", "-c", "8"), "xxd -p": by("xxd", "-p"),
    "Wireshark": wireshark,
}


@pytest.mark.parametrize("form", FORMS)
def test_one_telegram_in_each_form(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    code, content = as_json(capsys, FORMS[form](PUBLISH, tmp_path))
    assert (code, content["encoding"], content["readouts"][0]["energy"]) == (0, "json", {"value": "184", "unit": "kWh"})
    file = tmp_path / "saved.txt"
    file.write_text(FORMS[form](SENML, tmp_path), "utf-8")
    for argument in (f"@{file}", str(file)):
        code, content = as_json(capsys, argument)
        assert (code, content["encoding"], len(content["readouts"])) == (0, "senml-cbor", 2)


@pytest.mark.parametrize("form", FORMS)
def test_a_dump_of_zeros_and_of_what_looks_like_digits(tmp_path: Path, form: str) -> None:
    for octets in (bytes(80) + SENML, SENML[:17], b"abcd efgh ab cd 0123 |0f|" * 4):
        if form != "Wireshark":
            assert [found for _, found in octets_of(FORMS[form](octets, tmp_path))] == [octets]


def test_the_standard_input_and_digits_that_the_shell_took_apart(capsys: pytest.CaptureFixture[str],
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    expected = as_json(capsys, PUBLISH.hex())
    assert as_json(capsys, *PUBLISH.hex(" ").split()) == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PUBLISH.hex(" ").encode())))
    assert as_json(capsys, "-") == expected


@pytest.mark.parametrize("given", [
    pytest.param([PUBLISH.hex(), SENML.hex(), WIRED], id="arguments"),
    pytest.param([f"{PUBLISH.hex()}\n\n{SENML.hex()}\n\n{WIRED}"], id="empty lines between"),
])
def test_several_telegrams_at_once(capsys: pytest.CaptureFixture[str], given: list[str]) -> None:
    code, content = as_json(capsys, *given)
    assert [one["encoding"] for one in content["telegrams"]] == ["json", "senml-cbor", "mbus"]
    assert code == max(as_json(capsys, one)[0] for one in (PUBLISH.hex(), SENML.hex(), WIRED))


def test_a_telegram_in_each_line_and_one_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    _, content = as_json(capsys, f"{PUBLISH.hex()}\n{SENML.hex(' ')}\n")
    assert [one["encoding"] for one in content["telegrams"]] == ["json", "senml-cbor"]
    naked = bytes.fromhex((DATA / "elvaco/mbus_payload_33_bytes.hex").read_text("ascii"))
    assert as_json(capsys, f"{naked[:6].hex()}\n{naked[6:].hex()}") == as_json(capsys, naked.hex())


@pytest.mark.parametrize(("given", "says"), [
    ("hello world", "expected hexadecimal digits, base64, a dump or @FILE, saw 'hello world'"),
    ("deadbeef", "4 octets that begin DE AD BE EF and are most likely none"),
    (base64.b64encode(b"%PDF-1.7 of something else").decode(), "are most likely none; as M-Bus (--encoding mbus)"),
    ("4cff", "most likely none"),
    ("0000¡", "expected hexadecimal digits, base64, a dump"),
    ("0000000 777777\n0000002\n", "expected as many octets in each line"),
    ("00000000  04 06 4e 61  |..Na|\n00000010  bc 00  |..|\n", "expected as many octets in each line"),
])
def test_what_is_not_sure_is_said_and_not_guessed(capsys: pytest.CaptureFixture[str], given: str, says: str) -> None:
    assert decode([given], None, True, Console()) == 2
    said = capsys.readouterr().err
    assert says in " ".join(said.split())
    assert len(said.splitlines()) <= 8


# -- captures


def test_each_telegram_of_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pcapng = capture(tmp_path, PUBLISH, b"\x02\x17", PUBLISH, b"x" * 40)
    code, content = as_json(capsys, f"@{pcapng}")
    assert [one["encoding"] for one in content["telegrams"]] == ["json", "mqtt-sn", "json", ""]
    assert (code, content["telegrams"][0]["where"]) == (0, "frame 1, 10.64.0.1:49152 to 10.0.0.3:1885")
    if shutil.which("tshark") is not None:
        subprocess.run(["tshark", "-r", pcapng, "-F", "pcap", "-w", tmp_path / "old.pcap"], check=True,
                       capture_output=True)
        assert as_json(capsys, f"@{tmp_path / 'old.pcap'}") == (code, content)


def test_a_capture_that_is_cut_off_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    whole = capture(tmp_path, PUBLISH).read_bytes()
    for length in range(4, len(whole), 7):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert decode([f"@{tmp_path / 'cut'}"], None, True, Console()) in (0, 2)


MAGIC = [b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d"]
BLOCKS = st.builds(lambda kind, body: struct.pack(f"<II{len(body)}sI", kind, 12 + len(body), body, 12 + len(body)),
                   st.sampled_from([1, 3, 6, 10]), st.binary(max_size=90))


@given(st.sampled_from(MAGIC), st.binary(max_size=200), st.lists(BLOCKS, max_size=4))
def test_whatever_stands_in_a_capture_it_is_read(magic: bytes, head: bytes, blocks: list[bytes]) -> None:
    reader = opened.Reader({})
    for _, source, destination, payload in read_capture(magic + head + b"".join(blocks)).datagrams:
        reader.read(source, destination, payload)
    reader.read("unit", "server", head)


@given(st.one_of(st.text(max_size=60), st.from_regex(r"([0-9a-f]{4,8}:? ([0-9a-f]{2} ){1,16} ?[|>]?.{0,16}\n){1,4}")))
def test_whatever_is_given_has_an_exit_code(text: str) -> None:
    with contextlib.suppress(BenchError) if text.startswith("@") else contextlib.nullcontext():
        assert decode([f"{text} "], None, False, Console(quiet=True)) in (0, 1, 2)


@pytest.mark.parametrize("connection_id", [False, True])
@pytest.mark.parametrize("with_secrets", [True, False])
def test_a_telegram_in_dtls(tmp_path: Path, capsys: pytest.CaptureFixture[str], connection_id: bool,
                            with_secrets: bool) -> None:
    path = in_dtls(tmp_path, PUBLISH, connection_id=connection_id, with_secrets=with_secrets)
    code, content = as_json(capsys, f"@{path}")
    last = content["telegrams"][-1]
    if with_secrets:
        assert (code, last["readouts"][0]["energy"]["value"], last["where"][-9:]) == (0, "184", ", in DTLS")
    else:
        assert code == 2
        assert "of them are in DTLS, without the keys in the file" in last["not_decodable"]


def in_dtls(folder: Path, payload: bytes, *, connection_id: bool, with_secrets: bool) -> Path:
    """A capture of a handshake and one message of the client."""
    identity, key, key_log, wire = b"unit", bytes(range(32)), list[str](), list[tuple[bool, bytes]]()
    server = DtlsServer(ServerOptions(connection_id_length=8 if connection_id else None), {identity: key}.get,
                        os.urandom, key_log.append)
    own_id = os.urandom(4) if connection_id else None
    client = DtlsClient(ClientOptions(identity=identity, key=key, connection_id=own_id), os.urandom)

    def pump(events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Send):
                wire.append((True, event.datagram))
                for answer in server.receive("unit", event.datagram, 0):
                    if isinstance(answer.event, Send):
                        wire.append((False, answer.event.datagram))
                        pump(client.receive(answer.event.datagram, 0))

    pump(client.start(0))
    pump(client.send(payload, 0))
    path = folder / "dtls.pcapng"
    with PcapngWriter(path) as writer:
        if with_secrets:
            writer.secrets("".join(key_log))
        for number, (inbound, datagram) in enumerate(wire):
            ends = (UNIT, GATEWAY) if inbound else (GATEWAY, UNIT)
            writer.packet("mdm", number, *ends, datagram, inbound=inbound)
    return path
