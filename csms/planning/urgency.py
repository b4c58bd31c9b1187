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
from datetime import datetime

from csms.booking.rules import FETCHED_WITHIN, OPEN
from csms.planning.exchanges import FROZEN_BEFORE, URGENT_BEFORE, exchanged
from csms.planning.reaching import Before, Look
from models.tables.booking import Booking as BookingRow
from models.timeline import StepGrid
from scheduler.problem import Booking, Evse, Vehicle
from scheduler.straying import Margin

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
    brought: Mapping[str, Vehicle],
) -> Promises:
    """Returns the bookings that a plan at `now` has to serve; `rows` come in order of start.

    Args:
        rows: all live bookings.
        grid: of the plan.
        now: the present.
        vehicles: all cars, with what they are to be expected to take.
        evses: by their ids.
        margins: what promises keep free, by the site where they begin.
        brought: by their ids, cars as they will be that staff can still bring to an outlet.
    """
    classes = tuple(sorted({vehicle.vehicle_class for vehicle in vehicles}))
    cars = {vehicle.id: vehicle for vehicle in vehicles}
    at_site: dict[str, list[Vehicle]] = {}
    for car in vehicles:
        at_site.setdefault(car.site, []).append(car)
    floors_wh: dict[str, float] = {}
    bookings: list[Booking] = []
    given = dict(exchanged(rows, grid, now, evses, at_site, brought))
    before = Before(rows, given)
    for row in rows:
        start_step = max(0, grid.floor(row.start))
        end_step = max(grid.ceil(row.end), start_step + 1)
        if row.status not in OPEN or start_step >= grid.steps:
            continue
        look = Look(row, before.all(row.start), grid, now, evses, classes)
        # All cars of a house, looked at for each booking, took seconds with 3,000 of them.
        near = at_site.get(row.pickup_site_id, ())
        waiting = None
        if row.start <= now - FETCHED_WITHIN:
            waiting = given.get(row.id)
            waiting = waiting or _fullest(look, near, _promised_until(row, rows, given))
        if waiting is not None and look.stands(waiting):
            most_km, floor_wh = look.relaxed([waiting], math.inf, 1)
            _lower(floors_wh, floor_wh)
            bookings.append(look.booking((1, max(end_step, 2)), most_km, waiting.id))
            given[row.id] = waiting  # the next who waits must not get the same
            continue
        promised = cars.get(row.vehicle_id or "")
        fixed = row.id not in given and promised is not None and _is_frozen(look, promised)
        if row.start <= now and not any(look.can_go(car, now) for car in near if look.stands(car)):
            # Nobody can go now, but who comes back next may: better late than never.
            start_step, end_step = start_step + 1, end_step + 1
        reserve = (margins[row.pickup_site_id].energy_factor - 1.0) * row.distance_km
        if row.start - now <= URGENT_BEFORE:
            due = [car for car in near if look.is_due(car)]
            meant = given.get(row.id, promised)
            able = [meant] if meant in due else due
            reserve, floor_wh = look.relaxed(able, reserve, start_step)
            _lower(floors_wh, floor_wh)
        car = row.vehicle_id if fixed else None
        bookings.append(look.booking((start_step, end_step), reserve, car))
    lowered = tuple(
        replace(car, min_soc_wh=floors_wh[car.id]) if car.id in floors_wh else car
        for car in vehicles
    )
    return Promises(tuple(bookings), lowered, _turnaround_steps(rows, grid, margins))


def _is_frozen(look: Look, promised: Vehicle) -> bool:
    """Returns whether a trip keeps its car for good: it begins soon, and the car can go."""
    soon = look.row.start - look.now <= FROZEN_BEFORE
    return soon and look.stands(promised) and look.can_go(promised, look.leaves_at)


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


def _lower(floors_wh: dict[str, float], more: Mapping[str, float]) -> None:
    for name, low_wh in more.items():
        floors_wh[name] = min(low_wh, floors_wh.get(name, low_wh))


def _fullest(
    look: Look, vehicles: Sequence[Vehicle], until: Mapping[str, datetime]
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


def _promised_until(
    row: BookingRow, rows: Sequence[BookingRow], given: Mapping[str, Vehicle]
) -> dict[str, datetime]:
    """Returns when each car leaves for another booking than `row`; `rows` come in order.

    Args:
        row: the booking.
        rows: all live ones.
        given: cars that some get in place of those that they are promised.
    """
    found: dict[str, datetime] = {}
    for each in rows:
        vehicle_id = given[each.id].id if each.id in given else each.vehicle_id
        if vehicle_id and each.status in OPEN and each.id != row.id:
            found.setdefault(vehicle_id, each.start)
    return found
