"""Random problems with what is optional: plans of every level are lawful, bounds hold.

The features are those of `tests.builders.problems`; each is tried alone, and all together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.bound import quick_bound
from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Plan
from scheduler.pools import pooled
from scheduler.problem import Problem, check_problem, read_problem, write_problem
from scheduler.rolling import plan_with_level
from scheduler.solver import SolveLimits
from scheduler.view import View
from tests.builders.optimum import least_costs, tiny_problem
from tests.builders.plans import Life
from tests.builders.problems import (
    random_problem,
    with_flexible_loads,
    with_overrides,
    with_peaks,
    with_phases,
    with_taper,
)

SEEDS = st.integers(min_value=0, max_value=2**32)
Feature = Callable[[Problem, int], Problem]


def with_all(problem: Problem, seed: int) -> Problem:
    for feature in (with_taper, with_phases, with_peaks, with_flexible_loads, with_overrides):
        problem = feature(problem, seed)
    return problem


FEATURES: list[Feature] = [
    with_taper,
    with_phases,
    with_peaks,
    with_flexible_loads,
    with_overrides,
    with_all,
]


def assert_bounded(problem: Problem, plan: Plan) -> None:
    worth = {booking.id: booking.priority for booking in problem.bookings}
    priority = sum(worth[one.booking] for one in plan.assignments)
    view = View(problem)
    tight = pooled(view, priority, SolveLimits())
    assert tight is not None
    for bound in (tight.bound, quick_bound(view, priority)):
        assert bound <= plan.cost + 1e-5 * max(1.0, abs(plan.cost))


@pytest.mark.parametrize("feature", FEATURES)
@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_plan_breaks_no_rule_and_costs_no_less_than_its_bounds(
    feature: Feature, seed: int
) -> None:
    problem = feature(random_problem(seed), seed)
    check_problem(problem)
    assert read_problem(write_problem(problem)) == problem
    made = plan_with_level(problem, options=OFFLINE, monotonic=time.monotonic)
    assert check(problem, made.plan) == ()
    assert made.level == "solver"
    assert_bounded(problem, made.plan)


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize(
    ("options", "level"),
    [(PlanOptions(solvers=()), "laxity"), (PlanOptions(follow_sun=True), "sun")],
)
@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_plan_made_without_a_solver_breaks_no_rule(
    feature: Feature, options: PlanOptions, level: str, seed: int
) -> None:
    problem = feature(random_problem(seed), seed)
    made = plan_with_level(problem, options=options, monotonic=time.monotonic)
    assert check(problem, made.plan) == ()
    assert made.level == level


@pytest.mark.parametrize("feature", FEATURES)
@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_plan_that_was_lived_is_lawful_and_costs_no_less_than_the_bounds(
    feature: Feature, seed: int
) -> None:
    problem = feature(random_problem(seed), seed)
    plan = Life(problem, Random(seed)).plan()
    assert check(problem, plan) == ()
    assert_bounded(problem, plan)


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_all_plans_of_a_tiny_problem_costs_no_less_than_the_bounds(
    feature: Feature, seed: int
) -> None:
    problem = feature(tiny_problem(seed), seed)
    view = View(problem)
    for priority, cost in least_costs(problem).items():
        tight = pooled(view, priority, SolveLimits())
        assert tight is not None
        for bound in (tight.bound, quick_bound(view, priority)):
            assert bound <= cost + 1e-5 * max(1.0, abs(cost))
