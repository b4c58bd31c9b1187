"""The desk: the calendar that answers bookings, kept while nothing has changed it.

The calendar is built from the tenant's cars, promises and chargers, and kept with a fingerprint of
what it was built from, so that a question costs a few small reads. Where only bookings have
changed, which is what each booking does, the changed ones are put into the calendar that is there:
to build it anew takes 0.2 s with 3,000 cars. Who writes bookings takes turns
(`UnitOfWork.take_turn`), so that nobody else can promise the same car in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from csms.booking.queries import promise_of, read_caution, read_fleet
from csms.booking.rules import ON_THE_ROAD, OPEN
from csms.ledger.work import ReadSession
from models.tables.booking import Booking
from models.tables.energy import Site
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.stations import Station
from scheduler.admit import Calendar
from scheduler.reach import AdmissionRules, Promise

FRESH_FOR = timedelta(minutes=1)
"""Cars charge and roads take time: an older calendar is built anew."""
_FEW = 50
"""So many promises at most are changed one by one; more are quicker built anew."""


@dataclass(frozen=True, slots=True)
class _Bookings:
    """Numbers that change with every booking."""

    count: int
    versions: int
    """The sum of their versions; on a stepped clock many changes have the same instant."""
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class _View:
    calendar: Calendar
    cars: tuple[object, ...]
    """The fingerprint of all that cars are made of."""
    bookings: _Bookings
    versions: Mapping[str, int]
    """By booking that is open or on the road."""
    promises: Mapping[str, Promise]
    """By booking; those on the road have none, but make a car what it is."""


class Desk:
    """Keeps the calendar of each tenant."""

    def __init__(self, rules: AdmissionRules | None = None) -> None:
        self._rules = rules or AdmissionRules()
        self._views: dict[str, _View] = {}

    async def calendar(self, session: ReadSession, *, tenant: str, now: datetime) -> Calendar:
        """Returns the calendar as the database stands in `session`."""
        cars, bookings = await _cars(session, tenant), await _bookings(session, tenant)
        known = self._views.get(tenant)
        if (
            known is not None
            and known.cars == cars
            and timedelta(0) <= now - known.calendar.now < FRESH_FOR
        ):
            if known.bookings == bookings:
                return known.calendar
            newer = await _with_news(session, tenant, known, bookings)
            if newer is not None:
                self._views[tenant] = newer
                return newer.calendar
        caution = await read_caution(session, tenant=tenant, now=now)
        fleet = await read_fleet(session, tenant=tenant, now=now, caution=caution)
        rules = replace(
            self._rules,
            energy_factor=caution.widest.energy_factor,
            margins=caution.margins,
            straying=caution.straying,
        )
        calendar = Calendar.build(fleet.cars, fleet.promises, rules, now, fleet.spaces)
        promises = {promise.booking_id: promise for promise in fleet.promises}
        versions = await _versions(session, tenant)
        self._views[tenant] = _View(calendar, cars, bookings, versions, promises)
        return calendar


async def _with_news(
    session: ReadSession, tenant: str, known: _View, bookings: _Bookings
) -> _View | None:
    """Returns what is known with the bookings that have changed; None where that is not all.

    Changes are found by their instant, which on several nodes need not grow: the numbers of all
    bookings tell whether one was missed.
    """
    rows = await _changed(session, tenant, known.bookings.newest)
    count, sum_of_versions = known.bookings.count, known.bookings.versions
    versions, promises = dict(known.versions), dict(known.promises)
    calendar, cars, changes = known.calendar, {c.vehicle_id for c in known.calendar.cars}, 0
    for row in rows:
        was = versions.pop(row.id, None)
        count += was is None
        sum_of_versions += row.version - (was or 0)
        before = promises.pop(row.id, None)
        if row.status in ON_THE_ROAD or (was is not None and before is None):
            return None  # it makes, or made, its car another one
        promise = None
        if row.status in OPEN:
            versions[row.id] = row.version
        if row.status in OPEN and row.vehicle_id is not None:
            promise = promises[row.id] = promise_of(row, calendar.now)
        if promise == before:
            continue
        changes += 1
        if changes > _FEW:
            return None
        if before is not None:
            calendar = calendar.without(row.id)
        if promise is not None and promise.vehicle_id in cars:
            calendar = calendar.with_promise(promise)
    if (count, sum_of_versions) != (bookings.count, bookings.versions):
        return None
    return _View(calendar, known.cars, bookings, versions, promises)


async def _changed(session: ReadSession, tenant: str, since: datetime | None) -> list[Booking]:
    query = sa.select(Booking).where(Booking.tenant_id == tenant)
    if since is not None:
        query = query.where(Booking.updated_at >= since)
    return list(await session.scalars(query.order_by(Booking.start, Booking.id)))


async def _cars(session: ReadSession, tenant: str) -> tuple[object, ...]:
    """Returns numbers that change with every car, model and station.

    Versions are summed because on a stepped clock many changes have the same instant; what stations
    report of cars leaves the version alone, so that its parts are counted too.
    """
    found: list[object] = []
    for table, parts in (
        (
            Vehicle,
            (
                sa.func.sum(Vehicle.version),
                sa.func.max(Vehicle.updated_at),
                sa.func.sum(Vehicle.soc_pct),
                sa.func.count(Vehicle.plugged_evse),
                sa.func.count(Vehicle.at_site_id),
            ),
        ),
        (Station, (sa.func.sum(Station.version), sa.func.max(Station.updated_at))),
        (VehicleModel, (sa.func.sum(VehicleModel.version),)),
        (Site, (sa.func.sum(Site.version),)),
    ):
        query = sa.select(sa.func.count(), *parts).where(table.tenant_id == tenant)
        found.extend((await session.execute(query)).one())
    return tuple(found)


async def _bookings(session: ReadSession, tenant: str) -> _Bookings:
    versions = sa.func.coalesce(sa.func.sum(Booking.version), 0)
    newest = sa.func.max(Booking.updated_at)
    query = sa.select(sa.func.count(), versions, newest).where(Booking.tenant_id == tenant)
    return _Bookings(*(await session.execute(query)).one())


async def _versions(session: ReadSession, tenant: str) -> dict[str, int]:
    rows = await session.execute(
        sa.select(Booking.id, Booking.version)
        .where(Booking.tenant_id == tenant)
        .where(Booking.status.in_(OPEN + ON_THE_ROAD))
    )
    return {row.id: row.version for row in rows}
