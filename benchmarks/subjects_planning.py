"""The planner's goals: how long plans and answers take, and how far plans are from the best.

Run `python -m benchmarks.subjects_planning`; it takes some twenty minutes. S is 30 cars at 6 sites,
M 300 at 60, L 3,000 at 100, over 48 hours of 15 minutes. Plans and answers in process are timed by
CPU, so that other work on the machine counts for little; the wall time stands beside. Of each
season (`benchmarks.seasons`) two days are played. `--long` adds what takes two hours: five whole
weeks of each, 20 seeds with 30 s each, and more seeds of M and L.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from random import Random
from statistics import median

import numpy as np

from benchmarks import booking_by_rest, seasons, subjects_admission, subjects_replay
from benchmarks.rows import Row
from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Plan
from scheduler.pool import undisturbed
from scheduler.problem import Problem
from scheduler.rolling import incumbent_for, plan_with_level
from tests.builders.events import happened
from tests.builders.figures import ev_energy_cost
from tests.builders.problems import confluence_like

SIZES = {"S": (30, 6), "M": (300, 60), "L": (3000, 100)}
"""Cars and sites."""
ROLLING = PlanOptions()
"""As the service plans by the clock."""
ON_EVENT = replace(ROLLING, exchange_rounds=0)
"""As the service plans when something has happened: see `csms.planning.worker`."""
WITH_TIME_S = 30.0
EVENTS = 10
"""How many things happen to each plan."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A plan, who made it, and what that took."""

    plan: Plan
    level: str
    cpu_s: float
    wall_s: float
    kept_cars: int


def planned(problem: Problem, options: PlanOptions, incumbent: Plan | None = None) -> Timed:
    """Plans once, as the solving process does; a plan that the referee refuses ends the run."""
    cpu_s, wall_s = time.process_time(), time.monotonic()
    with undisturbed() if options.time_limit_s is None else nullcontext():
        made = plan_with_level(
            problem, incumbent=incumbent, options=options, monotonic=time.monotonic
        )
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
    violations = check(problem, made.plan)
    assert not violations, violations[0]
    return Timed(made.plan, made.level, cpu_s, wall_s, made.kept_cars)


def gap_pct(problem: Problem, plan: Plan) -> float:
    """Returns by how much a plan costs more than its bound, in % of the EV energy cost."""
    assert plan.lower_bound is not None
    return 100 * (plan.cost - plan.lower_bound) / ev_energy_cost(problem, plan)


def p(share: float, values: Sequence[float]) -> float:
    return float(np.quantile(values, share))


def full_plan(size: str, goal_s: float, seeds: int) -> Row:
    cars, sites = SIZES[size]
    made = [planned(confluence_like(n, cars=cars, sites=sites), ROLLING) for n in range(seeds)]
    cpu_s, wall_s = p(0.95, [m.cpu_s for m in made]), p(0.95, [m.wall_s for m in made])
    by = "" if all(m.level == "solver" for m in made) else f", by {made[0].level}"
    figure = f"{cpu_s:.2f} s CPU, {wall_s:.2f} s wall{by}"
    return Row(f"full plan, {size}, p95", f"{goal_s:g} s", figure, _seeds(seeds))


def after_event(size: str, seeds: int, *, whole: bool = False) -> Row:
    """Plans anew on the plan before, each time after something else has happened at one site.

    With `whole` all sites are planned anew, as where trips have to change cars.
    """
    cars, sites = SIZES[size]
    spent_s: list[float] = []
    kept_cars: list[int] = []
    for seed in range(seeds):
        problem = confluence_like(seed, cars=cars, sites=sites)
        before = planned(problem, ROLLING).plan
        random = Random(seed)
        for _ in range(EVENTS):
            changed, site = happened(random, problem)
            kept = incumbent_for(changed, former=(problem.start, before), promised={})
            how = ON_EVENT if whole else replace(ON_EVENT, sites=frozenset({site}))
            made = planned(changed, how, kept)
            spent_s.append(made.cpu_s)
            kept_cars.append(made.kept_cars)
    figure = f"{p(0.99, spent_s):.3f} s CPU (median {median(spent_s):.3f})"
    if not whole:
        share = sum(kept > 0 for kept in kept_cars) / len(kept_cars)
        figure += f"; {share:.0%} of events left {median(kept_cars):.0f} cars alone"
    what = "all sites" if whole else "one site"
    title = f"{what} of {size} after an event, p99"
    return Row(title, "0.1 s", figure, f"{_seeds(seeds)}, {EVENTS} events each")


def gap(size: str, goal: str, seeds: int, seconds: float | None = None) -> Row:
    cars, sites = SIZES[size]
    options = replace(OFFLINE, time_limit_s=seconds)
    gaps: list[float] = []
    for seed in range(seeds):
        problem = confluence_like(seed, cars=cars, sites=sites)
        gaps.append(gap_pct(problem, planned(problem, options).plan))
    when = "at once" if seconds is None else f"with {seconds:g} s"
    figure = f"median {median(gaps):.2f} %, worst {max(gaps):.2f} %"
    return Row(f"cost above the bound, {size}, {when}", goal, figure, _seeds(seeds))


def answers() -> list[Row]:
    timings = {each.subject: each for each in subjects_admission.measure(SIZES["L"][0])}
    rows: list[Row] = []
    for title, subject, goal in (
        ("booking answer in process, L, p99", "yes", "2 ms"),
        ("the same, with alternatives", "no, alternatives", "5 ms"),
    ):
        found = timings[subject]
        figure = f"{found.p99_ms:.2f} ms CPU (median {found.median_ms:.2f})"
        rows.append(Row(title, goal, figure, f"1, {found.calls} calls"))
    return rows


def answers_by_rest() -> list[Row]:
    found = booking_by_rest.booked(cars=SIZES["L"][0])
    figure = f"{found.p99_ms:.1f} ms wall (median {found.median_ms:.1f}; CPU {found.cpu_ms:.1f})"
    title = f"booking over REST with commit, {found.cars:,} cars, p99"
    return [Row(title, "50 ms", figure, f"1, {found.accepted} bookings")]


def week() -> list[Row]:
    found = subjects_replay.played(7)
    figure = f"{found.times_life:,.0f} times life, by CPU"
    title = "simulated week of `confluence`, planner on"
    return [Row(title, "2,000 times life", figure, "the scenario's own")]


def whole_days(days: int, count: int) -> list[Row]:
    """Plays days of four seasons, and of June."""
    found = seasons.weeks(days=days, count=count, seasons=list(seasons.SEASONS), reference=True)
    return seasons.summary(list(found), count=count, days=days)


def _load() -> str:
    """Returns how much else the machine does, where it tells."""
    return f"load {os.getloadavg()[0]:.1f}," if hasattr(os, "getloadavg") else ""


def _seeds(count: int) -> str:
    return "0" if count == 1 else f"0 to {count - 1}"


def rows(*, long: bool) -> Iterator[Callable[[], list[Row]]]:
    """Yields what to measure, quickest first."""
    yield lambda: [full_plan("S", 0.25, 20)]
    yield lambda: [after_event("S", 20), after_event("S", 10, whole=True)]
    yield answers
    yield lambda: [gap("S", "median 2.5 %, worst 5 %", 20)]
    yield lambda: [full_plan("M", 1.5, 20 if long else 3)]
    yield lambda: [after_event("M", 3)]
    yield lambda: [gap("M", "5 %", 3 if long else 1)]
    yield answers_by_rest
    yield week
    yield lambda: [full_plan("L", 10, 3 if long else 1)]
    yield lambda: [gap("S", "median 2 %", 20 if long else 3, WITH_TIME_S)]
    yield lambda: whole_days(7, 5) if long else whole_days(2, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="more seeds, for hours")
    options = parser.parse_args()
    sys.stdout.write(f"{os.cpu_count()} cores, {_load()} Python {platform.python_version()}\n\n")
    sys.stdout.write("| what | goal | figure | seeds |\n|---|---|---|---|\n")
    for measure in rows(long=options.long):
        for row in measure():
            sys.stdout.write(str(row))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
