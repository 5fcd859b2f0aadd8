"""Which instruments places may share. What each place is told when it begins, too, is told here before any begins."""

from __future__ import annotations

from collections.abc import Sequence

from bench.commands.lock import Claim, claims
from bench.errors import BenchError
from bench.station_file import StationFile


def refuse_clashes(files: Sequence[StationFile]) -> None:
    """Raises ``BenchError`` where two places have the same instrument, server or part of an instrument, and where they
    don't say the same of what they share."""
    first: dict[str, list[tuple[StationFile, Claim]]] = {}
    for file in files:
        for claim in claims(file):
            for other, known in first.setdefault(claim.address, []):
                _compare(other, known, file, claim)
            first[claim.address].append((file, claim))
            count = len(first[claim.address])
            if claim.part is not None and claim.slots is not None and count > claim.slots:
                raise BenchError(f"station files, {claim.name}", expected=f"{claim.slots} places, as slots says",
                                 seen=f"{count}", do="correct slots in each of them")


def _compare(other: StationFile, known: Claim, file: StationFile, claim: Claim) -> None:
    both = f"station files {other.name!r} and {file.name!r}"
    if known.part is None or claim.part is None:
        raise BenchError(both, expected="instruments of its own for each place", seen=f"{claim.name} in both",
                         do="give one of them another, or share it as docs/how-to/run-a-line.md says, where it can be")
    if known.part == claim.part:
        raise BenchError(both, expected=f"a part of its own of {claim.name}", seen=f"{claim.part} in both",
                         do="correct one of them")
    if known.slots != claim.slots:
        raise BenchError(both, expected=f"the same slots of {claim.name}", seen=f"{known.slots} and {claim.slots}",
                         do="say in each how many places share it")
