"""The door to the solvers: who answers, what duals prove, and that nobody talks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scheduler.pools import dual_bound
from scheduler.solver import LinearProgram, SolveLimits, SolverName, solve_lp, solve_mixed


def random_program(seed: int, *, whole: bool = False) -> LinearProgram:
    """A bounded program with rows of every kind; nothing at all is a solution."""
    random = np.random.default_rng(seed)
    rows, columns = 12, 20
    matrix = np.where(random.random((rows, columns)) < 0.3, random.normal(size=(rows, columns)), 0)
    upper = random.uniform(0.5, 3.0, columns)
    row_lower = np.where(random.random(rows) < 0.5, -np.inf, -random.uniform(0, 2, rows))
    return LinearProgram(
        cost=random.normal(size=columns),
        lower=np.zeros(columns),
        upper=upper,
        matrix=sparse.csr_matrix(matrix),
        row_lower=row_lower,
        row_upper=random.uniform(0, 2, rows),
        integer=np.arange(0, columns, 2) if whole else None,
    )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dual", [False, True])
def test_all_solvers_agree_and_duals_prove_the_cost(seed: int, dual: bool) -> None:
    program = random_program(seed)
    names: list[SolverName] = ["glop", "highs"]
    found = [solve_lp(program, limits=SolveLimits(solvers=(name,)), dual=dual) for name in names]
    assert [each.solver for each in found] == names
    assert all(each.solved for each in found)
    assert found[0].objective == pytest.approx(found[1].objective)
    duals = found[0].duals
    assert duals is not None
    assert dual_bound(program, duals) == pytest.approx(found[0].objective)


@pytest.mark.parametrize("seed", range(20))
def test_no_duals_whatever_prove_more_than_the_cost(seed: int) -> None:
    program = random_program(seed)
    cost = solve_lp(program).objective
    random = np.random.default_rng(seed)
    for size in (0.0, 0.1, 1.0, 10.0):
        duals = random.normal(size=len(program.row_lower)) * size
        assert dual_bound(program, duals) <= cost + 1e-9


def test_a_solver_at_its_limit_hands_over_and_the_last_one_fails() -> None:
    limits = SolveLimits(iterations=0)
    result = solve_lp(random_program(1), limits=limits)
    assert not result.solved
    assert result.solver == "highs"


def test_whole_numbers_are_found_by_a_solver_that_knows_them() -> None:
    # The linear answer takes half of each; a solver of linear programs in disguise would too.
    program = LinearProgram(
        cost=np.array([-1.0, -1.0]),
        lower=np.zeros(2),
        upper=np.ones(2),
        matrix=sparse.csr_matrix(np.array([[2.0, 2.0]])),
        row_lower=np.array([-np.inf]),
        row_upper=np.array([3.0]),
        integer=np.arange(2),
    )
    result = solve_mixed(program)
    assert result.objective == pytest.approx(-1.0)
    assert sorted(result.x.round(6).tolist()) == [0.0, 1.0]


def test_solvers_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    solve_lp(random_program(2))
    solve_lp(random_program(2), limits=SolveLimits(solvers=("highs",)))
    solve_mixed(random_program(2, whole=True))
    assert capfd.readouterr() == ("", "")
