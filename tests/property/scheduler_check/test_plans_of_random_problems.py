"""The solver's plans of random problems, all sizes of feature, pass the referee."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.rolling import Made, incumbent_for, plan_with_level
from tests.builders.problems import confluence_like, random_problem

SEEDS = st.integers(min_value=0, max_value=2**32)


def made(problem: Problem, options: PlanOptions = OFFLINE, before: Plan | None = None) -> Made:
    return plan_with_level(problem, incumbent=before, options=options, monotonic=time.monotonic)


def planned(problem: Problem, options: PlanOptions = OFFLINE, before: Plan | None = None) -> Plan:
    return made(problem, options, before).plan


@given(SEEDS)
@settings(max_examples=200, deadline=None)
def test_a_plan_of_any_problem_breaks_no_rule(seed: int) -> None:
    problem = random_problem(seed)
    result = made(problem)
    assert check(problem, result.plan) == ()
    assert result.level == "solver"


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_plan_made_to_be_replanned_breaks_no_rule_either(seed: int) -> None:
    problem = random_problem(seed)
    assert check(problem, planned(problem, PlanOptions())) == ()


@given(SEEDS, st.integers(min_value=0, max_value=8))
@settings(max_examples=80, deadline=None)
def test_no_plan_made_without_a_solver_breaks_a_rule(seed: int, steps_ago: int) -> None:
    problem = random_problem(seed)
    alone = made(problem, PlanOptions(solvers=()))
    assert check(problem, alone.plan) == ()
    assert alone.level == "laxity"
    start = problem.start - steps_ago * timedelta(minutes=problem.step_minutes)
    before = incumbent_for(problem, former=(start, planned(problem)), promised={})
    after = made(problem, PlanOptions(solvers=()), before)
    assert check(problem, after.plan) == ()
    kept = before is not None and before.charging
    assert after.level == ("former" if kept else "laxity")


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_solvers_that_give_up_at_once_break_no_rule(seed: int) -> None:
    problem = random_problem(seed)
    assert check(problem, planned(problem, PlanOptions(iterations=0))) == ()


@given(SEEDS)
@example(14277135)
@example(2271)
@settings(max_examples=30, deadline=None)
def test_planning_anew_on_a_plan_serves_no_less(seed: int) -> None:
    problem = random_problem(seed)
    first = planned(problem)
    again = planned(problem, before=first)
    assert check(problem, again) == ()
    assert _priority(problem, again) >= _priority(problem, first)


@pytest.mark.parametrize("seed", [306, 312, 784, 791, 884])
def test_a_battery_that_is_paid_to_waste_energy_never_charges_and_gives_at_once(seed: int) -> None:
    plan = planned(random_problem(seed))
    assert plan.charging
    assert check(random_problem(seed), plan) == ()


def _priority(problem: Problem, plan: Plan) -> int:
    worth = {booking.id: booking.priority for booking in problem.bookings}
    return sum(worth[one.booking] for one in plan.assignments)


@pytest.mark.parametrize("seed", range(3))
def test_a_district_is_planned_lawfully_and_near_its_bound(seed: int) -> None:
    problem = confluence_like(seed)
    plan = planned(problem)
    assert check(problem, plan) == ()
    assert plan.lower_bound is not None
    assert plan.lower_bound <= plan.cost
    served = {one.booking for one in plan.assignments}
    assert len(served) >= 0.9 * len(problem.bookings)


def test_the_same_problem_has_the_same_plan() -> None:
    problem = confluence_like(5, cars=10, sites=3, steps=96)
    first, second = planned(problem), planned(problem)
    assert replace(second, solve_seconds=first.solve_seconds) == first
