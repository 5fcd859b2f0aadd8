"""``mcm-bench decode``: real frames in, a table or JSON out, and an exit code that says how it went."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.commands.decode import decode
from bench.errors import BenchError

DATA = Path(__file__).parents[1] / "data"
NEIGHBOUR = Path(__file__).parents[3] / "shared" / "data"
FRAMES = {frame["name"]: frame["hex"] for frame in
          json.loads((DATA / "elvaco/mqttsn_cmi6110_frames.json").read_text("utf-8"))["frames"]}
AS_83 = f"@{DATA / 'elvaco/senml_example_as_83.hex'}"
AS_PRINTED = f"@{DATA / 'elvaco/senml_example_printed_98_18.hex'}"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, in a process of its own."""
    return subprocess.run([sys.executable, "-m", "bench.cli", "decode", *arguments], capture_output=True, text=True,
                          check=False, env={"COLUMNS": "140", "LANG": "C.UTF-8", "PYTHONUTF8": "1"})


def as_json(capsys: pytest.CaptureFixture[str], argument: str, encoding: str | None = None) -> tuple[int, Any]:
    code = decode(argument, encoding, True, Console())
    return code, json.loads(capsys.readouterr().out)


def as_table(argument: str, encoding: str | None = None) -> tuple[int, str]:
    console = Console(record=True, width=140)
    code = decode(argument, encoding, False, console)
    return code, console.export_text()


# -- as a process


def test_the_manuals_example_as_a_table() -> None:
    done = command(AS_83)
    assert done.returncode == 0, done.stderr
    assert re.search(r"energy +│ +12345678 │ kWh +│ 04  06 +│ 4E 61 BC 00", done.stdout)
    assert re.search(r"error flags +│ +0x4012 ", done.stdout)
    assert "undefined-error-flag" in done.stdout


def test_the_example_as_printed_is_not_decodable_and_says_why() -> None:
    done = command(AS_PRINTED)
    assert done.returncode == 2
    assert done.stderr.strip() == ("not decodable: byte 74: premature end, the array at byte 0 announces 24 items, "
                                   "3 are there")
    assert done.stdout == ""


def test_json_from_the_command_is_json_and_nothing_else() -> None:
    done = command("--json", AS_83)
    content = json.loads(done.stdout)
    assert (done.returncode, content["encoding"], len(content["readouts"])) == (0, "senml-cbor", 2)


def test_what_is_no_hexadecimal_is_a_fault_in_one_sentence() -> None:
    done = command("not hexadecimal")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "expected hexadecimal digits, base64, a dump or @FILE" in done.stderr


# -- what it makes of each kind of input


def test_a_real_publish_frame_shows_frame_and_readout(capsys: pytest.CaptureFixture[str]) -> None:
    code, content = as_json(capsys, FRAMES["PUBLISH"])
    assert content["encoding"] == "json"
    assert content["frame"].startswith("PUBLISH")
    readout = content["readouts"][0]
    assert (readout["time"], readout["meter_id"]) == ("2021-07-05T18:00:00Z", "00224396")
    assert readout["energy"] == {"value": "184", "unit": "kWh"}
    assert readout["volume"] == {"value": "6580", "unit": "l"}
    assert readout["error_flags"] == "0x0421"
    assert code == 0
    assert "MQTT-SN PUBLISH" in as_table(FRAMES["PUBLISH"])[1]


@pytest.mark.parametrize("name", [name for name in FRAMES if name != "PUBLISH"])
def test_a_frame_without_a_telegram_is_named(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, content = as_json(capsys, FRAMES[name])
    assert (code, content["encoding"], content["readouts"]) == (0, "mqtt-sn", [])
    assert content["message"].startswith(name.split(" ")[0])


@pytest.mark.parametrize(("file", "energy"), [
    ("uh50_fw5.16_gj_2022-05-19.txt", {"value": "328.871", "unit": "GJ"}),
    ("uh50_fw5.22_mwh_2021-01-20_t550.txt", {"unit": "MWh"}),
    ("uh50_masked_gj_2022-06-30.txt", {"unit": "GJ"}),
])
def test_an_optical_readout(capsys: pytest.CaptureFixture[str], file: str, energy: dict[str, str]) -> None:
    code, content = as_json(capsys, f"@{DATA / 'optical' / file}")
    assert (code, content["encoding"]) == (0, "optical")
    assert energy.items() <= content["readouts"][0]["energy"].items()
    assert "6.26" in as_table(f"@{DATA / 'optical' / file}")[1]


def test_a_wired_answer_is_unpacked(capsys: pytest.CaptureFixture[str]) -> None:
    code, content = as_json(capsys, f"@{DATA / 'mbus/landisgyr_t230_wired.hex'}")
    assert (code, content["encoding"]) == (0, "mbus")
    assert [finding["severity"] for finding in content["findings"] if finding["code"] == "time-unset"] == ["warning"]
    assert content["frame"] == "RSP_UD from address 0, CI 72, meter LUG 66660205, version 7, medium 04, status 10"
    readout = content["readouts"][0]
    assert readout["meter_id"] == "66660205"
    assert readout["forward_temperature"] == {"value": "19.5", "unit": "C"}
    assert readout["missing_time"] == {"value": "3769", "unit": "h"}


def test_the_wired_answer_of_a_real_uh50(capsys: pytest.CaptureFixture[str]) -> None:
    file = NEIGHBOUR / "mbus/uh50_lug0404_wired.hex"
    if not file.exists():
        pytest.skip("the frame may not be given on and is not beside the project")
    code, content = as_json(capsys, f"@{file}")
    readout = content["readouts"][0]
    assert code == 0
    assert readout["energy"] == {"value": "32308", "unit": "MJ"}
    assert readout["volume"] == {"value": "1995.07", "unit": "m3"}


def wired(records: str, status: str = "00") -> str:
    """A meter's answer with these records, as input of the public reports below."""
    body = bytes.fromhex("08 01 72 44 33 22 11 A7 32 04 04 05" + status + "00 00" + records)
    return (bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))).hex()


def test_an_answer_in_two_telegrams_is_one_readout_and_half_of_it_is_called_so(
        capsys: pytest.CaptureFixture[str]) -> None:
    # libmbus issues 105, 127
    first = wired("0C 06 34120000 0C 14 55474108 1F")
    second = wired("0B 2D 020000 0B 3B 180000 0A 5A 5103 0A 5E 5203 02 FD17 0000")
    code, content = as_json(capsys, first + second)
    assert (code, content["findings"], len(content["readouts"])) == (0, [], 1)
    assert content["readouts"][0]["energy"] == {"value": "1234", "unit": "kWh"}
    assert content["readouts"][0]["flow"] == {"value": "0.018", "unit": "m3/h"}
    code, content = as_json(capsys, first)
    assert (code, [finding["code"] for finding in content["findings"]]) == (0, ["part"])


@pytest.mark.parametrize(("frame", "text"), [
    ("68040468080170088116", "application error 8: application too busy for a readout"),
    ("68040468080170098216", "application error 9: too many readouts"),
])
def test_an_application_error_is_named(capsys: pytest.CaptureFixture[str], frame: str, text: str) -> None:
    # libmbus test/error-frames
    code, content = as_json(capsys, frame)
    assert (code, content["readouts"]) == (1, [])
    assert text in content["findings"][0]["text"]
    assert text in content["frame"]


def test_a_due_date_that_nobody_has_set_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    # libmbus issue 123
    code, content = as_json(capsys, wired("04 6D 0D060C2A 0C 06 83010000 42 6C FFFF 4C 06 00000000"))
    assert (code, [finding["code"] for finding in content["findings"]]) == (0, ["time-unset"])


def test_a_readout_of_the_wired_bus_has_its_findings(capsys: pytest.CaptureFixture[str]) -> None:
    _, content = as_json(capsys, wired("0C 06 34120000 02 FD17 0040"))
    assert [finding["code"] for finding in content["findings"]] == ["undefined-error-flag"]


@pytest.mark.parametrize(("damage", "says"), [
    (lambda frame: frame[:-2] + bytes([frame[-2] ^ 1, 0x16]), "checksum"),
    (lambda frame: frame[:-20], "the length 226 asks for 232 bytes"),
    (lambda frame: frame[:-1] + b"\x00", "stop byte"),
])
def test_a_damaged_wired_answer_is_not_decodable(capsys: pytest.CaptureFixture[str], damage: Any, says: str) -> None:
    frame = bytes.fromhex((DATA / "mbus/landisgyr_t230_wired.hex").read_text("ascii"))
    assert decode(damage(frame).hex(), None, False, Console()) == 2
    assert says in capsys.readouterr().err


def test_findings_of_severity_error_give_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, content = as_json(capsys, f"@{DATA / 'elvaco/mbus_payload_33_bytes.hex'}")
    assert code == 1
    assert [finding["code"] for finding in content["findings"]].count("missing-field") == 2


def test_octets_in_a_file_are_taken_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "telegram.bin"
    file.write_bytes(bytes.fromhex((DATA / "elvaco/senml_example_as_83.hex").read_text("ascii")))
    assert as_json(capsys, f"@{file}") == as_json(capsys, AS_83)


def test_an_encoding_can_be_forced_and_must_be_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert decode("0406 4E61BC00", "json", False, Console()) == 2
    with pytest.raises(BenchError, match="one of json, mbus, optical, senml-cbor"):
        decode("0406 4E61BC00", "xml", False, Console())


@given(st.lists(st.one_of(st.binary(max_size=12), st.sampled_from(
    [bytes.fromhex("68040468080170088116"), bytes.fromhex(wired("0C 06 34120000 1F"))])), max_size=4))
def test_any_row_of_wired_answers_gives_an_exit_code(pieces: list[bytes]) -> None:
    assert decode(b"".join(pieces).hex(), None, False, Console(quiet=True)) in (0, 1, 2)


@pytest.mark.parametrize("argument", ["", "6868", "680000", "68000068", "68FFFF68", "FF" * 300, "80", "9F", "7B",
                                      "02", "0100", "68030368080072"])
def test_short_and_broken_input_gives_an_exit_code(argument: str) -> None:
    assert decode(argument, None, False, Console(quiet=True)) in (0, 1, 2)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(BenchError, match="no such file"):
        decode("@nowhere.hex", None, False, Console())
