"""The desk: the calendar that answers bookings, kept while nothing has changed it.

The calendar is built from the tenant's cars, promises and chargers, and kept with a fingerprint of
what it was built from, so that a question costs five small reads. Who writes bookings takes turns
(`UnitOfWork.take_turn`), so that nobody else can promise the same car in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from csms.booking.queries import read_caution, read_fleet
from csms.ledger.work import ReadSession
from models.tables.booking import Booking
from models.tables.energy import Site
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.stations import Station
from scheduler.admit import Calendar
from scheduler.reach import AdmissionRules

FRESH_FOR = timedelta(minutes=1)
"""Cars charge and roads take time: an older calendar is built anew."""


@dataclass(frozen=True, slots=True)
class _View:
    calendar: Calendar
    fingerprint: tuple[object, ...]


class Desk:
    """Keeps the calendar of each tenant."""

    def __init__(self, rules: AdmissionRules | None = None) -> None:
        self._rules = rules or AdmissionRules()
        self._views: dict[str, _View] = {}

    async def calendar(self, session: ReadSession, *, tenant: str, now: datetime) -> Calendar:
        """Returns the calendar as the database stands in `session`."""
        fingerprint = await _fingerprint(session, tenant)
        known = self._views.get(tenant)
        if (
            known is not None
            and known.fingerprint == fingerprint
            and timedelta(0) <= now - known.calendar.now < FRESH_FOR
        ):
            return known.calendar
        caution = await read_caution(session, tenant=tenant, now=now)
        fleet = await read_fleet(session, tenant=tenant, now=now, caution=caution)
        rules = replace(
            self._rules,
            energy_factor=caution.widest.energy_factor,
            margins=caution.margins,
            straying=caution.straying,
        )
        calendar = Calendar.build(fleet.cars, fleet.promises, rules, now, fleet.spaces)
        self._views[tenant] = _View(calendar, fingerprint)
        return calendar


async def _fingerprint(session: ReadSession, tenant: str) -> tuple[object, ...]:
    """Returns numbers that change with everything that a calendar is built from.

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
        (Booking, (sa.func.sum(Booking.version), sa.func.max(Booking.updated_at))),
        (Station, (sa.func.sum(Station.version), sa.func.max(Station.updated_at))),
        (VehicleModel, (sa.func.sum(VehicleModel.version),)),
        (Site, (sa.func.sum(Site.version),)),
    ):
        query = sa.select(sa.func.count(), *parts).where(table.tenant_id == tenant)
        found.extend((await session.execute(query)).one())
    return tuple(found)
