"""The oracle: whether somebody who stands there without a car could have had one.

It is asked whenever somebody comes for a booked car and gets none, and it knows what the service
knows then: who has booked what, which cars stand where, and when the others are due back. It finds
a car if one of the place and class

- has the energy, or would have it, had it been charged at full power since it was plugged in there
  or since the car was booked, whichever came later, and
- can be spared: whoever else has booked here before our driver would be back still gets a car, as
  many of them as without us (a matching of bookings to cars, as a flow would solve it).

A miss at which the oracle found a car at any of the driver's visits was avoidable. It errs against
the service: limits of circuits and roofs are not looked at, and a car that is due back is taken to
come back, and to be charged at full power from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from simulators.happenings import RANGE_KEPT_SHARE, Booking
from simulators.ledger import STEP, Ledger
from simulators.vehicle import Car


def spare_car(
    booking: Booking,
    *,
    now: datetime,
    cars: Mapping[str, Car],
    waiting: Sequence[Booking],
    driving: Mapping[str, Booking],
    ledger: Ledger,
) -> str | None:
    """Returns the car that could have been had, or None.

    Args:
        booking: of who stands there.
        now: when.
        cars: all of them.
        waiting: all accepted bookings whose drivers have not set off, ours may be among them.
        driving: the bookings of the cars on the road.
        ledger: what was drawn, and who is plugged in where.
    """
    standing = [car for car in cars.values() if car.site_id == booking.pickup_site_id]
    able = [
        car.id
        for car in standing
        if _suits(car, booking, _could_hold_wh(car, booking, now, ledger))
    ]
    if not able:
        return None
    others = [
        each
        for each in sorted(waiting, key=lambda each: (each.start, each.id))
        if each.id != booking.id
        and each.pickup_site_id == booking.pickup_site_id
        and each.start < booking.end
    ]
    choices = [
        [
            car.id
            for car in cars.values()
            if (free_at := _free_at(car, each, now, driving)) is not None
            and _suits(car, each, _will_hold_wh(car, free_at, each.start, ledger))
        ]
        for each in others
    ]
    taken: dict[str, int] = {}
    for number in range(len(others)):
        _match(number, choices, taken, set())
    choices.append(able)
    if not _match(len(others), choices, taken, set()):
        return None
    return next(car for car, number in taken.items() if number == len(others))


def _match(
    number: int, choices: Sequence[Sequence[str]], taken: dict[str, int], tried: set[str]
) -> bool:
    """Finds a car for one more booking, moving others where that helps (Kuhn's algorithm)."""
    for car in choices[number]:
        if car in tried:
            continue
        tried.add(car)
        if car not in taken or _match(taken[car], choices, taken, tried):
            taken[car] = number
            return True
    return False


def _suits(car: Car, booking: Booking, stored_wh: float) -> bool:
    if booking.vehicle_class not in (None, car.vehicle_class):
        return False
    return stored_wh - booking.needs_wh(car) >= RANGE_KEPT_SHARE * car.capacity_wh


def _could_hold_wh(car: Car, booking: Booking, now: datetime, ledger: Ledger) -> float:
    """Returns what a parked car would hold after full power since it hung there and was booked."""
    page = ledger.cars[car.id]
    if page.plugged is None:
        return car.soc_wh
    since = max(page.plugged.from_at, booking.wish.asked_at)
    first = -((ledger.start - since) // STEP)
    drawn_wh = sum(page.energy_wh[first:])
    most_wh = page.plugged.max_power_w * (now - since).total_seconds() / 3600
    more_wh = max(0.0, most_wh - drawn_wh) * car.charge_efficiency
    return min(car.capacity_wh, car.soc_wh + more_wh)


def _free_at(
    car: Car, booking: Booking, now: datetime, driving: Mapping[str, Booking]
) -> datetime | None:
    """Returns from when on a car stands at a booking's place, as far as anybody knows."""
    if car.site_id is not None:
        return now if car.site_id == booking.pickup_site_id else None
    trip = driving[car.id]
    due = max(now, trip.end)
    return due if trip.dropoff_site_id == booking.pickup_site_id and due <= booking.start else None


def _will_hold_wh(car: Car, free_at: datetime, when: datetime, ledger: Ledger) -> float:
    hours = max(0.0, (when - free_at).total_seconds() / 3600)
    stored_wh = car.soc_wh - ledger.cars[car.id].away_wh
    return min(car.capacity_wh, stored_wh + car.max_ac_power_w * hours * car.charge_efficiency)
