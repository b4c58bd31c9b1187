"""The desk: the calendar that answers bookings, kept while nothing has changed it.

The calendar is built from the tenant's cars, promises and chargers, and kept with a fingerprint of
what it was built from, so that a question costs a few small reads. What has changed since, of
bookings and of cars, is put into the calendar that is there: to build it anew takes 0.1 s with
3,000 cars, in which nobody else is answered. Who writes bookings takes turns
(`UnitOfWork.take_turn`), so that nobody else can promise the same car in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, reduce
from typing import Any

import sqlalchemy as sa

from csms.booking.lowered import read_grid_limits
from csms.booking.queries import (
    Away,
    BookingSeen,
    Ground,
    KnownCar,
    away_of,
    car_state,
    full_sites,
    promise_of,
    read_cars,
    read_caution,
    read_fleet,
    trips_of,
)
from csms.booking.rules import ON_THE_ROAD, OPEN
from csms.ledger.work import ReadSession
from models.tables.booking import Booking
from models.tables.energy import Site
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.grid_limits import GridLimit
from models.tables.stations import Station
from scheduler.admit import Calendar
from scheduler.reach import AdmissionRules, Promise

FRESH_FOR = timedelta(minutes=1)
"""Cars charge and roads take time: an older calendar is built anew."""
_FEW = 50
"""So many changes at most are made one by one; more are quicker built anew."""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers that change with what a calendar is made of.

    Versions are summed because on a stepped clock many changes have the same instant.
    """

    ground: tuple[object, ...]
    """Of models, sites, stations and limits of the grid."""
    cars: tuple[object, ...]
    """What stations report of cars leaves the version alone, so that its parts are counted too."""
    bookings: int
    versions: int
    newest: datetime | None
    """When a booking was changed last."""


@dataclass(frozen=True, slots=True)
class _View:
    calendar: Calendar
    numbers: _Numbers
    ground: Ground
    cars: Mapping[str, KnownCar]
    away: Mapping[str, Away]
    """By booking that is on the road."""
    versions: Mapping[str, int]
    """By booking that is open or on the road; of those that are over, what changed last too."""
    promises: Mapping[str, Promise]
    """By booking that is open."""
    full: Set[str]
    """As `full_sites`."""


class Desk:
    """Keeps the calendar of each tenant."""

    def __init__(self) -> None:
        self._rules = AdmissionRules()
        self._views: dict[str, _View] = {}

    async def calendar(self, session: ReadSession, *, tenant: str, now: datetime) -> Calendar:
        """Returns the calendar as the database stands in `session`."""
        numbers = await _read_numbers(session, tenant)
        known = self._views.get(tenant)
        if (
            known is not None
            and known.numbers.ground == numbers.ground
            and timedelta(0) <= now - known.calendar.now < FRESH_FOR
        ):
            if known.numbers == numbers:
                return known.calendar
            newer = await _with_news(session, tenant, known, numbers)
            if newer is not None:
                self._views[tenant] = newer
                return newer.calendar
        view = self._views[tenant] = await self._anew(session, tenant, now, numbers)
        return view.calendar

    async def _anew(
        self, session: ReadSession, tenant: str, now: datetime, numbers: _Numbers
    ) -> _View:
        caution = await read_caution(session, tenant=tenant, now=now)
        fleet = await read_fleet(session, tenant=tenant, now=now, caution=caution)
        limits = await read_grid_limits(session, tenant=tenant, now=now, fleet=fleet)
        ground = replace(fleet.ground, places=limits.places)
        cars = fleet.cars
        if limits.places:
            trips = trips_of(fleet.away)
            cars = [
                car_state(car, trips.get(car.id), now, ground, fleet.full)
                for car in fleet.known.values()
            ]
        rules = replace(
            self._rules,
            energy_factor=caution.widest.energy_factor,
            margins=caution.margins,
            straying=caution.straying,
            lowered=limits.lowered,
        )
        return _View(
            Calendar.build(cars, fleet.promises, rules, now, fleet.spaces),
            numbers,
            ground,
            fleet.known,
            fleet.away,
            await _read_versions(session, tenant, numbers.newest),
            {promise.booking_id: promise for promise in fleet.promises},
            fleet.full,
        )


async def _with_news(
    session: ReadSession, tenant: str, known: _View, numbers: _Numbers
) -> _View | None:
    """Returns what is known with what has changed; None where that is much, or not all.

    Changes of bookings are found by their instant, which on several nodes need not grow: the
    numbers of all bookings tell whether one was missed.
    """
    cars, calendar = known.cars, known.calendar
    if known.numbers.cars != numbers.cars:
        cars = await read_cars(session, tenant=tenant)
        if cars.keys() != known.cars.keys():
            return None
    other = {name for name, car in cars.items() if car != known.cars[name]}
    rows = await _changed(session, tenant, known.numbers.newest)
    versions = {**known.versions, **{row.id: row.version for row in rows}}
    more = sum(row.id not in known.versions for row in rows)
    newer = sum(row.version - known.versions.get(row.id, 0) for row in rows)
    told = (known.numbers.bookings + more, known.numbers.versions + newer)
    if told != (numbers.bookings, numbers.versions):
        return None
    away, promises = dict(known.away), dict(known.promises)
    gone: list[str] = []
    come: list[Promise] = []
    for row in rows:
        road, before = away.pop(row.id, None), promises.pop(row.id, None)
        if row.status in ON_THE_ROAD and row.vehicle_id is not None:
            away[row.id] = away_of(row)
        if (now_away := away.get(row.id)) != road:
            other |= {trip.vehicle_id for trip in (road, now_away) if trip is not None}
        promise = None
        if row.status in OPEN and row.vehicle_id is not None:
            promise = promises[row.id] = promise_of(row, calendar.now)
        if promise != before:
            gone += [] if before is None else [row.id]
            come += [] if promise is None or promise.vehicle_id not in cars else [promise]
    full = full_sites(cars.values(), trips_of(away), known.ground.outlets) if other else known.full
    other |= _standing_at(full ^ known.full, cars)
    if len(gone) + len(come) + len(other) > _FEW:
        return None
    calendar = reduce(Calendar.without, gone, calendar)
    calendar = reduce(Calendar.with_promise, come, calendar)
    trips = trips_of(away)
    states = (
        car_state(cars[name], trips.get(name), calendar.now, known.ground, full)
        for name in sorted(other & cars.keys())
    )
    calendar = reduce(Calendar.with_car, states, calendar)
    return _View(calendar, numbers, known.ground, cars, away, versions, promises, full)


def _standing_at(sites: Set[str], cars: Mapping[str, KnownCar]) -> set[str]:
    return {name for name, car in cars.items() if (car.at_site_id or car.site_id) in sites}


async def _changed(session: ReadSession, tenant: str, since: datetime | None) -> list[BookingSeen]:
    """Reads what is needed of them alone: a plan may have changed hundreds."""
    query = _CHANGED if since is None else _CHANGED_SINCE
    rows = await session.execute(query, {"tenant": tenant, "since": since})
    return [BookingSeen(*row) for row in rows]


_CHANGED = (
    sa.select(*(getattr(Booking, name) for name in BookingSeen._fields))
    .where(Booking.tenant_id == sa.bindparam("tenant"))
    .order_by(Booking.start, Booking.id)
)
_VERSIONS = (
    sa.select(Booking.id, Booking.version)
    .where(Booking.tenant_id == sa.bindparam("tenant"))
    .where(Booking.status.in_(OPEN + ON_THE_ROAD) | (Booking.updated_at == sa.bindparam("newest")))
)
_CHANGED_SINCE = _CHANGED.where(Booking.updated_at >= sa.bindparam("since"))


async def _read_numbers(session: ReadSession, tenant: str) -> _Numbers:
    """Reads all numbers at once: each statement costs as much as what it counts."""
    query, own, ahead = _numbers()
    row = (await session.execute(query, {"tenant": tenant})).one()
    count, versions, newest = row[:own]
    return _Numbers(tuple(row[ahead:]), tuple(row[own:ahead]), count, versions, newest)


@cache
def _numbers() -> tuple[sa.Select[Any], int, int]:
    """Returns the statement, made once, and where what is told of cars begins and ends in it."""
    car_parts = (
        sa.func.sum(Vehicle.version),
        sa.func.max(Vehicle.updated_at),
        sa.func.sum(Vehicle.soc_pct),
        sa.func.count(Vehicle.plugged_evse),
        sa.func.count(Vehicle.at_site_id),
    )
    cars = _counted(Vehicle, *car_parts)
    bookings = _counted(
        Booking,
        sa.func.coalesce(sa.func.sum(Booking.version), 0),
        sa.func.max(Booking.updated_at),
    )
    station_parts = (sa.func.sum(Station.version), sa.func.max(Station.updated_at))
    grounds = (
        _counted(Station, *station_parts),
        _counted(VehicleModel, sa.func.sum(VehicleModel.version)),
        _counted(Site, sa.func.sum(Site.version)),
        _counted(GridLimit, sa.func.sum(GridLimit.version)),
    )
    joined: sa.FromClause = bookings
    for other in (cars, *grounds):
        joined = joined.join(other, sa.true())
    columns = [column for each in (bookings, cars, *grounds) for column in each.c]
    own, ahead = len(bookings.c), len(bookings.c) + len(cars.c)
    return sa.select(*columns).select_from(joined), own, ahead


def _counted(
    table: type[Booking | GridLimit | Site | Station | Vehicle | VehicleModel],
    *parts: sa.ColumnElement[Any],
) -> sa.Subquery:
    named = [part.label(f"part_{number}") for number, part in enumerate(parts)]
    ours = table.tenant_id == sa.bindparam("tenant")
    return sa.select(sa.func.count().label("rows"), *named).where(ours).subquery()


async def _read_versions(
    session: ReadSession, tenant: str, newest: datetime | None
) -> dict[str, int]:
    """Returns those that `_changed` may find again: what changed last counts among them."""
    rows = await session.execute(_VERSIONS, {"tenant": tenant, "newest": newest})
    return {row.id: row.version for row in rows}
