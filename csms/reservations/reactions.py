"""The keeper of reservations: ends them by our clock, and tells stations what they may not know.

A station that was away may have lost what it kept, so each open reservation is sent again once it
has told what it had queued: the same number takes the place of what was there. One that is over and
that the station may still keep is cancelled there, at once or when the station is back.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.reservations.actions import announce, order_again, put, release
from csms.reservations.queries import next_expiry, reservation_state
from csms.reservations.rules import expired
from models.alarm import Alarm
from models.clocks import Activity, Clock
from models.ids import IdMaker
from models.states import RESERVATION_OPEN
from models.tables.ledger import Command
from models.tables.reservations import Reservation
from models.tables.stations import Station

RETRY = timedelta(minutes=1)
"""After how long what could not be ended is tried again."""
_UNDER_WAY = ("queued", "sent")

_log = structlog.get_logger("reservations")


class _ReservationNote(msgspec.Struct):
    id: str
    expires_at: datetime
    to_release: bool


class ReservationKeeper:
    """Looks after the reservations of all stations."""

    follows = frozenset(
        {
            "station.caught_up",
            "reservation.requested",
            "reservation.lost",
            "reservation.refused",
            "reservation.updated",
            "reservation.used",
        }
    )

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._turn = asyncio.Lock()
        """An alarm does not come between a note and what follows from it."""
        self._alarm = Alarm(self._ring, clock=clock, activity=activity, name="reservations")

    async def start(self) -> None:
        """Finds when the next reservation expires."""
        async with self._turn:
            await self._wake_for_next()

    async def stop(self) -> None:
        """Stops; what expires meanwhile does so at the next start."""
        await self._alarm.stop()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        async with self._turn:
            if note.type == "station.caught_up":
                await self._came(note.tenant, note.subject.removeprefix("station/"))
                return
            told = msgspec.json.decode(note.resource, type=_ReservationNote)
            if note.type == "reservation.requested":
                self._alarm.set(told.expires_at)
            elif told.to_release:
                await self._release(note.tenant, told.id)

    async def _came(self, tenant: str, identity: str) -> None:
        """Tells a station that is back what it is to keep, and what not."""
        under_way = sa.select(Command.id).where(Command.state.in_(_UNDER_WAY))
        query = (
            sa.select(Reservation)
            .where(
                Reservation.station == identity,
                Reservation.expires_at > self._clock.now(),
                Reservation.to_release
                | sa.and_(
                    Reservation.state.in_(RESERVATION_OPEN),
                    sa.func.coalesce(Reservation.command_id, "").not_in(under_way),
                ),
            )
            # What is over goes first: it may stand in the way of what is to be kept.
            .order_by(Reservation.to_release.desc(), Reservation.reservation_id)
        )
        async with self._db.read() as session:
            if (await session.scalar(query.limit(1))) is None:
                return
        async with self._db.write(
            self._clock, self._ids, actor="reservations", tenant=tenant
        ) as work:
            for row in (await work.session.scalars(query)).all():
                if row.to_release:
                    release(work, row)
                else:
                    order_again(work, row)

    async def _release(self, tenant: str, reservation_id: str) -> None:
        """Tells a station that is here that a reservation is over."""
        query = (
            sa.select(Reservation)
            .join(Station, Station.identity == Reservation.station)
            .where(Reservation.id == reservation_id, Reservation.to_release, Station.online)
        )
        async with self._db.write(
            self._clock, self._ids, actor="reservations", tenant=tenant
        ) as work:
            row = await work.session.scalar(query)
            if row is not None:
                release(work, row)

    async def _wake_for_next(self) -> None:
        async with self._db.read() as session:
            self._alarm.set(await next_expiry(session))

    async def _ring(self) -> None:
        async with self._turn:
            try:
                await self._expire()
                await self._wake_for_next()
            except Exception:  # noqa: BLE001 - the next one is to expire all the same
                _log.exception("reservations_not_expired")
                self._alarm.set(self._clock.now() + RETRY)

    async def _expire(self) -> None:
        """Ends what has expired by our clock, whatever stations say of it."""
        query = sa.select(Reservation).where(
            Reservation.state.in_(RESERVATION_OPEN), Reservation.expires_at <= self._clock.now()
        )
        async with self._db.read() as session:
            tenants = sorted(
                set(await session.scalars(query.with_only_columns(Reservation.tenant_id)))
            )
        for tenant in tenants:
            async with self._db.write(
                self._clock, self._ids, actor="reservations", tenant=tenant
            ) as work:
                # In order: two services that lock in different ones would wait for each other.
                mine = query.where(Reservation.tenant_id == tenant).order_by(Reservation.id)
                for row in (await work.session.scalars(mine.with_for_update())).all():
                    after = expired(reservation_state(row), work.now)
                    if after is not None:
                        put(row, after)
                        station = await work.session.get(Station, row.station)
                        site_id = station.site_id if station else None
                        announce(work, row, "reservation.expired", site_id)
