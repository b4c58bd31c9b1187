"""What is planned when solvers fail: cars are charged and bookings served all the same."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.check import check
from scheduler.incumbent import incumbent_for
from scheduler.options import PlanOptions
from scheduler.plan import Assignment, Charging, Plan
from scheduler.problem import Circuit, Problem, Site
from scheduler.rolling import Made, plan_with_level
from tests.builders.plans import plan_of
from tests.builders.problems import START, booking, confluence_like, evse, problem, site, vehicle

NO_SOLVER = PlanOptions(solvers=())


def made(problem: Problem, options: PlanOptions = NO_SOLVER, before: Plan | None = None) -> Made:
    result = plan_with_level(problem, incumbent=before, options=options, monotonic=time.monotonic)
    assert check(problem, result.plan) == result.violations == ()
    return result


def power_w(plan: Plan, car: str, step: int) -> float:
    return sum(
        entry.power_w
        for entry in plan.charging
        if entry.vehicle == car and entry.from_step <= step < entry.to_step
    )


def needy_problem(*sites: Site) -> Problem:
    """Two cars that must charge for their trips, at a site with room for one at a time."""
    trips = (
        booking("b-1", start_step=8, end_step=12, distance_km=30.0, vehicle="car-1"),
        booking("b-2", start_step=5, end_step=12, distance_km=30.0, vehicle="car-2"),
    )
    cars = tuple(vehicle(f"car-{n}", soc_wh=3000.0) for n in (1, 2))
    base = problem(vehicles=cars, bookings=trips)
    return replace(base, sites=sites or base.sites)


def test_without_a_solver_cars_are_charged_and_bookings_served() -> None:
    result = made(needy_problem())
    assert result.level == "laxity"
    assert {one.booking for one in result.plan.assignments} == {"b-1", "b-2"}
    assert result.plan.charging


def test_when_solvers_give_up_a_district_is_charged_and_served_nearly_as_well() -> None:
    district = confluence_like(3, cars=10, sites=3, steps=96)
    solved = made(district, PlanOptions()).plan
    result = made(district, PlanOptions(iterations=0))
    assert result.level == "laxity"
    assert len(result.plan.assignments) >= 0.95 * len(solved.assignments)
    assert result.plan.charging


def test_where_not_all_can_charge_at_once_the_one_with_less_time_to_spare_goes_first() -> None:
    place = site(
        circuits=(Circuit("A-main", None, 3700.0),),
        evses=(evse("A-1", circuit="A-main"), evse("A-2", circuit="A-main")),
    )
    plan = made(needy_problem(place)).plan
    assert {one.booking for one in plan.assignments} == {"b-1", "b-2"}
    assert power_w(plan, "car-2", 0) == 3700.0
    assert power_w(plan, "car-1", 0) == 0.0


def test_what_the_limits_can_not_bring_is_refused_with_its_reason() -> None:
    place = site(import_limit_w=2000.0)
    plan = made(needy_problem(place)).plan
    assert [one.code for one in plan.unserved] == ["FIXED_VEHICLE"]
    assert len(plan.assignments) == 1


def test_a_car_that_nobody_booked_is_made_ready_and_takes_the_sun() -> None:
    sun = (0.0,) * 12 + (3000.0,) * 4
    place = site(pv_power_w=sun)
    lonely = problem(sites=(place,), vehicles=(vehicle(soc_wh=2000.0),), bookings=())
    plan = made(lonely).plan
    ready_wh = PlanOptions().ready_share * 16_000.0
    stored_wh = 2000.0 + sum(0.25 * 0.9 * power_w(plan, "car-1", step) for step in range(12))
    assert stored_wh == pytest.approx(ready_wh)
    assert [power_w(plan, "car-1", step) for step in range(12, 16)] == [3000.0] * 4


def former_plan(steps: range, watts: float) -> Plan:
    """A plan from an hour ago that charges car-1 in `steps` of its own."""
    entry = Charging("car-1", "A-1", steps.start, steps.stop, watts, ("SUN",))
    return replace(plan_of(problem()), charging=(entry,))


def test_the_charging_of_the_former_plan_is_followed_at_the_same_time_of_day() -> None:
    now = problem(
        steps=16,
        vehicles=(vehicle(soc_wh=8000.0, evse="A-1"),),
        bookings=(booking(start_step=14, end_step=16),),
    )
    before = incumbent_for(
        now, former=(START - timedelta(hours=1), former_plan(range(2, 10), 2000.0)), promised={}
    )
    result = made(now, before=before)
    assert result.level == "former"
    assert [power_w(result.plan, "car-1", step) for step in range(16)] == [2000.0] * 6 + [0.0] * 10


def test_a_former_plan_is_cut_to_what_limits_and_batteries_allow() -> None:
    now = problem(
        sites=(site(import_limit_w=1500.0),),
        vehicles=(vehicle(soc_wh=15_500.0, evse="A-1"),),
        bookings=(),
    )
    before = incumbent_for(now, former=(START, former_plan(range(16), 3700.0)), promised={})
    plan = made(now, before=before).plan
    assert power_w(plan, "car-1", 0) == 1500.0
    assert sum(power_w(plan, "car-1", step) for step in range(16)) * 0.25 * 0.9 == pytest.approx(
        500.0
    )


def test_a_car_without_time_to_spare_does_not_wait_for_the_former_plan() -> None:
    now = problem(
        vehicles=(vehicle(soc_wh=2000.0, evse="A-1"),),
        bookings=(booking(start_step=6, end_step=10, distance_km=20.0),),
    )
    before = incumbent_for(now, former=(START, former_plan(range(12, 16), 3700.0)), promised={})
    result = made(now, before=before)
    assert result.level == "former"
    assert [one.booking for one in result.plan.assignments] == ["b-1"]


def test_a_promise_goes_before_the_former_plan_and_what_is_gone_is_forgotten() -> None:
    now = problem(vehicles=(vehicle("car-1"), vehicle("car-2")))
    former = replace(
        former_plan(range(4), 2000.0),
        assignments=(Assignment("b-1", "car-1", 0.0), Assignment("b-0", "car-1", 0.0)),
    )
    before = incumbent_for(
        now, former=(START - timedelta(hours=2), former), promised={"b-1": "car-2"}
    )
    assert before is not None
    assert before.assignments == (Assignment("b-1", "car-2", 0.0),)
    assert before.charging == ()
    assert made(now, before=before).plan.assignments[0].vehicle == "car-2"
