"""Why a booking has the car that it has, or none: the cars that could be, and what they lack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduler.explaining.picture import Number, Picture, Reason
from scheduler.parking import Stay
from scheduler.view import TOLERANCE_WH, Car, Trip


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
    return tuple(
        BookingWhy(
            booking=each.booking,
            vehicle=each.vehicle,
            start_at=picture.instant(trips[each.booking].start),
            reasons=(
                _holds(trips[each.booking], cars[each.vehicle], each.soc_at_start_wh),
                _choice(picture, trips[each.booking], cars[each.vehicle]),
            ),
        )
        for each in picture.plan.assignments
    )


def unserved_whys(picture: Picture) -> tuple[BookingWhy, ...]:
    """Returns why each booking that no car serves has none."""
    trips = {trip.id: trip for trip in picture.view.trips}
    found: list[BookingWhy] = []
    for each in picture.plan.unserved:
        trip = trips[each.booking]
        numbers = _unserved_numbers(picture, trip, each.code)
        says = "LIMIT.booking" if each.code == "LIMIT" else each.code
        reason = Reason(each.code, numbers, says)
        found.append(BookingWhy(trip.id, None, picture.instant(trip.start), (reason,)))
    return tuple(found)


def _holds(trip: Trip, car: Car, soc_wh: float) -> Reason:
    need_wh = trip.need_wh(car)
    return Reason("READY", {"soc_wh": soc_wh, "need_wh": need_wh, "spare_wh": soc_wh - need_wh})


def _choice(picture: Picture, trip: Trip, car: Car) -> Reason:
    """Returns how the car stands out among those that are free at that place and time."""
    if trip.fixed >= 0:
        return Reason("FIXED_VEHICLE", {"vehicle": car.id})
    allowed = [each for each in _allowed(picture, trip) if each is not car]
    free = _free(picture, trip, allowed)
    numbers: dict[str, Number] = {"cars": len(allowed) + 1, "free": len(free)}
    if not free:
        return Reason("ONLY", numbers)
    best = _fullest(picture, trip, free)
    held_wh = float(picture.soc_wh[best.index, trip.start])
    lacks_wh = trip.need_wh(best) - held_wh
    numbers |= {"next": best.id, "next_wh": held_wh}
    if lacks_wh > TOLERANCE_WH:
        return Reason("LACK", numbers | {"lacks_wh": lacks_wh})
    ready = sum(
        1
        for each in free
        if float(picture.soc_wh[each.index, trip.start]) >= trip.need_wh(each) - TOLERANCE_WH
    )
    return Reason("CHOICE", numbers | {"ready": ready})


def _allowed(picture: Picture, trip: Trip) -> list[Car]:
    classes = picture.problem.bookings[trip.index].classes
    return [car for car in picture.view.cars if car.vehicle_class in classes]


def _free(picture: Picture, trip: Trip, cars: list[Car]) -> list[Car]:
    """Returns the cars that could take a trip between theirs, by place and time."""
    allowed = {car.index for car in cars}
    return [
        picture.view.cars[stay.car]
        for stay in picture.parked[trip.pickup]
        if stay.car in allowed and _has_room(picture, stay, trip)
    ]


def _has_room(picture: Picture, stay: Stay, trip: Trip) -> bool:
    """Returns whether a car could drive a trip in one of its stays and be back for the next."""
    pause = picture.view.turnaround
    if stay.start + (pause if stay.before >= 0 else 0) > trip.start:
        return False
    if stay.after < 0:
        return True
    return trip.end + pause <= stay.end and trip.dropoff == stay.site


def _fullest(picture: Picture, trip: Trip, cars: list[Car]) -> Car:
    """Returns the car that by the plan holds most beyond what a trip needs of it."""
    return max(
        cars,
        key=lambda car: float(picture.soc_wh[car.index, trip.start]) - trip.need_wh(car),
    )


def _unserved_numbers(picture: Picture, trip: Trip, code: str) -> dict[str, Number]:
    allowed = _allowed(picture, trip)
    booking = picture.problem.bookings[trip.index]
    if booking.vehicle is not None:
        allowed = [car for car in picture.view.cars if car.id == booking.vehicle]
    free = _free(picture, trip, allowed)
    numbers: dict[str, Number] = {
        "classes": booking.classes,
        "cars": len(allowed),
        "free": len(free),
    }
    if code == "FIXED_VEHICLE":
        numbers["vehicle"] = booking.vehicle
    if code == "BEYOND_CAPACITY" and allowed:
        return numbers | {
            "need_wh": min(trip.need_wh(car) for car in allowed),
            "largest_wh": max(car.most_wh for car in allowed),
        }
    if free:
        best = _fullest(picture, trip, free)
        held_wh = float(picture.soc_wh[best.index, trip.start])
        numbers |= {"next": best.id, "next_wh": held_wh, "need_wh": trip.need_wh(best)}
    return numbers
