"""How long a plan takes, and how far from the best it can be.

Run `python -m benchmarks.subjects_planning`. Goals (issue 4): 30 cars at 6 sites over 48 hours in
under 1 s, and within 3 % of the lower bound, as a share of the EV energy cost, median of 10 seeds.
Seconds are CPU time, so that other work on the machine does not count; gaps and ratios are the
same on every machine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from statistics import median

from scheduler.bound import quick_bound
from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.rolling import make_plan
from scheduler.view import View
from tests.builders.figures import ev_energy_cost
from tests.builders.problems import confluence_like

SEEDS = 10
FLEETS = ((30, 6), (100, 20))
"""Cars and sites."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A plan and the CPU time that it took."""

    plan: Plan
    seconds: float


def planned(problem: Problem, options: PlanOptions, incumbent: Plan | None = None) -> Timed:
    began = time.process_time()
    plan = make_plan(problem, incumbent=incumbent, options=options, monotonic=time.monotonic)
    seconds = time.process_time() - began
    violations = check(problem, plan)
    assert not violations, violations[0]
    return Timed(plan, seconds)


def gap_pct(problem: Problem, plan: Plan, bound: float | None = None) -> float:
    lower = plan.lower_bound if bound is None else bound
    assert lower is not None
    return 100 * (plan.cost - lower) / ev_energy_cost(problem, plan)


def quick_gap_pct(problem: Problem, plan: Plan) -> float:
    worth = {booking.id: booking.priority for booking in problem.bookings}
    served = sum(worth[each.booking] for each in plan.assignments)
    return gap_pct(problem, plan, quick_bound(View(problem), served))


def row(subject: str, values: list[float], unit: str) -> str:
    return f"  {subject:62} {median(values):8.3f} {unit:2} (up to {max(values):.3f})"


def measure(cars: int, sites: int) -> None:
    problems = [confluence_like(seed, cars=cars, sites=sites) for seed in range(SEEDS)]
    plain_options = replace(OFFLINE, exchange_rounds=0, prove=False)
    whole = [planned(problem, OFFLINE) for problem in problems]
    plain = [planned(problem, plain_options) for problem in problems]
    rolling = [
        planned(problem, PlanOptions(), made.plan)
        for problem, made in zip(problems, whole, strict=True)
    ]
    alone = [planned(problem, PlanOptions(solvers=())) for problem in problems]
    pairs = list(zip(problems, whole, strict=True))
    title = f"{cars} cars, {sites} sites, 48 h"
    print(row(f"{title}: seconds per plan", [made.seconds for made in whole], "s"))
    print(row("  planned anew on the plan before", [made.seconds for made in rolling], "s"))
    print(row("  without a solver", [made.seconds for made in alone], "s"))
    print(
        row(
            "gap to the lower bound, % of the EV energy cost, 10 seeds",
            [gap_pct(problem, made.plan) for problem, made in pairs],
            "%",
        )
    )
    saved = [
        100 * (before.plan.cost - made.plan.cost) / ev_energy_cost(problem, made.plan)
        for (problem, made), before in zip(pairs, plain, strict=True)
    ]
    print(row("  saved by exchanges, % of the EV energy cost", saved, "%"))
    quick = [quick_gap_pct(problem, made.plan) for problem, made in pairs]
    print(row("  gap to the quick bound of rolling plans", quick, "%"))
    served = [
        100 * len(made.plan.assignments) / len(problem.bookings)
        for problem, made in zip(problems, alone, strict=True)
    ]
    print(row("bookings served without a solver, % of all", served, "%"))
    served = [100 * len(made.plan.assignments) / len(problem.bookings) for problem, made in pairs]
    print(row("  with one", served, "%"))


def main() -> None:
    for cars, sites in FLEETS:
        measure(cars, sites)


if __name__ == "__main__":
    main()
