"""Explanations: the numbers behind each code, from a problem and its plan alone."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from scheduler.check import check
from scheduler.explaining import Explanation, VehicleWhy, explain
from scheduler.explaining.picture import Reason, picture_of
from scheduler.explaining.words import LANGUAGES, sentence
from scheduler.flexible import FlexibleLoad
from scheduler.options import OFFLINE
from scheduler.plan import Plan, read_plan, write_plan
from scheduler.problem import Battery, Circuit, Problem
from scheduler.rolling import make_plan
from tests.builders.problems import START, booking, evse, problem, random_problem, site, vehicle

CHEAP_LATE = (0.4,) * 3 + (0.2,) * 13
"""Energy is dear in the first three quarters of an hour."""


def planned(asked: Problem) -> Plan:
    plan = make_plan(asked, options=OFFLINE, monotonic=time.perf_counter)
    # What is stored is what is explained.
    return read_plan(write_plan(plan))


def why(asked: Problem, step: int = 0) -> Explanation:
    return explain(asked, planned(asked), step=step)


def the(found: tuple[Reason, ...], code: str) -> dict[str, Any]:
    """Returns the numbers of the one reason with this code."""
    (reason,) = (each for each in found if each.code == code)
    return dict(reason.numbers)


def now(asked: Problem, step: int = 0) -> VehicleWhy:
    return why(asked, step).vehicles[0]


def needy(**changes: Any) -> Problem:
    """One car that must charge 2.2 kWh before its trip at step 6."""
    car = vehicle(evse="A-1", soc_wh=2200.0)
    trip = booking(distance_km=20.0)
    return problem(**{"vehicles": (car,), "bookings": (trip,), **changes})


def test_a_deadline_names_the_trip_and_what_would_lack() -> None:
    found = why(needy(sites=(site(import_price_per_kwh=CHEAP_LATE),)))
    reasons = found.charging[-1].reasons
    numbers = the(reasons, "DEADLINE")
    assert numbers["booking"] == "b-1"
    assert numbers["pickup_at"] == START + timedelta(hours=1.5)
    assert numbers["need_wh"] == pytest.approx(1600 + 20 * 140)
    assert numbers["without_wh"] == pytest.approx(4400 - numbers["stored_wh"], abs=1)
    price = the(reasons, "PRICE")
    assert (price["price_per_kwh"], price["dearest_price_per_kwh"]) == (0.2, 0.4)


def test_the_sun_is_named_with_what_the_roof_has_to_spare() -> None:
    sunny = site(pv_power_w=(0.0,) * 3 + (4700.0,) * 13, load_power_w=(1000.0,) * 16)
    found = why(needy(sites=(sunny,)))
    assert {entry.from_step >= 3 for entry in found.charging} == {True}
    assert the(found.charging[0].reasons, "SUN")["surplus_w"] == pytest.approx(3700.0)


def test_what_is_kept_is_worth_more_than_it_costs() -> None:
    asked = problem(vehicles=(vehicle(evse="A-1"),), bookings=(), terminal_value_per_kwh=0.5)
    numbers = the(why(asked).charging[0].reasons, "KEEP")
    assert numbers == {"price_per_kwh": 0.3, "worth_per_kwh": pytest.approx(0.45)}


@pytest.mark.parametrize("kind", ["site", "circuit"])
def test_a_limit_is_named_with_what_else_draws_under_it(kind: str) -> None:
    cheap_hour = (0.3,) * 4 + (0.1,) * 4 + (0.3,) * 8
    limits: dict[str, Any] = {"import_limit_w": 6000.0, "load_power_w": (1000.0,) * 16}
    if kind == "circuit":
        limits = {
            "circuits": (Circuit("main", None, 5000.0),),
            "evses": (evse("A-1", circuit="main"), evse("A-2", circuit="main")),
        }
    cars = (vehicle("car-1", evse="A-1"), vehicle("car-2", evse="A-2"))
    asked = problem(
        sites=(site(import_price_per_kwh=cheap_hour, **limits),),
        vehicles=cars,
        bookings=(),
        terminal_value_per_kwh=0.5,
    )
    found = why(asked).charging
    numbers = [the(e.reasons, "LIMIT") for e in found if any(r.code == "LIMIT" for r in e.reasons)]
    assert numbers, "5 kW for two cars of 3.7 kW keep one of them down in the cheap hour"
    assert {each["kind"] for each in numbers} == {kind}
    assert {each["limit"] for each in numbers} == {"A" if kind == "site" else "main"}
    limited = next(e for e in found if any(r.code == "LIMIT" for r in e.reasons))
    under = 6000.0 if kind == "site" else 5000.0
    assert numbers[0]["others_w"] + limited.power_w == pytest.approx(under, abs=2)


def test_a_car_that_could_not_give_back_would_not_take_as_much() -> None:
    trader = vehicle(evse="A-1", soc_wh=8000.0, max_discharge_w=3700.0)
    two_ways = (evse("A-1", bidirectional=True, min_power_w=0.0),)
    prices = (0.05,) * 8 + (0.9,) * 8
    here = site(evses=two_ways, import_price_per_kwh=prices, load_power_w=(3700.0,) * 16)
    found = why(problem(sites=(here,), vehicles=(trader,), bookings=())).charging
    assert the(found[0].reasons, "TRADE")["best_price_per_kwh"] == 0.9
    assert the(found[-1].reasons, "GIVE")["price_per_kwh"] == 0.9


def test_an_assignment_tells_who_else_could_drive() -> None:
    cars = (
        vehicle("full", soc_wh=9000.0, evse="A-1"),
        vehicle("less", soc_wh=2000.0),
    )
    trip = booking(start_step=1, end_step=3)
    reasons = why(problem(vehicles=cars, bookings=(trip,))).assignments[0].reasons
    assert the(reasons, "READY")["spare_wh"] == pytest.approx(9000 - 2800 - 1600, abs=1)
    lack = the(reasons, "LACK")
    assert (lack["next"], lack["free"]) == ("less", 1)
    assert lack["lacks_wh"] == pytest.approx(2400, abs=1)
    both = (vehicle("one", evse="A-1"), vehicle("two", evse="A-2"))
    choice = why(problem(vehicles=both, bookings=(trip,))).assignments[0].reasons
    assert the(choice, "CHOICE")["ready"] == 1
    alone = why(problem(vehicles=both[:1], bookings=(trip,))).assignments[0].reasons
    assert the(alone, "ONLY")["cars"] == 1
    fixed = (booking(start_step=1, end_step=3, vehicle="two"),)
    assert the(
        why(problem(vehicles=both, bookings=fixed)).assignments[0].reasons, "FIXED_VEHICLE"
    ) == {"vehicle": "two"}


def test_what_is_not_served_tells_what_lacks() -> None:
    far = booking(distance_km=400.0)
    numbers = the(why(problem(bookings=(far,))).unserved[0].reasons, "BEYOND_CAPACITY")
    assert numbers["need_wh"] == pytest.approx(400 * 140 + 1600)
    assert numbers["largest_wh"] == 16_000
    truck = booking(classes=("truck",))
    assert the(why(problem(bookings=(truck,))).unserved[0].reasons, "NO_VEHICLE")["cars"] == 0
    soon = problem(vehicles=(vehicle(soc_wh=1700.0),), bookings=(booking(start_step=0),))
    short = the(why(soon).unserved[0].reasons, "NOT_ENOUGH_ENERGY")
    assert (short["next"], short["next_wh"]) == ("car-1", 1700.0)


def test_a_car_that_waits_tells_what_for() -> None:
    later = now(needy(sites=(site(import_price_per_kwh=CHEAP_LATE),)))
    assert (later.state, later.evse) == ("waiting", "A-1")
    numbers = the(later.reasons, "CHEAPER_LATER")
    assert (numbers["price_per_kwh"], numbers["then_price_per_kwh"]) == (0.4, 0.2)
    sun = needy(sites=(site(pv_power_w=(0.0,) * 3 + (4700.0,) * 13),))
    assert the(now(sun).reasons, "SUN_LATER")["then_at"] == START + timedelta(minutes=45)


def test_a_car_that_needs_nothing_says_so() -> None:
    standing = vehicle(evse="A-1")
    assert the(now(problem(vehicles=(standing,))).reasons, "ENOUGH_FOR")["booking"] == "b-1"
    assert now(problem(vehicles=(standing,), bookings=())).reasons[0].code == "ENOUGH"
    full = vehicle(evse="A-1", soc_wh=16_000.0)
    assert now(problem(vehicles=(full,), bookings=())).reasons[0].code == "FULL"


def test_a_car_that_can_not_charge_says_why() -> None:
    closed = site(evses=(evse("A-1", unavailable=((0, 2),)),))
    assert now(needy(sites=(closed,))).reasons[0].code == "CLOSED"
    trip = now(needy(), step=7)
    assert (trip.state, trip.site) == ("away", None)
    assert the(trip.reasons, "TRIP")["back_at"] == START + timedelta(hours=2.5)
    late = problem(vehicles=(vehicle(available_from=4),), bookings=())
    assert now(late).reasons[0].code == "NOT_YET"
    none = problem(sites=(site(evses=()),), bookings=())
    assert (now(none).state, now(none).reasons[0].code) == ("parked", "NO_EVSE")


def test_a_car_in_charge_gives_the_reasons_of_its_slot() -> None:
    found = why(needy())
    assert found.charging[0].from_step == 0
    assert found.vehicles[0].state == "charging"
    assert found.vehicles[0].reasons == found.charging[0].reasons


def test_what_flexible_loads_draw_counts_as_the_plan_has_it() -> None:
    """By itself the boiler would run in the dear first hour, and stand in the car's way."""
    boiler = FlexibleLoad("boiler", 3000.0, 3000.0, 0.0, (0.0,) * 16)
    place = site(import_price_per_kwh=CHEAP_LATE, import_limit_w=6000.0, flexible_loads=(boiler,))
    asked = needy(sites=(place,))
    plan = planned(asked)
    assert not check(asked, plan)
    assert set(plan.flexible[0].power_w) == {0.0}
    picture = picture_of(asked, plan)
    assert picture.flows.grid_w[0] == pytest.approx(np.array(plan.sites[0].grid_w))


def test_a_plan_may_name_its_sites_in_any_order() -> None:
    store = Battery(10_000.0, 5000.0, 0.0, 3000.0, 3000.0, 0.95)
    places = (
        site(battery=store, load_power_w=(1000.0,) * 16, import_price_per_kwh=CHEAP_LATE),
        site("B"),
    )
    asked = needy(sites=places)
    plan = planned(asked)
    turned = replace(plan, sites=plan.sites[::-1])
    assert min(plan.sites[0].battery_w) < -100
    assert not check(asked, turned)
    assert explain(asked, turned) == explain(asked, plan)


def test_what_lasts_beyond_the_calendar_is_explained() -> None:
    never = vehicle("car-2", available_from=2**53)
    endless = booking(end_step=2**53)
    found = why(problem(vehicles=(vehicle(), never), bookings=(endless,)), step=8)
    assert the(found.vehicles[0].reasons, "TRIP")["back_at"].year == 9999
    assert the(found.vehicles[1].reasons, "NOT_YET")["from_at"].year == 9999
    for each in found.vehicles:
        assert all(sentence(each.reasons[0], language, "EUR") for language in LANGUAGES)


@pytest.mark.parametrize("seed", range(25))
def test_any_plan_is_explained_in_every_language(seed: int) -> None:
    asked = random_problem(seed)
    plan = planned(asked)
    assert not check(asked, plan)
    found = explain(asked, plan, step=seed % asked.steps)
    told = [tuple(reason.code for reason in entry.reasons) for entry in found.charging]
    assert told == [entry.reasons for entry in plan.charging], "plan and explanation say the same"
    assert len(found.assignments) + len(found.unserved) == len(asked.bookings)
    assert len(found.vehicles) == len(asked.vehicles)
    for group in (found.charging, found.assignments, found.unserved, found.vehicles):
        for each in group:
            assert each.reasons
            for reason in each.reasons:
                assert all(sentence(reason, language, "EUR") for language in LANGUAGES)
