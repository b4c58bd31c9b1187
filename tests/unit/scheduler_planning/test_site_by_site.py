"""Large programs are solved site by site: the plans stay lawful, and cost little more."""

from __future__ import annotations

import time

import numpy as np
import pytest

from scheduler import apart
from scheduler.apart import solve
from scheduler.check import check
from scheduler.options import PlanOptions
from scheduler.program import ProgramBuilder
from scheduler.rolling import plan_with_level
from scheduler.solver import SolveLimits, solve_lp
from tests.builders.figures import ev_energy_cost
from tests.builders.problems import confluence_like, random_problem, with_flexible_loads

APART = 10
"""So few columns make a program a large one."""


def blocks_of(sizes: list[int]) -> ProgramBuilder:
    """Returns a program of blocks that share no row: each buys five units, dearer ones last."""
    program = ProgramBuilder()
    for size in sizes:
        first = program.columns(np.arange(1.0, size + 1), 0.0, 2.0)
        row = program.rows(1, 5.0, 5.0)
        program.entries(np.full(size, row), first + np.arange(size), 1.0)
    program.columns(np.array([-3.0, 2.0]), 1.0, 4.0)  # in no row
    return program


def test_blocks_have_the_answer_and_the_duals_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    program = blocks_of([3, 7, 4]).build()
    whole = solve_lp(program)
    monkeypatch.setattr(apart, "LARGE", APART)
    monkeypatch.setattr(apart, "_BLOCK", 5)
    found = solve(program, limits=SolveLimits())
    assert found.status == "optimal"
    assert found.objective == pytest.approx(whole.objective)
    assert found.x == pytest.approx(whole.x)
    assert found.duals is not None
    assert whole.duals is not None
    assert found.duals == pytest.approx(whole.duals)


def test_a_block_that_has_no_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "LARGE", APART)
    assert not solve(blocks_of([7, 2]).build(), limits=SolveLimits()).solved


@pytest.mark.parametrize("seed", range(3))
def test_plans_made_site_by_site_cost_little_more(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    problem = confluence_like(seed, cars=20, sites=4)
    whole = plan_with_level(problem, monotonic=time.monotonic)
    monkeypatch.setattr(apart, "LARGE", APART)
    found = plan_with_level(problem, monotonic=time.monotonic)
    assert found.level == "solver"
    assert not check(problem, found.plan)
    assert len(found.plan.assignments) >= len(whole.plan.assignments) - 1
    assert found.plan.cost <= whole.plan.cost + 0.15 * ev_energy_cost(problem, whole.plan)


@pytest.mark.parametrize("seed", range(40))
def test_odd_plans_made_site_by_site_pass_the_referee(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(apart, "LARGE", 0)
    problem = with_flexible_loads(random_problem(seed), seed)
    made = plan_with_level(problem, options=PlanOptions(), monotonic=time.monotonic)
    assert made.level == "solver"
    assert not check(problem, made.plan)
