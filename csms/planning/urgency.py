"""Promises that are about to come due, as a plan has to take them.

A trip is planned with a reserve and a floor below which no battery is planned. A car that can't
have all of that any more (it came back late or empty, its box was away) is still the best that its
driver can get: then the reserve gives way, and after it the floor, down to what the car can reach
if it charges at full power from now on. Without that, a plan that lacks a little would give the
trip up, and the car with it. What nobody can reach stays as it is: the booking is then at risk.

Who has not driven off some minutes after the start may stand there with a car that shows too little
for the trip, which nobody tells us. Until it is gone the car is charged as hard as it can be; one
beside it that holds more, and is promised to nobody else meanwhile, goes in its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from csms.booking.rules import FETCHED_WITHIN, OPEN
from models.tables.booking import Booking as BookingRow
from models.timeline import StepGrid
from scheduler.problem import Booking, Evse, Vehicle
from scheduler.straying import Margin

FROZEN_BEFORE = timedelta(minutes=30)
"""A car that leaves this soon is not swapped any more."""
URGENT_BEFORE = timedelta(hours=4)
"""A trip that starts later than this may still find its energy elsewhere."""
FLOOR_SHARE = 0.04
"""Nobody is sent off who would come back with less than this part of the battery."""
MORE_SHARE = 0.05
"""Another car goes in place of one that waits if it holds this part of its battery more."""


@dataclass(frozen=True, slots=True)
class Promises:
    """The bookings of a problem, and its cars with the floors that they leave them."""

    bookings: tuple[Booking, ...]
    vehicles: tuple[Vehicle, ...]
    turnaround_steps: int
    """Least time between two trips of a car."""


def read_promises(  # noqa: PLR0917 - each is another sort of fact
    rows: Sequence[BookingRow],
    grid: StepGrid,
    now: datetime,
    vehicles: Sequence[Vehicle],
    evses: Mapping[str, Evse],
    margins: Mapping[str, Margin],
) -> Promises:
    """Returns the bookings that a plan at `now` has to serve; `rows` come in order of start.

    Args:
        rows: all live bookings.
        grid: of the plan.
        now: the present.
        vehicles: all cars, with what they are to be expected to take.
        evses: by their ids.
        margins: what promises keep free, by the site where they begin.
    """
    classes = tuple(sorted({vehicle.vehicle_class for vehicle in vehicles}))
    cars = {vehicle.id: vehicle for vehicle in vehicles}
    at_site: dict[str, list[Vehicle]] = {}
    for car in vehicles:
        at_site.setdefault(car.site, []).append(car)
    floors_wh: dict[str, float] = {}
    bookings: list[Booking] = []
    before = _Before(rows)
    for row in rows:
        start_step = max(0, grid.floor(row.start))
        end_step = max(grid.ceil(row.end), start_step + 1)
        if row.status not in OPEN or start_step >= grid.steps:
            continue
        look = _Look(row, before.all(row.start), grid, now, evses, classes)
        # All cars of a house, looked at for each booking, took seconds with 3,000 of them.
        near = at_site.get(row.pickup_site_id, ())
        waiting = None
        if row.start <= now - FETCHED_WITHIN:
            waiting = _fullest(look, near, _promised_until(row, rows))
        if waiting is not None:
            most_km, floor_wh = look.relaxed([waiting], math.inf, 1)
            _lower(floors_wh, floor_wh)
            bookings.append(look.booking((1, max(end_step, 2)), most_km, waiting.id))
            continue
        promised = cars.get(row.vehicle_id or "")
        fixed = (
            promised is not None
            and look.stands(promised)
            and row.start - now <= FROZEN_BEFORE
            and look.can_go(promised, look.leaves_at)
        )
        if row.start <= now and not any(look.can_go(car, now) for car in near if look.stands(car)):
            # Nobody can go now, but who comes back next may: better late than never.
            start_step, end_step = start_step + 1, end_step + 1
        reserve = (margins[row.pickup_site_id].energy_factor - 1.0) * row.distance_km
        if row.start - now <= URGENT_BEFORE:
            due = [car for car in near if look.is_due(car)]
            able = [promised] if promised in due else due
            reserve, floor_wh = look.relaxed(able, reserve, start_step)
            _lower(floors_wh, floor_wh)
        car = row.vehicle_id if fixed else None
        bookings.append(look.booking((start_step, end_step), reserve, car))
    lowered = tuple(
        replace(car, min_soc_wh=floors_wh[car.id]) if car.id in floors_wh else car
        for car in vehicles
    )
    return Promises(tuple(bookings), lowered, _turnaround_steps(rows, grid, margins))


def _turnaround_steps(
    rows: Sequence[BookingRow], grid: StepGrid, margins: Mapping[str, Margin]
) -> int:
    """Returns how many steps a plan leaves between two trips of a car.

    That is what the surest promises need, so that no plan moves a trip to where it is less sure
    than it was promised, but no more than lies between the trips as they are promised now. One step
    will do while a car is late or a trip has none: to be served less surely is better than not.
    """
    if any(row.status in ("late", "at_risk") for row in rows):
        return 1
    wanted_s = max((margin.turnaround_s for margin in margins.values()), default=0.0)
    most = math.ceil(wanted_s / (60 * grid.step_minutes))
    ends: dict[str, int] = {}
    for row in rows:
        if row.vehicle_id is None:
            continue
        if row.vehicle_id in ends and row.status in OPEN:
            most = min(most, grid.floor(row.start) - ends[row.vehicle_id])
        ends[row.vehicle_id] = grid.ceil(row.end)
    return max(1, most)


@dataclass(frozen=True, slots=True)
class _Look:
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
        left_wh = self._reach_wh(car, when) - self._trip_wh(car)
        return left_wh >= FLOOR_SHARE * car.capacity_wh

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


def _lower(floors_wh: dict[str, float], more: Mapping[str, float]) -> None:
    for name, low_wh in more.items():
        floors_wh[name] = min(low_wh, floors_wh.get(name, low_wh))


def _fullest(
    look: _Look, vehicles: Sequence[Vehicle], until: Mapping[str, datetime]
) -> Vehicle | None:
    """Returns the car for somebody who may stand there: the promised one, or a much fuller one.

    None: the promised car is not there, or nothing there can go.

    Args:
        look: at the booking.
        vehicles: those at its place.
        until: by car, when it leaves for whom it is promised to next.
    """
    here = [car for car in vehicles if look.stands(car)]
    promised = next((car for car in here if car.id == look.row.vehicle_id), None)
    free = [car for car in here if until.get(car.id, look.row.end) >= look.row.end]
    best = max(free, key=lambda car: (car.soc_wh, car.id), default=None)
    if promised is not None and (
        best is None or best.soc_wh - promised.soc_wh < MORE_SHARE * promised.capacity_wh
    ):
        best = promised
    return best if best is not None and look.can_go(best, look.grid.instant(1)) else None


def _promised_until(row: BookingRow, rows: Sequence[BookingRow]) -> dict[str, datetime]:
    """Returns when each car leaves for another booking than `row`; `rows` come in order."""
    found: dict[str, datetime] = {}
    for each in rows:
        if each.vehicle_id and each.status in OPEN and each.id != row.id:
            found.setdefault(each.vehicle_id, each.start)
    return found


def _charged_wh(
    car: Vehicle, held_wh: float, power_w: float, since: datetime, until: datetime
) -> float:
    hours = max(0.0, (until - since).total_seconds() / 3600)
    return max(held_wh, min(car.max_soc_wh, held_wh + power_w * hours * car.charge_efficiency))


class _Before:
    """The promised trips that start before an instant, which only goes on."""

    def __init__(self, rows: Sequence[BookingRow]) -> None:
        """Takes bookings in order of their start."""
        self._rows, self._taken = rows, 0
        self._found: dict[str, list[BookingRow]] = {}

    def all(self, start: datetime) -> Mapping[str, Sequence[BookingRow]]:
        """Returns them by car, until the next call."""
        while self._taken < len(self._rows) and self._rows[self._taken].start < start:
            row = self._rows[self._taken]
            self._taken += 1
            if row.vehicle_id and row.status in OPEN:
                self._found.setdefault(row.vehicle_id, []).append(row)
        return self._found
