"""The watchman: once a minute, what the clock alone makes true of bookings and cars.

A trip past its end is late, a car that nobody fetched is free again, and a car that came back and
was not plugged in is reported, so that somebody can do it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from csms.access.queries import tokens_of
from csms.booking.actions import BOOKINGS, announce, move
from csms.booking.rules import FETCHED_WITHIN, NO_SHOW_AFTER, NOT_PLUGGED_AFTER, OPEN
from csms.fleet.queries import vehicle_resource
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from models.clocks import Activity, Clock, ticks
from models.ids import IdMaker
from models.rounds import Rounds
from models.tables.booking import Booking
from models.tables.fleet import Vehicle

EVERY = timedelta(minutes=1)

# Put together once: to build them anew each minute took longer than to ask them.
_MINE = Booking.tenant_id == sa.bindparam("tenant")
_OVERDUE = sa.or_(
    sa.and_(Booking.status == "active", Booking.end <= sa.bindparam("now")),
    sa.and_(Booking.status.in_(OPEN), Booking.start <= sa.bindparam("shows_since")),
)
_NOT_FETCHED = (
    _MINE,
    Booking.status.in_(OPEN),
    Booking.start <= sa.bindparam("fetched_since"),
    Booking.start > sa.bindparam("shows_since"),
)
_UNPLUGGED = (
    Vehicle.tenant_id == sa.bindparam("tenant"),
    Vehicle.plugged_evse.is_(None),
    Vehicle.at_site_id.is_not(None),
    Vehicle.returned_at <= sa.bindparam("plugged_since"),
)
_NEWS = sa.union_all(
    sa.select(Booking.id, Booking.end).where(_MINE, _OVERDUE),
    sa.select(Booking.id, Booking.start).where(*_NOT_FETCHED),
    sa.select(Vehicle.id, Vehicle.returned_at).where(*_UNPLUGGED),
)
"""What a round may find; most find nothing."""

log = structlog.get_logger()


class Watchman:
    """Looks at bookings and cars once a minute."""

    def __init__(
        self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity, tenant: str
    ) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._tenant = tenant
        self._reported: set[tuple[str, object]] = set()
        self._rounds = Rounds(self._run, name="watchman")

    async def start(self) -> None:
        """Begins the rounds."""
        self._rounds.begin()

    async def stop(self) -> None:
        """Ends the rounds."""
        await self._rounds.end()

    async def _run(self) -> None:
        anchor = self._clock.now().replace(second=0, microsecond=0)
        async for _ in ticks(self._clock, EVERY, anchor=anchor):
            with self._activity.busy():
                try:
                    await self.look()
                except Exception:
                    log.exception("watchman.failed")

    async def look(self) -> None:
        """Makes one round."""
        if not await self._has_news():
            return
        async with self._db.write(
            self._clock, self._ids, actor="watchman", tenant=self._tenant
        ) as work:
            await work.take_turn(BOOKINGS)
            await self._late(work)
            await self._unfetched(work)
            await self._no_shows(work)
            await self._not_plugged(work)

    async def _has_news(self) -> bool:
        """Reads first: most rounds find nothing, and a look must not take the write lock."""
        async with self._db.read() as session:
            rows = await session.execute(_NEWS, self._instants())
            found = {(name, at) for name, at in rows}
        self._reported &= found  # what is over is never asked about again
        return bool(found - self._reported)

    def _instants(self) -> dict[str, Any]:
        """Returns what the conditions of this module are to be filled with."""
        now = self._clock.now()
        return {
            "tenant": self._tenant,
            "now": now,
            "shows_since": now - NO_SHOW_AFTER,
            "fetched_since": now - FETCHED_WITHIN,
            "plugged_since": now - NOT_PLUGGED_AFTER,
        }

    async def _late(self, work: UnitOfWork) -> None:
        rows = await work.session.scalars(
            sa.select(Booking).where(
                Booking.tenant_id == work.tenant,
                Booking.status == "active",
                Booking.end <= work.now,
            )
        )
        for row in rows.all():
            move(work, row, "late")
            announce(work, row, "booking.late")
            work.request_plan(row.dropoff_site_id, "booking.late")

    async def _unfetched(self, work: UnitOfWork) -> None:
        """Asks for a plan that charges cars harder that nobody has fetched, once for each."""
        query = sa.select(Booking).where(*_NOT_FETCHED)
        rows = await work.session.scalars(query, self._instants())
        for row in rows.all():
            if (row.id, row.start) not in self._reported:
                self._reported.add((row.id, row.start))
                work.request_plan(row.pickup_site_id, "unfetched")

    async def _no_shows(self, work: UnitOfWork) -> None:
        rows = await work.session.scalars(
            sa.select(Booking).where(
                Booking.tenant_id == work.tenant,
                Booking.status.in_(OPEN),
                Booking.start <= work.now - NO_SHOW_AFTER,
            )
        )
        for row in rows.all():
            move(work, row, "no_show")
            announce(work, row, "booking.no_show")

    async def _not_plugged(self, work: UnitOfWork) -> None:
        query = sa.select(Vehicle).where(*_UNPLUGGED)
        cars = (await work.session.scalars(query, self._instants())).all()
        tokens = await tokens_of(
            work.session, tenant=self._tenant, vehicles=[car.id for car in cars]
        )
        for car in cars:
            if (car.id, car.returned_at) in self._reported:
                continue
            self._reported.add((car.id, car.returned_at))
            work.emit(
                "vehicle.not_plugged_after_return",
                subject=f"vehicle/{car.id}",
                resource=vehicle_resource(car, tokens.get(car.id, ())),
                site_id=car.at_site_id,
            )
