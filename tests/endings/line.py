"""Ends a unit's life on the line in more than twenty ways, and looks at what is left: either the unit is verified to be
as it was delivered, or it did not pass and the record names what of it is not; and the station is safe.

``python tests/endings/line.py [NAME...]``, or ``make endings``. Nothing is replaced: at the beginning of a stage
something happens to the lab, as it would on a line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from endings import PATIENCE_S, until
from rich.console import Console

from bench.commands.order import Order
from bench.commands.run import run
from bench.twin.lab import Lab
from bench.twin.nfc.type2tag import Type2Tag
from fixtures.line.stages import STAGES, Line

Happening = Callable[[Lab], object]

ANOTHER = "94193A04010000FF"
ENDED = "the run was ended before the unit was restored"


@dataclass(frozen=True)
class Ending:
    """``happens`` to the lab when the ``stage`` begins. ``verdict`` of the run; ``says``: a part of a sentence in the
    record; ``left``: a part of what the record says is not as delivered, empty where all must be. ``at_once``: what
    happens to the lab when a unit is put in. ``order``: what else is ordered of the run. ``dark_within_s``: so soon
    after what happened the supply is off."""

    verdict: str
    says: str = ""
    stage: str = "dark"
    happens: Happening = lambda lab: None
    left: str = ""
    order: Mapping[str, Any] = field(default_factory=dict)
    is_safe: bool = True
    dark_within_s: float | None = None


def taken_out(lab: Lab) -> None:
    """Somebody opens the fixture and takes the unit: no field, no supply, no light, and on the air it is gone."""
    lab.reader.remove()
    lab.line.relay_closed.set(False)
    lab.line.relay_closed.set = lambda closed: None    # type: ignore[method-assign]    # its plug is out


def second_unit(lab: Lab) -> None:
    lab.reader.place(Type2Tag(bytes.fromhex("04112233445566")))


def named(lab: Lab) -> None:
    """What is in the fixture is another unit than the label says."""
    lab.unit.identity.deveui = ANOTHER


def set_before(**settings: int | str) -> Happening:
    return lambda lab: lab.unit.settings.write(settings)


def cell_comes_after(seconds: float) -> Happening:
    def act(lab: Lab) -> None:
        lab.cell.power = False
        lab.clock.loop.call_later(seconds, lambda: setattr(lab.cell, "power", True))
    return act


def sent(number: signal.Signals) -> Happening:
    return lambda lab: os.kill(os.getpid(), number)


def refuses(lab: Lab) -> None:
    """From now on the unit keeps the format that it has, even in a factory reset."""
    rules = lab.unit.settings.rules
    lab.unit.settings.reset = lambda: None    # type: ignore[method-assign]
    for name in ("message_format", "message_encoding"):
        rules[name] = replace(rules[name], accepts=lambda value: False)


ENDINGS: dict[str, Ending] = {
    "all is well": Ending("pass"),
    "taken out while it joins": Ending(
        "error", "a unit that draws something", "join", taken_out, left="restored", dark_within_s=4),
    "taken out while it sleeps": Ending("error", "a unit that draws something", "sleep", taken_out, left="restored"),
    "taken out before it is read": Ending("error", "", "delivery", taken_out, dark_within_s=2),
    "a second unit on the reader": Ending("error", "saw no record of this codec", "delivery", second_unit),
    "a second unit on the reader at the end": Ending("error", "", "delivered again", second_unit, left="restored"),
    "another unit than its label": Ending("error", f"saw {ANOTHER}", "dark", named, dark_within_s=2.1),
    "another unit than its label, over the network": Ending(
        "error", f"unknown identity b'{ANOTHER}'", "dark", named,
        order={"over": "network"}),
    "a button that sticks": Ending("error", "", order={"faults": ["button-sticky"]}),
    "a button with a loose contact": Ending("error", "", order={"faults": ["contact-loose"]}),
    "delivered active": Ending("fail", "delivered with the power mode Active", "power-up", set_before(power_mode=1)),
    "delivered locked": Ending("fail", "delivered with the lock Locked", "power-up", set_before(configuration_lock=1)),
    "delivered with another configuration": Ending(
        "fail", "printed is", "power-up", set_before(transmit_interval=60, transmit_offset=5, transmit_delay=30)),
    "delivered as it was ordered": Ending("pass", order={"variants": ["delivered-as-ordered"]}),
    "a join of three minutes": Ending("pass", "", "activation", cell_comes_after(175.0)),
    "a join that never comes": Ending("fail", "expected a registration", order={"defects": ["dtls-not-used-for-dm"]}),
    "servers that nobody reaches": Ending("error", "network's way", order={"faults": ["servers-unreachable"]}),
    "a reader that dies": Ending("error", "", "device management", lambda lab: lab.reader.close(), left="restored"),
    "a supply that dies": Ending(
        "error", "", "sleep", lambda lab: setattr(lab.power.supply, "dead", True), left="restored", is_safe=False),
    "a panel that dies": Ending("error", "", "switch-off", lambda lab: lab.panel.die(), is_safe=False),
    "a unit that takes a setting not back": Ending("fail", "", "delivered again", refuses, left="restored"),
    "a unit that takes a setting not back, over the network": Ending(
        "fail", "", "delivered again", refuses, left="restored", order={"over": "network"}),
    "SIGINT while it joins": Ending("error", "ended by SIGINT", "join", sent(signal.SIGINT), left=ENDED),
    "SIGTERM while it sleeps": Ending("error", "ended by SIGTERM", "sleep", sent(signal.SIGTERM), left=ENDED),
    "SIGHUP before anything": Ending("error", "ended by SIGHUP", "dark", sent(signal.SIGHUP), left=ENDED),
    "SIGTERM while it is restored": Ending(
        "error", "ended by SIGTERM", "delivered again", sent(signal.SIGTERM), left=ENDED),
}


KILLED = "SIGKILL while it sleeps"


@contextmanager
def happening(ending: Ending, labs: list[Lab], moments: list[float]) -> Iterator[None]:
    """While this lasts, the stage begins with what happens; ``labs`` gets the lab, ``moments`` the bench's time."""
    before = dict(STAGES)

    def look(line: Line) -> None:
        lab = line.bench._lab
        assert lab is not None
        labs.append(lab)
        before["dark"].drive(line)

    STAGES["dark"] = replace(before["dark"], drive=look)
    now = STAGES[ending.stage]

    def begin(line: Line) -> None:
        lab = line.bench._lab
        assert lab is not None
        labs.append(lab)
        moments.append(line.bench.clock.time())
        line.bench.clock.call(lambda: ending.happens(lab))
        now.drive(line)

    STAGES[ending.stage] = replace(now, drive=begin)
    try:
        yield
    finally:
        STAGES.update(before)


def end(ending: Ending, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """End a life that way: the record, and what is not as it must be."""
    labs, moments = list[Lab](), list[float]()
    with happening(ending, labs, moments):
        run(Order("line", folder, report=False, doctor=False, **ending.order), Console(quiet=True))
    record: dict[str, Any] = json.loads((folder / "record.json").read_text("utf-8"))
    return record, [*_wrong_with(record, ending), *_unsafe(labs, ending), *_late(folder, moments, ending)]


def kill(folder: Path, stage: str = "sleep") -> tuple[dict[str, Any], list[str]]:
    """The run's own process is killed in that stage; the twin dies with it. What its parent says."""
    command = [sys.executable, "-m", "bench.cli", "run", "line", "--no-doctor", "--run-dir", str(folder)]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    children, events = Path(f"/proc/{parent.pid}/task/{parent.pid}/children"), folder / "events.ndjson"
    until(lambda: events.exists() and f'"stage", "name": "{stage}"' in events.read_text("utf-8"), stage)
    for child in children.read_text().split():
        os.kill(int(child), signal.SIGKILL)
    parent.wait(PATIENCE_S)
    record: dict[str, Any] = json.loads((folder / "record.json").read_text("utf-8"))
    return record, [*_wrong_with(record, Ending("error", "killed by SIGKILL", left="had said that the unit")),
                    *([] if parent.returncode == 2 else [f"exit code {parent.returncode}"])]


def _wrong_with(record: dict[str, Any], ending: Ending) -> list[str]:
    wrong, left = [], "; ".join(record["not_delivered"])
    lacks = [row for row in record["manifest"]["left_out"] if not row["excused"] and row["reason"] != "--no-doctor"]
    verdict = "pass" if record["verdict"] == "incomplete" and not lacks else record["verdict"]
    if verdict != ending.verdict:
        wrong.append(f"verdict {verdict}")
    said = [record["message"], *(test["message"] for test in record["tests"])]
    if not any(ending.says in sentence for sentence in said):
        wrong.append(f"nobody says {ending.says!r}")
    if bool(left) != bool(ending.left) or ending.left not in left:
        wrong.append(f"not delivered: {left or 'nothing'}")
    if left and verdict == "pass":
        wrong.append("a pass of a unit that is not as it was delivered")
    return wrong


def _unsafe(labs: list[Lab], ending: Ending) -> list[str]:
    if not ending.is_safe:
        return []
    lab = labs[-1]
    return [what for what, is_so in (("the supply is on", lab.line.terminals.given > 0),
                                     ("the button is held", lab.unit.front.button.value)) if is_so]


def _late(folder: Path, moments: list[float], ending: Ending) -> list[str]:
    if ending.dark_within_s is None:
        return []
    events = map(json.loads, (folder / "events.ndjson").read_text("utf-8").splitlines())
    dark_s = next(event["at_s"] for event in events if (event["event"], event.get("name")) == ("stage", "dark again"))
    return [f"dark only after {dark_s - moments[-1]:.1f} s"] if dark_s - moments[-1] > ending.dark_within_s else []


def main() -> int:
    bad = 0
    chosen = sys.argv[1:] or [*ENDINGS, KILLED]
    with tempfile.TemporaryDirectory() as scratch:
        for number, name in enumerate(chosen):
            folder = Path(scratch) / str(number)
            record, wrong = kill(folder) if name == KILLED else end(ENDINGS[name], folder)
            said = record["message"] or next((test["message"] for test in record["tests"]
                                              if test["verdict"] == record["verdict"]), "")
            print(f"{name:50} {record['verdict']:10} {'; '.join(record['not_delivered'])[:60] or 'as delivered':60} "
                  f"{said.splitlines()[0][:100] if said else ''}", flush=True)
            if wrong:
                bad += 1
                print("   WRONG: " + "; ".join(wrong), flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} lives end as they must")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
