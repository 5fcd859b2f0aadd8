"""``mcm-bench run PROFILE --firmware OLD --then NEW``: a unit before, in and after an update.

Three runs, each with a record of its own below the run directory: ``old``, the profile on the old build; ``update``,
what an update promises, each promise from the old build to the new one; ``new``, the profile on the new build, which
the unit has got from the old one over the air. Then ``mcm-bench compare`` holds the new one against the old one. A
fault of the bench ends it: what would follow would count for nothing.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec

from rich.console import Console
from rich.text import Text

from bench.commands.order import EXIT_CODES, Order
from bench.commands.supervise import supervise
from bench.errors import BenchError
from bench.interruption import WAYS_OUT
from bench.measure import Verdict
from bench.record import new_run_id
from reports.junit import write_together

PROMISES = "suites/test_firmware.py"
"""The suite of what an update promises."""

_WORST_FIRST = (EXIT_CODES[Verdict.ERROR], EXIT_CODES[Verdict.FAIL], EXIT_CODES[Verdict.INCOMPLETE])
_WORDS = {code: verdict for verdict, code in EXIT_CODES.items()}


@dataclass(frozen=True)
class UpdateLoop:
    """``order``: the profile on the old build, its ``firmware``, and the new one, its ``then``. ``promises``: an
    expression that chooses among the promises of an update. ``run``: how a run is made; its exit code."""

    order: Order
    promises: str = ""
    run: Callable[[Order, Console], int] = supervise

    def to_its_end(self, console: Console) -> int:
        """The exit code: the worst of the runs, and of the comparison. Raises ``BenchError`` for packages that are not
        there, or where another update is in the run directory."""
        stages = self._stages()
        self._prepare()
        codes: dict[str, int] = {}
        for name, order in stages.items():
            console.print(Text(f"── {name}", "bold"))
            codes[name] = self.run(order, console)
            console.print(Text(f"── {name}: {_WORDS.get(codes[name], Verdict.ERROR)}", "bold"))
            if codes[name] not in _WORDS or codes[name] == EXIT_CODES[Verdict.ERROR]:
                break
        self._write(codes, None)
        compared = self._compare(console) if len(codes) == len(stages) and (
            codes["new"] != EXIT_CODES[Verdict.ERROR]) else None
        self._write(codes, compared)
        return _worst(codes, compared)

    def _stages(self) -> dict[str, Order]:
        """The three runs."""
        old, = self.order.firmware
        new = self.order.then
        assert new is not None
        # On the twin, too, a build is put in once and lives on: each test would begin with two updates else.
        lab = self.order.lab or ("run" if self.order.station is None and self.order.jobs == 1 else None)
        profile = partial(replace, self.order, junit=None, then=None, lab=lab)
        return {"old": profile(run_dir=self.order.run_dir / "old", run_id=new_run_id()),
                "update": replace(self.order, profile="certification", expression=self.promises, files=(PROMISES,),
                                  junit=None, max_device_time_s=None, run_dir=self.order.run_dir / "update",
                                  run_id=new_run_id()),
                "new": profile(run_dir=self.order.run_dir / "new", run_id=new_run_id(),
                               firmware=(old, new))}

    def _prepare(self) -> None:
        for package in (*self.order.firmware, self.order.then):
            if package is None or not package.is_file():
                raise BenchError(f"firmware package {package}", expected="a file", seen="none", do="name one")
        if self.order.run_dir.exists() and any(self.order.run_dir.iterdir()):
            raise BenchError(f"run directory {self.order.run_dir}", expected="an empty directory",
                             seen="something in it", do="choose another one with --run-dir")
        self.order.run_dir.mkdir(parents=True, exist_ok=True)

    def _compare(self, console: Console) -> int | None:
        """Its exit code; None where this bench can't compare."""
        for number in WAYS_OUT:
            signal.signal(number, signal.SIG_DFL)    # no run hears of it any more
        if find_spec("scipy") is None:
            console.print("nothing was compared: pip install 'mcm-bench[numbers]'")
            return None
        from bench.commands.compare.command import Task, compare

        folder = self.order.run_dir
        return compare(Task([folder / "old", folder / "new"], out=folder, junit=folder / "compare.xml"), False, console)

    def _write(self, codes: dict[str, int], compared: int | None) -> None:
        verdicts = {name: _WORDS.get(code, Verdict.ERROR) for name, code in codes.items()}
        told = {"old": str(self.order.firmware[0]), "new": str(self.order.then),
                "verdicts": {name: verdicts.get(name) for name in ("old", "update", "new")}, "compare": compared}
        (self.order.run_dir / "update.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        if self.order.junit is not None:
            compare_xml = self.order.run_dir / "compare.xml"
            write_together({name: self.order.run_dir / name / "record.json" for name in codes}, self.order.junit,
                           beside=[compare_xml] if compare_xml.exists() else [])


def _worst(codes: dict[str, int], compared: int | None) -> int:
    """What was left out on purpose (-k, the other profiles' tests) makes each of them incomplete. Where the unit has
    failed in its update it is no fault of the bench that it can't be brought to the new build."""
    failed = codes.get("update") == EXIT_CODES[Verdict.FAIL]
    counted = [code for name, code in codes.items() if not (failed and name == "new")]
    if compared == EXIT_CODES[Verdict.INCOMPLETE]:    # nothing in common
        counted.append(compared)
    code = next((one for one in _WORST_FIRST if one in counted), 0)
    return EXIT_CODES[Verdict.FAIL] if compared == 1 and code != EXIT_CODES[Verdict.ERROR] else code
