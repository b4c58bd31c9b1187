"""Each rule of planning on the smallest problem that shows it: what passes, and what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.check import check
from scheduler.plan import Assignment, Charging, Stay, Unserved, UnservedCode
from scheduler.problem import Battery, Booking, Circuit, Problem, Vehicle, check_problem
from tests.builders.plans import plan_of
from tests.builders.problems import booking, evse, problem, site, vehicle


def rules(case: Problem, **parts: Any) -> list[str]:
    check_problem(case)
    return [violation.rule for violation in check(case, plan_of(case, **parts))]


def whole(*, evse: str | None = "A-1", name: str = "car-1", place: str = "A") -> list[Stay]:
    return [Stay(name, place, evse, 0, 16)]


def around(first: Booking, *, evse: str | None = None, name: str = "car-1") -> list[Stay]:
    """The stays of a car that does one trip."""
    return [
        Stay(name, first.pickup_site, evse, 0, first.start_step),
        Stay(name, first.dropoff_site, None, first.end_step, 16),
    ]


def idle(**changes: Any) -> Problem:
    """One car and no bookings."""
    return problem(bookings=(), **changes)


def one_car(**changes: Any) -> Problem:
    return idle(vehicles=(vehicle(**changes),))


def charged(power_w: float, start: int = 8, end: int = 9, evse: str = "A-1") -> list[Charging]:
    return [Charging("car-1", evse, start, end, power_w)]


# Trips


def test_a_car_of_another_class_may_not_serve() -> None:
    case = problem(bookings=(booking(classes=("van",)),))
    served = [Assignment("b-1", "car-1", 8000.0)]
    assert rules(case, assignments=served, stays=around(booking())) == ["booking-class"]


def test_a_booking_fixed_to_another_car_may_not_be_served() -> None:
    case = problem(vehicles=(vehicle(), vehicle("car-2")), bookings=(booking(vehicle="car-2"),))
    served = [Assignment("b-1", "car-1", 8000.0)]
    stays = [*around(booking()), *whole(evse=None, name="car-2")]
    assert rules(case, assignments=served, stays=stays) == ["booking-vehicle"]


def test_a_car_departs_from_where_it_stands() -> None:
    case = problem(
        sites=(site(), site("B")), bookings=(booking(pickup_site="B", dropoff_site="B"),)
    )
    stays = [Stay("car-1", "A", None, 0, 6), Stay("car-1", "B", None, 10, 16)]
    served = [Assignment("b-1", "car-1", 8000.0)]
    assert rules(case, assignments=served, stays=stays) == ["vehicle-place"]


def test_a_car_is_not_had_before_it_is_available() -> None:
    case = problem(vehicles=(vehicle(available_from=7),))
    stays = [Stay("car-1", "A", None, 10, 16)]
    served = [Assignment("b-1", "car-1", 8000.0)]
    assert rules(case, assignments=served, stays=stays) == ["vehicle-available"]


def test_a_car_that_comes_with_the_booking_departs_at_once() -> None:
    case = problem(vehicles=(vehicle(available_from=6, evse="A-1"),), turnaround_steps=3)
    stays = [Stay("car-1", "A", None, 10, 16)]
    assert rules(case, assignments=[Assignment("b-1", "car-1", 8000.0)], stays=stays) == []


def test_a_car_beyond_the_horizon_has_no_stay_and_no_trip() -> None:
    case = one_car(available_from=16)
    assert rules(case) == []
    assert rules(case, stays=[Stay("car-1", "A", None, 15, 16)]) == ["stay-gap"]


@pytest.mark.parametrize(("turnaround", "found"), [(0, []), (1, ["turnaround"])])
def test_two_trips_keep_the_turnaround_between_them(turnaround: int, found: list[str]) -> None:
    trips = (booking(), booking("b-2", start_step=10, end_step=12))
    case = problem(bookings=trips, turnaround_steps=turnaround)
    served = [Assignment("b-1", "car-1", 8000.0), Assignment("b-2", "car-1", 5200.0)]
    stays = [Stay("car-1", "A", None, 0, 6), Stay("car-1", "A", None, 12, 16)]
    assert rules(case, assignments=served, stays=stays) == found


def test_a_car_drives_one_trip_at_a_time() -> None:
    trips = (booking(), booking("b-2", start_step=9, end_step=12))
    served = [Assignment("b-1", "car-1", 8000.0), Assignment("b-2", "car-1", 5200.0)]
    stays = [Stay("car-1", "A", None, 0, 6), Stay("car-1", "A", None, 12, 16)]
    found = rules(problem(bookings=trips), assignments=served, stays=stays)
    assert found == ["vehicle-overlap"]


def test_a_trip_may_end_beyond_the_horizon() -> None:
    case = problem(bookings=(booking(end_step=40),), terminal_value_per_kwh=0.2)
    stays = [Stay("car-1", "A", None, 0, 6)]
    assert rules(case, assignments=[Assignment("b-1", "car-1", 8000.0)], stays=stays) == []


@pytest.mark.parametrize(("reserve_km", "found"), [(25.0, []), (26.0, ["departure-energy"])])
def test_the_reserve_is_held_above_the_least(reserve_km: float, found: list[str]) -> None:
    case = problem(bookings=(booking(reserve_km=reserve_km + 0.7),))
    served = [Assignment("b-1", "car-1", 8000.0)]
    assert rules(case, assignments=served, stays=around(booking())) == found


# Energy


def test_no_car_is_charged_above_its_most() -> None:
    case = one_car(soc_wh=15_500.0)
    assert rules(case, stays=whole(), charging=charged(500 / 0.225)) == []
    assert rules(case, stays=whole(), charging=charged(510 / 0.225)) == ["soc-maximum"]


def giving(**changes: Any) -> Problem:
    spots = (evse(bidirectional=True),)
    return idle(sites=(site(evses=spots),), vehicles=(vehicle(max_discharge_w=3000.0, **changes),))


def test_no_car_is_drained_below_its_least() -> None:
    case = giving(soc_wh=2000.0)
    assert rules(case, stays=whole(), charging=charged(-400 * 0.9 * 4)) == []
    assert rules(case, stays=whole(), charging=charged(-402 * 0.9 * 4)) == ["soc-minimum"]


def test_a_car_below_its_least_may_only_gain() -> None:
    case = giving(soc_wh=500.0)
    assert rules(case, stays=whole(), charging=charged(3000.0)) == []
    assert rules(case, stays=whole(), charging=charged(-200.0)) == ["soc-minimum"]
    up_and_down = [*charged(3000.0), *charged(-200.0, 9, 10)]
    assert rules(case, stays=whole(), charging=up_and_down) == ["soc-minimum"]


def test_a_car_above_its_most_may_only_lose() -> None:
    case = giving(soc_wh=15_900.0, max_soc_wh=14_000.0)
    assert rules(case, stays=whole(), charging=charged(-3000.0)) == []
    assert rules(case, stays=whole(), charging=charged(1500.0)) == ["soc-maximum"]
    down_and_up = [*charged(-1500.0), *charged(1500.0, 9, 10)]
    assert rules(case, stays=whole(), charging=down_and_up) == ["soc-maximum"]


def test_the_bounds_do_not_creep_by_their_tolerance() -> None:
    case = giving(soc_wh=1600.0)
    creeping = [charged(-3.2, step, step + 1)[0] for step in range(16)]
    assert rules(case, stays=whole(), charging=creeping) == ["soc-minimum"]


def test_a_direct_current_evse_charges_by_the_car_s_own_limit_for_it() -> None:
    case = idle(
        sites=(site(evses=(evse(max_power_w=50_000.0, current_type="DC"),)),),
        vehicles=(vehicle(max_dc_power_w=15_000.0),),
    )
    assert rules(case, stays=whole(), charging=charged(15_000.0)) == []
    assert rules(case, stays=whole(), charging=charged(15_002.0)) == ["charging-power"]


def test_the_least_power_holds_in_the_first_four_steps_only() -> None:
    case = one_car()
    assert rules(case, stays=whole(), charging=charged(1300.0, 3, 5)) == ["charging-minimum"]
    assert rules(case, stays=whole(), charging=charged(1300.0, 4, 5)) == []
    assert rules(case, stays=whole(), charging=charged(1380.0, 0, 5)) == []


def test_an_unavailable_evse_gives_nothing_to_the_car_that_stands_there() -> None:
    spots = (evse(unavailable=((0, 3), (8, 10))),)
    case = idle(sites=(site(evses=spots),), vehicles=(vehicle(evse="A-1"),))
    assert rules(case, stays=whole(), charging=charged(3000.0, 3, 8)) == []
    plan = plan_of(case, stays=whole(), charging=charged(3000.0, 7, 9))
    assert [(v.rule, v.subject, v.step) for v in check(case, plan)] == [
        ("charging-unavailable", "A-1", 8)
    ]


def test_no_car_arrives_at_an_unavailable_evse() -> None:
    case = idle(sites=(site(evses=(evse(unavailable=((0, 3),)),)),))
    assert rules(case, stays=whole()) == ["evse-unavailable"]


def test_an_evse_is_free_again_in_the_step_of_a_departure() -> None:
    case = problem(vehicles=(vehicle(), vehicle("car-2", available_from=6)))
    served = [Assignment("b-1", "car-1", 8000.0)]
    stays = [*around(booking(), evse="A-1"), Stay("car-2", "A", "A-1", 6, 16)]
    assert rules(case, assignments=served, stays=stays) == []


# Sites


def test_the_import_limit_holds_for_cars_and_building_together() -> None:
    place = site(import_limit_w=4000.0, load_power_w=(1000.0,) * 16)
    case = idle(sites=(place,))
    assert rules(case, stays=whole(), charging=charged(3000.0)) == []
    assert rules(case, stays=whole(), charging=charged(3002.0)) == ["import-limit"]


def test_cars_draw_nothing_where_the_building_alone_overloads() -> None:
    place = site(import_limit_w=4000.0, load_power_w=(6000.0,) * 16, pv_power_w=(1500.0,) * 16)
    case = idle(sites=(place,))
    assert rules(case, stays=whole()) == []
    found = rules(case, stays=whole(), charging=charged(1500.0))
    assert found == ["import-limit", "overload"]
    wasting = {"A": [1500.0] * 8 + [100.0] * 8}
    assert rules(case, stays=whole(), pv_used_w=wasting) == ["import-limit"]


def test_a_battery_does_not_hide_what_cars_draw_while_the_building_overloads() -> None:
    battery = Battery(10_000.0, 9000.0, 0.0, 5000.0, 5000.0, 1.0)
    place = site(import_limit_w=4000.0, load_power_w=(6000.0,) * 16, battery=battery)
    helping = {"A": [0.0] * 8 + [-3000.0] + [0.0] * 7}
    found = rules(idle(sites=(place,)), stays=whole(), charging=charged(1500.0), battery_w=helping)
    assert found == ["overload"]


def test_a_car_may_feed_a_building_that_overloads() -> None:
    case = giving()
    place = replace(case.sites[0], import_limit_w=4000.0, load_power_w=(6000.0,) * 16)
    case = replace(case, sites=(place,))
    assert rules(case, stays=whole(), charging=charged(-1500.0)) == []


def test_a_limit_of_zero_lets_a_site_live_on_its_own_sun() -> None:
    case = idle(sites=(site(import_limit_w=0.0, pv_power_w=(3000.0,) * 16),))
    assert rules(case, stays=whole(), charging=charged(3000.0)) == []
    assert rules(case, stays=whole(), charging=charged(3002.0)) == ["import-limit"]


def test_the_export_limit_curtails_the_sun() -> None:
    place = site(export_limit_w=2000.0, pv_power_w=(5000.0,) * 16)
    case = idle(sites=(place,))
    assert rules(case, stays=whole(evse=None)) == []
    uncurtailed = {"A": [5000.0] * 16}
    assert rules(case, stays=whole(evse=None), pv_used_w=uncurtailed) == ["export-limit"]


def test_a_building_that_feeds_in_beyond_the_limit_by_itself_is_let_be() -> None:
    case = giving()
    place = replace(case.sites[0], export_limit_w=2000.0, load_power_w=(-3000.0,) * 16)
    case = replace(case, sites=(place,))
    assert rules(case, stays=whole()) == []
    found = rules(case, stays=whole(), charging=charged(-1500.0))
    assert found == ["export-limit", "overload"]


def nested() -> Problem:
    circuits = (Circuit("top", None, 5000.0), Circuit("row", "top", 4000.0))
    spots = (evse(circuit="row"), evse("A-2", circuit="top", bidirectional=True))
    cars = (vehicle(), vehicle("car-2", max_discharge_w=5000.0))
    return idle(sites=(site(evses=spots, circuits=circuits),), vehicles=cars)


@pytest.mark.parametrize(
    ("first_w", "second_w", "found"),
    [
        (3000.0, 2000.0, []),
        (3000.0, 2002.0, ["circuit-limit"]),  # 5,002 W on the top circuit
        (2500.0, -2500.0, []),
    ],
)
def test_a_circuit_limits_all_evses_below_it(
    first_w: float, second_w: float, found: list[str]
) -> None:
    stays = [*whole(), *whole(evse="A-2", name="car-2")]
    powers = [*charged(first_w), Charging("car-2", "A-2", 8, 9, second_w)]
    assert rules(nested(), stays=stays, charging=powers) == found


def test_a_circuit_limits_feeding_back_too() -> None:
    case = giving()
    spots = (evse(bidirectional=True, circuit="row"),)
    place = replace(case.sites[0], evses=spots, circuits=(Circuit("row", None, 2000.0),))
    case = replace(case, sites=(place,))
    assert rules(case, stays=whole(), charging=charged(-2000.0)) == []
    assert rules(case, stays=whole(), charging=charged(-2002.0)) == ["circuit-limit"]


def test_cars_cannot_be_charged_in_two_places_of_one_circuit_beyond_its_limit() -> None:
    case = nested()
    circuits = (Circuit("top", None, 2500.0), Circuit("row", "top", 4000.0))
    case = replace(case, sites=(replace(case.sites[0], circuits=circuits),))
    stays = [*whole(), *whole(evse="A-2", name="car-2")]
    assert rules(case, stays=stays, charging=charged(2600.0)) == ["circuit-limit"]


def test_energy_left_counts_in_cars_batteries_and_on_the_road() -> None:
    battery = Battery(10_000.0, 4000.0, 0.0, 5000.0, 5000.0, 0.9)
    case = problem(
        sites=(site(battery=battery),),
        bookings=(booking(end_step=30),),
        terminal_value_per_kwh=0.5,
    )
    plan = plan_of(
        case,
        assignments=[Assignment("b-1", "car-1", 8000.0)],
        stays=[Stay("car-1", "A", None, 0, 6)],
    )
    assert plan.cost == pytest.approx(-0.5 * (8.0 - 2.8 + 4.0))
    assert check(case, plan) == ()
    assert [v.rule for v in check(case, replace(plan, cost=-0.5 * 8.0))] == ["cost"]


# Reasons of unserved bookings


def refused(code: UnservedCode, *, car: Vehicle | None = None, **trip: Any) -> list[str]:
    case = problem(vehicles=(car or vehicle(),), bookings=(booking(**trip),))
    place = case.vehicles[0].site
    return rules(case, unserved=[Unserved("b-1", code, "")], stays=whole(evse=None, place=place))


def test_no_vehicle_is_true_where_no_car_is_of_the_class() -> None:
    assert refused("NO_VEHICLE", classes=("truck",)) == []
    assert refused("NOT_ENOUGH_ENERGY", classes=("truck",)) == ["unserved-reason"]
    assert refused("BEYOND_CAPACITY", classes=("truck",)) == ["unserved-reason"]


def test_no_vehicle_is_false_where_a_car_stands_idle() -> None:
    assert refused("NO_VEHICLE", distance_km=60.0) == ["unserved-reason"]
    assert refused("NOT_ENOUGH_ENERGY", distance_km=60.0) == []
    assert refused("LIMIT", distance_km=60.0) == []


def test_fixed_vehicle_is_true_only_where_a_car_is_fixed() -> None:
    assert refused("FIXED_VEHICLE", distance_km=60.0) == ["unserved-reason"]
    assert refused("FIXED_VEHICLE", distance_km=60.0, vehicle="car-1") == []
    assert refused("FIXED_VEHICLE", classes=("truck",), vehicle="car-1") == []


def test_beyond_capacity_is_true_only_where_a_full_battery_is_too_small() -> None:
    assert refused("BEYOND_CAPACITY", distance_km=102.0) == ["unserved-reason"]
    assert refused("BEYOND_CAPACITY", distance_km=103.0) == []
    assert refused("BEYOND_CAPACITY", distance_km=100.0, reserve_km=3.0) == []


@pytest.mark.parametrize("code", ["NO_VEHICLE", "NOT_ENOUGH_ENERGY", "LIMIT", "NO_EVSE"])
def test_no_reason_is_true_where_an_idle_car_has_the_energy(code: UnservedCode) -> None:
    assert refused(code) == ["unserved-reason"]


def test_no_vehicle_is_true_where_the_only_car_is_elsewhere_or_late() -> None:
    elsewhere = problem(
        sites=(site(), site("B")), bookings=(booking(pickup_site="B", dropoff_site="B"),)
    )
    late = problem(vehicles=(vehicle(available_from=7),))
    refusal = [Unserved("b-1", "NO_VEHICLE", "")]
    assert rules(elsewhere, unserved=refusal, stays=whole(evse=None)) == []
    assert rules(late, unserved=refusal, stays=[Stay("car-1", "A", None, 7, 16)]) == []


def test_no_vehicle_is_true_where_the_only_car_has_another_trip_in_the_way() -> None:
    trips = (booking(), booking("b-2", start_step=3, end_step=8))
    served = [Assignment("b-1", "car-1", 8000.0)]
    refusal = [Unserved("b-2", "NO_VEHICLE", "")]
    found = rules(
        problem(bookings=trips), assignments=served, unserved=refusal, stays=around(booking())
    )
    assert found == []


def test_no_vehicle_is_false_where_the_trip_fits_between_two_others() -> None:
    trips = (
        booking(start_step=0, end_step=2),
        booking("b-2", start_step=3, end_step=8),
        booking("b-3", start_step=9, end_step=12),
    )
    served = [Assignment("b-1", "car-1", 8000.0), Assignment("b-3", "car-1", 5200.0)]
    stays = [Stay("car-1", "A", None, 2, 9), Stay("car-1", "A", None, 12, 16)]
    refusal = [Unserved("b-2", "NO_VEHICLE", "")]
    for turnaround, found in ((1, ["unserved-reason"]), (2, [])):
        case = problem(bookings=trips, turnaround_steps=turnaround)
        assert rules(case, assignments=served, unserved=refusal, stays=stays) == found
