"""The solver's own process: warm before it is needed, replaced when it hangs, gone at the end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from scheduler.check import check
from scheduler.pool import ProcessPool
from scheduler.problem import read_problem
from scheduler.rolling import PlanOptions

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
