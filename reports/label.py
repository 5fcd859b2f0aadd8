"""The label of a unit that passed, in the language of label printers (ZPL II): 50 x 25 mm at 203 dots per inch."""

from __future__ import annotations

from bench.errors import BenchError
from bench.store.rows import is_complete
from reports.datamatrix import deveui_of
from reports.exports.document import StoredRun, clean

_WIDTH, _HEIGHT = 400, 200


def label(run: StoredRun, *, copies: int = 1) -> bytes:
    """The code is the DevEUI alone, as scanners read it back. Raises ``BenchError`` for a run that is no pass of a
    whole profile, and for a unit without a DevEUI."""
    record, subject = run.record, f"label of run {run.run_id}"
    if record["verdict"] != "pass" or not is_complete(record):
        raise BenchError(subject, expected="a pass of a complete run", seen=str(record["verdict"]),
                         do="a unit that did not pass gets no label")
    deveui = deveui_of(record["unit"], subject)
    lines = [run.job.get("part_number") or "CMi6110", " ".join(deveui[at:at + 4] for at in range(0, 16, 4)),
             f"PASS {run.started.date().isoformat()}", run.job.get("work_order", "")]
    if record["simulated"]:
        lines[2] = "SIMULATED, NOT TESTED"
    fields = [f"^FO180,{22 + 42 * number}^A0N,24,22^FH_^FD{_escaped(text)}^FS"
              for number, text in enumerate(lines) if text]
    # UTF-8 (^CI28); the code's own escape is named, for printers differ in what they take for it.
    return "\n".join(["^XA", "^CI28", f"^PW{_WIDTH}", f"^LL{_HEIGHT}", f"^FO24,28^BXN,8,200,,,,_^FD{deveui}^FS",
                      *fields, f"^PQ{copies}", "^XZ", ""]).encode("ascii")


def _escaped(text: str) -> str:
    """Letters and digits as they are; whatever else, a caret above all, as octets that a printer only prints."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in " .,:-/") else
                   "".join(f"_{octet:02X}" for octet in letter.encode("utf-8"))
                   for letter in " ".join(clean(text).split())[:24])
