"""The twin's lab in this process, in real time, for a bench in another process."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clock import WallClock
from bench.station_file import BackendTable, StationFile
from bench.twin.lab import BOOTSTRAP_PSK, DEVEUI, DM_PSK, MDM_PSK, PAK, Change, Lab
from fixtures.bench import own_loopback, station_file_of_twin

PATIENCE_S = 120
"""Real seconds for what takes a few, on a machine with much else to do."""


@dataclass
class RealLab:
    clock: WallClock
    lab: Lab
    file: StationFile
    folder: Path

    def station(self, **changes: Any) -> Path:
        """Write the station file, with other tables if wanted; its path."""
        path = self.folder / "station.toml"
        path.write_text(self.file.model_copy(update=changes).dump(), "utf-8")
        return path

    @property
    def is_safe(self) -> bool:
        return self.lab.unit.supply.value == 0.0 and not self.lab.unit.front.button.value


def free_ports(kind: socket.SocketKind, count: int) -> list[int]:
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket(socket.AF_INET, kind)) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def real_lab(folder: Path, supply: str = "n6705", changes: Sequence[Change] = ()) -> Iterator[RealLab]:
    keys = folder / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text(f'[{DEVEUI}]\npak = "{PAK.hex()}"\nbootstrap_psk = "{BOOTSTRAP_PSK.hex()}"\n'
                    f'dm_psk = "{DM_PSK.hex()}"\nmdm_psk = "{MDM_PSK.hex()}"\n', "ascii")
    backend = BackendTable(listen=own_loopback())    # nobody else has a port there
    with WallClock() as clock:
        assert isinstance(clock, WallClock)
        lab = Lab.start(clock, 1, supply=supply, changes=changes)
        lab.optical.paced = lab.mbus.paced = False    # the doctor of each run reads them
        try:
            yield RealLab(clock, lab, station_file_of_twin(lab.addresses, backend, keys=keys), folder)
        finally:
            lab.stop()


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "bench.cli", *map(str, arguments)]


@dataclass
class Outcome:
    code: int
    output: str
    record: dict[str, Any]

    def says(self, sentence: str) -> bool:
        """Whether ``sentence`` was printed, wherever its lines were broken."""
        return "".join(sentence.split()) in "".join(self.output.split())


def mcm_bench_run(run_dir: Path, *arguments: str | Path) -> Outcome:
    """``mcm-bench run acceptance`` in a process of its own, in a folder of its own."""
    done = subprocess.run(command("run", "acceptance", "--run-dir", run_dir, *arguments), cwd=run_dir.parent,
                          capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False)
    record = run_dir / "record.json"
    kept = json.loads(record.read_text("utf-8")) if record.exists() else {}
    return Outcome(done.returncode, done.stdout + done.stderr, kept)
