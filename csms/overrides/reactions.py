"""The keeper of overrides: ends each one when its time is over, by our clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.overrides.actions import end
from csms.overrides.queries import next_end
from models.alarm import Alarm
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
        self._alarm = Alarm(self._ring, clock=clock, activity=activity, name="overrides")

    async def start(self) -> None:
        """Finds when the next override is over; what has been over since goes at once."""
        await self._wake_for_next()

    async def stop(self) -> None:
        """Stops; what is over meanwhile ends at the next start."""
        await self._alarm.stop()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        self._alarm.set(msgspec.json.decode(note.resource, type=_OverrideNote).until)

    async def _wake_for_next(self) -> None:
        async with self._db.read() as session:
            self._alarm.set(await next_end(session))

    async def _ring(self) -> None:
        try:
            await self._end_all()
            await self._wake_for_next()
        except Exception:  # noqa: BLE001 - the next one is to end all the same
            _log.exception("overrides_not_ended")
            self._alarm.set(self._clock.now() + RETRY)

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
                # In order: two services that lock in different ones would wait for each other.
                mine = over.where(Override.tenant_id == tenant).order_by(Override.id)
                for row in (await work.session.scalars(mine.with_for_update())).all():
                    end(work, row, "over")
