"""``mcm-bench certificate`` and ``mcm-bench label``: what goes with a unit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bench.commands.extras import need
from bench.commands.records import Station, StoreUrl, depot
from bench.commands.terminal import plain
from bench.errors import BenchError

Which = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or a unit: then its newest run.")]
Out = Annotated[Path | None, typer.Option(help="Write it there, else beside you, named by the unit.")]


def certificate(which: Which, store: StoreUrl = None, station: Station = None, out: Out = None) -> None:
    """Write the certificate of a unit that passed: one page (PDF) with its code, instruments, limits and what was not
    covered."""
    need("reportlab", "ppf.datamatrix")
    from reports.certificate import certificate as made
    from reports.exports.runs import run_of

    run = run_of(depot(store, station).open(), which)
    _write(made(run), out or Path(f"certificate-{run.record['unit']}.pdf"))


def label(which: Which, store: StoreUrl = None, station: Station = None, out: Out = None,
          copies: Annotated[int, typer.Option(min=1, max=99)] = 1) -> None:
    """Write the label of a unit that passed, for a label printer (ZPL)."""
    need("ppf.datamatrix")
    from reports.exports.runs import run_of
    from reports.label import label as made

    run = run_of(depot(store, station).open(), which)
    _write(made(run, copies=copies), out or Path(f"label-{run.record['unit']}.zpl"))


def _write(content: bytes, path: Path) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BenchError(f"file {path}", expected="to write it", seen=(error.strerror or str(error)).lower(),
                         do="choose another place with --out") from error
    plain().print(Text(str(path)), soft_wrap=True)
