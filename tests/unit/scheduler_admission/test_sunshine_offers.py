"""What a trip's energy costs, and which times are offered instead: small enough to do by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.timeline import StepGrid
from scheduler.admit import Calendar, Wish
from scheduler.reach import AdmissionRules, CarState, Promise
from scheduler.sunshine import Supply, sunshine_offers, trip_energy

NOW = datetime(2026, 6, 15, 6, 0, tzinfo=UTC)
GRID = StepGrid(NOW, 60, 48)
BUY, SELL = 0.20, 0.05
SUN_W = 1000.0
NOON = range(4, 8)
"""Hours from now in which the sun is out."""


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def supply(sun: range = NOON, **changed: Any) -> Supply:
    surplus_w = np.array([SUN_W if step in sun else 0.0 for step in range(GRID.steps)])
    made = Supply(GRID, surplus_w, np.full(48, BUY), np.full(48, SELL))
    return replace(made, **changed)


def a_car(name: str = "car", **changed: Any) -> CarState:
    fields: dict[str, Any] = {
        "vehicle_id": name,
        "vehicle_class": "city",
        "site_id": "A",
        "free_from": NOW - hours(2),
        "soc_wh": 8000.0,
        "capacity_wh": 16000.0,
        "min_soc_wh": 1600.0,
        "max_soc_wh": 16000.0,
        "charge_power_w": 2000.0,
        "charge_efficiency": 1.0,
        "consumption_wh_per_km": 100.0,
    }
    return CarState(**(fields | changed))


def a_wish(start: float, end: float, distance_km: float = 30.0, **changed: Any) -> Wish:
    trip = Wish(NOW + hours(start), NOW + hours(end), "A", "A", distance_km)
    return replace(trip, **changed)


def a_calendar(*cars: CarState, promises: tuple[Promise, ...] = ()) -> Calendar:
    return Calendar.build(cars or (a_car(),), promises, AdmissionRules(), NOW)


def energy(wish: Wish, calendar: Calendar, **sites: Supply) -> Any:
    answer = calendar.answer(wish)
    assert answer.bookable
    return trip_energy(calendar, answer.offers[0], wish, sites or {"A": supply()})


def test_a_trip_after_the_sun_is_charged_from_it() -> None:
    found = energy(a_wish(9, 11), a_calendar())
    assert (found.energy_wh, found.solar_wh) == (3000.0, 3000.0)
    assert found.cost == pytest.approx(3 * SELL)


def test_a_trip_through_noon_loses_the_sun_that_it_is_away_for() -> None:
    found = energy(a_wish(5, 8), a_calendar(), A=supply(range(4, 8)))
    assert found.solar_wh == 1000.0
    assert found.cost == pytest.approx(1 * SELL + 2 * BUY)


def test_what_is_lacking_is_charged_before_whatever_it_costs() -> None:
    # It holds 2 kWh above what it always keeps. A tenth more is promised than the 5 that the trip
    # takes, and the sun is out afterwards only.
    calendar = a_calendar(a_car(soc_wh=3600.0))
    found = energy(a_wish(3, 4, 50.0), calendar, A=supply(range(4, 8)))
    assert found.solar_wh == pytest.approx(1500.0)
    assert found.cost == pytest.approx(3.5 * BUY + 1.5 * SELL)


def test_a_full_car_is_charged_after_its_trip() -> None:
    full = a_calendar(a_car(soc_wh=16000.0))
    assert energy(a_wish(9, 10), full).solar_wh == 0.0
    assert energy(a_wish(3, 4), full).solar_wh == 3000.0


def test_after_the_trip_counts_only_until_somebody_else_takes_the_car() -> None:
    next_trip = Promise("b-1", "car", "A", "A", NOW + hours(5), NOW + hours(20), 1.0, 0.0)
    found = energy(a_wish(1, 3), a_calendar(promises=(next_trip,)))
    assert found.solar_wh == 1000.0


def test_power_of_the_charger_binds_sun_and_grid() -> None:
    found = energy(a_wish(9, 11), a_calendar(a_car(charge_power_w=500.0)))
    assert found.solar_wh == 2000.0


def test_a_one_way_trip_is_recharged_where_it_ends() -> None:
    away = a_wish(1, 3, dropoff_site="B")
    assert energy(away, a_calendar(), A=supply(range(0)), B=supply()).solar_wh == 3000.0
    assert energy(away, a_calendar(), A=supply(range(0))).solar_wh == 0.0


def test_what_finds_no_place_costs_the_mean_price() -> None:
    next_trip = Promise("b-1", "car", "A", "A", NOW + hours(3), NOW + hours(47), 1.0, 0.0)
    calendar = a_calendar(a_car(soc_wh=16000.0), promises=(next_trip,))
    found = energy(a_wish(0.5, 2.25), calendar)
    assert found.cost == pytest.approx(3 * BUY)


def test_no_price_without_a_supply() -> None:
    assert energy(a_wish(5, 8), a_calendar(), B=supply()) is None
    answer = a_calendar().answer(a_wish(5, 8))
    assert sunshine_offers(a_calendar(), a_wish(5, 8), answer, {}, now=NOW) == ()


def test_the_nearest_of_the_cheapest_times_is_offered_on_either_side() -> None:
    wish, calendar = a_wish(5, 8), a_calendar()
    offers = sunshine_offers(calendar, wish, calendar.answer(wish), {"A": supply()}, now=NOW)
    moved = [(each.wish.start - wish.start) / hours(1) for each in offers]
    # Of the four sunny hours it has one; three if it leaves at 7 or later, and from 2 to 5.
    assert moved == [2, -3]
    assert [each.saves for each in offers] == pytest.approx([2 * (BUY - SELL)] * 2)


def test_a_time_that_saves_little_is_not_offered() -> None:
    wish, calendar = a_wish(9, 12), a_calendar()
    offers = sunshine_offers(calendar, wish, calendar.answer(wish), {"A": supply()}, now=NOW)
    assert offers == ()


@settings(max_examples=60, deadline=None)
@given(
    start=st.floats(0.5, 20), length=st.floats(0.5, 6), km=st.floats(1, 60),
    soc=st.floats(3000, 16000), sun=st.lists(st.floats(0, 5000), min_size=48, max_size=48),
)  # fmt: skip
def test_each_offer_would_be_accepted_and_says_what_it_costs(
    start: float, length: float, km: float, soc: float, sun: list[float]
) -> None:
    calendar = a_calendar(a_car(soc_wh=soc))
    wish = a_wish(start, start + length, km)
    answer = calendar.answer(wish)
    if not answer.bookable:
        return
    supplies = {"A": supply(surplus_w=np.array(sun))}
    wished = trip_energy(calendar, answer.offers[0], wish, supplies)
    assert wished is not None
    for offer in sunshine_offers(calendar, wish, answer, supplies, now=NOW):
        again = calendar.answer(offer.wish, now=NOW)
        assert again.bookable
        assert trip_energy(calendar, again.offers[0], offer.wish, supplies) == offer.energy
        assert offer.saves == pytest.approx(wished.cost - offer.energy.cost)
        assert 0 <= offer.energy.solar_wh <= offer.energy.energy_wh + 1e-6
        assert offer.wish.end - offer.wish.start == wish.end - wish.start
