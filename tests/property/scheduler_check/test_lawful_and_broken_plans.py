"""The referee passes every lawful plan, made without the solver, and answers on broken ones."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.check import check
from scheduler.plan import Charging, Plan, Stay, read_plan, write_plan
from scheduler.problem import Problem, check_problem, read_problem, write_problem
from tests.builders.plans import Life
from tests.builders.problems import random_problem

SEEDS = st.integers(min_value=0, max_value=2**32)


def lived(seed: int) -> tuple[Problem, Plan]:
    problem = random_problem(seed)
    return problem, Life(problem, Random(seed)).plan()


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_a_plan_that_was_lived_step_by_step_is_lawful(seed: int) -> None:
    problem, plan = lived(seed)
    assert check(problem, plan) == ()


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_problems_and_plans_survive_writing_and_reading(seed: int) -> None:
    problem, plan = lived(seed)
    check_problem(problem)
    assert read_problem(write_problem(problem)) == problem
    assert read_plan(write_plan(plan)) == plan


@given(SEEDS, st.sampled_from([2.0, 500.0, -2.0]))
@settings(max_examples=80, deadline=None)
def test_no_power_can_be_changed_unseen(seed: int, by_w: float) -> None:
    problem, plan = lived(seed)
    if plan.charging:
        at = seed % len(plan.charging)
        entry = plan.charging[at]
        entry = replace(entry, power_w=entry.power_w + by_w)
        charging = (*plan.charging[:at], entry, *plan.charging[at + 1 :])
        assert check(problem, replace(plan, charging=charging))


@given(SEEDS)
@settings(max_examples=80, deadline=None)
def test_no_assignment_stay_or_refusal_can_be_dropped_unseen(seed: int) -> None:
    problem, plan = lived(seed)
    for name in ("assignments", "unserved", "stays", "sites"):
        parts: tuple[object, ...] = getattr(plan, name)
        if parts:
            at = seed % len(parts)
            changes: dict[str, Any] = {name: (*parts[:at], *parts[at + 1 :])}
            assert check(problem, replace(plan, **changes)), name


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_a_plan_broken_at_random_is_judged_without_an_exception(seed: int) -> None:
    problem, plan = lived(seed)
    random = Random(seed)
    for _ in range(random.randint(1, 6)):
        plan = _break(problem, plan, random)
    for violation in check(problem, plan):
        assert violation.rule
        assert violation.detail


def _break(problem: Problem, plan: Plan, random: Random) -> Plan:
    name = random.choice(["assignments", "unserved", "stays", "charging", "sites"])
    parts = list(getattr(plan, name))
    if name == "stays" and random.random() < 0.3:
        parts.append(Stay(*_names(problem, random), *_span(random)))
    if name == "charging" and random.random() < 0.3:
        vehicle, _, evse = _names(problem, random)
        parts.append(Charging(vehicle, evse or "", *_span(random), _number(random)))
    if parts:
        at = random.randrange(len(parts))
        parts[at] = _break_part(parts[at], random)
        if random.random() < 0.3:
            parts.append(random.choice(parts))
        if random.random() < 0.3:
            random.shuffle(parts)
    changes: dict[str, Any] = {name: tuple(parts)}
    return replace(plan, **changes)


def _break_part(part: Any, random: Random) -> Any:
    field = random.choice(list(part.__dataclass_fields__))
    value = getattr(part, field)
    new: object
    if isinstance(value, str):
        new = random.choice(["", "nobody", "A", "A-0", "car-0", "b-0"])
    elif isinstance(value, bool | int):
        new = random.choice([*_span(random), value + 1, value - 1])
    elif isinstance(value, float):
        new = _number(random)
    elif field == "evse":
        new = random.choice([None, "A-1", "B-0", "nothing"])
    else:
        new = (*value[1:], *(_number(random) for _ in range(random.randint(0, 2))))
    return replace(part, **{field: new})


def _names(problem: Problem, random: Random) -> tuple[str, str, str | None]:
    sites = [site.id for site in problem.sites] + ["nowhere"]
    evses = [evse.id for site in problem.sites for evse in site.evses] + [None, "nothing"]
    cars = [car.id for car in problem.vehicles] + ["nobody"]
    return random.choice(cars), random.choice(sites), random.choice(evses)


def _span(random: Random) -> tuple[int, int]:
    steps = [-(10**25), -5, -1, 0, 1, 3, 8, 50, 96, 97, 10**25]
    return random.choice(steps), random.choice(steps)


def _number(random: Random) -> float:
    return random.choice([math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0, -1.0, 3700.0])
