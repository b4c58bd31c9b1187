"""The search for better plans: exchanges priced by the program, kicks while there is time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from scheduler.candidates import Candidate, Judge
from scheduler.charge import Charge, charge
from scheduler.check import check
from scheduler.improve import exchanges
from scheduler.options import OFFLINE
from scheduler.parking import Stay
from scheduler.problem import Problem
from scheduler.rolling import make_plan
from scheduler.solver import SolveLimits
from scheduler.view import View
from scheduler.worth import MOST_LEVELS, Worth
from tests.builders.problems import booking, confluence_like, evse, problem, site, vehicle


def judge_of(view: View) -> Judge:
    def charger(view: View, stays: Sequence[Stay]) -> Charge | None:
        return charge(view, stays, OFFLINE, SolveLimits())

    return Judge(view, charger, short_gap_cost_per_h=0.0)


def judged(view: View, chains: tuple[tuple[int, ...], ...]) -> Candidate:
    found = judge_of(view).whole(chains)
    assert found is not None
    assert found.marginal is not None
    return found


def test_one_large_battery_among_small_ones_takes_no_more_room() -> None:
    """Levels were as fine as what the small cars gain in a step, up to the largest battery."""
    ship = vehicle("ship", evse="A-1", capacity_wh=1e9, soc_wh=1e9, max_soc_wh=1e9)
    asked = problem(vehicles=(vehicle(evse="A-2"), ship), bookings=(booking(),))
    view = View(asked)
    stays = judged(view, ((0,), ())).decision.stays
    worth = Worth(view, stays, np.full((1, view.steps), 0.3))
    assert len(worth.grid) <= MOST_LEVELS + 2


def sunny_swap() -> Problem:
    """Two cars at one place; only one can stay for the sun, and the full one does."""
    place = site(
        steps=32,
        pv_power_w=(0.0,) * 16 + (3700.0,) * 8 + (0.0,) * 8,
        evses=(evse("A-1"), evse("A-2")),
        export_price_per_kwh=(0.02,) * 32,
    )
    cars = (
        vehicle("full", evse="A-1", soc_wh=15_000.0),
        vehicle("empty", evse="A-2", soc_wh=6_000.0),
    )
    trips = (
        booking("noon", start_step=14, end_step=26, distance_km=10.0),
        booking("evening", start_step=28, end_step=32, distance_km=80.0),
    )
    return problem(
        steps=32, sites=(place,), vehicles=cars, bookings=trips, terminal_value_per_kwh=0.2
    )


def test_an_exchange_that_pays_is_found_and_gains_about_what_it_says() -> None:
    view = View(sunny_swap())
    before = judged(view, ((1,), (0,)))
    assert before.marginal is not None
    found = exchanges(view, before.decision, before.marginal, least_gain=0.01, most=10)
    assert found
    after = judged(view, found[0].applied(before.decision.chains))
    assert 0 in after.decision.chains[0]
    assert before.objective - after.objective == pytest.approx(found[0].gain, abs=0.05)


def test_where_nothing_pays_nothing_is_offered() -> None:
    view = View(sunny_swap())
    best = judged(view, ((0, 1), ()))
    assert best.marginal is not None
    assert exchanges(view, best.decision, best.marginal, least_gain=0.01, most=10) == []


@pytest.mark.parametrize("seed", range(4))
def test_at_the_prices_of_the_program_cars_by_themselves_cost_what_they_do_together(
    seed: int,
) -> None:
    # By duality, where no limit but those in the prices binds: within what the grid rounds off.
    view = View(replace(confluence_like(seed, cars=10, sites=3, steps=96), bookings=()))
    best = judged(view, tuple(() for _ in view.cars))
    assert best.marginal is not None
    worth = Worth(view, best.decision.stays, best.marginal)
    power_w = np.zeros((len(view.places), view.steps))
    left_kwh = 0.0
    for stay, power in zip(best.decision.stays, best.decision.powers_w, strict=True):
        car = view.cars[stay.car]
        power_w[stay.site, stay.start : stay.end] += power
        left_kwh += (car.soc_wh + power.sum() * view.hours * car.efficiency) / 1000
    together = float((power_w * best.marginal).sum()) * view.hours / 1000
    together -= view.problem.terminal_value_per_kwh * left_kwh
    assert float(worth.now.sum()) == pytest.approx(together, abs=0.03 * len(view.cars))


@pytest.mark.parametrize("seed", range(3))
def test_exchanges_make_no_plan_worse_and_some_better(seed: int) -> None:
    district = confluence_like(seed)
    none = replace(OFFLINE, exchange_rounds=0, prove=False)
    some = replace(OFFLINE, prove=False)
    plain = make_plan(district, options=none, monotonic=time.monotonic)
    better = make_plan(district, options=some, monotonic=time.monotonic)
    assert len(better.assignments) >= len(plain.assignments)
    assert better.cost < plain.cost - 0.1


def ticking(step_s: float) -> Iterator[float]:
    """Seconds that pass at each look."""
    return (number * step_s for number in count())


def test_more_time_makes_no_plan_worse_and_it_ends_in_time() -> None:
    district = confluence_like(6, cars=10, sites=3, steps=96)
    costs: list[float] = []
    for limit_s in (None, 0.5, 4.0):
        # By the time of this process: whatever else runs on the machine takes none of it.
        began_s = time.process_time()
        options = replace(OFFLINE, time_limit_s=limit_s)
        plan = make_plan(district, options=options, monotonic=time.process_time)
        spent_s = time.process_time() - began_s
        assert check(district, plan) == ()
        assert limit_s is None or limit_s < 1 or spent_s <= 1.1 * limit_s
        costs.append(plan.cost)
    assert costs == sorted(costs, reverse=True)


def test_the_search_stops_by_the_clock_that_it_is_given() -> None:
    district = confluence_like(6, cars=10, sites=3, steps=96)
    clock = ticking(0.01)
    options = replace(OFFLINE, time_limit_s=2.0)
    plan = make_plan(district, options=options, monotonic=lambda: next(clock))
    assert plan.solve_seconds <= 2.2


def test_an_optimal_plan_takes_a_quarter_of_the_time_at_most() -> None:
    clock = ticking(0.01)
    options = replace(OFFLINE, time_limit_s=10.0)
    plan = make_plan(sunny_swap(), options=options, monotonic=lambda: next(clock))
    assert plan.status == "optimal"
    assert plan.solve_seconds <= 3.0


def test_a_car_that_can_feed_back_gets_the_evse_that_lets_it() -> None:
    # Energy is dear in the evening; the van has none to spare and came first.
    place = site(
        import_price_per_kwh=(0.1,) * 8 + (0.9,) * 8,
        export_price_per_kwh=(0.05,) * 16,
        load_power_w=(3000.0,) * 16,
        evses=(evse("A-1", bidirectional=True), evse("A-2")),
    )
    cars = (
        vehicle("van", max_ac_power_w=7400.0, soc_wh=1600.0, capacity_wh=40_000.0),
        vehicle("giver", max_discharge_w=3700.0, soc_wh=14_000.0, available_from=1),
    )
    both = problem(sites=(place,), vehicles=cars, bookings=(), terminal_value_per_kwh=0.15)
    plan = make_plan(both, options=OFFLINE, monotonic=time.monotonic)
    assert check(both, plan) == ()
    assert any(entry.vehicle == "giver" and entry.power_w < 0 for entry in plan.charging)
