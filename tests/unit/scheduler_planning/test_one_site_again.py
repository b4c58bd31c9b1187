"""After an event at one site, cars that never stand there go on as the plan before says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from scheduler.check import check
from scheduler.options import PlanOptions
from scheduler.overrides import Override
from scheduler.plan import Charging, Plan
from scheduler.problem import Problem
from scheduler.rolling import Made, incumbent_for, plan_with_level
from tests.builders.events import happened
from tests.builders.problems import (
    booking,
    confluence_like,
    evse,
    problem,
    random_problem,
    site,
    vehicle,
    with_flexible_loads,
    with_overrides,
    with_peaks,
    with_phases,
    with_taper,
)

EVENT = PlanOptions(exchange_rounds=0)


def planned(case: Problem, options: PlanOptions = PlanOptions()) -> Plan:  # noqa: B008 - frozen
    return plan_with_level(case, options=options, monotonic=time.monotonic).plan


def after(case: Problem, before: Plan, *sites: str, steps_ago: int = 0) -> Made:
    """Plans anew what has changed at some sites."""
    start = case.start - steps_ago * timedelta(minutes=case.step_minutes)
    kept = incumbent_for(case, former=(start, before), promised={})
    options = replace(EVENT, sites=frozenset(sites))
    made = plan_with_level(case, incumbent=kept, options=options, monotonic=time.monotonic)
    assert check(case, made.plan) == ()
    return made


def charging(plan: Plan, car: str) -> list[Charging]:
    return [each for each in plan.charging if each.vehicle == car]


def two_sites(**changes: object) -> Problem:
    """A car at A and two at B, that each have to charge for a trip."""
    base = problem(
        sites=(site("A"), site("B"), site("C")),
        vehicles=(
            vehicle("at-a", evse="A-1"),
            vehicle("at-b", site="B", evse="B-1"),
            vehicle("at-c", site="C", evse="C-1"),
        ),
        bookings=(
            booking("from-a", pickup_site="A", dropoff_site="A", distance_km=60.0),
            booking("from-b", pickup_site="B", dropoff_site="B", distance_km=60.0),
            booking("from-c", pickup_site="C", dropoff_site="C", distance_km=60.0),
        ),
    )
    return replace(base, **changes)


def dearer_now(case: Problem) -> Problem:
    """The same with later import cheaper than now at all sites: all had better wait."""
    prices = tuple(0.9 if step < 3 else 0.1 for step in range(case.steps))
    return replace(
        case, sites=tuple(replace(each, import_price_per_kwh=prices) for each in case.sites)
    )


def test_cars_elsewhere_keep_what_they_do_and_cars_there_do_not() -> None:
    case = two_sites()
    before = planned(case)
    made = after(dearer_now(case), before, "A")
    assert made.kept_cars == 2
    for car in ("at-b", "at-c"):
        was, now = charging(before, car), charging(made.plan, car)
        assert [(e.evse, e.from_step, e.to_step) for e in now] == [
            (e.evse, e.from_step, e.to_step) for e in was
        ]
        assert [e.power_w for e in now] == pytest.approx([e.power_w for e in was])
    assert min(each.from_step for each in charging(before, "at-a")) < 3
    assert min(each.from_step for each in charging(made.plan, "at-a")) >= 3


def test_reasons_of_what_is_kept_are_those_of_the_present() -> None:
    # The roof gives nothing any more: what was charged for its sun is not said to be still.
    sunny = two_sites(
        sites=tuple(site(name, pv_power_w=(5000.0,) * 16) for name in "ABC"),
    )
    before = planned(sunny)
    assert {"SUN"} <= {code for e in charging(before, "at-b") for code in e.reasons}
    dark = replace(sunny, sites=tuple(site(name) for name in "ABC"))
    made = after(dark, before, "A")
    assert made.kept_cars == 2
    assert "SUN" not in {code for e in charging(made.plan, "at-b") for code in e.reasons}


def empty(case: Problem) -> Problem:
    cars = tuple(replace(car, soc_wh=7000.0) if car.id == "at-b" else car for car in case.vehicles)
    return replace(case, vehicles=cars)


def closed(case: Problem) -> Problem:
    places = tuple(
        replace(place, evses=(evse("B-1", unavailable=((0, 3),)), evse("B-2")))
        if place.id == "B"
        else place
        for place in case.sites
    )
    return replace(case, sites=places)


def gone(case: Problem) -> Problem:
    cars = tuple(replace(car, evse="B-2") if car.id == "at-b" else car for car in case.vehicles)
    return replace(case, vehicles=cars)


def held(case: Problem) -> Problem:
    cars = tuple(
        replace(car, overrides=(Override(0, 2, "hold"),)) if car.id == "at-b" else car
        for car in case.vehicles
    )
    return replace(case, vehicles=cars)


@pytest.mark.parametrize("change", [empty, closed, gone, held])
def test_a_car_elsewhere_whose_charging_no_longer_fits_is_planned_anew(
    change: Callable[[Problem], Problem],
) -> None:
    case = two_sites(
        vehicles=(*two_sites().vehicles, vehicle("more", site="C", evse="C-2")),
    )
    made = after(change(case), planned(case), "A")
    assert made.kept_cars == 2
    assert not made.plan.unserved
    assert charging(made.plan, "at-b") != []


def test_where_a_trip_would_be_left_out_all_are_planned_anew() -> None:
    # The car at A is late, and only a car that is kept could come and take its trip.
    case = two_sites(
        bookings=(
            booking("from-b", pickup_site="B", dropoff_site="A", start_step=1, end_step=3),
            booking("from-a", pickup_site="A", dropoff_site="A", distance_km=20.0),
        )
    )
    before = planned(case)
    cars = tuple(
        replace(car, evse=None, available_from=12) if car.id == "at-a" else car
        for car in case.vehicles
    )
    made = after(replace(case, vehicles=cars), before, "A")
    assert {each.booking for each in made.plan.assignments} == {"from-a", "from-b"}


def test_where_no_car_could_take_a_trip_the_others_are_kept_all_the_same() -> None:
    case = two_sites()
    before = planned(case)
    far = booking("far", pickup_site="A", dropoff_site="A", distance_km=60.0, start_step=0)
    made = after(replace(case, bookings=(*case.bookings, far)), before, "A")
    assert [each.booking for each in made.plan.unserved] == ["far"]
    assert made.kept_cars == 2


def test_a_trip_whose_car_can_no_longer_charge_goes_to_one_that_holds_enough() -> None:
    # Both EVSEs at A die. One of the cars there would have had to charge for its trip.
    case = two_sites(
        vehicles=(
            vehicle("at-a", evse="A-1", soc_wh=6_000.0),
            vehicle("at-a-2", evse="A-2", soc_wh=16_000.0),
            vehicle("at-b", site="B", evse="B-1"),
            vehicle("at-b-2", site="B", evse="B-2"),
            vehicle("at-c", site="C", evse="C-1"),
        )
    )
    before = planned(case)
    assert not before.unserved
    dead = tuple(
        replace(each, evses=tuple(replace(e, unavailable=((0, 16),)) for e in each.evses))
        if each.id == "A"
        else each
        for each in case.sites
    )
    made = after(replace(case, sites=dead), before, "A")
    assert not made.plan.unserved
    assert made.kept_cars == 3


def test_without_a_plan_before_all_are_planned() -> None:
    case = two_sites()
    options = replace(EVENT, sites=frozenset({"A"}))
    made = plan_with_level(case, options=options, monotonic=time.monotonic)
    assert made.kept_cars == 0
    assert check(case, made.plan) == ()


def test_where_most_cars_are_touched_all_are_planned_anew() -> None:
    case = two_sites()
    assert after(case, planned(case), "A", "B").kept_cars == 0


@pytest.mark.parametrize("seed", range(4))
def test_in_a_district_most_cars_are_kept_and_the_plan_costs_about_as_much(seed: int) -> None:
    case = confluence_like(seed, cars=18, sites=6, steps=96)
    before = planned(case)
    cancelled = next(each for each in case.bookings if each.pickup_site == each.dropoff_site)
    left = tuple(each for each in case.bookings if each is not cancelled)
    changed = replace(case, bookings=left)
    made = after(changed, before, cancelled.pickup_site)
    kept = incumbent_for(changed, former=(case.start, before), promised={})
    whole = plan_with_level(changed, incumbent=kept, options=EVENT, monotonic=time.monotonic)
    assert made.kept_cars >= 9
    assert len(made.plan.unserved) <= len(whole.plan.unserved)
    assert made.plan.cost <= whole.plan.cost + 0.05


@pytest.mark.parametrize("first", range(0, 40, 5))
def test_after_any_event_the_whole_plan_passes_the_referee_at_once(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[object] = []

    def judged(case: Problem, plan: Plan) -> object:
        found = check(case, plan)
        refused.extend(found)
        return found

    kept_cars = 0
    for seed in range(first, first + 5):
        random = Random(seed)
        case = confluence_like(seed, cars=18, sites=6, steps=48)
        if seed % 4 == 1:
            case = random_problem(seed)
        for feature in (with_taper, with_overrides, with_peaks, with_flexible_loads, with_phases):
            if random.random() < 0.3:
                case = feature(case, seed)
        before = planned(case)
        changed, where = happened(random, case)
        with monkeypatch.context() as patched:
            patched.setattr("scheduler.rolling.check", judged)
            made = after(changed, before, where, steps_ago=random.choice([0, 0, 1, 2]))
        kept_cars += made.kept_cars
        assert not refused, (seed, refused[0])
        served = {each.booking for each in before.assignments}
        if made.kept_cars and (left := served & {each.booking for each in made.plan.unserved}):
            whole = after(changed, before, *(each.id for each in changed.sites))
            assert len(left) <= len(served & {each.booking for each in whole.plan.unserved}), seed
    assert kept_cars > 0
