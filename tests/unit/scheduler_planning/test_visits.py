"""A car keeps its EVSE and visits a fast charger where that pays or saves a booking."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from scheduler.check import check
from scheduler.check.findings import Violation
from scheduler.explaining import MoveWhy, explain
from scheduler.explaining.told import Teller
from scheduler.explaining.words import LANGUAGES, Language
from scheduler.incumbent import incumbent_for
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Plan
from scheduler.problem import Evse, Problem, Vehicle
from scheduler.rolling import make_plan
from tests.builders.problems import booking, evse, problem, random_problem, site, vehicle

STEPS = 32
CHEAP = (0.4,) * 12 + (0.1,) * 3 + (0.4,) * 17
"""Three cheap steps bring 2.5 kWh at an EVSE of 3.7 kW, and all that a car wants at a fast one."""
FAST = evse("A-fast", max_power_w=22_000.0, min_power_w=0.0, current_type="DC")
QUICK = {"soc_wh": 3000.0, "max_dc_power_w": 22_000.0}


def fleet(*others: Any, trips: tuple[Any, ...] = (), fast: Evse = FAST, **changes: Any) -> Problem:
    """A nearly empty car on its EVSE beside a fast charger; what is left in it is worth something.

    `others` are cars beside it.
    """
    base: dict[str, Any] = {
        "evses": (evse("A-1"), evse("A-2"), fast),
        "import_limit_w": 60_000.0,
        "import_price_per_kwh": CHEAP,
        "export_price_per_kwh": (0.0,) * STEPS,
        "move_price": 0.2,
        "move_windows": ((2, STEPS),),
    }
    return problem(
        steps=STEPS,
        sites=(site(steps=STEPS, **(base | changes)),),
        vehicles=(vehicle(evse="A-1", **QUICK), *others),
        bookings=trips,
        terminal_value_per_kwh=0.25,
    )


def unstaffed(case: Problem) -> Problem:
    return replace(case, sites=tuple(replace(each, move_price=None) for each in case.sites))


def planned(case: Problem, before: Plan | None = None, options: PlanOptions = OFFLINE) -> Plan:
    """Plans; no plan may be refused on the way, since a plan without moves would hide that."""
    clock = itertools.count().__next__

    def judged(case: Problem, plan: Plan) -> tuple[Violation, ...]:
        found = check(case, plan)
        assert found == ()
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("scheduler.rolling.check", judged)
        return make_plan(case, incumbent=before, options=options, monotonic=clock)


def ways(plan: Plan) -> list[tuple[str, str | None, str | None, tuple[str, ...]]]:
    return [(m.vehicle, m.from_evse, m.to_evse, m.reasons) for m in plan.moves]


def test_a_visit_that_pays_more_than_its_move_is_planned() -> None:
    """10 kWh more at 0.10, worth 0.25: in nobody's way the car stays there."""
    case = fleet()
    alone, plan = planned(unstaffed(case)), planned(case)
    assert ways(plan) == [("car-1", "A-1", "A-fast", ("FAST",))]
    assert plan.cost < alone.cost - 0.8
    assert plan.lower_bound is not None
    assert plan.lower_bound <= plan.cost
    # It comes within the hour before the cheap steps, so that staff can choose.
    assert 8 <= plan.moves[0].from_step < plan.moves[0].to_step <= 12


def test_a_visit_that_does_not_pay_is_not_planned() -> None:
    assert not planned(fleet(move_price=5.0)).moves
    assert not planned(fleet(move_windows=())).moves
    assert not planned(fleet(import_price_per_kwh=(0.4,) * STEPS)).moves
    slow = replace(FAST, max_power_w=3700.0)
    assert not planned(fleet(fast=slow)).moves


def test_a_booking_that_nothing_else_saves_has_its_visit_whatever_it_costs() -> None:
    """It lacks 9.8 kWh for 80 km; in eight steps its own EVSE brings 6.7."""
    trip = booking(start_step=8, end_step=40, distance_km=80.0)
    case = fleet(trips=(trip,), move_price=20.0)
    assert [each.code for each in planned(unstaffed(case)).unserved] == ["LIMIT"]
    plan = planned(case)
    assert not plan.unserved
    assert ways(plan) == [("car-1", "A-1", "A-fast", ("FAST",))]
    left = replace(case.vehicles[0], may_be_moved=False)
    assert planned(replace(case, vehicles=(left,))).unserved


def test_two_bookings_are_saved_one_after_the_other_at_one_fast_charger() -> None:
    cars = (vehicle("car-2", evse="A-2", **QUICK),)
    trips = tuple(
        booking(f"b-{n}", vehicle=f"car-{n}", start_step=start, end_step=40, distance_km=80.0)
        for n, start in ((1, 8), (2, 11))
    )
    case = fleet(*cars, trips=trips)
    assert len(planned(unstaffed(case)).unserved) == 2
    assert not planned(case).unserved


def test_a_fast_charger_is_left_before_the_car_comes_that_it_is_promised_to() -> None:
    late = vehicle("car-2", available_from=17, **QUICK)
    trip = booking(vehicle="car-2", start_step=20, end_step=40, distance_km=70.0)
    case = fleet(late, trips=(trip,), move_price=0.1)
    plan = planned(case)
    assert not plan.unserved
    assert ways(plan) == [
        ("car-1", "A-1", "A-fast", ("FAST",)),
        ("car-1", "A-fast", "A-1", ("BACK",)),
    ]
    assert plan.moves[1].to_step <= 17
    told = explain(case, plan, step=0).moves[1].reasons[0]
    assert (told.numbers["for_vehicle"], told.numbers["evse"]) == ("car-2", "A-fast")


def test_a_fast_charger_is_left_before_it_is_reserved_for_somebody() -> None:
    plan = planned(fleet(fast=replace(FAST, unavailable=((18, 24),)), move_price=0.1))
    assert [move.reasons for move in plan.moves] == [("FAST",), ("BACK",)]
    assert plan.moves[1].to_step <= 18
    assert all(s.to_step <= 18 for s in plan.stays if s.evse == "A-fast")
    # Nobody comes when it is closed, or just before.
    assert not planned(fleet(fast=replace(FAST, unavailable=((11, 24),)))).moves


@pytest.mark.parametrize("closed", [(10, 22), (14, 30), (16, 17)])
def test_a_visit_is_lawful_and_pays_where_its_own_evse_closes_meanwhile(
    closed: tuple[int, int],
) -> None:
    late = vehicle("car-2", available_from=17, **QUICK)
    trip = booking(vehicle="car-2", start_step=20, end_step=40, distance_km=70.0)
    own = replace(evse("A-1"), unavailable=(closed,))
    case = fleet(late, trips=(trip,), move_price=0.1, evses=(own, evse("A-2"), FAST))
    plan = planned(case)
    assert not plan.unserved
    assert plan.cost < planned(unstaffed(case)).cost - 0.2


def test_bookings_that_nothing_can_save_do_not_use_up_the_tries() -> None:
    trip = booking(start_step=8, end_step=40, distance_km=80.0)
    hopeless = tuple(
        booking(f"x-{n}", start_step=1, end_step=4, distance_km=70.0, priority=5) for n in range(4)
    )
    plan = planned(fleet(trips=(trip, *hopeless), move_price=0.2))
    assert [each.booking for each in plan.assignments] == ["b-1"]


def test_whoever_comes_from_a_trip_is_put_on_the_fast_charger_by_its_driver() -> None:
    """It leaves before the next one comes, which is the only move."""
    late = vehicle("car-2", available_from=17, **QUICK)
    trip = booking(vehicle="car-2", start_step=20, end_step=40, distance_km=70.0)
    case = fleet(late, trips=(trip,), move_price=0.3)
    back = replace(case.vehicles[0], evse=None, available_from=11)
    plan = planned(replace(case, vehicles=(back, late)))
    assert not plan.unserved
    assert [(m.vehicle, m.from_evse, m.reasons) for m in plan.moves] == [
        ("car-1", "A-fast", ("BACK",))
    ]


def test_the_next_plan_asks_for_the_same_visit_at_the_same_time() -> None:
    case = fleet()
    before = planned(case)
    later = _later(case, 4)
    again = planned(later, incumbent_for(later, former=(case.start, before), promised={}))
    assert ways(again) == ways(before)
    assert [m.from_step + 4 for m in again.moves] == [m.from_step for m in before.moves]
    # Once the car stands there it is asked for nothing more.
    there = replace(later, vehicles=(replace(case.vehicles[0], evse="A-fast"),))
    assert not planned(there, incumbent_for(there, former=(case.start, before), promised={})).moves


def test_no_visit_comes_and_goes_for_cents() -> None:
    """A visit that hardly pays is kept where it was planned, and not begun where it was not."""
    gain = planned(unstaffed(fleet())).cost - planned(fleet()).cost + 0.2
    case = fleet(move_price=0.95 * gain)
    with_visit = planned(case)
    assert with_visit.moves
    without = planned(fleet(move_price=gain + 0.1))
    assert not without.moves
    assert planned(case, with_visit).moves
    assert not planned(case, without).moves
    assert not planned(fleet(move_price=gain + 0.1), with_visit).moves


@pytest.mark.parametrize("seed", [0, 2])
def test_while_hours_pass_and_sun_strays_no_order_is_taken_back(seed: int) -> None:
    """Four cars, a plan each quarter of an hour; staff comes when it has to."""
    random = Random(seed)
    prices = [0.4] * 96
    cheap = random.randrange(10, 16)
    for start in (cheap, 34, 70):
        prices[start : start + 3] = [0.05] * 3
    sun_w = [max(0.0, random.gauss(1500, 1000)) for _ in range(96)]
    spots = tuple(evse(f"A-{n}", max_power_w=3700.0) for n in range(4))
    cars = [
        vehicle(f"car-{n}", evse=f"A-{n}", **QUICK | {"soc_wh": random.uniform(3000, 9000)})
        for n in range(4)
    ]
    trips = tuple(
        booking(car.id, vehicle=car.id, start_step=random.randrange(20, 60), end_step=90)
        for car in cars
    )
    former, orders, made = None, None, 0
    for step in range(16):
        place = site(
            steps=64,
            evses=(*spots, FAST),
            import_limit_w=60_000.0,
            import_price_per_kwh=tuple(prices[step : step + 64]),
            pv_power_w=tuple(w * random.uniform(0.9, 1.1) for w in sun_w[step : step + 64]),
            export_price_per_kwh=(0.0,) * 64,
            move_price=0.6,
            move_windows=((0, 64),),
        )
        case = problem(
            steps=64,
            sites=(place,),
            vehicles=tuple(cars),
            bookings=tuple(
                replace(trip, start_step=trip.start_step - step, end_step=trip.end_step - step)
                for trip in trips
            ),
            terminal_value_per_kwh=0.2,
        )
        case = replace(case, start=case.start + timedelta(minutes=15 * step))
        before = former and incumbent_for(case, former=former, promised={})
        plan = planned(case, before, PlanOptions())
        found = {(move.vehicle, move.to_evse) for move in plan.moves}
        assert orders in {None, frozenset(found)}
        due = {move.vehicle: move.to_evse for move in plan.moves if move.to_step <= 2}
        made += len(due)
        former, orders = (case.start, plan), frozenset(found - set(due.items()))
        cars = [_a_step_later(car, plan, due.get(car.id, car.evse)) for car in cars]
    assert made > 0


def _a_step_later(car: Vehicle, plan: Plan, spot: str | None) -> Vehicle:
    power_w = sum(c.power_w for c in plan.charging if c.vehicle == car.id and c.from_step == 0)
    soc_wh = min(car.soc_wh + power_w * 0.25 * car.charge_efficiency, car.max_soc_wh)
    return replace(car, soc_wh=soc_wh, evse=spot)


def _later(case: Problem, steps: int) -> Problem:
    """The same some steps later, with the last of all prices for what was not known before."""
    place = case.sites[0]
    prices = (*place.import_price_per_kwh[steps:], *(0.4,) * steps)
    moved = replace(place, import_price_per_kwh=prices, move_windows=((0, STEPS),))
    start = case.start + timedelta(minutes=steps * case.step_minutes)
    return replace(case, start=start, sites=(moved,))


def test_a_visit_is_told_in_three_languages() -> None:
    trip = booking(start_step=8, end_step=40, distance_km=80.0)
    case = fleet(trips=(trip,))
    why = explain(case, planned(case), step=0).moves[0]
    assert why.reasons[0].code == "FAST"
    assert why.reasons[0].numbers["booking"] == "b-1"
    assert why.reasons[0].numbers["need_wh"] == pytest.approx(12_800.0)
    said = told(why)
    stays = told(explain(fleet(), planned(fleet()), step=0).moves[0])
    assert stays["en"].startswith("It goes to the fast charger A-fast, where it stays and is to")
    assert stays["fr"].startswith("Elle va au point de charge rapide A-fast, où elle reste")
    assert stays["de"].startswith("Es kommt an den Schnelllader A-fast, wo es bleibt und")
    assert said["en"].startswith("It visits the fast charger A-fast until 15 Jun 02:00 UTC")
    assert said["fr"].startswith("Elle passe au point de charge rapide A-fast jusqu'à 15/06")
    assert said["de"].startswith("Es kommt bis 15.06. 02:00 UTC an den Schnelllader A-fast")


def told(why: MoveWhy) -> dict[Language, str]:
    """The first sentence of a move, by language."""
    return {
        language: Teller(language, "EUR").moves([why])[0]["reasons"][0]["sentence"]
        for language in LANGUAGES
    }


def with_fast_chargers(seed: int) -> tuple[Problem, Problem]:
    """Returns a random problem without staff, and the same with staff beside fast chargers."""
    random = Random(f"visits {seed}")
    case = random_problem(random)
    sites = tuple(
        replace(
            place,
            evses=(
                *(replace(spot, current_type="AC") for spot in place.evses[:3]),
                Evse(
                    f"{place.id}-fast",
                    circuit=None,
                    max_power_w=random.choice([22_000.0, 50_000.0]),
                    min_power_w=random.choice([0.0, 3000.0]),
                    current_type="DC",
                    unavailable=random.choice([(), ((1, 3),)]),
                ),
            ),
            import_limit_w=random.choice([10_000.0, 90_000.0]),
            import_price_per_kwh=tuple(random.choice([0.05, 0.3, 0.4]) for _ in range(case.steps)),
            export_price_per_kwh=(0.02,) * case.steps,
        )
        for place in case.sites
    )
    left = {spot.id for place in sites for spot in place.evses}
    cars = tuple(
        replace(
            car,
            evse=car.evse if car.evse in left else None,
            max_dc_power_w=random.choice([22_000.0, 45_000.0]),
        )
        for car in case.vehicles
    )
    plain = replace(case, sites=sites, vehicles=cars, terminal_value_per_kwh=0.25)
    price = random.choice([0.0, 0.05, 0.2])
    staffed = tuple(
        replace(place, move_price=price, move_windows=((0, case.steps),)) for place in sites
    )
    return plain, replace(plain, sites=staffed)


def assert_no_worse(seeds: Sequence[int]) -> None:
    visited = 0
    for seed in seeds:
        plain, case = with_fast_chargers(seed)
        alone, plan = planned(plain, options=PlanOptions()), planned(case, options=PlanOptions())
        assert (_worth(case, plan), -plan.cost) >= (_worth(plain, alone), -alone.cost - 1e-6)
        visited += any("FAST" in move.reasons for move in plan.moves)
        explain(case, plan, step=case.steps // 2)
    assert visited >= len(seeds) // 12


def _worth(case: Problem, plan: Plan) -> int:
    left = {each.booking for each in plan.unserved}
    return sum(each.priority for each in case.bookings if each.id not in left)


def test_random_plans_with_visits_are_lawful_and_no_worse_than_without() -> None:
    assert_no_worse(range(24))
    # Those in which a driver and staff once met at an EVSE, or a car was moved to where it stood.
    assert_no_worse((5141, 5201, 5222, 5264, 5338, 5038))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_random_plans_with_visits_are_lawful_and_no_worse_than_without() -> None:
    assert_no_worse(range(1000, 1400))
