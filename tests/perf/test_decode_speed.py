"""Decoding speed of the bench next to two other decoders, on the same telegrams, in one run.

    python -m pytest tests/perf/test_decode_speed.py -s

Prints; it asserts only that all three read the same number of records.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from pathlib import Path

import cbor2
import pymbusparser

_level, _handlers = logging.getLogger().level, list(logging.getLogger().handlers)
import meterbus  # noqa: E402 - its import reconfigures the root logger, which is put back below

logging.getLogger().setLevel(_level)
logging.getLogger().handlers[:] = _handlers

from bench.payload.decode import decode  # noqa: E402
from bench.payload.mbus import decode_long_frame, wired_telegram  # noqa: E402

DATA = Path(__file__).parents[1] / "data"
ROUNDS = 300


def microseconds(work: Callable[[], object]) -> float:
    """The shortest of five series: what the work takes when nothing else disturbs it."""
    gc.collect()
    series: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(ROUNDS // 5):
            work()
        series.append((time.perf_counter() - started) / (ROUNDS // 5))
    return min(series) * 1e6


def standard_frame() -> bytes:
    """The manual's standard telegram (9 DIBs) in a wired frame, which pyMeterBus needs."""
    block = "046D27147C2B0C7878563412" + (DATA / "elvaco/mbus_payload_33_bytes.hex").read_text().replace("\n", "")
    body = bytes.fromhex("080572 78563412 A732 04 04 01 00 0000") + bytes.fromhex(block)
    return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))


def test_decoding_speed_is_printed_next_to_two_other_decoders() -> None:
    frames = {
        "standard telegram, 9 records": standard_frame(),
        "wired T230, 35 records": bytes.fromhex((DATA / "mbus/landisgyr_t230_wired.hex").read_text()),
    }
    print()
    for name, frame in frames.items():

        def theirs(frame: bytes = frame) -> list[object]:
            return [record.interpreted for record in meterbus.load(frame).records]

        def rust(frame: bytes = frame) -> list[object]:
            found: list[object] = pymbusparser.parse_records(frame[19:-2])
            return found

        def ours(frame: bytes = frame) -> int:
            found = decode_long_frame(frame)
            wired_telegram([found])
            return len(found.records)

        assert ours() == len(theirs()) == len(rust())
        own, slow, fast = microseconds(ours), microseconds(theirs), microseconds(rust)
        print(
            f"{name}: bench {own:.0f} us, pyMeterBus {slow:.0f} us, pymbusparser (Rust) {fast:.0f} us; "
            f"{slow / own:.1f} times as fast as pyMeterBus (goal: 3), {own / fast:.1f} times the Rust parser's time"
        )
    first = bytes.fromhex((DATA / "elvaco/mbus_payload_33_bytes.hex").read_text())
    day = [{-2: "12345678", -3: 1574971200, 8: first}, {0: "V", 2: 0}]
    day += [{6: -3600 * n, 8: first} for n in range(1, 24)]
    pack = cbor2.dumps(day)
    took = microseconds(lambda: decode(pack))
    print(f"SenML, 24 readouts, {len(pack)} bytes: bench {took:.0f} us, {took / len(pack) * 1.024:.2f} ms per kilobyte")
