"""Plans of small problems are the best there is, or nearly, and never better than that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count

import pytest

from scheduler.check import check
from scheduler.options import OFFLINE
from scheduler.plan import Plan
from scheduler.problem import Problem, check_problem
from scheduler.rolling import make_plan
from tests.builders.exact import best_plan
from tests.builders.figures import ev_energy_cost
from tests.builders.grains import grained_problem, grained_visits
from tests.builders.optimum import least_costs

NEAR_SHARE = 0.01
"""Of the EV energy cost of the best plan."""
NEAR_LEAST = 0.005
"""In euros: what counts as equal where that cost is next to nothing."""
LOOK_S = 0.0005
"""What a look at the clock takes, so that the search is as long on every machine."""


@dataclass(frozen=True)
class Compared:
    """What a plan serves and costs, and what the best one does."""

    seed: int
    priority: int
    best_priority: int
    cost: float
    best_cost: float
    ev_energy_cost: float

    @property
    def is_near(self) -> bool:
        room = max(NEAR_LEAST, NEAR_SHARE * abs(self.ev_energy_cost))
        return self.priority == self.best_priority and self.cost <= self.best_cost + room

    @property
    def is_below(self) -> bool:
        # The solver takes 0.5 Wh and 0.5 W less than nothing for nothing, as the referee does 1.
        return self.priority > self.best_priority or (
            self.priority == self.best_priority and self.cost < self.best_cost - 1e-3
        )


def ticking() -> Iterator[float]:
    return (number * LOOK_S for number in count())


def priority_of(problem: Problem, plan: Plan) -> int:
    worth = {booking.id: booking.priority for booking in problem.bookings}
    return sum(worth[one.booking] for one in plan.assignments)


def compared(
    seed: int,
    time_limit_s: float | None = 2.0,
    drawn: Callable[[int], Problem] = grained_problem,
) -> Compared:
    problem = drawn(seed)
    check_problem(problem)
    best = best_plan(problem)
    # Why it refuses bookings is not for the oracle to say; all else of its plan is judged.
    assert {v.rule for v in check(problem, best.plan)} <= {"unserved-reason"}
    assert priority_of(problem, best.plan) == best.priority
    clock = ticking()
    options = replace(OFFLINE, time_limit_s=time_limit_s)
    plan = make_plan(problem, options=options, monotonic=lambda: next(clock))
    assert check(problem, plan) == ()
    # What serves as much can't cost less than the bound, the best plan least of all.
    if priority_of(problem, plan) == best.priority:
        assert plan.lower_bound is not None
        assert plan.lower_bound <= best.plan.cost + 1e-3
    return Compared(
        seed,
        priority_of(problem, plan),
        best.priority,
        plan.cost,
        best.plan.cost,
        ev_energy_cost(problem, best.plan),
    )


def assert_near(cases: list[Compared], least: int) -> None:
    assert [case for case in cases if case.is_below] == []
    far = [case for case in cases if not case.is_near]
    assert len(cases) - len(far) >= least, far


def test_plans_of_small_problems_are_the_best_or_within_one_percent_of_it() -> None:
    assert_near([compared(seed, 0.5) for seed in range(100, 116)], least=15)


def test_the_first_plan_is_near_the_best_in_seven_of_ten_and_never_better() -> None:
    assert_near([compared(seed, None) for seed in range(100, 130)], least=22)


@pytest.mark.parametrize("seed", [0, 13])
def test_where_many_cars_have_to_change_at_once_they_do(seed: int) -> None:
    # By exchanges and kicks alone 25 and 15 % of the charging cost are lost.
    assert compared(seed, 0.5).is_near


def test_plans_with_visits_to_fast_chargers_are_mostly_near_the_best_and_never_better() -> None:
    """Cars are moved last, one after another: two that have to change at once are not found."""
    assert_near([compared(seed, None, grained_visits) for seed in range(10)], least=6)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_of_a_hundred_plans_with_visits_three_in_four_are_the_best_or_within_one_percent() -> None:
    assert_near([compared(seed, 0.5, grained_visits) for seed in range(100)], least=75)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", [0, 1000])
def test_plans_of_a_hundred_small_problems_are_the_best_or_within_one_percent_of_it(
    first: int,
) -> None:
    assert_near([compared(seed) for seed in range(first, first + 100)], least=95)


@pytest.mark.parametrize("seed", range(12))
def test_the_oracle_finds_what_trying_every_plan_finds(seed: int) -> None:
    problem = tiny(seed)
    costs = least_costs(problem)
    best = best_plan(problem)
    assert best.priority == max(costs)
    assert best.plan.cost == pytest.approx(costs[best.priority], abs=1e-3)


def tiny(seed: int) -> Problem:
    """Returns the first cars, bookings and EVSEs of a small problem, without feeding back."""
    whole = grained_problem(seed)
    sites = tuple(
        replace(site, evses=tuple(replace(evse, min_power_w=0.0) for evse in site.evses[:2]))
        for site in whole.sites
    )
    spots = {evse.id for site in sites for evse in site.evses}
    cars = tuple(
        replace(car, evse=car.evse if car.evse in spots else None, max_discharge_w=0.0)
        for car in whole.vehicles[:2]
    )
    names = {car.id for car in cars}
    bookings = tuple(
        replace(trip, vehicle=trip.vehicle if trip.vehicle in names else None)
        for trip in whole.bookings[:3]
    )
    return replace(whole, sites=sites, vehicles=cars, bookings=bookings)
