"""Cars, EVSEs and energy decided together, where they are few and there is time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import pytest

from csms.planning.improving import is_better
from scheduler import rolling
from scheduler.candidates import Candidate, Judge
from scheduler.charge import Charge, charge
from scheduler.check import check
from scheduler.options import OFFLINE
from scheduler.parking import Stay
from scheduler.plan import Plan
from scheduler.polish import polished
from scheduler.problem import Problem
from scheduler.rolling import PlanOptions, incumbent_for, make_plan, plan_with_level
from scheduler.solver import SolveLimits
from scheduler.view import View
from tests.builders.grains import grained_problem
from tests.builders.problems import (
    confluence_like,
    random_problem,
    with_overrides,
    with_peaks,
    with_phases,
    with_taper,
)

HARD = 13
"""A small problem in which the search by itself gets stuck far from the best."""


def planned(problem: Problem, time_limit_s: float | None) -> Plan:
    """Returns a plan by a clock that each look moves, the same on every machine."""
    looks = count()
    options = replace(OFFLINE, time_limit_s=time_limit_s)
    return make_plan(problem, options=options, monotonic=lambda: next(looks) * 0.0005)


def started(problem: Problem) -> tuple[View, Judge, Candidate]:
    """Returns a problem, who judges, and a decision made of what idle cars can do."""
    view = View(problem)

    def charger(view: View, stays: Sequence[Stay]) -> Charge | None:
        return charge(view, stays, OFFLINE, SolveLimits())

    judge = Judge(view, charger, short_gap_cost_per_h=0.0)
    first = judge.whole(tuple(() for _ in view.cars))
    assert first is not None
    return view, judge, first


def test_from_any_decision_it_finds_the_best() -> None:
    view, judge, first = started(grained_problem(HARD))
    found = polished(view, judge, first, limit=1.0)
    # The exact oracle proves 11 and -14.9604; exchanges and kicks end at -13.81.
    assert first.objective > -13.0
    assert found.priority == 11
    assert found.objective == pytest.approx(-14.96, abs=0.01)


def test_what_is_better_already_stays() -> None:
    view, judge, first = started(grained_problem(HARD))
    best = polished(view, judge, first, limit=1.0)
    again = polished(view, judge, best, limit=0.01)
    assert again.rank <= best.rank


def test_many_cars_are_left_to_exchanges() -> None:
    view, judge, first = started(confluence_like(0))
    assert polished(view, judge, first, limit=1e9) is first


def test_the_same_problem_gets_the_same_plan() -> None:
    one, other = (planned(grained_problem(HARD), 0.1) for _ in range(2))
    assert replace(one, solve_seconds=0.0) == replace(other, solve_seconds=0.0)


def test_plans_without_a_time_limit_never_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Problem] = []

    def noted(view: View, judge: Judge, best: Candidate, *, limit: float) -> Candidate:
        asked.append(view.problem)
        return polished(view, judge, best, limit=limit)

    monkeypatch.setattr(rolling, "polished", noted)
    planned(grained_problem(HARD), None)
    assert asked == []
    planned(grained_problem(HARD), 0.1)
    assert len(asked) == 1


@pytest.mark.parametrize("change", [with_overrides, with_peaks, with_taper])
@pytest.mark.parametrize("seed", range(2))
def test_what_it_leaves_out_the_referee_finds_kept(
    change: Callable[[Problem, int], Problem], seed: int
) -> None:
    problem = with_phases(change(random_problem(seed), seed), seed)
    assert check(problem, planned(problem, 0.05)) == ()


def test_a_plan_in_force_is_bettered_as_the_service_betters_it() -> None:
    problem = grained_problem(HARD)
    looks = count()
    before = plan_with_level(problem, options=PlanOptions(), monotonic=time.monotonic)
    former = incumbent_for(problem, former=(problem.start, before.plan), promised={})
    how = PlanOptions(time_limit_s=4.0, prove=True)
    better = plan_with_level(
        problem, incumbent=former, options=how, monotonic=lambda: next(looks) * 0.05
    )
    assert "cp-sat" in better.solvers
    assert better.violations == ()
    assert is_better(problem, better, before, asked_for=False)
    assert not is_better(problem, better, better, asked_for=False)
    assert not is_better(problem, before, better, asked_for=True)
