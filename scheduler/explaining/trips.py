"""Why a booking has the car that it has, or none: the cars that could be, and what they lack."""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from scheduler.explaining.picture import Number, Picture, Reason
from scheduler.parking import Stay
from scheduler.view import TOLERANCE_WH, Bools, Car, Floats, Trip

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BookingWhy:
    """One booking, its car (or none) and the reasons for that."""

    booking: str
    vehicle: str | None
    start_at: datetime
    reasons: tuple[Reason, ...]


def assignment_whys(picture: Picture) -> tuple[BookingWhy, ...]:
    """Returns why each served booking has its car."""
    trips = {trip.id: trip for trip in picture.view.trips}
    cars = {car.id: car for car in picture.view.cars}
    crowd = _Crowd(picture)
    return tuple(
        BookingWhy(
            booking=each.booking,
            vehicle=each.vehicle,
            start_at=picture.instant(trips[each.booking].start),
            reasons=(
                _holds(trips[each.booking], cars[each.vehicle], each.soc_at_start_wh),
                _choice(crowd, trips[each.booking], cars[each.vehicle]),
            ),
        )
        for each in picture.plan.assignments
    )


def unserved_whys(picture: Picture) -> tuple[BookingWhy, ...]:
    """Returns why each booking that no car serves has none."""
    trips = {trip.id: trip for trip in picture.view.trips}
    crowd = _Crowd(picture)
    found: list[BookingWhy] = []
    for each in picture.plan.unserved:
        trip = trips[each.booking]
        numbers = _unserved_numbers(picture, crowd, trip, each.code)
        says = "LIMIT.booking" if each.code == "LIMIT" else each.code
        reason = Reason(each.code, numbers, says)
        found.append(BookingWhy(trip.id, None, picture.instant(trip.start), (reason,)))
    return tuple(found)


def _holds(trip: Trip, car: Car, soc_wh: float) -> Reason:
    need_wh = trip.need_wh(car)
    return Reason("READY", {"soc_wh": soc_wh, "need_wh": need_wh, "spare_wh": soc_wh - need_wh})


class _Crowd:
    """All cars as arrays: which could take a trip is asked for each trip, of hundreds of cars."""

    def __init__(self, picture: Picture) -> None:
        view = picture.view
        self.picture = picture
        self._wh_per_km = np.array([car.wh_per_km for car in view.cars])
        self._low_wh = np.array([car.low_wh for car in view.cars])
        classes = np.array([car.vehicle_class for car in view.cars], dtype=object)
        self._of_class: dict[str, Bools] = {
            name: np.array(classes == name, dtype=np.bool_) for name in set(classes.tolist())
        }
        self._nobody: Bools = np.zeros(len(view.cars), dtype=np.bool_)
        self._parked = [_Parked(stays, view.turnaround) for stays in picture.parked]

    def allowed(self, trip: Trip) -> Bools:
        """Returns by car whether its class will do."""
        found = self._nobody
        for name in self.picture.problem.bookings[trip.index].classes:
            found = found | self._of_class.get(name, self._nobody)
        return found

    def free(self, trip: Trip, allowed: Bools) -> Ints:
        """Returns the cars that could take a trip between theirs, by place and time."""
        cars = self._parked[trip.pickup].with_room(trip)
        return cars[allowed[cars]]

    def held_wh(self, trip: Trip, cars: Ints) -> Floats:
        """Returns what cars hold by the plan when a trip begins."""
        return self.picture.soc_wh[cars, trip.start]

    def need_wh(self, trip: Trip, cars: Ints) -> Floats:
        """Returns the least that cars may depart with."""
        return trip.need_of(self._wh_per_km[cars], self._low_wh[cars])

    def fullest(self, trip: Trip, cars: Ints) -> Car:
        """Returns the car that by the plan holds most beyond what a trip needs of it."""
        spare_wh = self.held_wh(trip, cars) - self.need_wh(trip, cars)
        return self.picture.view.cars[int(cars[spare_wh.argmax()])]


class _Parked:
    """Who stands at a site, from arrival to departure."""

    def __init__(self, stays: Sequence[Stay], turnaround: int) -> None:
        self._cars = np.array([stay.car for stay in stays], dtype=np.int64)
        self._from = np.array(
            [stay.start + (turnaround if stay.before >= 0 else 0) for stay in stays],
            dtype=np.int64,
        )
        self._until = np.array([stay.end - turnaround for stay in stays], dtype=np.int64)
        self._leaves = np.array([stay.after >= 0 for stay in stays], dtype=np.bool_)

    def with_room(self, trip: Trip) -> Ints:
        """Returns the cars that could drive a trip in a stay here, and be back for the next."""
        back = trip.end <= self._until if trip.dropoff == trip.pickup else False
        return self._cars[(self._from <= trip.start) & (~self._leaves | back)]


def _choice(crowd: _Crowd, trip: Trip, car: Car) -> Reason:
    """Returns how the car stands out among those that are free at that place and time."""
    if trip.fixed >= 0:
        return Reason("FIXED_VEHICLE", {"vehicle": car.id})
    allowed = crowd.allowed(trip).copy()
    allowed[car.index] = False
    free = crowd.free(trip, allowed)
    numbers: dict[str, Number] = {"cars": int(allowed.sum()) + 1, "free": len(free)}
    if not len(free):
        return Reason("ONLY", numbers)
    best = crowd.fullest(trip, free)
    held_wh = float(crowd.picture.soc_wh[best.index, trip.start])
    lacks_wh = trip.need_wh(best) - held_wh
    numbers |= {"next": best.id, "next_wh": held_wh}
    if lacks_wh > TOLERANCE_WH:
        return Reason("LACK", numbers | {"lacks_wh": lacks_wh})
    ready = crowd.held_wh(trip, free) >= crowd.need_wh(trip, free) - TOLERANCE_WH
    return Reason("CHOICE", numbers | {"ready": int(ready.sum())})


def _unserved_numbers(picture: Picture, crowd: _Crowd, trip: Trip, code: str) -> dict[str, Number]:
    booking, cars = picture.problem.bookings[trip.index], picture.view.cars
    allowed = crowd.allowed(trip)
    if booking.vehicle is not None:
        allowed = np.array([car.id == booking.vehicle for car in cars], dtype=np.bool_)
    free = crowd.free(trip, allowed)
    numbers: dict[str, Number] = {
        "classes": booking.classes,
        "cars": int(allowed.sum()),
        "free": len(free),
    }
    if code == "FIXED_VEHICLE":
        numbers["vehicle"] = booking.vehicle
    if code == "BEYOND_CAPACITY" and allowed.any():
        able = [cars[index] for index in np.flatnonzero(allowed).tolist()]
        return numbers | {
            "need_wh": min(trip.need_wh(car) for car in able),
            "largest_wh": max(car.most_wh for car in able),
        }
    if len(free):
        best = crowd.fullest(trip, free)
        held_wh = float(picture.soc_wh[best.index, trip.start])
        numbers |= {"next": best.id, "next_wh": held_wh, "need_wh": trip.need_wh(best)}
    return numbers
