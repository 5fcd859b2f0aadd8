"""Feeds mutated telegrams to the payload decoders and prints the count and the time.

    python tests/fuzz_payload.py [COUNT] [SEED]

Each input must give a telegram or a PayloadError, must be shown without an error, and must take less than 10 ms per
kilobyte; the first that does not is printed and the exit code is 1.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

import cbor2

from bench.payload.decode import decode
from bench.payload.mbus import decode_long_frame, wired_telegram
from bench.payload.optical import parse_optical
from bench.payload.readout import PayloadError
from bench.payload.table import to_json

DATA = Path(__file__).parent / "data"
LIMIT_S_PER_KB = 0.010
SLACK_S = 0.050
"""Room for a run of the garbage collector."""


def seeds() -> list[tuple[str, bytes]]:
    """Good inputs of every kind that a mutation starts from."""
    first = bytes.fromhex((DATA / "elvaco/mbus_payload_33_bytes.hex").read_text())
    example = json.loads((DATA / "elvaco/manual_examples.json").read_text())["json_example"]
    extended = example | {"T1": 1, "U1": "kWh", "T2": 2, "U2": "kWh", "T3": 3, "U3": "kWh", "MT": 4, "MU": "h"}
    naked = bytes.fromhex("046D1BD47C2B0C7878563412") + first
    tariffs = bytes.fromhex("8410060000000084200601000000843006020000003C2272670100")
    pack = [{-2: "12345678", -3: 1574971200, 8: first}, {0: "V", 2: 0}]
    day = pack + [{6: -3600 * n, 8: first[:6]} for n in range(1, 24)]
    found = [
        ("mbus", naked),
        ("mbus", naked + tariffs),
        ("mbus", first),
        ("json", json.dumps(example).encode()),
        ("json", json.dumps(extended).encode()),
        ("senml-cbor", cbor2.dumps(pack)),
        ("senml-cbor", cbor2.dumps(day)),
        ("frame", bytes.fromhex((DATA / "mbus/landisgyr_t230_wired.hex").read_text())),
    ]
    found += [("optical", path.read_bytes()) for path in sorted((DATA / "optical").glob("*.txt"))]
    return found


def mutate(data: bytes, rng: random.Random) -> bytes:
    """A few random changes: bits, bytes, cuts, doubled parts, inserted noise, interesting values."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if not changed:
            return bytes(rng.randbytes(rng.randrange(40)))
        at = rng.randrange(len(changed))
        match rng.randrange(7):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at] = rng.randrange(256)
            case 2:
                del changed[at:]
            case 3:
                del changed[at : at + rng.randrange(1, 9)]
            case 4:
                changed[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 5:
                start = rng.randrange(len(changed))
                changed[at:at] = changed[start : start + rng.randrange(1, 40)]
            case _:
                changed[at] = rng.choice((0x00, 0x0F, 0x1F, 0x2F, 0x7C, 0x7F, 0x80, 0x9B, 0x9F, 0xBF, 0xD8, 0xFB, 0xFF))
    return bytes(changed)


def run_one(kind: str, data: bytes) -> str:
    """What became of one input; any exception but PayloadError goes up."""
    try:
        if kind == "frame":
            wired_telegram([decode_long_frame(data)])
            return "frame"
        telegram = parse_optical(data) if kind == "optical" else decode(data, kind or None)
        shown = to_json(telegram)
    except PayloadError:
        return "PayloadError"
    json.dumps(shown).encode("ascii")
    return "errors" if any(f["severity"] == "error" for f in shown["findings"]) else "clean"


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rng = random.Random(seed)
    good = seeds()
    outcomes: Counter[str] = Counter()
    slowest, size = 0.0, 0
    started = time.perf_counter()
    for n in range(count):
        kind, start = rng.choice(good)
        if kind == "frame" and n % 2:
            # Half of the frames get lengths and a checksum that are right, so that the records are reached.
            body = mutate(start[4:-2], rng)[:255]
            data = bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])
        else:
            data = mutate(start, rng)
        if kind not in ("frame", "optical") and n % 3 == 0:
            kind = ""  # detection
        size += len(data)
        before = time.process_time()  # not the clock: a busy machine is not the decoder's fault
        try:
            outcomes[run_one(kind, data)] += 1
        except Exception as error:
            print(f"input {n} ({kind or 'detected'}) {data.hex()}: {error!r}")
            return 1
        took = time.process_time() - before
        slowest = max(slowest, took)
        if took > SLACK_S + LIMIT_S_PER_KB * len(data) / 1024:
            print(f"input {n} ({kind or 'detected'}) took {took * 1e3:.1f} ms: {data.hex()}")
            return 1
    took = time.perf_counter() - started
    parts = ", ".join(f"{name} {number}" for name, number in sorted(outcomes.items()))
    print(f"{count} inputs, {size / 1e6:.1f} MB, seed {seed}: no traceback; {parts}")
    print(f"{took:.1f} s, {took / count * 1e6:.0f} us each, slowest {slowest * 1e3:.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
