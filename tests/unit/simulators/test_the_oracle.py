"""The oracle finds a car where one could have been had, and takes none from others."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from simulators.happenings import Booking
from simulators.ledger import Ledger
from simulators.oracle import spare_car
from simulators.people import Habits, Wish
from simulators.vehicle import Car
from tests.builders.stations import NOON, a_car, a_station

HOUR = timedelta(hours=1)
START = NOON - 12 * HOUR
HABITS = Habits(1.0, 0, 0, 0, takes_alternative=False, cancels_before_minutes=None)


def booked(name: str, start: datetime = NOON, **changes: Any) -> Booking:
    """Returns a booking of three hours and 50 km, asked for at midnight, unless changed."""
    wish = Wish(
        id=f"wish-{name}",
        driver_id="driver-1",
        asked_at=START,
        start=start,
        end=start + 3 * HOUR,
        pickup_site_id="s",
        dropoff_site_id="s",
        distance_km=50.0,
        vehicle_class=None,
        habits=HABITS,
    )
    booking = Booking(
        id=name,
        wish=wish,
        start=start,
        end=wish.end,
        pickup_site_id="s",
        dropoff_site_id="s",
        distance_km=50.0,
        vehicle_class=None,
        alternative=False,
    )
    return replace(booking, **changes)


class Town:
    """Cars at one place, and who wants them."""

    def __init__(self, *cars: Car) -> None:
        self.cars = {car.id: car for car in cars}
        self.ledger = Ledger(cars, ("s",), START, 1)
        self.waiting: list[Booking] = []
        self.driving: dict[str, Booking] = {}

    def asked(self, booking: Booking, now: datetime = NOON) -> str | None:
        return spare_car(
            booking,
            now=now,
            cars=self.cars,
            waiting=[*self.waiting, booking],
            driving=self.driving,
            ledger=self.ledger,
        )


def test_a_full_car_that_nobody_wants_is_found() -> None:
    assert Town(a_car(soc_wh=14_000.0)).asked(booked("b")) == "car-1"


@pytest.mark.parametrize(
    "changes", [{"site_id": "t"}, {"site_id": None}, {"vehicle_class": "van"}, {"soc_wh": 7_000.0}]
)
def test_no_car_is_found_that_is_not_there_or_not_fit(changes: dict[str, Any]) -> None:
    town = Town(a_car(**{"soc_wh": 14_000.0, **changes}))
    town.driving["car-1"] = booked("away", NOON - HOUR)
    assert town.asked(booked("b", vehicle_class="city")) is None


def test_a_car_that_hung_there_long_enough_to_be_charged_is_found() -> None:
    car = a_car(soc_wh=4_000.0)
    town = Town(car)
    assert town.asked(booked("b")) is None, "not plugged in"
    town.ledger.plugged(car, "s", a_station(), 1, NOON - HOUR)
    assert town.asked(booked("b")) is None, "3.3 kWh in an hour are too little"
    assert town.asked(booked("b"), NOON + HOUR) == "car-1"


def test_what_it_drew_while_it_hung_there_is_not_counted_twice() -> None:
    car = a_car(soc_wh=4_000.0)
    town = Town(car)
    town.ledger.plugged(car, "s", a_station(), 1, NOON - 2 * HOUR)
    for quarter in range(8):
        town.ledger.drew(car, "s", NOON - 2 * HOUR + quarter * HOUR / 4, 925.0)
    assert town.asked(booked("b")) is None


def test_a_late_wish_could_not_have_been_charged_for_earlier() -> None:
    car = a_car(soc_wh=4_000.0)
    town = Town(car)
    town.ledger.plugged(car, "s", a_station(), 1, START)
    late = booked("b")
    late = replace(late, wish=replace(late.wish, asked_at=NOON - HOUR / 2))
    assert town.asked(late) is None


def test_a_car_that_somebody_else_needs_is_not_spare() -> None:
    town = Town(a_car(soc_wh=14_000.0))
    town.waiting = [booked("other", NOON + HOUR)]
    assert town.asked(booked("b")) is None
    town.waiting = [booked("after", NOON + 3 * HOUR)]
    assert town.asked(booked("b")) == "car-1", "by then it is back"


def test_others_move_to_cars_that_suit_them_too() -> None:
    town = Town(
        a_car(soc_wh=14_000.0, vehicle_class="van"), a_car(id="car-2", soc_wh=14_000.0, site_id="s")
    )
    town.waiting = [booked("other")]
    assert town.asked(booked("b", vehicle_class="van")) == "car-1"
    town.waiting.append(booked("third"))
    assert town.asked(booked("b", vehicle_class="van")) is None


def test_a_car_that_is_due_back_serves_who_comes_later() -> None:
    away = a_car(id="car-2", soc_wh=14_000.0, site_id=None)
    town = Town(a_car(soc_wh=14_000.0), away)
    town.waiting = [booked("other", NOON + 2 * HOUR)]
    town.driving["car-2"] = booked("trip", NOON - 2 * HOUR)
    assert town.asked(booked("b")) == "car-1"
    town.driving["car-2"] = booked("trip", NOON - HOUR, end=NOON + 2.5 * HOUR)
    assert town.asked(booked("b")) is None
