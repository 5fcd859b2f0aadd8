"""The edge box's lines as the driver reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.panel.lines import (
    LONGEST_LINE,
    Edge,
    Garbage,
    Hello,
    Lamp,
    LineReader,
    Load,
    PressDone,
    Relay,
    Stamp,
    Trouble,
    read_line,
)


@pytest.mark.parametrize(("line", "message"), [
    (b"H 1.0 50", Hello("1.0", 50)),
    (b"H 1.0 50 lamps", Hello("1.0", 50, lamps=True)),
    (b"H 1.2 50 lamps relay", Hello("1.2", 50, lamps=True, relay=True)),
    (b"H 1.3 50 lamps relay loads", Hello("1.3", 50, lamps=True, relay=True, loads=True)),
    (b"H 1.3 50 relay loads", Hello("1.3", 50, relay=True, loads=True)),
    (b"D 0", Load(0)),
    (b"D 2", Load(2)),
    (b"L 17 red 1", Lamp(17, "red", True)),
    (b"R 0", Relay(False)),
    (b"R 1", Relay(True)),
    (b"E 17 123456789012345 green 1", Edge(17, 123456789012345, "green", True)),
    (b"E 65535 0 button 0", Edge(65535, 0, "button", False)),
    (b"T 600000000", Stamp(600_000_000)),
    (b"P 3 5300", PressDone(3, 5300)),
    (b"X watchdog: released after 65 s", Trouble("watchdog: released after 65 s")),
])
def test_each_line_of_the_protocol_is_read(line: bytes, message: object) -> None:
    assert read_line(line) == message


@pytest.mark.parametrize("line", [
    b"E 65536 0 green 1", b"E 1 0 blue 1", b"E 1 0 green 2", b"E 1 0 green", b"E 1 0  green 1", b"E +1 0 green 1",
    b"E 1_0 0 green 1", b"E 1 18446744073709551616 green 1", b"T", b"T 1.5", b"T \xb2", b"T 1 2", b"P 1", b"H 1.0",
    b"R", b"R 2", b"R 1 1", b"D", b"D 3", b"D 1 1", b"L 17 button 1", b"L 17 red", b"L red 1", b"L 1 green 2",
    b"H 1.0 50 relay lamps", b"H 1.0 50 loads relay", b"H 1.0 50 lamps lamps", b"H 1.0 50 lamp",
    b"H  50", b"X", b"X \x1b[2J", b"e 1 0 green 1", b" T 1", b"T 1 ", b"T " + b"9" * 5000,
])
def test_anything_else_is_garbage(line: bytes) -> None:
    assert read_line(line) == Garbage(line)


@given(st.binary(max_size=400))
def test_no_bytes_upset_the_reader_and_the_next_line_is_read(data: bytes) -> None:
    reader = LineReader()
    reader.feed(data)
    assert reader.feed(b"\nT 5\n")[-1] == Stamp(5)


@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(1, 50))
def test_how_the_bytes_are_cut_changes_nothing(lines: list[bytes], size: int) -> None:
    data = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    whole, pieces = LineReader(), LineReader()
    cut = [message for start in range(0, len(data), size) for message in pieces.feed(data[start:start + size])]
    assert cut == whole.feed(data)


def test_a_line_without_end_is_told_once_and_not_kept() -> None:
    reader = LineReader()
    told = [message for _ in range(1000) for message in reader.feed(b"A" * 100)]
    assert told == [Garbage(b"A" * LONGEST_LINE)]
    assert reader.feed(b"\nT 5\n") == [Stamp(5)]


def test_empty_lines_and_carriage_returns_mean_nothing() -> None:
    assert LineReader().feed(b"\r\n\nT 5\r\n\n") == [Stamp(5)]
