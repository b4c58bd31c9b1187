"""Whatever the fleet and the wishes: what the calendar promises can be kept, judged apart from it.

The walk below shares no code with the tables: it plays each car's day minute by minute in plain
Python, charging whenever the car stands.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.admit import Calendar, Wish
from scheduler.reach import AdmissionRules, CarState, Promise
from tests.builders.promises import promised

NOW = datetime(2026, 3, 28, 6, 0, tzinfo=UTC)
RULES = AdmissionRules()
SITES = ("A", "B", "C")


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


@st.composite
def cars(draw: st.DrawFn) -> list[CarState]:
    fleet: list[CarState] = []
    for number in range(draw(st.integers(1, 4))):
        capacity_wh = draw(st.sampled_from([10_000.0, 16_000.0, 40_000.0]))
        fleet.append(
            CarState(
                vehicle_id=f"car-{number}",
                vehicle_class=draw(st.sampled_from(["city", "van"])),
                site_id=draw(st.sampled_from(SITES)),
                free_from=at(draw(st.integers(-120, 240))),
                soc_wh=capacity_wh * draw(st.integers(5, 100)) / 100,
                capacity_wh=capacity_wh,
                min_soc_wh=0.1 * capacity_wh,
                max_soc_wh=capacity_wh * draw(st.sampled_from([0.8, 1.0])),
                charge_power_w=draw(st.sampled_from([0.0, 2300.0, 3700.0])),
                charge_efficiency=0.9,
                consumption_wh_per_km=draw(st.sampled_from([110.0, 150.0])),
                site_power_w=draw(
                    st.dictionaries(
                        st.sampled_from(SITES), st.sampled_from([0.0, 2300.0, 11_000.0])
                    )
                ),
            )
        )
    return fleet


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    start = draw(st.integers(-30, 2000))
    pickup = draw(st.sampled_from(SITES))
    one_way = draw(st.booleans())
    return Wish(
        start=at(start),
        end=at(start + draw(st.integers(15, 500))),
        pickup_site=pickup,
        dropoff_site=draw(st.sampled_from(SITES)) if one_way else pickup,
        distance_km=float(draw(st.integers(0, 120))),
        vehicle_class=draw(st.sampled_from([None, "city", "van"])),
        reserve_km=float(draw(st.sampled_from([0, 10]))),
    )


def faults(car: CarState, chain: list[Promise]) -> list[str]:
    """Plays the car's trips in order and says what goes wrong."""
    found: list[str] = []
    power_w = car.charge_power_w
    site, stored_wh = car.site_id, car.soc_wh
    instant = max(NOW, car.free_from)
    earliest = instant if car.free_from <= NOW else instant + timedelta(minutes=30)
    for trip in sorted(chain, key=lambda each: each.start):
        if trip.start < earliest:
            found.append(f"{trip.booking_id}: no pause")
        if trip.pickup_site != site:
            found.append(f"{trip.booking_id}: car stands at {site}")
        while instant < trip.start:
            instant += timedelta(minutes=1)
            if stored_wh < car.max_soc_wh:
                gained_wh = power_w * 0.85 * car.charge_efficiency / 60
                stored_wh = min(car.max_soc_wh, stored_wh + gained_wh)
        stored_wh -= trip.distance_km * car.consumption_wh_per_km * 1.1
        if stored_wh < car.min_soc_wh + trip.reserve_km * car.consumption_wh_per_km - 0.01:
            found.append(f"{trip.booking_id}: returns with {stored_wh:.0f} Wh")
        site, instant, earliest = trip.dropoff_site, trip.end, trip.end + timedelta(minutes=30)
        power_w = car.site_power_w.get(site, car.charge_power_w)
    return found


@settings(max_examples=60, deadline=None)
@given(fleet=cars(), asked=st.lists(wishes(), min_size=1, max_size=12), pick=st.integers(0, 4))
def test_every_accepted_wish_leaves_every_chain_feasible(
    fleet: list[CarState], asked: list[Wish], pick: int
) -> None:
    calendar = Calendar.build(fleet, (), RULES, NOW)
    chains: dict[str, list[Promise]] = {car.vehicle_id: [] for car in fleet}
    for number, wish in enumerate(asked):
        answer = calendar.answer(wish)
        if answer.bookable:
            offer = answer.offers[pick % len(answer.offers)]
            promise = promised(wish, offer.vehicle_id, f"b-{number}")
            chains[offer.vehicle_id].append(promise)
            calendar = calendar.with_promise(promise)
            assert wish.vehicle_class in (None, offer.vehicle_class)
            assert 0 <= offer.probability_ready <= 1
            assert offer.slack_wh >= -0.01
    for car in fleet:
        assert faults(car, chains[car.vehicle_id]) == []
        trips = sorted(chains[car.vehicle_id], key=lambda trip: trip.start)
        for before, after in itertools.pairwise(trips):
            assert before.end < after.start
    assert calendar.broken() == ()


@settings(max_examples=60, deadline=None)
@given(fleet=cars(), asked=st.lists(wishes(), min_size=1, max_size=10))
def test_every_refusal_is_right_and_every_alternative_is_accepted_when_asked(
    fleet: list[CarState], asked: list[Wish]
) -> None:
    calendar = Calendar.build(fleet, (), RULES, NOW)
    chains: dict[str, list[Promise]] = {car.vehicle_id: [] for car in fleet}
    for number, wish in enumerate(asked):
        answer = calendar.answer(wish)
        if answer.bookable:
            promise = promised(wish, answer.offers[0].vehicle_id, f"b-{number}")
            chains[promise.vehicle_id].append(promise)
            calendar = calendar.with_promise(promise)
            continue
        assert sum(reason.cars for reason in answer.reasons) == len(fleet)
        for other in answer.alternatives:
            assert other != wish
            assert calendar.answer(other).bookable
        if wish.start < NOW:
            continue
        for car in fleet:
            if wish.vehicle_class in (None, car.vehicle_class):
                chain = [*chains[car.vehicle_id], promised(wish, car.vehicle_id, "b-new")]
                assert faults(car, chain) != []


@settings(max_examples=40, deadline=None)
@given(fleet=cars(), asked=st.lists(wishes(), min_size=2, max_size=10), gone=st.integers(0, 9))
def test_changing_one_cars_rows_gives_the_same_calendar_as_building_it_anew(
    fleet: list[CarState], asked: list[Wish], gone: int
) -> None:
    calendar = Calendar.build(fleet, (), RULES, NOW)
    kept: list[Promise] = []
    for number, wish in enumerate(asked):
        answer = calendar.answer(wish)
        if answer.bookable:
            kept.append(promised(wish, answer.offers[0].vehicle_id, f"b-{number}"))
            calendar = calendar.with_promise(kept[-1])
    calendar = calendar.without(f"b-{gone}")
    late = replace(fleet[0], free_from=at(600), soc_wh=fleet[0].min_soc_wh)
    calendar = calendar.with_car(late)
    left = [promise for promise in kept if promise.booking_id != f"b-{gone}"]
    anew = Calendar.build([late, *fleet[1:]], left, RULES, NOW)
    assert calendar.chains == anew.chains
    assert calendar.broken() == anew.broken()
    for wish in asked:
        assert calendar.answer(wish) == anew.answer(wish)
