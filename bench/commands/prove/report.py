"""What ``prove`` has found, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from bench.commands.prove.defects import Proof
from bench.commands.prove.faults import FaultOutcome
from bench.commands.prove.legal import Spared
from bench.commands.prove.mutants import MOST_EQUIVALENT, Mutant, equivalents
from bench.commands.prove.mutation import Mutation
from bench.manual import requirements
from bench.twin.defects import DEFECTS, Defect
from bench.twin.defects.registry import KINDS

GOOD, BAD = "bold green", "bold red"


@dataclass
class Report:
    """All that was looked at in a call of ``prove``. ``sample`` says what was drawn; ``reasons``: why some mutants
    can't be told from the twin, as ``equivalents`` has them."""

    sample: str = ""
    seed: int = 1
    proofs: list[Proof] = field(default_factory=list)
    healthy: list[Spared] = field(default_factory=list)
    variants: list[Spared] = field(default_factory=list)
    faults: list[FaultOutcome] = field(default_factory=list)
    unreached: list[Mutation] = field(default_factory=list)
    mutants: list[Mutant] = field(default_factory=list)
    reasons: Mapping[tuple[str, str, str], str] = field(default_factory=equivalents)

    @property
    def good(self) -> bool:
        """Whether the bench catches what it must, for the right reason, and leaves alone what it must."""
        return (all(proof.right_reason for proof in self.proofs) and not any(one.wrong for one in self.healthy)
                and not any(one.wrong for one in self.variants) and all(one.is_right for one in self.faults)
                and len(self._killed) + len(self._argued) == len(self._fit) and not self._too_many_argued)

    @property
    def bound(self) -> float | None:
        """The largest share of good units that may be blamed so that, with a chance of one in twenty, none of those
        that were tried was; None where one was, or none was tried."""
        tried = len(self.healthy)
        return None if not tried or any(one.wrong for one in self.healthy) else 1 - 0.05 ** (1 / tried)

    @property
    def _fit(self) -> list[Mutant]:
        return [mutant for mutant in self.mutants if mutant.result != "unfit"]

    @property
    def _killed(self) -> list[Mutant]:
        return [mutant for mutant in self.mutants if mutant.result == "killed"]

    @property
    def _survived(self) -> list[Mutant]:
        return [mutant for mutant in self.mutants if mutant.result == "survived"]

    @property
    def _argued(self) -> list[Mutant]:
        """The survivors of which somebody has said why."""
        return [mutant for mutant in self._survived if self._reason(mutant)]

    @property
    def _too_many_argued(self) -> bool:
        return len(self._argued) > MOST_EQUIVALENT * len(self._fit)

    def _reason(self, mutant: Mutant) -> str:
        return self.reasons.get((mutant.file, mutant.function, mutant.change), "")

    def texts(self) -> Iterator[Table | Text]:
        """To be printed one after the other, the verdicts last."""
        if self.proofs:
            yield defects(self.proofs)
            yield spread([proof.defect for proof in self.proofs], whole=len(self.proofs) == len(DEFECTS))
        if self.sample:
            yield Text(self.sample)
        if self.healthy:
            yield verdict_on_legal("healthy units", self.healthy)
            if self.bound is not None:
                yield Text(f"at 95 %: fewer than {self.bound:.1%} of good units are blamed")
        if self.variants:
            yield verdict_on_legal("legal variants", self.variants)
        if self.faults:
            yield verdict_on_faults(self.faults)
        if self.unreached:
            lines = [f" ○ {one.file}:{one.lines[0]} {one.function}: {one.before}" for one in self.unreached]
            yield Text("\n".join([*lines, f"no test reaches these {len(lines)} lines of the twin's unit and meter"]))
        if self.mutants:
            yield self._verdict_on_mutants()
        if self.proofs:
            yield verdict_on_defects(self.proofs)

    def to_json(self) -> dict[str, Any]:
        """The form of ``mcm-bench prove --json``."""
        return {
            "defects": [{"name": proof.defect.name, "wire": proof.defect.wire, "text": proof.defect.text,
                         "area": area_of(proof.defect), "kind": proof.defect.kind,
                         "requirements": list(proof.defect.requirements), "caught_by": list(proof.caught_by),
                         "right_reason": proof.right_reason, "also_failed": list(proof.others),
                         "errors": list(proof.errors)} for proof in self.proofs],
            "variants": [{"name": one.name, "failed": list(one.wrong), "tests": one.count} for one in self.variants],
            "faults": [asdict(one) for one in self.faults],
            "mutants": self._mutants_to_json() if self.mutants else {},
            "unreached": [{"file": one.file, "line": one.lines[0], "function": one.function} for one in self.unreached],
            "healthy": {"runs": len(self.healthy),
                        "false_alarms": [f"{test} ({one.name})" for one in self.healthy for test in one.wrong],
                        "bound": self.bound},
            "sample": self.sample,
        }

    def _mutants_to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed, "count": len(self._fit), "killed": len(self._killed),
            "survived": [asdict(mutant) for mutant in self._survived if not self._reason(mutant)],
            "equivalent": [asdict(mutant) | {"reason": self._reason(mutant)} for mutant in self._argued],
            "unfit": [asdict(mutant) for mutant in self.mutants if mutant.result == "unfit"],
        }

    def _verdict_on_mutants(self) -> Text:
        """The survivors, and the figure."""
        killed, argued, judged = len(self._killed), len(self._argued), len(self._fit) - len(self._argued)
        lines = [self._survivor(mutant) for mutant in self._survived]
        lines.append(Text(
            f"seed {self.seed}: {killed} of {len(self._fit)} mutants killed, {argued} equivalent"
            f"{' (too many)' if self._too_many_argued else ''}: {killed / max(1, judged):.1%} of {judged}; "
            f"{len(self.mutants) - len(self._fit)} more were unfit",
            GOOD if killed == judged and not self._too_many_argued else BAD))
        return Text("\n").join(lines)

    def _survivor(self, mutant: Mutant) -> Text:
        why, where = self._reason(mutant), f"{mutant.file}:{mutant.line} in {mutant.function or 'the module'}"
        said = f"equivalent: {why}" if why else "; ".join(filter(None, [f"survived {mutant.tests} tests", mutant.text]))
        lines = (f" {'=' if why else '✘'} {mutant.id} {where}", f"     {mutant.change}", f"     {said}")
        return Text("\n".join(lines), "" if why else BAD)


def area_of(defect: Defect) -> str:
    """The part of the manual in which the first statement is that the defect breaks."""
    return requirements.load()[defect.requirements[0]].area


def spread(chosen: Sequence[Defect], *, whole: bool) -> Table:
    """How many defects of each kind there are in each area of the manual. Of the ``whole`` catalogue also the areas in
    which there are none."""
    table = Table(title="Defects by area of the manual and kind", title_justify="left", show_edge=False, padding=(0, 1))
    counts = Counter((area_of(defect), defect.kind) for defect in chosen)
    table.add_column("area", vertical="bottom", no_wrap=True)
    for kind in (*KINDS, "all"):
        table.add_column("\n".join(kind), justify="right", vertical="bottom", no_wrap=True)    # 80 columns are enough
    for area in dict.fromkeys(one.area for one in requirements.load().values()):
        row = [counts[area, kind] for kind in KINDS]
        if whole or any(row):
            table.add_row(area, *(str(count or "") for count in row), str(sum(row)), style="" if any(row) else BAD)
    table.add_section()
    table.add_row("all", *(str(sum(counts[area, kind] for area, one in counts if one == kind)) for kind in KINDS),
                  str(len(chosen)))
    return table


def defects(proofs: Sequence[Proof]) -> Table:
    table = Table(title="Defects of the twin, and the tests that catch them", title_justify="left", show_edge=False)
    for column in ("defect", "wire", "what is wrong", "breaks", "caught by"):
        table.add_column(column, overflow="fold")
    for proof in proofs:
        caught: str | Text = "\n".join(name.rpartition("::")[2] for name in proof.caught_by)
        if not caught:
            caught = Text("\n".join(("survived", *(f"by accident {_short(name)}" for name in proof.others))), BAD)
        defect = proof.defect
        table.add_row(defect.name, defect.wire, defect.text, " ".join(defect.requirements), caught)
    return table


def verdict_on_defects(proofs: Sequence[Proof]) -> Text:
    missed = [proof for proof in proofs if not proof.right_reason]
    if not missed:
        wires = {proof.defect.wire for proof in proofs}
        return Text(f"all {len(proofs)} defects on {len(wires)} wires caught for the right reason", GOOD)
    accidents = sorted(proof.defect.name for proof in missed if proof.others)
    survived = sorted(proof.defect.name for proof in missed if not proof.others)
    said = [f"{len(names)} of {len(proofs)} defects {how}: {', '.join(names)}"
            for how, names in (("survived", survived), ("caught by accident only", accidents)) if names]
    return Text("\n".join(said), BAD)


def verdict_on_legal(kind: str, those: Sequence[Spared]) -> Text:
    """``kind`` is what they are called, such as "healthy units"."""
    lines = [Text(f" ✘ {one.name}: {test}", BAD) for one in those for test in one.wrong]
    passed = sum(not one.wrong for one in those)
    counts = [one.count for one in those]
    lines.append(Text(f"{passed} of {len(those)} {kind} pass, each {min(counts)} to {max(counts)} tests",
                      GOOD if passed == len(those) else BAD))
    return Text("\n").join(lines)


def verdict_on_faults(faults: Sequence[FaultOutcome]) -> Text:
    wrong = [f"{one.name} ({one.verdict})" for one in faults if not one.is_right]
    if wrong:
        return Text(f"{len(wrong)} of {len(faults)} instrument faults are called something else: {', '.join(wrong)}",
                    BAD)
    tolerated = sum(one.tolerated for one in faults)
    return Text(f"all {len(faults)} instrument faults are called what they are, or tolerated ({tolerated})", GOOD)


def _short(test: str) -> str:
    return test.rpartition("::")[2]
