"""Which units go through more than others. Pure functions: the same unit, the same answer."""

from __future__ import annotations

import hashlib
import random

from bench.policies.facts import Facts, More, Question
from bench.policies.file import Policies, SamplingPlan


def plans_for(policies: Policies, question: Question, facts: Facts) -> tuple[More, ...]:
    """What was decided when the unit came first stays so; else by its place in the order of units."""
    first = next((one for one in facts.attempts if one.process == policies.process), None)
    if first is not None:
        chosen = [plan for plan in policies.sampling if plan.name in first.sampling.split(", ")]
    else:
        chosen = [plan for plan in policies.sampling if _fits(plan, policies, question, facts)]
    return tuple(More(plan.name, plan.profile, plan.tests) for plan in chosen)


def _fits(plan: SamplingPlan, policies: Policies, question: Question, facts: Facts) -> bool:
    ahead = [one for one in question.running if one.unit != question.unit and one.unit not in facts.known
             and policies.golden_unit(one.unit) is None]
    if plan.every is not None:
        return (facts.units_before + len(ahead) + 1) % plan.every == 0
    if plan.one_in is not None:
        drawn = hashlib.sha256(f"{plan.seed} {plan.name} {question.unit}".encode()).digest()
        return int.from_bytes(drawn[:8]) % plan.one_in == 0
    number = facts.lot_before + sum(one.work_order == question.work_order for one in ahead) + 1
    assert plan.per_lot is not None
    if plan.lot_size is None:
        return number <= plan.per_lot
    chance = random.Random(f"{plan.seed} {plan.name} {question.work_order}")
    return number in chance.sample(range(1, plan.lot_size + 1), plan.per_lot)
