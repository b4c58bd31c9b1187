"""Where cars outnumber EVSEs, staff moves them if that pays or saves a booking, and only then."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import numpy as np
import pytest

from scheduler.check import check
from scheduler.explaining import explain
from scheduler.explaining.told import Teller
from scheduler.explaining.words import LANGUAGES
from scheduler.incumbent import incumbent_for
from scheduler.moving import begins, move_at, split, with_moves
from scheduler.options import OFFLINE, PlanOptions
from scheduler.parking import Stay
from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.rolling import make_plan
from scheduler.view import View
from tests.builders.problems import booking, evse, problem, random_problem, site, vehicle

STEPS = 48
PRICES = (0.4,) * 8 + (0.1,) * 40


def waiting(*, steps: int = STEPS, km: float = 5.0, **changes: Any) -> Problem:
    """Two nearly empty cars at one EVSE; what is left in them is worth something."""
    base: dict[str, Any] = {
        "evses": (evse("A-1"),),
        "move_price": 0.1,
        "move_windows": ((8, 48),),
        "import_price_per_kwh": PRICES,
    }
    cars = (vehicle(soc_wh=3000.0, evse="A-1"), vehicle("car-2", soc_wh=3000.0))
    trips = tuple(
        booking(f"b-{n}", vehicle=f"car-{n}", start_step=46, end_step=60, distance_km=km)
        for n in (1, 2)
    )
    return problem(
        steps=steps,
        sites=(site(steps=steps, **(base | changes)),),
        vehicles=cars,
        bookings=trips,
        terminal_value_per_kwh=0.25,
    )


def planned(case: Problem, options: PlanOptions = OFFLINE) -> Plan:
    plan = make_plan(case, options=options, monotonic=itertools.count().__next__)
    assert check(case, plan) == ()
    return plan


def test_what_a_trip_needs_and_when_a_stay_begins_is_said_in_one_place() -> None:
    view = View(waiting())
    trip = view.trips[0]
    many = trip.need_of(
        np.array([car.wh_per_km for car in view.cars]), np.array([car.low_wh for car in view.cars])
    )
    assert many.tolist() == [trip.need_wh(car) for car in view.cars]
    move = move_at(view, 0, 0, 8)
    stays = split([Stay(0, 0, 0, 46, -1, 0, 0)], (0, -1), move, -1)
    for each in (view, with_moves(view, [move])):
        assert [begins(each, stay) for stay in stays] == [0, 8]


def test_a_full_car_makes_room_where_that_pays() -> None:
    """13 kWh at 0.10 are worth 0.25 to each, and take 16 steps: two moves are well paid."""
    alone, moved = planned(waiting(move_price=None)), planned(waiting())
    assert not alone.moves
    assert [(m.vehicle, m.from_evse, m.to_evse) for m in moved.moves] == [
        ("car-1", "A-1", None),
        ("car-2", None, "A-1"),
    ]
    assert moved.cost < alone.cost - 1.0
    assert moved.lower_bound is not None
    assert moved.lower_bound <= moved.cost


def test_no_car_is_moved_for_less_than_a_move_costs() -> None:
    assert not planned(waiting(move_price=5.0)).moves


def test_a_booking_is_worth_its_moves_whatever_they_cost() -> None:
    case = waiting(km=60.0, move_price=50.0)
    assert planned(replace(case, sites=(replace(case.sites[0], move_price=None),))).unserved
    plan = planned(case)
    assert not plan.unserved
    assert len(plan.moves) == 2


def test_moves_are_made_while_staff_is_there() -> None:
    assert not planned(waiting(move_windows=())).moves
    plan = planned(waiting(move_windows=((20, 22), (30, 31))))
    assert plan.moves
    assert all(
        20 <= m.from_step < m.to_step <= 22 or (m.from_step, m.to_step) == (30, 31)
        for m in plan.moves
    )


def test_a_car_that_may_not_be_moved_is_left_where_it_stands() -> None:
    case = waiting()
    stays = replace(case.vehicles[0], may_be_moved=False)
    assert not planned(replace(case, vehicles=(stays, case.vehicles[1]))).moves


def test_an_evse_that_its_car_has_left_is_used_by_one_that_waits() -> None:
    """One move instead of two: who drives away makes room by itself."""
    case = waiting()
    early = replace(case.bookings[0], start_step=12, end_step=60)
    plan = planned(replace(case, bookings=(early, case.bookings[1])))
    assert [(m.vehicle, m.to_evse) for m in plan.moves] == [("car-2", "A-1")]
    assert plan.moves[0].from_step >= 12


def test_a_move_is_explained_with_its_numbers_in_three_languages() -> None:
    case = waiting(km=60.0)
    plan = planned(case)
    found = explain(case, plan, step=plan.moves[0].from_step)
    room, turn = found.moves
    assert (room.reasons[0].code, turn.reasons[0].code) == ("ROOM", "TURN")
    assert room.reasons[0].numbers["for_vehicle"] == "car-2"
    assert turn.reasons[0].numbers["booking"] == "b-2"
    assert turn.reasons[0].numbers["need_wh"] == pytest.approx(10_000.0)
    said = {
        language: [
            told["reasons"][0]["sentence"] for told in Teller(language, "EUR").moves(found.moves)
        ]
        for language in LANGUAGES
    }
    assert "0.10 EUR" in said["en"][0]
    assert "0,10 EUR" in said["fr"][0]
    assert "b-2" in said["de"][1]
    states = {each.vehicle: (each.state, each.reasons[0].code) for each in found.vehicles}
    assert states["car-1"] == ("parked", "MOVED")


def test_random_plans_with_moves_are_lawful_and_no_worse_than_without() -> None:
    moved = 0
    for seed in range(40):
        random = Random(seed)
        case = random_problem(random)
        sites = tuple(replace(each, evses=each.evses[:1]) for each in case.sites)
        left = {each.id for place in sites for each in place.evses}
        cars = tuple(
            replace(car, evse=car.evse if car.evse in left else None) for car in case.vehicles
        )
        plain = replace(case, sites=sites, vehicles=cars)
        case = replace(
            plain,
            sites=tuple(
                replace(each, move_price=0.1, move_windows=((0, case.steps),)) for each in sites
            ),
        )
        alone, plan = planned(plain, PlanOptions()), planned(case, PlanOptions())
        moved += bool(plan.moves)
        assert (served(case, plan), -plan.cost) >= (served(plain, alone), -alone.cost - 1e-6)
        explain(case, plan, step=case.steps // 2)
    assert moved > 0


def served(case: Problem, plan: Plan) -> int:
    left = {each.booking for each in plan.unserved}
    return sum(each.priority for each in case.bookings if each.id not in left)


def test_what_staff_was_told_is_put_off_by_no_plan() -> None:
    """Each plan by the clock could find a later step as good, and nobody would ever move a car."""
    case = waiting(km=60.0, move_windows=((0, 48),), import_price_per_kwh=(0.1,) * 48)
    plan = planned(case, options=PlanOptions())
    told = {move.vehicle: move for move in plan.moves}
    assert set(told) == {"car-1", "car-2"}
    first = told["car-1"].from_step
    assert first > 0
    for step in range(1, first + 1):
        later = a_step_later(case, plan)
        before = incumbent_for(later, former=(case.start, plan), promised={})
        case = later
        plan = make_plan(
            case, incumbent=before, options=PlanOptions(), monotonic=itertools.count().__next__
        )
        assert check(case, plan) == ()
        assert {move.vehicle: move.from_step + step for move in plan.moves} == {
            "car-1": first,
            "car-2": told["car-2"].from_step,
        }
    # Now is the time: nothing flows any more where the car is fetched, and none of it is undone.
    assert not [entry for entry in plan.charging if entry.evse == "A-1" and entry.from_step == 0]
    assert plan.stays[0].evse is None
    # Who never comes is not waited for: what should have been done is for a new plan to say.
    late = replace(case, start=case.start + timedelta(minutes=15 * plan.moves[0].to_step))
    before = incumbent_for(late, former=(case.start, plan), promised={})
    assert before is not None
    assert plan.moves[0].vehicle not in {move.vehicle for move in before.moves}


def a_step_later(case: Problem, plan: Plan) -> Problem:
    """The same a step later, with as much after its end as there was before; nobody has moved."""
    drawn_w = {each.vehicle: each.power_w for each in plan.charging if each.from_step == 0}
    hours = case.step_minutes / 60
    return replace(
        case,
        start=case.start + timedelta(minutes=case.step_minutes),
        vehicles=tuple(
            replace(car, soc_wh=car.soc_wh + drawn_w.get(car.id, 0.0) * hours * 0.9)
            for car in case.vehicles
        ),
        bookings=tuple(
            replace(each, start_step=each.start_step - 1, end_step=each.end_step - 1)
            for each in case.bookings
        ),
    )


def test_a_car_left_without_an_evse_waits_for_staff() -> None:
    case = waiting(km=60.0)
    left = replace(case, vehicles=(replace(case.vehicles[0], evse=None, parked=True),))
    left = replace(left, bookings=case.bookings[:1])
    plan = planned(left)
    assert [(m.vehicle, m.from_evse, m.to_evse) for m in plan.moves] == [("car-1", None, "A-1")]
    assert not plan.unserved
    alone = planned(replace(left, sites=(replace(left.sites[0], move_price=None),)))
    assert not alone.charging
    assert alone.unserved
