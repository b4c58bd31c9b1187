"""What a caller may ask of a plan, beside the problem itself."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.solver import SolverName


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How to plan. The defaults suit a plan that will be planned anew within the hour."""

    time_limit_s: float | None = None
    """None: the first whole plan, limited by iterations, the same on every machine. Else the plan
    goes on improving until then or until it is `optimal`, for which it may still take a quarter
    of the time where charging is not near its bound."""
    exchange_rounds: int = 1
    """How often all exchanges between two cars are priced and the best tried, at most."""
    wait_cost_per_kwh_h: float = 0.001
    """Cost of taking a kWh an hour later. A rolling plan that finds today's sun and tomorrow's
    equal puts charging off for ever; this breaks the tie and insures against clouds."""
    short_gap_cost_per_h: float = 0.02
    """Cost of each hour by which two trips of a car follow closer than two hours: a late return
    then reaches the next driver."""
    missed_cost_per_kwh: float = 20.0
    """Cost of energy that a trip lacks: far above any price."""
    ready_steps: tuple[int, ...] = ()
    """Steps at which parked cars should be ready for people who walk up."""
    ready_share: float = 0.45
    """What part of its greatest charge a ready car holds."""
    ready_cost_per_kwh: float = 0.25
    """Cost of energy that a car lacks to be ready: above a usual price, far below a missed trip."""
    prove: bool = False
    """Whether to compute the tight lower bound; else a quick one is given."""
    solvers: tuple[SolverName, ...] = ("glop", "highs")
    """Who solves linear programs, in turn; with none, cars are charged by least laxity."""
    sites: frozenset[str] | None = None
    """Where something has happened: cars that never stand there keep what the plan before says,
    where that can be (`scheduler.partly`). None: all are planned anew."""
    follow_sun: bool = False
    """Whether cars are charged as a sun-following charger does, in place of the charging program:
    the baseline that a plan is measured against."""
    iterations: int = 200_000
    """Simplex iterations after which a solver hands over to the next."""


OFFLINE = PlanOptions(
    wait_cost_per_kwh_h=1e-6, short_gap_cost_per_h=0.0, exchange_rounds=8, prove=True
)
"""For one problem by itself, where nothing but its cost counts."""
