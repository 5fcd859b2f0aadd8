"""How long a unit takes at many places in real time, beside one place alone: units are scanned 5 s apart.

    python tests/station/takt.py [PLACES] [ROUNDS]

A place's takt is the time from the scan of a unit until the place takes the next. Exit code 0: with many places it is
within 5 % of that of one.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

APART_S, LIMIT, REST_S = 5.0, 1.05, 3.0


def ask(address: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(f"http://{address}/api/{path}", headers={"Content-Type": "application/json"},
                                     data=json.dumps(body).encode() if body is not None else None)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def is_ready(address: str) -> bool:
    try:
        return all(place["state"] == "ready" for place in ask(address, "state")["places"])
    except OSError:
        return False


def await_rest(pid: int) -> None:
    """Until the runs' processes below ``pid`` have loaded: they wait, and do nothing at all for ``REST_S``."""
    before = -1.0
    while (now := busy_s(pid)) != before:
        before = now
        time.sleep(REST_S)


def busy_s(pid: int) -> float:
    """Processor time of the runs' processes below ``pid``."""
    folder = Path(f"/proc/{pid}")
    try:
        below = [int(child) for task in folder.glob("task/*/children") for child in task.read_text().split()]
        words = (folder / "stat").read_text().rpartition(")")[2].split()
        is_run = b"bench.commands.child" in (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:    # it has ended
        return 0.0
    own = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK") if is_run else 0.0
    return own + sum(busy_s(child) for child in below)


def measure(places: int, rounds: int, first: int) -> list[float]:
    """Seconds from the scan of each unit until its place was free for the next."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        station = subprocess.Popen([sys.executable, "-m", "bench.cli", "station", "--twin", str(places), "--real-time",
                                    "--runs", str(Path(name) / "runs"), "--page", address])
        try:
            while not is_ready(address):
                assert station.poll() is None, "the station has ended"
                time.sleep(1)
            await_rest(station.pid)    # the processes that wait have loaded
            began: dict[int, float] = {}
            done: dict[int, int] = dict.fromkeys(range(1, places + 1), 0)
            took: list[float] = []
            unit, last = first, 0.0
            while sum(done.values()) < places * rounds:
                time.sleep(0.1)
                for place in ask(address, "state")["places"]:
                    number, state = place["number"], place["state"]
                    if number in began and state in ("verdict", "locked"):
                        assert place["verdict"] == "pass", place
                        took.append(time.monotonic() - began.pop(number))
                        done[number] += 1
                    if number not in began and done[number] < rounds and state in ("ready", "verdict") and (
                            time.monotonic() - last >= APART_S):
                        ask(address, "scan", {"text": f"{unit:016X}", "place": number})
                        began[number] = last = time.monotonic()
                        unit += 1
        finally:
            station.terminate()
            station.wait(600)
    return took


def main() -> int:
    places, rounds = (int(word) for word in [*sys.argv[1:], *("16", "2")[len(sys.argv) - 1:]])
    alone = measure(1, 1, 0x94193A0403000000)
    print(f"one place: {statistics.median(alone):.1f} s", flush=True)
    together = measure(places, rounds, 0x94193A0404000000)
    ratio = statistics.median(together) / statistics.median(alone)
    print(f"{places} places, {len(together)} units: median {statistics.median(together):.1f} s, longest "
          f"{max(together):.1f} s; {100 * (ratio - 1):+.1f} %")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
