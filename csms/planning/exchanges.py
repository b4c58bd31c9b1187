"""Two trips that change cars, where a promised car can't make it and another could.

A car is dead at its outlet, or came back too empty for its next trip. Where no free car beside it
can go, one that is promised to somebody else for these hours often can, and that trip may be short
enough for the lame car, or for a third one. A plan finds no such exchange by itself: each of the
two trips would have to do with what its new car can have, and a plan gives up no reserve unasked.

No car is noted for a trip that would keep it from a later promise, for which it would be elsewhere
or too empty then; and none in place of one that staff is still to bring to an outlet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from csms.booking.rules import OPEN
from csms.planning.reaching import FLOOR_SHARE, Look
from models.tables.booking import Booking as BookingRow
from models.timeline import StepGrid
from scheduler.problem import Evse, Vehicle

FROZEN_BEFORE = timedelta(minutes=30)
"""A car that leaves this soon is not swapped any more, if it can go."""
URGENT_BEFORE = timedelta(hours=4)
"""A trip that starts later than this may still find its energy elsewhere."""


def exchanged(  # noqa: PLR0917 - each is another sort of fact
    rows: Sequence[BookingRow],
    grid: StepGrid,
    now: datetime,
    evses: Mapping[str, Evse],
    at_site: Mapping[str, Sequence[Vehicle]],
    brought: Mapping[str, Vehicle],
) -> Mapping[str, Vehicle]:
    """Returns the cars that urgent trips get in place of those that they are promised, by booking.

    Args:
        rows: all live bookings, in order of their start.
        grid: of the plan.
        now: the present.
        evses: by their ids.
        at_site: the cars by their places.
        brought: by their ids, cars as they will be that staff can still bring to an outlet.
    """
    exchanges = _Exchanges(rows, grid, now, evses, brought)
    for row in rows:
        if row.status in OPEN and row.start - now <= URGENT_BEFORE:
            exchanges.find(row, at_site.get(row.pickup_site_id, ()))
    return exchanges.cars


class _Exchanges:
    """Which trips are to get which cars in place of those that they are promised."""

    def __init__(
        self,
        rows: Sequence[BookingRow],
        grid: StepGrid,
        now: datetime,
        evses: Mapping[str, Evse],
        brought: Mapping[str, Vehicle],
    ) -> None:
        """Takes all live bookings, in order of their start."""
        self._grid, self._now, self._evses, self._brought = grid, now, evses, brought
        self._pause = timedelta(minutes=grid.step_minutes)
        self._trips: dict[str, list[BookingRow]] = {}
        for row in rows:
            if row.vehicle_id and row.status in OPEN:
                self._trips.setdefault(row.vehicle_id, []).append(row)
        self.cars: dict[str, Vehicle] = {}
        """By the booking that gets the car."""
        self._as_promised: dict[str, dict[str, float]] = {}
        """By car, what `_made` says of all that it is promised for, until that changes."""

    def find(self, row: BookingRow, near: Sequence[Vehicle]) -> None:
        """Notes a car for a trip whose own can't go, and one for the trip that loses its car to it.

        Nothing is noted for a trip whose own car can go, comes from elsewhere first, or could go if
        staff brought it to an outlet. A free car comes first, the one that is left with most
        energy; then the exchange that leaves most in the emptier of its two cars.

        Args:
            row: the trip.
            near: the cars of its place.
        """
        own = next((car for car in near if car.id == row.vehicle_id), None)
        can_go = self._comes(row) if own is None else self._can_still_go(own, row)
        if row.id in self.cars or can_go:
            return
        able = [(left_wh, car) for car in near if (left_wh := self._left_wh(car, row)) is not None]
        able.sort(key=lambda each: (each[0], each[1].id), reverse=True)
        free = (car for _, car in able if not self._in_the_way(car, row))
        if taken := next((car for car in free if self._keeps_its_word(car, row)), None):
            self._give(row, taken)
            return
        found = [
            (min(left_wh, other_wh), car.id, other.id, given, car, other)
            for left_wh, car in able
            if (given := self._only_one_in_the_way(car, row)) is not None
            and self._keeps_its_word(car, row, without=given)
            for other in near
            if other.id != car.id
            and not [each for each in self._in_the_way(other, given) if each is not row]
            and (other_wh := self._left_wh(other, given, without=row)) is not None
        ]
        # There may be thousands of pairs; the best one mostly keeps its word.
        for *_, given, car, other in sorted(found, key=lambda each: each[:3], reverse=True):
            if self._keeps_its_word(other, given, without=row):
                self._give(given, other)
                self._give(row, car)
                return

    def _comes(self, row: BookingRow) -> bool:
        """Returns whether the promised car is brought to the place by a trip before."""
        trips = self._trips.get(row.vehicle_id or "", ())
        before = [trip for trip in trips if trip is not row and trip.end <= row.start]
        return bool(before) and before[-1].dropoff_site_id == row.pickup_site_id

    def _can_still_go(self, own: Vehicle, row: BookingRow) -> bool:
        """Returns whether a car that stands at the place can make its trip, be it by staff."""
        if self._left_wh(own, row) is not None:
            return True
        plugged = self._brought.get(own.id)
        return plugged is not None and self._left_wh(plugged, row) is not None

    def _keeps_its_word(
        self, car: Vehicle, row: BookingRow, *, without: BookingRow | None = None
    ) -> bool:
        """Returns whether a car that gets a trip can make all others that it could make.

        With its usual floor, or what it had below that.

        Args:
            car: that gets it.
            row: the trip.
            without: one that it is promised for and will not make.
        """
        promised = self._trips.get(car.id, [])
        kept = [trip for trip in promised if trip is not without]
        if car.id not in self._as_promised:
            self._as_promised[car.id] = self._made(car, promised)
        can_wh = self._as_promised[car.id]
        then_wh = self._made(car, sorted([*kept, row], key=lambda trip: trip.start))
        return row.id in then_wh and all(
            then_wh.get(trip.id, -1.0) >= min(can_wh[trip.id], car.min_soc_wh)
            for trip in kept
            if trip.id in can_wh
        )

    def _made(self, car: Vehicle, trips: Sequence[BookingRow]) -> dict[str, float]:
        """Returns with what a car would come back from those of its trips that it can make."""
        left_wh: dict[str, float] = {}
        before: list[BookingRow] = []
        place, free_at = car.site, self._grid.instant(car.available_from)
        for trip in trips:
            look = Look(trip, {car.id: before}, self._grid, self._now, self._evses, ())
            late = free_at > max(trip.start, look.leaves_at)
            suits = trip.vehicle_class in (None, car.vehicle_class)
            if late or not suits or trip.pickup_site_id != place:
                continue
            wh = look.left_wh(car, look.leaves_at)
            if wh >= FLOOR_SHARE * car.capacity_wh:
                left_wh[trip.id] = wh
                before.append(trip)
                place, free_at = trip.dropoff_site_id, trip.end
        return left_wh

    def _left_wh(
        self, car: Vehicle, row: BookingRow, *, without: BookingRow | None = None
    ) -> float | None:
        """Returns with what a car would come back from a trip; None if it can't go.

        Args:
            car: perhaps the one that is promised for it.
            row: the trip.
            without: a trip that the car is promised for and will not make.
        """
        earlier = [
            trip
            for trip in self._trips.get(car.id, ())
            if trip is not without and trip.end <= row.start
        ]
        if earlier and earlier[-1].dropoff_site_id != row.pickup_site_id:
            return None
        look = Look(row, {car.id: earlier}, self._grid, self._now, self._evses, ())
        if not look.is_due(car) or not look.can_go(car, look.leaves_at):
            return None
        return look.left_wh(car, look.leaves_at)

    def _in_the_way(self, car: Vehicle, row: BookingRow) -> list[BookingRow]:
        """Returns the other trips of a car that it could not make beside this one."""
        return [
            trip
            for trip in self._trips.get(car.id, ())
            if trip is not row
            and trip.start < row.end + self._pause
            and row.start < trip.end + self._pause
        ]

    def _only_one_in_the_way(self, car: Vehicle, row: BookingRow) -> BookingRow | None:
        """Returns the trip that a car would leave to another car of its place, if that is all."""
        others = self._in_the_way(car, row)
        if len(others) != 1 or others[0].pickup_site_id != row.pickup_site_id:
            return None
        frozen = others[0].start - self._now <= FROZEN_BEFORE
        return None if frozen or others[0].id in self.cars else others[0]

    def _give(self, row: BookingRow, car: Vehicle) -> None:
        self._as_promised.pop(car.id, None)
        if row.vehicle_id:
            self._as_promised.pop(row.vehicle_id, None)
            self._trips[row.vehicle_id].remove(row)
        self._trips.setdefault(car.id, []).append(row)
        self._trips[car.id].sort(key=lambda trip: trip.start)
        self.cars[row.id] = car
