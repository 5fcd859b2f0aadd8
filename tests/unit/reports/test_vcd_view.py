"""The VCD file holds the edges that were seen, to the microsecond; read back by a third party's reader."""

from __future__ import annotations

import signal
from pathlib import Path

from vcdvcd import VCDVCD

from bench.timeline import Observation
from reports.vcd_view import write_vcd

# Importing vcdvcd sets SIGPIPE to its default: the next write to a cable that was pulled out would end the process.
signal.signal(signal.SIGPIPE, signal.SIG_IGN)

SEEN = [
    Observation(0.0, "supply", "output", {"on": True, "voltage_v": 3.6}),
    Observation(2.000001, "panel", "button", {"pressed": True}),
    Observation(7.02, "panel", "led", {"channel": "green", "on": True}),
    Observation(7.02, "panel", "led", {"channel": "red", "on": True}),
    Observation(7.3, "panel", "button", {"pressed": False}),
    Observation(8.032125, "panel", "led", {"channel": "green", "on": False}),
    Observation(8.032126, "panel", "led", {"channel": "red", "on": False}),
    Observation(9.0, "panel", "led", {"channel": "violet", "on": True}),
    Observation(700000.5, "mdm", "datagram", {"direction": "in"}),
]


def test_a_third_party_reads_the_same_edges(tmp_path: Path) -> None:
    vcd = VCDVCD(str(write_vcd(SEEN, tmp_path / "leds.vcd")))
    edges = {name: [edge for edge in vcd[f"bench.{name}"].tv if edge[1] != "x"]
             for name in ("led_green", "led_red", "button", "supply_output")}
    assert edges == {
        "led_green": [(7020000, "1"), (8032125, "0")],
        "led_red": [(7020000, "1"), (8032126, "0")],
        "button": [(2000001, "1"), (7300000, "0")],
        "supply_output": [(0, "1")],
    }
    assert vcd.timescale["magnitude"] == 1
    assert vcd.timescale["unit"] == "us"
    assert vcd.endtime == 700000500000


def test_the_file_is_the_same_whenever_it_is_written(tmp_path: Path) -> None:
    first = write_vcd(SEEN, tmp_path / "a.vcd").read_bytes()
    assert write_vcd(list(reversed(SEEN[:2])) + SEEN[2:], tmp_path / "b.vcd").read_bytes() == first
    assert b"$date" not in first


def test_no_observations_are_a_file_with_unknown_signals(tmp_path: Path) -> None:
    assert VCDVCD(str(write_vcd([], tmp_path / "none.vcd")))["bench.button"].tv == [(0, "x")]
