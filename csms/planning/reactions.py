"""Reconciling: what became of each limit, and whether metering shows that it is kept.

Follows the events of commands and transactions. The limits in force are watched in memory, so that
a meter value costs a look-up; they are read from the database once, at the start. On each EVSE the
limit of a plan is in force for its transaction and its time, else the station's safe limit.
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
    in_force_at: datetime
    """Since when the station has to keep it; after that it has its reaction time."""
    valid_to: datetime | None
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
    started_at: datetime
    power_w: float | None = None
    last_reading_at: datetime | None = None


class LimitKeeper:
    """Watches the limits in force and condemns those that a station does not keep."""

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._watched: dict[tuple[str, int], _Watched] = {}
        """Of plans, by station and EVSE."""
        self._safe: dict[str, _Watched] = {}
        """The safe limit of each station."""
        self._safe_here: dict[tuple[str, int], _Watched] = {}
        """How the safe limit is kept by the transaction on each EVSE."""
        self._unsure: dict[tuple[str, int], str] = {}
        """Transactions whose station may, or may not, hold a limit that we have sent."""

    async def start(self) -> None:
        """Reads the limits that are in force."""
        async with self._db.read() as session:
            rows = await session.scalars(
                select(ChargingLimit)
                .where(ChargingLimit.state.in_((*IN_BOX, "sent", "unknown")))
                .order_by(ChargingLimit.created_at, ChargingLimit.id)
            )
            for row in rows:
                if row.state in IN_BOX:
                    self._watch(row)
                else:
                    self._doubt(row)

    def _watch(self, row: ChargingLimit) -> None:
        watched = _Watched(
            limit_id=row.id,
            ocpp_transaction_id=row.ocpp_transaction_id or "",
            periods=read_periods(row.periods),
            in_force_at=row.settled_at or row.created_at,
            valid_to=row.valid_to,
            state=row.state,
        )
        if row.purpose == "transaction":
            self._watched[row.station, row.evse_id] = watched
            self._unsure.pop((row.station, row.evse_id), None)
        elif row.purpose == "default":
            self._safe[row.station] = watched

    def _doubt(self, row: ChargingLimit) -> None:
        if row.ocpp_transaction_id is not None:
            self._unsure[row.station, row.evse_id] = row.ocpp_transaction_id

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
                self._watch(limit)
                return
            if limit.state == "unknown":
                self._doubt(limit)
            if limit.purpose == "transaction":
                work.request_plan(limit.site_id, f"limit-{limit.state}")

    async def _metered(self, note: _TransactionNote) -> None:
        if note.power_w is None or note.last_reading_at is None:
            return
        key = (note.station, note.evse_id)
        plan = self._watched.get(key)
        if plan is None or plan.ocpp_transaction_id != note.ocpp_transaction_id:
            since = note.started_at
        elif plan.valid_to is None or note.last_reading_at < plan.valid_to:
            self._watched[key] = await self._judged(plan, note, note.power_w, note.last_reading_at)
            return
        else:
            since = plan.valid_to
        safe = self._safe_limit(note, since)
        if safe is not None:
            judged = await self._judged(safe, note, note.power_w, note.last_reading_at)
            self._safe_here[key] = judged
            if judged.state == "disobeyed":
                self._safe[note.station] = replace(self._safe[note.station], state="disobeyed")

    def _safe_limit(self, note: _TransactionNote, since: datetime) -> _Watched | None:
        """Returns the safe limit as it is watched on a transaction's EVSE, in force by itself."""
        key = (note.station, note.evse_id)
        safe = self._safe.get(note.station)
        if safe is None or safe.state == "disobeyed":
            return None
        if self._unsure.get(key) == note.ocpp_transaction_id:
            return None
        here = self._safe_here.get(key)
        if (
            here is None
            or here.limit_id != safe.limit_id
            or here.ocpp_transaction_id != note.ocpp_transaction_id
        ):
            here = replace(safe, ocpp_transaction_id=note.ocpp_transaction_id)
        return replace(here, in_force_at=max(safe.in_force_at, since))

    async def _judged(
        self, watched: _Watched, note: _TransactionNote, power_w: float, at: datetime
    ) -> _Watched:
        """Returns a limit after one more sample of the meter under it."""
        if watched.state == "disobeyed":
            return watched
        if breaks_limit(watched.periods, watched.in_force_at, at, power_w):
            watched = replace(watched, samples_over=watched.samples_over + 1)
            if watched.samples_over >= SAMPLES_TO_CONDEMN:
                watched = replace(watched, state="disobeyed")
                await self._condemn(watched, note.evse_id, power_w, at)
            return watched
        watched = replace(watched, samples_over=0)
        if watched.state == "accepted" and at >= watched.in_force_at + REACTION_TIME:
            watched = replace(watched, state="obeyed")
            await self._mark_obeyed(watched.limit_id)
        return watched

    async def _condemn(self, watched: _Watched, evse_id: int, power_w: float, at: datetime) -> None:
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            limit = await work.session.get(ChargingLimit, watched.limit_id)
            # A safe limit may have been taken back by an operator in the meantime.
            if limit is not None and limit.state in IN_BOX:
                limit_w = limit_at(watched.periods, at) or 0.0
                condemn(work, limit, evse_id=evse_id, power_w=power_w, limit_w=limit_w)

    async def _mark_obeyed(self, limit_id: str) -> None:
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            await work.session.execute(
                update(ChargingLimit)
                .where(ChargingLimit.id == limit_id, ChargingLimit.state == "accepted")
                .values(state="obeyed")
            )

    async def _ended(self, note: _TransactionNote) -> None:
        key = (note.station, note.evse_id)
        for held in (self._watched, self._safe_here):
            if key in held and held[key].ocpp_transaction_id == note.ocpp_transaction_id:
                del held[key]
        if self._unsure.get(key) == note.ocpp_transaction_id:
            del self._unsure[key]
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
