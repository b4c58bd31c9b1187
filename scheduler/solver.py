"""The door to OR-Tools: linear programs, mixed ones and flows, as arrays in and arrays out.

CP-SAT is asked in `scheduler.polish` alone, since its models are no arrays.

Callers build sparse arrays and know no solver; here one is chosen, limited and listened to. GLOP
is the fastest on our programs but may end abnormal on degenerate ones, so HiGHS answers after it.
Limits are iterations, which are the same on every machine; seconds are a net below them. What a
program means is not here.

Traps of OR-Tools 9.15 that this module keeps away: `pywraplp` with "HIGHS" is PDLP in disguise;
HiGHS greets on stdout unless `output_flag` is off; its duals come back in another convention than
GLOP's, so only GLOP's are handed out; the text of the parameters differs from solver to solver.
"""
# The stubs of OR-Tools' compiled modules misdescribe arrays: that ends at this module's border.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python import min_cost_flow as ortools_flow
from ortools.linear_solver.python import model_builder_helper as ortools_linear
from scipy import sparse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SolverName = Literal["glop", "highs"]
LpStatus = Literal["optimal", "feasible", "infeasible", "unbounded", "failed"]

_STATUS: dict[str, LpStatus] = {
    "OPTIMAL": "optimal",
    "FEASIBLE": "feasible",
    "INFEASIBLE": "infeasible",
    "UNBOUNDED": "unbounded",
}


@dataclass(frozen=True, slots=True)
class LinearProgram:
    """Least `cost @ x` with `lower <= x <= upper` and `row_lower <= matrix @ x <= row_upper`.

    `integer` marks the columns that must be whole; without it the program is linear.
    """

    cost: Floats
    lower: Floats
    upper: Floats
    matrix: sparse.csr_matrix
    row_lower: Floats
    row_upper: Floats
    integer: Ints | None = None

    def __post_init__(self) -> None:
        columns = len(self.cost)
        assert len(self.lower) == len(self.upper) == columns
        assert self.matrix.shape == (len(self.row_lower), columns)
        assert len(self.row_upper) == len(self.row_lower)


@dataclass(frozen=True, slots=True)
class SolveLimits:
    """When to give up: a count that is the same everywhere, and seconds as a net below it."""

    iterations: int = 200_000
    """Simplex iterations of one solve."""
    nodes: int = 200
    """Branch-and-bound nodes of one mixed solve."""
    seconds: float = 10.0
    solvers: tuple[SolverName, ...] = ("glop", "highs")
    """Who is asked, in turn."""
    answered: set[str] = field(default_factory=set[str], compare=False)
    """Those who have answered, noted here."""


@dataclass(frozen=True, slots=True)
class LpResult:
    """What a solver answered; `x` is empty unless the status is `optimal` or `feasible`."""

    status: LpStatus
    solver: SolverName
    x: Floats
    objective: float
    duals: Floats | None = None
    """One per row: what one more unit of its right-hand side adds to the cost. GLOP only."""

    @property
    def solved(self) -> bool:
        """Whether `x` obeys every row and bound."""
        return self.status in ("optimal", "feasible")


_EMPTY = np.zeros(0)


def solve_lp(
    program: LinearProgram,
    *,
    limits: SolveLimits = SolveLimits(),
    dual: bool = False,
) -> LpResult:
    """Returns the first whole answer of a chain of solvers.

    `dual` asks for the dual simplex, which is the quicker one where most rows bind.

    A solver that ends abnormal, or at its limit, hands over to the next. `infeasible` is believed
    only from the last one.
    """
    assert limits.solvers, "at least one solver"
    assert program.integer is None, "mixed programs go to solve_mixed"
    model = _model(program)
    result = LpResult("failed", limits.solvers[0], _EMPTY, float("nan"))
    for solver in limits.solvers:
        result = _solve(model, solver, limits, mixed=False, dual=dual)
        if result.status == "optimal":
            return result
    return result


def solve_mixed(
    program: LinearProgram,
    *,
    limits: SolveLimits = SolveLimits(),
) -> LpResult:
    """Returns HiGHS's answer to a program with whole columns, within 0.1 % where limits allow."""
    assert program.integer is not None
    model = _model(program)
    for column in program.integer.tolist():
        model.set_var_integrality(column, True)  # noqa: FBT003 - OR-Tools' signature
    return _solve(model, "highs", limits, mixed=True)


def _model(program: LinearProgram) -> ortools_linear.ModelBuilderHelper:
    model = ortools_linear.ModelBuilderHelper()
    model.fill_model_from_sparse_data(
        program.lower,
        program.upper,
        program.cost,
        program.row_lower,
        program.row_upper,
        program.matrix,
    )
    return model


def _solve(
    model: ortools_linear.ModelBuilderHelper,
    name: SolverName,
    limits: SolveLimits,
    *,
    mixed: bool,
    dual: bool = False,
) -> LpResult:
    solver = ortools_linear.ModelSolverHelper(name)
    assert solver.solver_is_supported(), f"this OR-Tools has no {name}"
    solver.enable_output(False)  # noqa: FBT003 - OR-Tools' signature
    solver.set_time_limit_in_seconds(limits.seconds)
    solver.set_solver_specific_parameters(_parameters(name, limits, mixed=mixed, dual=dual))
    solver.solve(model)
    status = _STATUS.get(solver.status().name, "failed")
    if status not in ("optimal", "feasible") or not solver.has_solution():
        return LpResult("failed" if status == "feasible" else status, name, _EMPTY, float("nan"))
    values = np.asarray(solver.variable_values(), dtype=np.float64)
    if not np.isfinite(values).all():
        return LpResult("failed", name, _EMPTY, float("nan"))
    limits.answered.add(name)
    duals = np.asarray(solver.dual_values(), dtype=np.float64) if name == "glop" else None
    return LpResult(status, name, values, float(solver.objective_value()), duals)


def _parameters(name: SolverName, limits: SolveLimits, *, mixed: bool, dual: bool) -> str:
    """Returns a solver's parameters in its own spelling.

    GLOP goes without presolve: on our programs it costs more than it saves (charging 17 to 14 ms,
    the bound 38 to 18), and it is what takes feasible programs for infeasible.
    """
    if name == "glop":
        simplex = "true" if dual else "false"
        return (
            f"max_number_of_iterations: {limits.iterations} "
            f"use_preprocessing: false use_dual_simplex: {simplex}"
        )
    common = "output_flag = false\nthreads = 1\nparallel = off\n"
    if mixed:
        return common + f"mip_max_nodes = {limits.nodes}\nmip_rel_gap = 0.001"
    return common + f"simplex_iteration_limit = {limits.iterations}"


@dataclass(frozen=True, slots=True)
class FlowNetwork:
    """Arcs with capacity and cost per unit (whole numbers), and what nodes give or take."""

    tail: Ints
    head: Ints
    capacity: Ints
    cost: Ints
    supply: Ints
    """One per node: positive gives, negative takes; the sum is zero."""


def least_cost_flow(network: FlowNetwork) -> Ints | None:
    """Returns the flow on each arc at least cost, or None if the supplies can't be met."""
    flow = ortools_flow.SimpleMinCostFlow()
    arcs = flow.add_arcs_with_capacity_and_unit_cost(
        network.tail.astype(np.int32), network.head.astype(np.int32), network.capacity, network.cost
    )
    nodes = np.arange(len(network.supply), dtype=np.int32)
    flow.set_nodes_supplies(nodes, network.supply)
    if flow.solve() != flow.OPTIMAL:
        return None
    return np.asarray(flow.flows(arcs), dtype=np.int64)
