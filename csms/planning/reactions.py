"""Reconciling: what became of each limit, and whether metering shows that it is kept.

Follows the events of commands and transactions. The limits in force are watched in memory, so that
a meter value costs a look-up; they are read from the database once, at the start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy import select, update

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.planning.actions import condemn
from csms.planning.rules import (
    REACTION_TIME,
    SAMPLES_TO_CONDEMN,
    Period,
    breaks_limit,
    limit_at,
    read_periods,
)
from models.clocks import Clock
from models.ids import IdMaker
from models.tables.charging import ChargingLimit

FOLLOWED = frozenset(
    {
        "command.answered",
        "command.failed",
        "transaction.updated",
        "transaction.ended",
    }
)
IN_BOX = ("accepted", "obeyed", "disobeyed")


@dataclass(frozen=True, slots=True)
class _Watched:
    """A limit in force on one EVSE."""

    limit_id: str
    ocpp_transaction_id: str
    periods: tuple[Period, ...]
    accepted_at: datetime
    state: str
    samples_over: int = 0


class _CommandNote(msgspec.Struct):
    id: str
    kind: str = ""
    outcome: str | None = None
    state: str = ""
    detail: str | None = None


class _TransactionNote(msgspec.Struct):
    station: str
    evse_id: int
    ocpp_transaction_id: str
    power_w: float | None = None
    last_reading_at: datetime | None = None


class LimitKeeper:
    """Watches the limits in force and condemns those that a station does not keep."""

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._watched: dict[tuple[str, int], _Watched] = {}

    async def start(self) -> None:
        """Reads the limits that are in force."""
        async with self._db.read() as session:
            rows = await session.scalars(
                select(ChargingLimit)
                .where(ChargingLimit.state.in_(IN_BOX), ChargingLimit.purpose == "transaction")
                .order_by(ChargingLimit.created_at, ChargingLimit.id)
            )
            for row in rows:
                self._watch(row)

    def _watch(self, row: ChargingLimit) -> None:
        self._watched[row.station, row.evse_id] = _Watched(
            limit_id=row.id,
            ocpp_transaction_id=row.ocpp_transaction_id or "",
            periods=read_periods(row.periods),
            accepted_at=row.settled_at or row.created_at,
            state=row.state,
        )

    async def heard(self, note: EventNote) -> None:
        """Takes one of the `FOLLOWED` events from the bus."""
        if note.type == "transaction.updated":
            await self._metered(msgspec.json.decode(note.resource, type=_TransactionNote))
        elif note.type == "transaction.ended":
            await self._ended(msgspec.json.decode(note.resource, type=_TransactionNote))
        elif note.subject.startswith("command/"):
            command = msgspec.json.decode(note.resource, type=_CommandNote)
            if command.kind == "SetLimit":
                await self._settled(command)

    async def _settled(self, command: _CommandNote) -> None:
        """A station has answered a limit, or will not."""
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            limit = await work.session.scalar(
                select(ChargingLimit).where(ChargingLimit.command_id == command.id)
            )
            if limit is None:
                return
            limit.settled_at = work.now
            limit.sent_at = limit.sent_at or work.now
            if command.state == "answered":
                limit.state = "accepted" if command.outcome == "accepted" else "rejected"
            else:
                limit.state = "unknown"
            limit.detail = command.detail
            if limit.state == "accepted":
                await work.session.execute(
                    update(ChargingLimit)
                    .where(
                        ChargingLimit.station == limit.station,
                        ChargingLimit.evse_id == limit.evse_id,
                        ChargingLimit.id != limit.id,
                        ChargingLimit.created_at <= limit.created_at,
                        ChargingLimit.state.in_(("accepted", "obeyed", "sent", "unknown")),
                    )
                    .values(state="superseded")
                )
                if limit.purpose == "transaction":
                    self._watch(limit)
            else:
                work.request_plan(limit.site_id, f"limit-{limit.state}")

    async def _metered(self, note: _TransactionNote) -> None:
        key = (note.station, note.evse_id)
        watched = self._watched.get(key)
        if (
            watched is None
            or watched.state == "disobeyed"
            or watched.ocpp_transaction_id != note.ocpp_transaction_id
            or note.power_w is None
            or note.last_reading_at is None
        ):
            return
        at = note.last_reading_at
        if breaks_limit(watched.periods, watched.accepted_at, at, note.power_w):
            watched = replace(watched, samples_over=watched.samples_over + 1)
            if watched.samples_over >= SAMPLES_TO_CONDEMN:
                watched = replace(watched, state="disobeyed")
                await self._condemn(watched, note.power_w, at)
        else:
            watched = replace(watched, samples_over=0)
            if watched.state == "accepted" and at >= watched.accepted_at + REACTION_TIME:
                watched = replace(watched, state="obeyed")
                await self._mark_obeyed(watched.limit_id)
        self._watched[key] = watched

    async def _condemn(self, watched: _Watched, power_w: float, at: datetime) -> None:
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            limit = await work.session.get(ChargingLimit, watched.limit_id)
            if limit is not None:
                limit_w = limit_at(watched.periods, at) or 0.0
                condemn(work, limit, power_w=power_w, limit_w=limit_w)

    async def _mark_obeyed(self, limit_id: str) -> None:
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            await work.session.execute(
                update(ChargingLimit)
                .where(ChargingLimit.id == limit_id, ChargingLimit.state == "accepted")
                .values(state="obeyed")
            )

    async def _ended(self, note: _TransactionNote) -> None:
        self._watched.pop((note.station, note.evse_id), None)
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            await work.session.execute(
                update(ChargingLimit)
                .where(
                    ChargingLimit.station == note.station,
                    ChargingLimit.ocpp_transaction_id == note.ocpp_transaction_id,
                    ChargingLimit.state.in_(("queued", "sent", "accepted", "obeyed", "unknown")),
                )
                .values(state="superseded")
            )
