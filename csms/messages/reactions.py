"""The keeper of the log: forgets messages, notices, events and reports that are too old.

These tables grow with every message, and a full disk stops a house. Rows go in small steps, so that
stations never wait behind a long deletion. The newest event stays whatever its age, because the
next one is numbered after it. Settlements are no part of this: they are money, which books have to
show for years.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import sqlalchemy as sa
import structlog

from csms.ledger.database import Database
from models.clocks import Activity, Clock, WireClock, ticks
from models.ids import IdMaker
from models.tables.billing import VatCheck
from models.tables.diagnostics import LogNotice, StationEvent
from models.tables.event_streams import StreamValue
from models.tables.grid import DerAlarm
from models.tables.inquiries import Inquiry
from models.tables.ledger import Event, Message
from models.tables.needs import EvNeeds, EvSchedule
from models.tables.swapping import BatterySwap
from models.tables.trust import CertificateCheck, ContractRequest
from models.tables.updates import FirmwareNotice

EVERY = timedelta(hours=1)
STEP_ROWS = 1000
REST_S = 0.1
"""Between two steps, for those who wait to write."""

_log = structlog.get_logger("log_keeper")

Forgotten = (
    Message
    | FirmwareNotice
    | LogNotice
    | CertificateCheck
    | ContractRequest
    | EvNeeds
    | EvSchedule
    | BatterySwap
    | VatCheck
    | DerAlarm
    | StreamValue
    | Event
    | StationEvent
    | Inquiry
)
"""Rows that are numbered as they come, and forgotten in that order."""


_WHOLLY: tuple[type[Forgotten], ...] = (Inquiry, VatCheck)
"""Rows that may be about people, and after which none is numbered that others hold on to."""


class LogKeeper:
    """Forgets, once an hour, what is too old."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        wire: WireClock,
        messages_kept: timedelta | None,
        events_kept: timedelta | None,
    ) -> None:
        """Builds a keeper; None keeps for ever."""
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._wire = wire
        self._kept = (
            (Message, Message.received_at, messages_kept),
            (FirmwareNotice, FirmwareNotice.received_at, messages_kept),
            (LogNotice, LogNotice.received_at, messages_kept),
            (CertificateCheck, CertificateCheck.asked_at, messages_kept),
            (ContractRequest, ContractRequest.asked_at, messages_kept),
            (EvNeeds, EvNeeds.received_at, messages_kept),
            (EvSchedule, EvSchedule.received_at, messages_kept),
            (BatterySwap, BatterySwap.received_at, messages_kept),
            (VatCheck, VatCheck.received_at, messages_kept),
            (DerAlarm, DerAlarm.received_at, events_kept),
            (StreamValue, StreamValue.received_at, events_kept),
            (Event, Event.time, events_kept),
            (StationEvent, StationEvent.received_at, events_kept),
            (Inquiry, Inquiry.asked_at, messages_kept),
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins the rounds."""
        self._task = asyncio.create_task(self._run(), name="log-keeper")

    async def stop(self) -> None:
        """Ends the rounds; what is left is for the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        async for _ in ticks(self._clock, EVERY, anchor=self._clock.now()):
            with self._activity.busy():
                try:
                    await self.look()
                except Exception:  # noqa: BLE001 - the next round tries again
                    _log.exception("log_not_shortened")

    async def look(self) -> None:
        """Forgets all that is too old."""
        for table, time, kept in self._kept:
            if kept is None:
                continue
            forgotten = 0
            while (gone := await self._step(table, time <= self._clock.now() - kept)) > 0:
                forgotten += gone
                await self._wire.sleep(REST_S)
            if forgotten:
                _log.info("log_shortened", table=table.__tablename__, rows=forgotten)

    async def _step(
        self,
        table: type[Forgotten],
        too_old: sa.ColumnElement[bool],
    ) -> int:
        """Forgets the oldest rows that are too old; returns how many."""
        oldest = sa.select(table.id).order_by(table.id).limit(STEP_ROWS).subquery()
        found = sa.select(table.id).where(table.id.in_(sa.select(oldest.c.id)), too_old)
        if table not in _WHOLLY:
            newest = sa.select(sa.func.max(table.id)).scalar_subquery()
            found = found.where(table.id != newest)
        async with self._db.read() as session:
            numbers = list(await session.scalars(found))
        if numbers:
            async with self._db.write(self._clock, self._ids, actor="log-keeper") as work:
                await work.session.execute(
                    sa.delete(table)
                    .where(table.id.in_(numbers))
                    .execution_options(synchronize_session=False)
                )
        return len(numbers)
