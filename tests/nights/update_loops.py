"""Updates in the loop, by hand: ``make updates``, or

    python tests/nights/update_loops.py [VARIANTS] [SEED]

Each way in which an update can go wrong, in the build that it goes from or in the one that it goes to, must be caught
by the promise that it breaks; and an update of a legal unit, VARIANTS of which are drawn, must pass with all promises.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bench.commands.order import EXIT_CODES, Order
from bench.commands.run import run
from bench.commands.update_loop import UpdateLoop
from bench.measure import Verdict
from bench.twin.cmi6110.package import Package
from bench.twin.program import Program
from bench.twin.variants import VARIANTS

REFUSES = Program(variants=("older-firmware-is-refused",))


@dataclass(frozen=True, slots=True)
class Update:
    """From one build to the other. ``catcher``: a test that must fail in it; empty where the comparison must see it."""

    old: Program
    new: Program
    catcher: str = ""


def from_bad(defect: str, catcher: str) -> Update:
    return Update(Program((defect,)), Program(), catcher)


def to_bad(defect: str, catcher: str) -> Update:
    return Update(Program(), Program((defect,)), catcher)


WRONG = {
    "settings lost by the old build": from_bad("firmware-settings-lost", "settings_survive"),
    "settings found elsewhere": to_bad("firmware-finds-settings-elsewhere", "settings_survive"),
    "lock opened": to_bad("firmware-opens-the-lock", "lock_survives"),
    "readouts lost": from_bad("firmware-readouts-lost", "unsent_readouts"),
    "store formatted": to_bad("firmware-formats-the-store", "unsent_readouts"),
    "readouts sent again": from_bad("firmware-sends-all-again", "unsent_readouts"),
    "keys lost": to_bad("firmware-keys-lost", "keys_survive"),
    "accounts lost": from_bad("firmware-accounts-lost", "knows_its_servers"),
    "schedule shifted": to_bad("firmware-schedule-shifted", "schedule_goes_on"),
    "older firmware taken, which the old build had refused": Update(REFUSES, Program()),
    "older firmware taken at the second offer": to_bad("firmware-older-taken-at-the-second-offer", "older_version"),
    "hangs, cut while downloading": from_bad("firmware-hangs-cut-while-downloading", "power_cut_before"),
    "hangs, cut once downloaded": from_bad("firmware-hangs-cut-once-downloaded", "power_cut_before"),
    "hangs, cut while updating": from_bad("firmware-cut-off", "power_cuts_while_updating"),
    "settings lost in a cut": from_bad("firmware-settings-lost-in-a-cut", "power_cuts_while_updating"),
    "does not start": to_bad("firmware-does-not-start", "goes_through_all_states"),
    "old version kept": from_bad("firmware-old-version-kept", "goes_through_all_states"),
    "corrupt package taken": from_bad("firmware-crc-unchecked", "corrupt_package"),
}


def forked(order: Order, console: Console) -> int:
    """A run in a process that is forked when all is loaded; its exit code."""
    child = os.fork()
    if not child:
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            with Path(os.devnull).open("w") as sink:
                run(order, Console(file=sink))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    record = json.loads((order.run_dir / "record.json").read_text("utf-8"))
    return EXIT_CODES[Verdict(record["verdict"])]


def packages(folder: Path, update: Update) -> tuple[Path, Path]:
    """A package for each of the two builds."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "old.bin", folder / "new.bin"
    for path, version, program in zip(paths, ("3.0.1", "3.0.2"), (update.old, update.new), strict=True):
        path.write_bytes(Package("CMi6110", "1B", version, program.encode(8192)).encode())
    return paths


def loop(folder: Path, update: Update, tests: str, promises: str = "", **more: object) -> tuple[int, list[str]]:
    """The exit code of the loop with ``tests`` of regression on each side, and what was told: failed promises, and
    changes that the comparison calls a regression."""
    old, new = packages(folder, update)
    order = replace(Order("regression", folder / "run", expression=tests, firmware=(old,), then=new, doctor=False,
                          report=False), **more)    # type: ignore[arg-type]
    with Path(os.devnull).open("w") as sink:
        code = UpdateLoop(order, promises, forked).to_its_end(Console(file=sink))
    return code, list(_told(folder / "run"))


def _told(folder: Path) -> Iterator[str]:
    for test in json.loads((folder / "update" / "record.json").read_text("utf-8"))["tests"]:
        if test["verdict"] in ("fail", "error"):
            yield f"{test['id'].partition('::')[2]}: {test['verdict']}"
    compared = folder / "compare.json"
    if compared.exists():
        yield from json.loads(compared.read_text("utf-8"))["regressions"]


def _is_caught(update: Update, code: int, told: Sequence[str]) -> bool:
    word = update.catcher or "G15"
    return code == EXIT_CODES[Verdict.FAIL] and any(word in one and "error" not in one for one in told)


def main(variants: int, seed: int) -> int:
    files = "suites/test_led.py", "suites/test_firmware.py"
    tests = "passive_unit_shows or older_version"
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, update in WRONG.items():
            code, told = loop(Path(scratch) / name, update, tests, update.catcher or "older_version", seed=seed,
                              files=files)
            caught = _is_caught(update, code, told)
            bad += not caught
            verdict = "caught" if caught else f"NOT CAUGHT, exit code {code}"
            print(f"{name}: {verdict}: {'; '.join(told)[:300]}", flush=True)
        for name in random.Random(seed).sample(sorted(VARIANTS), variants):
            unit = Program(variants=(name,))
            code, told = loop(Path(scratch) / name, Update(unit, unit), "older_version", variants=(name,), seed=seed,
                              files=("suites/test_firmware.py",))
            passes = code in (0, EXIT_CODES[Verdict.INCOMPLETE]) and not told
            bad += not passes
            print(f"variant {name}: {'passes' if passes else f'exit code {code}'}: {'; '.join(told)[:300]}", flush=True)
    print(f"{bad} of {len(WRONG) + variants} were not as they should be")
    return bool(bad)


if __name__ == "__main__":
    count, number, *_ = [*map(int, sys.argv[1:]), *(12, 1)[len(sys.argv) - 1:]]
    sys.exit(main(count, number))
