"""``mcm-bench run PROFILE --firmware OLD --then NEW``: a unit before, in and after an update.

Three runs, each with a record of its own below the run directory: ``old``, the profile on the old build; ``update``,
what an update promises, each promise from the old build to the new one; ``new``, the profile on the new build, which
the unit has got from the old one over the air. Then ``mcm-bench compare`` holds the new one against the old one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.commands.order import EXIT_CODES
from bench.errors import BenchError
from bench.measure import Verdict

PROMISES = "test_firmware"
"""The suite of what an update promises."""

_WORST_FIRST = (EXIT_CODES[Verdict.ERROR], EXIT_CODES[Verdict.FAIL], EXIT_CODES[Verdict.INCOMPLETE])
_WORDS = {code: verdict for verdict, code in EXIT_CODES.items()}


@dataclass(frozen=True)
class UpdateLoop:
    """``arguments``: of ``run``, for the profile on each build; ``promises``: an expression that chooses among the
    promises of an update."""

    run_dir: Path
    old: Path
    new: Path
    arguments: Sequence[str]
    shared: Sequence[str]
    promises: str = ""
    on_twin: bool = True

    def to_its_end(self, console: Console) -> int:
        """The exit code: the worst of the runs, and of the comparison. Raises ``BenchError`` for packages that are not
        there, or where another update is in the run directory."""
        for package in (self.old, self.new):
            if not package.is_file():
                raise BenchError(f"firmware package {package}", expected="a file", seen="none", do="name one")
        if self.run_dir.exists() and any(self.run_dir.iterdir()):
            raise BenchError(f"run directory {self.run_dir}", expected="an empty directory", seen="something in it",
                             do="choose another one with --run-dir")
        self.run_dir.mkdir(parents=True, exist_ok=True)
        life = ["--lab", "run"] if self.on_twin else []
        expression = f"{PROMISES} and ({self.promises})" if self.promises else PROMISES
        codes = [self._run(console, "old", [*self.arguments, *life, "--firmware", str(self.old)]),
                 self._run(console, "update", ["certification", *self.shared, "-k", expression,
                                               "--firmware", str(self.old), "--to", str(self.new)]),
                 self._run(console, "new", [*self.arguments, *life, "--firmware", str(self.old),
                                            "--firmware", str(self.new)])]
        told = {"old": str(self.old), "new": str(self.new), "verdicts": dict(zip(
            ("old", "update", "new"), (_WORDS.get(code, Verdict.ERROR) for code in codes), strict=True))}
        compared = self._compare(console)
        (self.run_dir / "update.json").write_text(json.dumps(told | {"compare": compared}, indent=1) + "\n", "utf-8")
        # What was left out on purpose (-k, the other profiles' tests) makes each of them incomplete.
        code = next((one for one in _WORST_FIRST if one in codes), 0)
        return EXIT_CODES[Verdict.FAIL] if compared == 1 and code != EXIT_CODES[Verdict.ERROR] else code

    def _run(self, console: Console, name: str, arguments: Sequence[str]) -> int:
        console.print(Text(f"── {name}", "bold"))
        code = _bench(["run", *arguments, "--run-dir", str(self.run_dir / name)])
        console.print(Text(f"── {name}: {_WORDS.get(code, Verdict.ERROR)}", "bold"))
        return code

    def _compare(self, console: Console) -> int | None:
        """Its exit code; None where this bench can't compare."""
        if find_spec("bench.commands.compare") is None:
            console.print("nothing was compared: this bench has no mcm-bench compare")
            return None
        return _bench(["compare", str(self.run_dir / "old"), str(self.run_dir / "new")])


def _bench(arguments: Sequence[str]) -> int:
    code = subprocess.run([sys.executable, "-m", "bench.cli", *arguments], stdin=subprocess.DEVNULL, check=False
                          ).returncode
    return code if code in _WORDS or code >= 0 else EXIT_CODES[Verdict.ERROR]
