"""What the calendar answers to a wish, on cases small enough to work out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler.admit import Answer, Calendar, Wish
from scheduler.reach import AdmissionRules, CarState, Promise

NOW = datetime(2026, 6, 15, 8, 0, tzinfo=UTC)
RULES = AdmissionRules()
# A car below gains 4 kW x 0.9 x 0.85 = 3.06 kWh per hour and takes 110 Wh per cautious km.


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def car(name: str = "car", **changed: Any) -> CarState:
    fields: dict[str, Any] = {
        "vehicle_id": name,
        "vehicle_class": "city",
        "site_id": "A",
        "free_from": NOW - hours(2),
        "soc_wh": 8000.0,
        "capacity_wh": 16000.0,
        "min_soc_wh": 1600.0,
        "max_soc_wh": 16000.0,
        "charge_power_w": 4000.0,
        "charge_efficiency": 0.9,
        "consumption_wh_per_km": 100.0,
    }
    return CarState(**(fields | changed))


def promise(start: float, end: float, name: str = "car", **changed: Any) -> Promise:
    fields: dict[str, Any] = {
        "booking_id": f"b-{start}",
        "vehicle_id": name,
        "pickup_site": "A",
        "dropoff_site": "A",
        "start": NOW + hours(start),
        "end": NOW + hours(end),
        "distance_km": 20.0,
        "reserve_km": 0.0,
    }
    return Promise(**(fields | changed))


def wish(start: float, end: float, distance_km: float = 20.0, **changed: Any) -> Wish:
    fields: dict[str, Any] = {
        "start": NOW + hours(start),
        "end": NOW + hours(end),
        "pickup_site": "A",
        "dropoff_site": "A",
        "distance_km": distance_km,
    }
    return Wish(**(fields | changed))


def calendar(*cars: CarState, promises: tuple[Promise, ...] = ()) -> Calendar:
    return Calendar.build(cars, promises, RULES, NOW)


def refused(answer: Answer) -> dict[str, int]:
    assert not answer.bookable
    assert not answer.offers
    return {reason.code: reason.cars for reason in answer.reasons}


def test_a_free_car_is_offered_with_what_it_will_hold_at_pickup() -> None:
    answer = calendar(car()).answer(wish(1, 3))
    assert answer.bookable
    (offer,) = answer.offers
    assert offer.vehicle_id == "car"
    assert offer.expected_soc_pct == pytest.approx(100 * (8000 + 3060) / 16000)
    assert offer.slack_wh == pytest.approx(8000 + 3060 - 2200 - 1600)
    assert offer.slack_minutes is None
    assert offer.probability_ready == pytest.approx(1.0)


def test_charging_counts_from_now_and_not_from_when_the_car_came_back() -> None:
    waiting = car(soc_wh=1600.0, free_from=NOW - hours(10))
    assert refused(calendar(waiting).answer(wish(0, 1))) == {"ENERGY_BEFORE": 1}


def test_the_emptiest_car_that_will_do_is_offered_first() -> None:
    cars = (car("full", soc_wh=16000.0), car("half"), car("empty", soc_wh=1600.0))
    offers = calendar(*cars).answer(wish(0.25, 2)).offers
    assert [offer.vehicle_id for offer in offers] == ["half", "full"]


def test_a_car_that_may_come_back_late_is_offered_after_a_surer_one() -> None:
    cars = (car("sure", soc_wh=16000.0), car("back", soc_wh=9000.0, free_from=NOW + hours(0.5)))
    offers = calendar(*cars).answer(wish(1, 2)).offers
    assert [offer.vehicle_id for offer in offers] == ["sure", "back"]
    assert offers[1].probability_ready == pytest.approx(0.9665, abs=1e-4)
    assert [offer.bound_by for offer in offers] == [None, "return"]
    assert offers[1].slack_minutes == 0.0


def test_class_place_and_time_are_told_apart_by_the_farthest_each_car_gets() -> None:
    cars = (car("van", vehicle_class="van"), car("away", site_id="B"), car("busy"))
    answer = calendar(*cars, promises=(promise(1, 4, "busy"),)).answer(
        wish(2, 3, vehicle_class="city")
    )
    assert refused(answer) == {"CLASS": 1, "PLACE": 1, "TIME": 1}


@pytest.mark.parametrize(
    ("start", "end", "bookable"),
    [(0, 2.5, True), (0, 2.75, False), (4.5, 6, True), (4.25, 6, False), (3.2, 3.8, False)],
)
def test_the_pause_between_two_trips_is_kept_on_both_sides(
    start: float, end: float, bookable: bool
) -> None:
    answer = calendar(car(), promises=(promise(3, 4),)).answer(wish(start, end))
    assert answer.bookable is bookable


def test_a_trip_that_would_leave_too_little_for_the_next_one_is_refused() -> None:
    # By 10:00 the car must hold 110 km x 110 Wh + 1.6 kWh = 13.7 kWh. It can hold 14.12 kWh, so
    # it may lose 0.42 kWh on the way: 0.5 h less charging is 1.53 kWh too much already.
    table = calendar(car(), promises=(promise(2, 4, distance_km=110.0),))
    assert refused(table.answer(wish(0.5, 1, 1))) == {"ENERGY_AFTER": 1}
    assert table.with_car(car(soc_wh=16000.0)).answer(wish(0.5, 1, 1)).bookable


def test_energy_is_seen_through_to_the_trip_after_the_next() -> None:
    # The trip at 14:00 needs 13.7 kWh; the one from 12:00 to 13:30 gives back half an hour.
    chain = (promise(4, 5.5), promise(6, 8, distance_km=110.0))
    assert not calendar(car(), promises=chain).broken()
    assert refused(calendar(car(), promises=chain).answer(wish(0, 3.5, 50))) == {"ENERGY_AFTER": 1}
    assert calendar(car(), promises=chain).answer(wish(0, 1, 20)).bookable


def test_a_one_way_trip_fits_only_where_nothing_follows_or_the_next_begins_there() -> None:
    one_way = wish(0, 1, dropoff_site="B")
    assert calendar(car()).answer(one_way).bookable
    stuck = calendar(car(), promises=(promise(3, 4),))
    assert refused(stuck.answer(one_way)) == {"TIME": 1}
    missing = calendar(car(), promises=(promise(3, 4, pickup_site="B", dropoff_site="B"),))
    assert len(missing.broken()) == 1
    assert missing.answer(one_way).bookable


def test_the_reserve_must_still_be_there_at_the_end() -> None:
    full = calendar(car(soc_wh=16000.0))
    assert full.answer(wish(0, 3, 100)).bookable
    assert full.answer(wish(0, 3, 100, reserve_km=34)).bookable
    assert refused(full.answer(wish(0, 3, 100, reserve_km=35))) == {"ENERGY_BEFORE": 1}


def test_the_past_and_the_far_future_are_refused_by_name() -> None:
    table = calendar(car())
    assert refused(table.answer(wish(-1, 2))) == {"PAST": 1}
    assert refused(table.answer(wish(24 * 61, 24 * 61 + 1))) == {"HORIZON": 1}


def test_a_wish_in_the_past_gets_the_next_quarter_of_an_hour_instead() -> None:
    alternatives = calendar(car()).answer(wish(-0.1, 2)).alternatives
    assert alternatives[0].start == NOW + hours(-0.1) + timedelta(minutes=15)


def test_alternatives_name_another_time_class_site_and_distance() -> None:
    cars = (car(soc_wh=1940.0), car("van", vehicle_class="van"), car("b", site_id="B"))
    answer = calendar(*cars).answer(wish(0.25, 2.25, 30, vehicle_class="city"))
    assert refused(answer) == {"PLACE": 1, "ENERGY_BEFORE": 1, "CLASS": 1}
    assert answer.alternatives == (
        wish(1.25, 3.25, 30, vehicle_class="city"),
        wish(0.25, 2.25, 30, vehicle_class="van"),
        wish(0.25, 2.25, 30, pickup_site="B", dropoff_site="B", vehicle_class="city"),
        wish(0.25, 2.25, 10, vehicle_class="city"),
    )


def test_an_alternative_lies_ahead_still_when_it_is_asked_for() -> None:
    cars = (car(soc_wh=1600.0), car("van", vehicle_class="van"), car("b", site_id="B"))
    table, now = calendar(*cars), NOW + hours(0.01)
    answer = table.answer(wish(0.01, 1, 30, vehicle_class="city"), now=now)
    assert {"van", "city"} == {other.vehicle_class for other in answer.alternatives}
    assert all(other.start >= now + timedelta(minutes=1) for other in answer.alternatives)
    assert refused(table.answer(wish(0.005, 1), now=now)) == {"PAST": 3}


def test_a_weaker_charger_than_the_car_makes_it_ready_later() -> None:
    slow = car(soc_wh=1600.0, charge_power_w=2300.0)
    refusal = calendar(slow).answer(wish(1, 2, 18))
    # 1.98 kWh at 2.3 kW x 0.9 x 0.85 take 1 h 8 min; at 4 kW they would be there in 39 min.
    assert refused(refusal) == {"ENERGY_BEFORE": 1}
    assert refusal.alternatives[0] == wish(1.25, 2.25, 18)


def test_where_a_trip_ends_says_how_fast_the_car_is_ready_for_the_next() -> None:
    def after_a_trip_to_b(power_w: float) -> Answer:
        there = car(soc_wh=4200.0, site_power_w={"B": power_w})
        chain = (promise(0.5, 1, dropoff_site="B"),)
        back = wish(3, 4, pickup_site="B", dropoff_site="A")
        return calendar(there, promises=chain).answer(back)

    assert after_a_trip_to_b(4000.0).bookable
    assert refused(after_a_trip_to_b(0.0)) == {"ENERGY_BEFORE": 1}


def test_a_trip_that_ends_where_nothing_charges_leaves_too_little_for_the_promise_there() -> None:
    # From B at 14:00 the car must hold 13.7 kWh, and it comes there with 12.2 kWh.
    def one_way(power_w: float) -> Answer:
        full = car(soc_wh=14400.0, charge_power_w=0.0, site_power_w={"B": power_w})
        later = promise(6, 8, distance_km=110.0, pickup_site="B", dropoff_site="B")
        return calendar(full, promises=(later,)).answer(wish(0.5, 1, 20, dropoff_site="B"))

    assert one_way(4000.0).bookable
    assert refused(one_way(0.0)) == {"ENERGY_AFTER": 1}


def test_a_chain_needs_what_the_sites_on_its_way_can_not_give() -> None:
    chain = (
        promise(4, 5.5, dropoff_site="B"),
        promise(8, 9, distance_km=110.0, pickup_site="B", dropoff_site="B"),
    )
    assert not calendar(car(soc_wh=2000.0), promises=chain).broken()
    dry = car(soc_wh=2000.0, site_power_w={"B": 0.0})
    assert calendar(dry, promises=chain).broken() == chain[1:]


def test_the_soonest_time_is_found_however_far_away() -> None:
    answer = calendar(car(), promises=(promise(1, 30),)).answer(wish(2, 4))
    assert answer.alternatives[0] == wish(30.5, 32.5)


def test_near_sites_are_offered_in_the_order_of_the_rules() -> None:
    cars = [car(name, site_id=name) for name in ("B", "C", "D")]
    rules = AdmissionRules(nearby={"A": ("D", "C")})
    table = Calendar.build(cars, (), rules, NOW)
    sites = [other.pickup_site for other in table.answer(wish(1, 2)).alternatives]
    assert sites == ["D", "C"]


def test_a_promise_takes_the_car_and_taking_it_back_frees_it() -> None:
    empty = calendar(car())
    taken = empty.with_promise(promise(1, 3))
    assert refused(taken.answer(wish(2, 4))) == {"TIME": 1}
    assert taken.without("b-1").answer(wish(2, 4)).bookable
    assert empty.answer(wish(2, 4)).bookable
    assert taken.without("unknown") is taken


def test_a_late_empty_or_misplaced_car_breaks_its_promise_and_a_waiting_one_does_not() -> None:
    due = (promise(1, 3),)
    assert not calendar(car(), promises=due).broken()
    assert calendar(car(free_from=NOW + hours(1.5)), promises=due).broken() == due
    assert calendar(car(soc_wh=100.0, charge_power_w=0.0), promises=due).broken() == due
    assert calendar(car(site_id="B"), promises=due).broken() == due
    assert not calendar(car(), promises=(promise(-0.1, 1),)).broken()


def test_a_short_car_is_blamed_for_the_promise_it_fails_and_not_for_those_before() -> None:
    chain = (promise(1, 2), promise(2.5, 4, distance_km=140.0))
    assert calendar(car(), promises=chain).broken() == chain[1:]


def test_a_car_above_its_maximum_keeps_what_it_has() -> None:
    above = car(soc_wh=15000.0, max_soc_wh=12000.0)
    (offer,) = calendar(above).answer(wish(5, 6)).offers
    assert offer.expected_soc_pct == pytest.approx(100 * 15 / 16)


def test_an_empty_fleet_refuses_without_alternatives() -> None:
    answer = calendar().answer(wish(1, 2))
    assert refused(answer) == {"CLASS": 0}
    assert answer.alternatives == ()


def test_a_promise_of_a_car_out_of_service_takes_no_part() -> None:
    table = calendar(car(), promises=(promise(1, 3, "gone"),))
    assert table.chains == ((),)
    with pytest.raises(KeyError):
        table.with_promise(promise(5, 6, "gone"))


def test_a_car_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        calendar(car(), car())


@pytest.mark.parametrize("changed", [{"distance_km": -1.0}, {"reserve_km": float("inf")}])
def test_a_wish_that_makes_no_sense_is_refused_at_once(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        wish(1, 2, **changed)
    with pytest.raises(ValueError, match="ends at"):
        wish(2, 2)


def one_way(start: float, end: float) -> Wish:
    return wish(start, end, dropoff_site="B")


def places(*cars: CarState, promises: tuple[Promise, ...] = ()) -> Calendar:
    """A calendar of sites A and B with a charger for one car each."""
    return Calendar.build(cars, promises, RULES, NOW, {"A": 1, "B": 1})


def test_a_one_way_trip_needs_a_free_charger_where_it_ends() -> None:
    assert places(car()).answer(one_way(1, 2)).bookable
    assert refused(places(car(), car("b", site_id="B")).answer(one_way(1, 2))) == {"SPACE": 2}
    assert calendar(car(), car("b", site_id="B")).answer(one_way(1, 2)).bookable


def test_a_car_that_leaves_for_good_makes_room_but_not_before_it_may_be_late() -> None:
    away = promise(2, 3, "b", pickup_site="B", dropoff_site="C")
    fleet = (car(), car("b", site_id="B"))
    assert places(*fleet, promises=(away,)).answer(one_way(1, 2.6)).bookable
    assert refused(places(*fleet, promises=(away,)).answer(one_way(1, 2.4))) == {"SPACE": 2}


def test_a_car_that_comes_back_finds_its_own_charger_free() -> None:
    trip = promise(1, 5, "b", pickup_site="B", dropoff_site="B")
    table = places(car(), car("b", site_id="B"), promises=(trip,))
    assert refused(table.answer(one_way(2, 3))) == {"SPACE": 2}
    assert table.answer(wish(2, 3)).bookable


def test_a_full_site_is_answered_with_other_places_to_leave_the_car() -> None:
    answer = places(car(), car("b", site_id="B")).answer(one_way(1, 2))
    assert [(other.pickup_site, other.dropoff_site) for other in answer.alternatives] == [
        ("B", "B"),
        ("A", "A"),
    ]
