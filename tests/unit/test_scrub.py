"""A last look for keys through what a run has written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import scrub as module
from bench.key_forms import without_keys_in_text
from bench.scrub import scrub

KEY = bytes.fromhex("fd0c5e7a81b24496c0ffee00fbfeff3e")


def test_json_stays_json_and_the_length_of_a_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    before = json.dumps({"hex": "00" + KEY.hex() + "ff", "text": KEY.hex(" ").upper(), "other": KEY[:-1].hex()})
    path.write_text(before, "ascii")
    assert scrub([path], [KEY]) == [path]
    after = json.loads(path.read_text("ascii"))
    assert after == {"hex": "00" + "0" * 32 + "ff", "text": "0" * 47, "other": KEY[:-1].hex()}
    assert path.stat().st_size == len(before)
    assert scrub([path], [KEY]) == []


def test_octets_become_zeros_wherever_a_chunk_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 4096)
    for place in (0, 4090, 4096, 8191, 9000):
        path = tmp_path / f"{place}.bin"
        path.write_bytes(b"\xaa" * place + KEY + b"\xaa" * 7)
        assert scrub([path], [KEY]) == [path]
        assert path.read_bytes() == b"\xaa" * place + bytes(16) + b"\xaa" * 7


def test_links_folders_and_what_is_not_there_are_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "keys.toml"
    outside.write_text(KEY.hex(), "ascii")
    (tmp_path / "link").symlink_to(outside)
    assert scrub([tmp_path / "link", tmp_path, tmp_path / "none"], [KEY]) == []
    assert outside.read_text("ascii") == KEY.hex()


def test_without_keys_and_with_short_ones_nothing_is_done(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(KEY[:7] * 3)
    assert scrub([path], []) == scrub([path], [KEY[:7]]) == []


def test_a_sentence_loses_its_key_only() -> None:
    text = f"wrote {KEY.hex().upper()} to /0/1/5 – ok"
    assert without_keys_in_text(text, [KEY]) == f"wrote {'0' * 32} to /0/1/5 – ok"
    assert without_keys_in_text("half a surrogate \udc80", [KEY]) == "half a surrogate \udc80"
