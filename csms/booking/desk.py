"""The desk: the calendar that answers bookings, kept while nothing has changed it.

The calendar is built from one consistent read and names the version of each site's calendar that
it saw; whoever writes a booking bumps the version of the sites it touches, so that a rival who
looked at the same calendar is turned back (`csms.booking.actions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from csms.booking.queries import read_fleet
from csms.ledger.work import ReadSession
from models.tables.booking import Booking
from models.tables.fleet import Vehicle
from scheduler.admit import Calendar
from scheduler.reach import AdmissionRules

FRESH_FOR = timedelta(minutes=1)
"""Cars charge and roads take time: an older calendar is built anew."""


@dataclass(frozen=True, slots=True)
class View:
    """A calendar, and what it was built from."""

    calendar: Calendar
    calendar_versions: Mapping[str, int]
    fingerprint: tuple[object, ...]


class Desk:
    """Keeps the calendar of each tenant."""

    def __init__(self, rules: AdmissionRules | None = None) -> None:
        self._rules = rules or AdmissionRules()
        self._views: dict[str, View] = {}

    async def view(self, session: ReadSession, *, tenant: str, now: datetime) -> View:
        """Returns the calendar as the database stands in `session`."""
        fingerprint = await self._fingerprint(session, tenant)
        known = self._views.get(tenant)
        if (
            known is not None
            and known.fingerprint == fingerprint
            and timedelta(0) <= now - known.calendar.now < FRESH_FOR
        ):
            return known
        fleet = await read_fleet(session, tenant=tenant, now=now)
        calendar = Calendar.build(fleet.cars, fleet.promises, self._rules, now)
        view = View(calendar, fleet.calendar_versions, fingerprint)
        self._views[tenant] = view
        return view

    def forget(self, tenant: str) -> None:
        """Drops what is kept of a tenant; the next look reads anew."""
        self._views.pop(tenant, None)

    async def _fingerprint(self, session: ReadSession, tenant: str) -> tuple[object, ...]:
        cars = await session.execute(
            sa.select(sa.func.count(), sa.func.max(Vehicle.updated_at)).where(
                Vehicle.tenant_id == tenant
            )
        )
        bookings = await session.execute(
            sa.select(sa.func.count(), sa.func.max(Booking.updated_at)).where(
                Booking.tenant_id == tenant
            )
        )
        return (*cars.one(), *bookings.one())
