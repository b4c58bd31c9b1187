"""The baseline in the place of a plan: sun first, a floor at once, trips at the last moment."""

from __future__ import annotations

import time

from scheduler.check import check
from scheduler.options import PlanOptions
from scheduler.plan import Plan
from scheduler.problem import Booking, Problem, Site, Vehicle
from scheduler.rolling import plan_with_level
from tests.builders.problems import booking, confluence_like, problem, site, vehicle

STEPS = 32


def followed(what: Problem) -> Plan:
    made = plan_with_level(what, options=PlanOptions(follow_sun=True), monotonic=time.perf_counter)
    assert made.level == "sun"
    assert check(what, made.plan) == made.violations == ()
    return made.plan


def powers_w(plan: Plan, car: str) -> list[float]:
    powers = [0.0] * STEPS
    for entry in plan.charging:
        if entry.vehicle == car:
            for step in range(entry.from_step, entry.to_step):
                powers[step] = entry.power_w
    return powers


def sunny(*surplus_w: float) -> Site:
    """Returns a site of two EVSEs with so much sun in the first steps, then none."""
    pv_w = (*surplus_w, *(0.0,) * (STEPS - len(surplus_w)))
    return site(steps=STEPS, pv_power_w=pv_w)


def asked(place: Site, *cars: Vehicle, bookings: tuple[Booking, ...] = ()) -> Problem:
    return problem(steps=STEPS, sites=(place,), vehicles=cars, bookings=bookings)


def test_a_car_takes_what_the_sun_spares_and_no_more() -> None:
    place = sunny(1000.0, 2000.0, 3000.0, 0.0, 9000.0)
    plan = followed(asked(place, vehicle("car-1", soc_wh=9000.0)))
    assert powers_w(plan, "car-1")[:6] == [0.0, 2000.0, 3000.0, 0.0, 3700.0, 0.0]


def test_an_empty_car_charges_at_once_up_to_its_floor() -> None:
    place = sunny()
    plan = followed(asked(place, vehicle("car-1", soc_wh=3000.0)))
    taken_wh = sum(powers_w(plan, "car-1")) / 4 * 0.9
    assert powers_w(plan, "car-1")[0] == 3700.0
    assert 0.3 * 16_000 - 3000 <= taken_wh <= 0.3 * 16_000 - 3000 + 1380 / 4


def test_the_emptiest_car_gets_the_sun_first() -> None:
    place = sunny(2500.0, 2500.0)
    cars = (vehicle("full", soc_wh=12_000.0), vehicle("empty", soc_wh=6000.0))
    plan = followed(asked(place, *cars))
    assert powers_w(plan, "empty")[:2] == [2500.0, 2500.0]
    assert powers_w(plan, "full")[:2] == [0.0, 0.0]


def test_what_a_trip_needs_waits_for_the_last_moment() -> None:
    place = sunny()
    trip = booking("b-1", start_step=20, end_step=28, distance_km=60.0)
    car = vehicle("car-1", soc_wh=6000.0)
    plan = followed(asked(place, car, bookings=(trip,)))
    assert [each.booking for each in plan.assignments] == ["b-1"]
    powers = powers_w(plan, "car-1")
    first = next(step for step, power_w in enumerate(powers) if power_w)
    assert first > 8
    assert all(power_w == 3700.0 for power_w in powers[first + 1 : 20])


def test_circuits_and_grid_hold_for_it_too() -> None:
    for seed in range(5):
        problem = confluence_like(seed, cars=10, sites=3, steps=96)
        plan = followed(problem)
        assert plan.charging
        assert check(problem, plan) == ()
