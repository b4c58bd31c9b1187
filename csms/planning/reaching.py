"""What a car can hold by when, and so whether it can go: for a look at one promised trip.

A car that hangs at an outlet counts on that outlet's power, or on none while the outlet is out of
service; from its next return on it is taken to find one. Its trips before the one looked at are
driven, each with the energy that cars are to be expected to take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from csms.booking.rules import OPEN
from models.tables.booking import Booking as BookingRow
from models.timeline import StepGrid
from scheduler.problem import Booking, Evse, Vehicle

FLOOR_SHARE = 0.04
"""Nobody is sent off who would come back with less than this part of the battery."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at one booking."""

    row: BookingRow
    before: Mapping[str, Sequence[BookingRow]]
    """By car, the trips that it is promised for and that start before this one, in order."""
    grid: StepGrid
    now: datetime
    evses: Mapping[str, Evse]
    classes: tuple[str, ...]
    """All that there are."""

    def booking(self, steps: tuple[int, int], reserve: float, vehicle_id: str | None) -> Booking:
        """Returns the booking as a plan has to serve it: in these steps, by that car if any."""
        row = self.row
        return Booking(
            id=row.id,
            classes=self.classes if row.vehicle_class is None else (row.vehicle_class,),
            pickup_site=row.pickup_site_id,
            dropoff_site=row.dropoff_site_id,
            start_step=steps[0],
            end_step=steps[1],
            distance_km=row.distance_km,
            reserve_km=reserve,
            vehicle=vehicle_id,
        )

    @property
    def leaves_at(self) -> datetime:
        """Until when a plan charges for the trip: to the beginning of the step of its start."""
        return max(self.now, self.grid.instant(max(0, self.grid.floor(self.row.start))))

    def stands(self, car: Vehicle) -> bool:
        """Returns whether the car stands at the place, and is of the class."""
        return car.available_from == 0 and self._suits(car)

    def is_due(self, car: Vehicle) -> bool:
        """Returns whether the car is at the place by the start, and of the class."""
        return car.available_from <= max(0, self.grid.floor(self.row.start)) and self._suits(car)

    def can_go(self, car: Vehicle, when: datetime) -> bool:
        """Returns whether the car can have the energy of the trip by `when`."""
        return self.left_wh(car, when) >= FLOOR_SHARE * car.capacity_wh

    def left_wh(self, car: Vehicle, when: datetime) -> float:
        """Returns what the car would come back with if it charged until `when`; may be negative."""
        return self._reach_wh(car, when) - self._trip_wh(car)

    def relaxed(
        self, able: Sequence[Vehicle], reserve: float, start_step: int
    ) -> tuple[float, dict[str, float]]:
        """Returns the reserve that the best car can have, in km, and the floor that it then keeps.

        Both stay as they are where it can have them, and where it can't go at all.
        """
        best = max(able, key=lambda car: (self._spare_wh(car, start_step), car.id), default=None)
        if best is None:
            return reserve, {}
        spare_wh = self._spare_wh(best, start_step)
        most_km = spare_wh / best.consumption_wh_per_km
        if most_km >= reserve:
            return reserve, {}
        if most_km >= 0:
            return most_km, {}
        floor_wh = best.min_soc_wh + spare_wh
        if floor_wh < FLOOR_SHARE * best.capacity_wh:
            return reserve, {}
        return 0.0, {best.id: floor_wh}

    def _spare_wh(self, car: Vehicle, start_step: int) -> float:
        """Returns what a plan can give the car by the start beyond the trip and its usual floor.

        A plan takes the step that has begun for a whole one. Reckoned from now on, the car would
        seem to lack less than it does to the plan, which would not give it full power then.
        """
        reach_wh = self._reach_wh(car, self.grid.instant(start_step), since=self.grid.start)
        return reach_wh - self._trip_wh(car) - car.min_soc_wh

    def _suits(self, car: Vehicle) -> bool:
        wanted = self.row.vehicle_class
        return car.site == self.row.pickup_site_id and wanted in (None, car.vehicle_class)

    def _trip_wh(self, car: Vehicle) -> float:
        return self.row.distance_km * car.consumption_wh_per_km

    def _reach_wh(self, car: Vehicle, when: datetime, *, since: datetime | None = None) -> float:
        """Returns the most that the car can hold at `when`, its trips before this one driven.

        It charges from `since` on: from now, unless given.
        """
        since = self.now if since is None else since
        if car.available_from > 0:
            since = max(since, self.grid.instant(car.available_from))
        held_wh, power_w = car.soc_wh, self._power_w(car)
        for trip in self.before.get(car.id, ()):
            begun = self.grid.instant(self.grid.floor(trip.start))
            held_wh = _charged_wh(car, held_wh, power_w, since, begun)
            held_wh -= trip.distance_km * car.consumption_wh_per_km
            ended = self.grid.instant(self.grid.ceil(trip.end))
            since, power_w = max(since, ended), car.max_ac_power_w
        return _charged_wh(car, held_wh, power_w, since, when)

    def _power_w(self, car: Vehicle) -> float:
        """Returns the power that the car can count on until it leaves."""
        if car.evse is None:
            return car.max_ac_power_w if car.available_from else 0.0
        evse = self.evses[car.evse]
        if any(first <= 0 < last for first, last in evse.unavailable):
            return 0.0
        own_w = car.max_dc_power_w if evse.current_type == "DC" else car.max_ac_power_w
        return min(evse.max_power_w, own_w)


def _charged_wh(
    car: Vehicle, held_wh: float, power_w: float, since: datetime, until: datetime
) -> float:
    hours = max(0.0, (until - since).total_seconds() / 3600)
    return max(held_wh, min(car.max_soc_wh, held_wh + power_w * hours * car.charge_efficiency))


class Before:
    """The promised trips that start before an instant, which only goes on."""

    def __init__(self, rows: Sequence[BookingRow], given: Mapping[str, Vehicle]) -> None:
        """Takes bookings in order of their start, and cars that some get in place of theirs."""
        self._rows, self._given, self._taken = rows, given, 0
        self._found: dict[str, list[BookingRow]] = {}

    def all(self, start: datetime) -> Mapping[str, Sequence[BookingRow]]:
        """Returns them by car, until the next call."""
        while self._taken < len(self._rows) and self._rows[self._taken].start < start:
            row = self._rows[self._taken]
            self._taken += 1
            given = self._given.get(row.id)
            vehicle_id = row.vehicle_id if given is None else given.id
            if vehicle_id and row.status in OPEN:
                self._found.setdefault(vehicle_id, []).append(row)
        return self._found
