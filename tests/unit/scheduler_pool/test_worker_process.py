"""The solver's own process: warm before it is needed, replaced when it hangs, gone at the end."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from scheduler.check import check
from scheduler.plan import Plan
from scheduler.pool import InlinePool, ProcessPool, WorkerLost
from scheduler.problem import read_problem
from scheduler.rolling import PlanOptions
from tests.builders.problems import confluence_like

PROBLEM = Path(__file__).parents[2] / "fixtures" / "planning" / "problem.json"
PATIENCE_S = 60.0


def test_a_warm_worker_makes_the_first_plan_and_ends_with_its_pool() -> None:
    problem = read_problem(PROBLEM.read_bytes())
    pool = ProcessPool()
    assert pool.worker_pid() is None
    pool.warm_up()
    deadline = time.monotonic() + PATIENCE_S
    while (pid := pool.worker_pid()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    made = pool.submit(problem, None, PlanOptions()).result(PATIENCE_S)
    assert check(problem, made.plan) == made.violations == ()
    assert made.level == "solver"
    assert pool.worker_pid() == pid
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_plan_for_many_cars_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = read_problem(PROBLEM.read_bytes())
    monkeypatch.setattr("scheduler.pool.KILL_PER_CAR_S", PATIENCE_S / len(problem.vehicles))
    pool = ProcessPool(kill_after_s=0.0)
    made = pool.submit(problem, None, PlanOptions()).result(2 * PATIENCE_S)
    assert made.level == "solver"
    assert pool.killed == 0
    pool.close()


def test_a_worker_that_hangs_is_killed_and_the_cars_are_charged_all_the_same() -> None:
    problem = read_problem(PROBLEM.read_bytes())
    pool = ProcessPool(kill_after_s=PATIENCE_S)
    first = pool.submit(problem, None, PlanOptions()).result(PATIENCE_S)
    pid = pool.worker_pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    pool.kill_after_s = 0.2
    made = pool.submit(problem, first.plan, PlanOptions()).result(PATIENCE_S)
    assert pool.killed == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert made.level == "former"
    assert check(problem, made.plan) == ()
    assert made.plan.charging
    assert len(made.plan.assignments) == len(first.plan.assignments)
    pool.kill_after_s = PATIENCE_S
    again = pool.submit(problem, made.plan, PlanOptions()).result(PATIENCE_S)
    assert again.level == "solver"
    assert pool.worker_pid() not in (None, pid)
    pool.close()


@pytest.mark.parametrize("cycles", [40, pytest.param(1000, marks=pytest.mark.soak)])
def test_no_plan_breaks_a_rule_though_every_twentieth_worker_is_killed(cycles: int) -> None:
    cases = [confluence_like(seed, cars=6, sites=2, steps=96) for seed in range(4)]
    former: dict[int, Plan] = {}
    pool = ProcessPool(kill_after_s=PATIENCE_S)
    dead = 0
    for cycle in range(cycles):
        which = cycle % len(cases)
        pid, dies = pool.worker_pid(), cycle % 20 == 13
        if dies and pid is not None:
            os.kill(pid, signal.SIGSTOP)  # so that it dies at work
        made_soon = pool.submit(cases[which], former.get(which), PlanOptions())
        if dies and pid is not None:
            os.kill(pid, signal.SIGKILL)
        made = made_soon.result(PATIENCE_S)
        dead += dies
        assert made.level == ("former" if dies else "solver")
        assert check(cases[which], made.plan) == made.violations == ()
        former[which] = made.plan
    assert pool.killed == dead == cycles // 20
    pool.close()


def test_a_solver_that_dies_in_line_leaves_what_a_killed_worker_does() -> None:
    problem = read_problem(PROBLEM.read_bytes())
    first = InlinePool().submit(problem, None, PlanOptions()).result()
    deaths = iter([True, False])
    pool = InlinePool(lambda: next(deaths))
    made = [pool.submit(problem, first.plan, PlanOptions()).result() for _ in range(2)]
    assert [each.level for each in made] == ["former", "solver"]
    assert check(problem, made[0].plan) == ()


def test_a_large_plan_that_is_waited_for_is_made_beside_and_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = read_problem(PROBLEM.read_bytes())
    here = InlinePool()
    expected = here.submit(problem, None, PlanOptions()).result()
    assert here.worker_pid() is None
    monkeypatch.setattr("scheduler.pool.BESIDE_FROM_CARS", len(problem.vehicles))
    beside = InlinePool()
    future = beside.submit(problem, None, PlanOptions())
    assert future.done()
    pid = beside.worker_pid()
    assert pid not in (None, os.getpid())
    made = future.result()
    assert made.level == expected.level == "solver"
    assert replace(made.plan, solve_seconds=0.0) == replace(expected.plan, solve_seconds=0.0)
    beside.close()
    assert beside.worker_pid() is None


def test_a_worker_does_other_work_too_and_what_is_asked_of_a_dead_one_is_said_to_be_lost() -> None:
    pool = ProcessPool(kill_after_s=PATIENCE_S)
    assert pool.call(partial(max, 2, 3)).result(PATIENCE_S) == 3
    assert pool.call(os.getpid).result(PATIENCE_S) == pool.worker_pid() != os.getpid()
    with pytest.raises(WorkerLost):
        pool.call(partial(os._exit, 1)).result(PATIENCE_S)
    assert pool.killed == 1
    assert pool.call(partial(max, 2, 3)).result(PATIENCE_S) == 3
    pool.close()


def test_a_worker_that_has_done_much_makes_room_for_a_fresh_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scheduler.pool.JOBS_PER_WORKER", 2)
    pool = ProcessPool(kill_after_s=PATIENCE_S)
    workers = [pool.call(os.getpid).result(2 * PATIENCE_S) for _ in range(5)]
    assert workers[0] == workers[1] != workers[2] == workers[3] != workers[4]
    assert pool.worker_pid() == workers[4]
    assert pool.killed == 0
    pool.close()


def test_a_search_that_is_given_up_ends_with_its_process_and_leaves_no_plan() -> None:
    problem = confluence_like(0, cars=10, sites=3, steps=96)
    first = InlinePool().submit(problem, None, PlanOptions()).result()
    pool = ProcessPool()
    found = pool.attempt(problem, first.plan, PlanOptions(time_limit_s=10 * PATIENCE_S))
    deadline = time.monotonic() + PATIENCE_S
    while (pid := pool.worker_pid()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pool.close()
    with pytest.raises(WorkerLost):
        found.result(PATIENCE_S)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert pool.worker_pid() is None
    assert pool.killed == 0


def test_a_limit_lies_below_the_time_after_which_a_worker_is_killed() -> None:
    problem = read_problem(PROBLEM.read_bytes())
    pool = ProcessPool(kill_after_s=1.0)
    plain, limited = (
        pool._patience_s(problem, PlanOptions(time_limit_s=limit_s)) for limit_s in (None, 300.0)
    )
    assert plain is not None
    assert limited == plain + 300.0
    pool.close()
