"""The keeper of the log: forgets messages, notices, events and plans that are too old.

These tables grow with every message, and a full disk stops a house. Rows go in small steps, so that
stations never wait behind a long deletion. The newest event stays whatever its age, because the
next one is numbered after it, and so does the plan in force. Settlements are no part of this: they
are money, which books have to show for years.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import InstrumentedAttribute, aliased

from csms.ledger.database import Database
from csms.messages.queries import former_stations_over
from models.clocks import Activity, Clock, WireClock, ticks
from models.ids import IdMaker
from models.rounds import Rounds
from models.tables.billing import VatCheck
from models.tables.charging import ChargingLimit
from models.tables.checks import StationCheck
from models.tables.diagnostics import LogNotice, StationEvent
from models.tables.event_streams import StreamValue
from models.tables.grid import DerAlarm
from models.tables.grid_limits import GridLimit
from models.tables.inquiries import Inquiry
from models.tables.ledger import Command, Event, FormerStation, Message
from models.tables.moves import MoveOrder
from models.tables.needs import EvNeeds, EvSchedule
from models.tables.planning import Override, Plan
from models.tables.simulations import Simulation
from models.tables.swapping import BatterySwap
from models.tables.trust import CertificateCheck, ContractRequest
from models.tables.updates import FirmwareNotice

EVERY = timedelta(hours=1)
STEP_ROWS = 1000
STEP_PLANS = 50
"""Each may be megabytes."""
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
Over = Plan | ChargingLimit | Command | GridLimit | MoveOrder | Override | StationCheck | Simulation
"""What was planned and commanded, and is over."""

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
        plans_kept: timedelta | None,
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
        self._messages_kept = messages_kept
        self._plans_kept = plans_kept
        self._rounds = Rounds(self._run, name="log-keeper")

    async def start(self) -> None:
        """Begins the rounds."""
        self._rounds.begin()

    async def stop(self) -> None:
        """Ends the rounds; what is left is for the next start."""
        await self._rounds.end()

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
            while (gone := await self._step(table, time, self._clock.now() - kept)) > 0:
                forgotten += gone
                await self._wire.sleep(REST_S)
            _tell(table, forgotten)
        if self._messages_kept is not None:
            await self._forget_former_stations()
        if self._plans_kept is None:
            return
        until = self._clock.now() - self._plans_kept
        for over, found in _OVER.items():
            forgotten = 0
            while (gone := await self._step_over(over, found, until)) > 0:
                forgotten += gone
                await self._wire.sleep(REST_S)
            _tell(over, forgotten)

    async def _step(
        self, table: type[Forgotten], time: InstrumentedAttribute[datetime], until: datetime
    ) -> int:
        """Forgets the oldest rows that are too old; returns how many."""
        async with self._db.read() as session:
            numbers = list(await session.scalars(_too_old(table, time), {"until": until}))
        await self._forget(table, numbers)
        return len(numbers)

    async def _forget_former_stations(self) -> None:
        """Forgets whose the messages were of stations that are deleted, when these are gone."""
        async with self._db.read() as session:
            keys = await former_stations_over(session)
        for first in range(0, len(keys), STEP_ROWS):
            async with self._db.write(self._clock, self._ids, actor="log-keeper") as work:
                key = sa.tuple_(FormerStation.identity, FormerStation.last_message)
                await work.session.execute(
                    sa.delete(FormerStation)
                    .where(key.in_(keys[first : first + STEP_ROWS]))
                    .execution_options(synchronize_session=False)
                )
            await self._wire.sleep(REST_S)
        _tell(FormerStation, len(keys))

    async def _step_over(self, table: type[Over], found: sa.Select[Any], until: datetime) -> int:
        """Forgets some of the rows that are too old; returns how many."""
        async with self._db.read() as session:
            names = list(await session.scalars(found, {"until": until}))
        await self._forget(table, names)
        return len(names)

    async def _forget(self, table: type[Forgotten | Over], keys: Sequence[int | str]) -> None:
        if not keys:
            return
        async with self._db.write(self._clock, self._ids, actor="log-keeper") as work:
            await work.session.execute(
                sa.delete(table)
                .where(table.id.in_(keys))
                .execution_options(synchronize_session=False)
            )


@cache
def _too_old(table: type[Forgotten], time: InstrumentedAttribute[datetime]) -> sa.Select[Any]:
    """Returns what finds the oldest rows as far as they are too old; put together once."""
    oldest = sa.select(table.id).order_by(table.id).limit(STEP_ROWS).subquery()
    found = sa.select(table.id).where(
        table.id.in_(sa.select(oldest.c.id)), time <= sa.bindparam("until")
    )
    if table in _WHOLLY:
        return found
    newest = sa.select(sa.func.max(table.id)).scalar_subquery()
    return found.where(table.id != newest)


def _over() -> dict[type[Over], sa.Select[Any]]:
    """Returns what finds some of the plans, and of what came of them, that were over by then."""
    until: sa.BindParameter[datetime] = sa.bindparam("until")
    later = aliased(Plan)
    replaced = sa.exists().where(
        later.tenant_id == Plan.tenant_id, later.created_at > Plan.created_at
    )
    by_then: dict[type[Over], sa.ColumnElement[bool]] = {
        Plan: (Plan.created_at <= until) & replaced,
        ChargingLimit: ChargingLimit.valid_to <= until,
        Command: Command.expires_at <= until,
        GridLimit: GridLimit.ended_at <= until,
        MoveOrder: MoveOrder.settled_at <= until,
        Override: Override.ended_at <= until,
        StationCheck: StationCheck.ended_at <= until,
        Simulation: Simulation.ended_at <= until,
    }
    return {
        table: sa.select(table.id).where(over).limit(STEP_PLANS if table is Plan else STEP_ROWS)
        for table, over in by_then.items()
    }


_OVER = _over()


def _tell(table: type[Forgotten | Over | FormerStation], rows: int) -> None:
    if rows:
        _log.info("log_shortened", table=table.__tablename__, rows=rows)
