"""The solver's own process: warm before it is needed, and gone when the pool is closed."""

from __future__ import annotations

import os
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
    plan = pool.submit(problem, None, PlanOptions()).result(PATIENCE_S)
    assert check(problem, plan) == ()
    assert pool.worker_pid() == pid
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
