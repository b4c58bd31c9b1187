"""The keeper of overrides: ends each one when its time is over, by our clock."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.overrides.actions import end
from csms.overrides.queries import next_end
from models.clocks import Activity, Clock
from models.ids import IdMaker
from models.tables.planning import Override

RETRY = timedelta(minutes=1)
"""After how long what could not be ended is tried again."""

_log = structlog.get_logger("overrides")


class _OverrideNote(msgspec.Struct):
    until: datetime


class OverrideKeeper:
    """Looks after the overrides of all cars."""

    follows = frozenset({"override.created"})

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._alarm_at: datetime | None = None
        self._alarm: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Finds when the next override is over; what has been over since goes at once."""
        await self._wake_for_next()

    async def stop(self) -> None:
        """Stops; what is over meanwhile ends at the next start."""
        if self._alarm is not None:
            self._alarm.cancel()
            await asyncio.gather(self._alarm, return_exceptions=True)

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        self._wake_at(msgspec.json.decode(note.resource, type=_OverrideNote).until)

    def _wake_at(self, at: datetime) -> None:
        if self._alarm_at is not None and self._alarm_at <= at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = asyncio.get_running_loop().create_task(self._ring(at), name="overrides")

    async def _wake_for_next(self) -> None:
        async with self._db.read() as session:
            due_at = await next_end(session)
        if due_at is not None:
            self._wake_at(due_at)

    async def _ring(self, at: datetime) -> None:
        await self._clock.sleep_until(at)
        # The next alarm is a task of its own, which does not cancel this one.
        self._alarm_at = self._alarm = None
        with self._activity.busy():
            try:
                await self._end_all()
                await self._wake_for_next()
            except Exception:  # noqa: BLE001 - the next one is to end all the same
                _log.exception("overrides_not_ended")
                self._wake_at(self._clock.now() + RETRY)

    async def _end_all(self) -> None:
        """Ends what is over by our clock."""
        over = sa.select(Override).where(
            Override.ended_at.is_(None), Override.until <= self._clock.now()
        )
        async with self._db.read() as session:
            tenants = sorted(set(await session.scalars(over.with_only_columns(Override.tenant_id))))
        for tenant in tenants:
            async with self._db.write(
                self._clock, self._ids, actor="overrides", tenant=tenant
            ) as work:
                mine = over.where(Override.tenant_id == tenant).with_for_update()
                for row in (await work.session.scalars(mine)).all():
                    end(work, row, "over")
