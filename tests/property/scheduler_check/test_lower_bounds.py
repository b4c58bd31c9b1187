"""Lower bounds hold for every plan that serves as much, and the tight one is near.

Three witnesses: plans lived step by step without the solver, the solver's own plans, and on tiny
problems the best of all plans, found by trying every one.
"""

from __future__ import annotations

import time
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.bound import quick_bound
from scheduler.options import OFFLINE
from scheduler.plan import Plan
from scheduler.pools import pooled
from scheduler.problem import Problem
from scheduler.rolling import make_plan
from scheduler.solver import SolveLimits
from scheduler.view import View
from tests.builders.figures import ev_energy_cost
from tests.builders.optimum import least_costs, tiny_problem
from tests.builders.plans import Life
from tests.builders.problems import confluence_like, random_problem

SEEDS = st.integers(min_value=0, max_value=2**32)


def bounds(problem: Problem, priority: int) -> list[float]:
    view = View(problem)
    tight = pooled(view, priority, SolveLimits())
    assert tight is not None
    return [tight.bound, quick_bound(view, priority)]


def assert_bounded(problem: Problem, priority: int, cost: float) -> None:
    for bound in bounds(problem, priority):
        assert bound <= cost + 1e-5 * max(1.0, abs(cost))


def priority_of(problem: Problem, plan: Plan) -> int:
    worth = {booking.id: booking.priority for booking in problem.bookings}
    return sum(worth[one.booking] for one in plan.assignments)


@given(SEEDS)
@settings(max_examples=80, deadline=None)
def test_no_plan_lived_without_the_solver_costs_less_than_its_bounds(seed: int) -> None:
    problem = random_problem(seed)
    plan = Life(problem, Random(seed)).plan()
    assert_bounded(problem, priority_of(problem, plan), plan.cost)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_no_plan_of_the_solver_costs_less_than_its_bounds(seed: int) -> None:
    problem = random_problem(seed)
    plan = make_plan(problem, options=OFFLINE, monotonic=time.monotonic)
    assert_bounded(problem, priority_of(problem, plan), plan.cost)


@pytest.mark.parametrize("seed", range(60))
def test_the_best_of_all_plans_of_a_tiny_problem_costs_no_less_than_the_bounds(seed: int) -> None:
    problem = tiny_problem(seed)
    costs = least_costs(problem)
    for priority in costs:
        cost = min(cost for served, cost in costs.items() if served >= priority)
        assert_bounded(problem, priority, cost)
    plan = make_plan(problem, options=OFFLINE, monotonic=time.monotonic)
    assert priority_of(problem, plan) == max(costs)


def test_plans_of_districts_are_within_three_percent_of_their_bound() -> None:
    gaps: list[float] = []
    for seed in range(10):
        problem = confluence_like(seed)
        plan = make_plan(problem, options=OFFLINE, monotonic=time.monotonic)
        assert plan.lower_bound is not None
        gaps.append((plan.cost - plan.lower_bound) / ev_energy_cost(problem, plan))
    assert median(gaps) <= 0.03
    assert max(gaps) <= 0.06
