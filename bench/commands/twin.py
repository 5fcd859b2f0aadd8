"""``mcm-bench twin``: the lab in software, alone, in real time."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.clock import Clock, WallClock
from bench.errors import BenchError
from bench.station_file import BackendTable
from bench.twin.defects import DEFECTS
from bench.twin.lab import Lab
from bench.twin.variants import VARIANTS
from bench.twin.wires.pty import PtyWire
from bench.twin.wires.rfc2217 import Rfc2217Wire
from fixtures.bench import (
    CellDriverName,
    CommissioningWay,
    MeterKind,
    default_bootstrap_address,
    own_loopback,
    station_file_of_twin,
)
from fixtures.host_process import write_keys_of_twin


def twin(seed: int, defects: Sequence[str], variants: Sequence[str], station_out: Path | None, console: Console, *,
         cell: CellDriverName = "cmw500", supply: str = "n6705", log: Path | None = None,
         codec: str | None = None, over: CommissioningWay = "nfc", meter: MeterKind = "simulator",
         rfc2217: bool = False) -> None:
    """Serve the lab until SIGINT or SIGTERM; print the station file with which the bench reaches it.

    With ``station_out`` the file is written there, and the twin's key file beside it; so the bench, or somebody
    else's server, can be pointed at the twin from another process. ``log``: see ``_Log``. ``rfc2217``: the meter's
    ports are TCP ports of this machine.
    """
    for path in (station_out, log):
        if path is not None and path.exists() and not path.is_file():
            raise BenchError(f"{path}", expected="a file, or a new one", seen="a directory, a device or a pipe",
                             do="choose another path")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    changes = [*DEFECTS.find(defects), *VARIANTS.find(variants)]
    with WallClock() as clock:
        lab = Lab.start(clock, seed, changes=changes, supply=supply, meter_wire=Rfc2217Wire if rfc2217 else PtyWire)
        try:
            if cell == "live":
                lab.put_on_the_air()
            backend = BackendTable(listen=own_loopback())    # nobody else has a port there
            if over == "network":
                lab.route({default_bootstrap_address(): (backend.listen, backend.bootstrap_secure_port)})
            if log is not None:
                witness = _Log(log, clock)
                clock.call(lambda: witness.follow(lab))
            keys = station_out.resolve().with_suffix(".keys.toml") if station_out is not None else None
            text = station_file_of_twin(lab.addresses, backend, keys=keys, cell=cell, codec=codec,
                                        over=over, meter=meter).dump()
            console.print(text, soft_wrap=True)
            if station_out is not None and keys is not None:
                write_keys_of_twin(keys)
                _write(station_out, text)
                console.print(Text(f"# written to {station_out}; try: mcm-bench run acceptance --station {station_out}",
                                   "dim"), soft_wrap=True)
            console.print(Text("# the twin runs in real time; end it with Ctrl-C", "dim"))
            while not stop.wait(0.5):
                pass
        finally:
            lab.stop()


class _Log:
    """What the lab knows of the unit's supply and button, whatever the bench believes: a line of JSON for each change,
    with the time (s) since the twin began, ``supply_v`` at the unit's terminals, and whether the button is ``pressed``.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        try:
            self._file = path.open("w", encoding="ascii", buffering=1)    # who reads it sees each line at once
        except OSError as error:
            raise BenchError(f"log {path}", expected="to write it", seen=(error.strerror or str(error)).lower(),
                             do="choose another path") from error

    def follow(self, lab: Lab) -> None:
        """Write the present state, and from now on each change; call it in the loop's thread."""
        def note(_: object = None) -> None:
            self._file.write(json.dumps({"t": round(self._clock.time(), 6), "supply_v": lab.unit.supply.value,
                                         "pressed": lab.unit.front.button.value}) + "\n")

        note()
        lab.unit.supply.follow(note)
        lab.unit.front.button.follow(note)


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".part")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    except OSError as error:
        raise BenchError(f"station file {path}", expected="to write it", seen=(error.strerror or str(error)).lower(),
                         do="choose another path") from error
