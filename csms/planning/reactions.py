"""Reconciling: what became of each limit, and whether metering shows that it is kept.

Follows the events of commands and transactions. The limits in force are watched in memory, so that
a meter value costs a look-up; they are read from the database once, at the start. On each EVSE the
limit of a plan is in force for its transaction and its time, else the station's safe limit.

What a box holds is read back before anything is sent again: where a limit was met with silence, and
where a station comes back after its connection was lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy import bindparam, func, or_, select, update

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.planning.actions import condemn
from csms.planning.rules import (
    MATTERS_WITHIN,
    REACTION_TIME,
    SAMPLES_TO_CONDEMN,
    Period,
    breaks_limit,
    holds,
    is_trial,
    limit_at,
    read_periods,
)
from models.clocks import Clock
from models.commands import ReadLimit
from models.errors import Unavailable
from models.ids import IdMaker
from models.tables.base import Base
from models.tables.charging import ChargingLimit
from models.tables.stations import Station

FOLLOWED = frozenset(
    {
        "command.answered",
        "command.failed",
        "station.caught_up",
        "transaction.updated",
        "transaction.ended",
    }
)
IN_BOX = ("accepted", "obeyed", "disobeyed")
_MAY_BE_IN_BOX = ("accepted", "obeyed", "unknown")
_READ_EXPIRES_S = 60.0
_ANSWERED = select(ChargingLimit).where(
    ChargingLimit.command_id.in_(bindparam("commands", expanding=True))
)
_TABLE = Base.metadata.tables[ChargingLimit.__tablename__]
_SUPERSEDED = (
    update(_TABLE)
    .where(
        _TABLE.c.station == bindparam("at_station"),
        _TABLE.c.evse_id == bindparam("at_evse"),
        _TABLE.c.id != bindparam("but"),
        _TABLE.c.created_at <= bindparam("until"),
        # Spelt out, since lists can't be given for many rows at once.
        or_(*(_TABLE.c.state == each for each in ("accepted", "obeyed", "sent", "unknown"))),
    )
    .values(state="superseded")
)
_OBEYED = (
    update(_TABLE)
    .where(_TABLE.c.id.in_(bindparam("kept", expanding=True)), _TABLE.c.state == "accepted")
    .values(state="obeyed", obeyed_at=bindparam("at"))
)
_OVER = (
    update(_TABLE)
    .where(
        _TABLE.c.station == bindparam("at_station"),
        _TABLE.c.ocpp_transaction_id == bindparam("of"),
        _TABLE.c.state.in_(("queued", "sent", "accepted", "obeyed", "unknown")),
    )
    .values(state="superseded")
)


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
    limits: list[tuple[int, float]] = []


class _StationNote(msgspec.Struct):
    identity: str
    site_id: str | None = None


class _TransactionNote(msgspec.Struct):
    station: str
    evse_id: int
    ocpp_transaction_id: str
    started_at: datetime
    power_w: float | None = None
    last_reading_at: datetime | None = None
    priority_charging: bool = False


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
        self._reading: dict[str, tuple[str, str]] = {}
        """Limits that are being read back, with their stations, by command."""
        self._answers: list[_CommandNote] = []
        """What became of limits that were sent, until that is written down."""
        self._obeyed: list[str] = []
        """Limits that metering has shown to be kept, until that is written down."""

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
        if note.subject.startswith("command/"):
            command = msgspec.json.decode(note.resource, type=_CommandNote)
            if command.kind == "SetLimit":
                self._answers.append(command)
                return
        else:
            command = None
        with suppress(Unavailable):  # what this note tells must not be lost with it
            await self._settle()
        if command is not None:
            if command.id in self._reading:
                await self._read(command)
        elif note.type == "transaction.updated":
            await self._metered(msgspec.json.decode(note.resource, type=_TransactionNote))
        elif note.type == "transaction.ended":
            await self._ended(msgspec.json.decode(note.resource, type=_TransactionNote))
        elif note.type == "station.caught_up":
            await self._came_back(msgspec.json.decode(note.resource, type=_StationNote))

    async def _settle(self) -> None:
        """Writes down what stations have answered to limits, or that they will not.

        That is done all at once, since one plan sends many.
        """
        if not self._answers:
            return
        answers, self._answers = self._answers, []
        try:
            await self._settle_all(answers)
        except Unavailable:
            self._answers[:0] = answers  # with the next note it is tried again
            raise

    async def _settle_all(self, answers: Sequence[_CommandNote]) -> None:
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            rows = await work.session.scalars(
                _ANSWERED, {"commands": [command.id for command in answers]}
            )
            limits = {row.command_id: row for row in rows}
            accepted: dict[tuple[str, int], ChargingLimit] = {}
            for command in answers:
                limit = limits.get(command.id)
                if limit is None:
                    continue
                place = limit.station, limit.evse_id
                if place in accepted:  # each in its turn: they may be of the same instant
                    await _supersede(work, accepted.values())
                    accepted = {}
                await self._settled(work, limit, command)
                if limit.state == "accepted":
                    accepted[place] = limit
            await _supersede(work, accepted.values())

    async def _settled(self, work: UnitOfWork, limit: ChargingLimit, command: _CommandNote) -> None:
        limit.settled_at = work.now
        limit.sent_at = limit.sent_at or work.now
        if command.state == "unknown":
            limit.state = "unknown"
        else:
            # What failed was refused with an error, or never left: the box does not hold it.
            limit.state = "accepted" if command.outcome == "accepted" else "rejected"
        limit.detail = command.detail
        if limit.state == "accepted":
            self._watch(limit)
        elif limit.purpose != "transaction":
            return  # it is ordered again when the station boots or comes back
        elif limit.state == "rejected":
            # A check goes on to the next way by itself.
            tried = is_trial(read_periods(limit.periods))
            if not tried and await _first_rejection(work, limit):
                work.request_plan(limit.site_id, "limit-rejected")
        else:
            self._doubt(limit)
            station = await work.session.get(Station, limit.station)
            if station is not None and station.online:
                self._read_back(work, [limit])

    async def _came_back(self, station: _StationNote) -> None:
        """Reads back what a station holds of our plans, or has it planned for at once."""
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            rows = await work.session.scalars(
                select(ChargingLimit)
                .where(
                    ChargingLimit.station == station.identity,
                    ChargingLimit.purpose == "transaction",
                    ChargingLimit.state.in_(_MAY_BE_IN_BOX),
                    ChargingLimit.valid_to > work.now,
                )
                .order_by(ChargingLimit.created_at, ChargingLimit.id)
            )
            newest = {row.evse_id: row for row in rows}
            if newest:
                self._read_back(work, list(newest.values()))
            elif station.site_id is not None:
                work.request_plan(station.site_id, "station-came-back")

    def _read_back(self, work: UnitOfWork, limits: Sequence[ChargingLimit]) -> None:
        for limit in limits:
            order = ReadLimit(evse_id=limit.evse_id, duration_s=int(MATTERS_WITHIN.total_seconds()))
            command_id = work.order(
                order, station=limit.station, origin="rule", expires_in_s=_READ_EXPIRES_S
            )
            self._reading[command_id] = (limit.id, limit.station)

    async def _read(self, command: _CommandNote) -> None:
        """A station has told what it holds, or will not; with the last word of it comes a plan."""
        limit_id, station = self._reading.pop(command.id)
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            limit = await work.session.get(ChargingLimit, limit_id)
            if limit is None:
                return
            told = command.outcome == "accepted" and limit.state in _MAY_BE_IN_BOX
            if told and not holds(read_periods(limit.periods), command.limits, work.now):
                limit.state = "superseded"
                limit.settled_at = work.now
                limit.detail = "read back: the station holds something else"
                self._forget(limit)
            elif told and limit.state == "unknown":
                limit.state = "accepted"
                limit.settled_at = work.now
                limit.detail = "read back"
                self._watch(limit)
                await _supersede(work, [limit])
            if all(other != station for _, other in self._reading.values()):
                work.request_plan(limit.site_id, "limits-read-back")

    def _forget(self, limit: ChargingLimit) -> None:
        """Takes note that a limit is not in the box."""
        key = (limit.station, limit.evse_id)
        if key in self._watched and self._watched[key].limit_id == limit.id:
            del self._watched[key]
        if self._unsure.get(key) == limit.ocpp_transaction_id:
            del self._unsure[key]

    async def _metered(self, note: _TransactionNote) -> None:
        if note.power_w is None or note.last_reading_at is None or note.priority_charging:
            return  # what has priority may draw more than its limit
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
            self._obeyed.append(watched.limit_id)
        return watched

    async def _condemn(self, watched: _Watched, evse_id: int, power_w: float, at: datetime) -> None:
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            limit = await work.session.get(ChargingLimit, watched.limit_id)
            # A safe limit may have been taken back by an operator in the meantime.
            if limit is not None and limit.state in IN_BOX:
                limit_w = limit_at(watched.periods, at) or 0.0
                condemn(work, limit, evse_id=evse_id, power_w=power_w, limit_w=limit_w)

    async def rest(self) -> None:
        """Writes down what was answered, and which limits are kept, once for all stations."""
        await self._settle()
        if not self._obeyed:
            return
        obeyed = tuple(self._obeyed)
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            await work.session.execute(_OBEYED, {"kept": obeyed, "at": work.now})
        del self._obeyed[: len(obeyed)]

    async def _ended(self, note: _TransactionNote) -> None:
        key = (note.station, note.evse_id)
        for held in (self._watched, self._safe_here):
            if key in held and held[key].ocpp_transaction_id == note.ocpp_transaction_id:
                del held[key]
        if self._unsure.get(key) == note.ocpp_transaction_id:
            del self._unsure[key]
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            of = {"at_station": note.station, "of": note.ocpp_transaction_id}
            await work.session.execute(_OVER, of)


async def _supersede(work: UnitOfWork, accepted: Collection[ChargingLimit]) -> None:
    """Takes note that limits are in the box, each in the place of those before it."""
    if not accepted:
        return
    await work.session.flush()
    replaced = [
        {
            "at_station": limit.station,
            "at_evse": limit.evse_id,
            "but": limit.id,
            "until": limit.created_at,
        }
        for limit in accepted
    ]
    await work.session.execute(_SUPERSEDED, replaced)


async def _first_rejection(work: UnitOfWork, limit: ChargingLimit) -> bool:
    """Returns whether this is the first limit of its transaction that was rejected.

    A station that rejects all of them is asked again by the plan of each quarter of an hour, not
    by one plan after the other.
    """
    count = await work.session.scalar(
        select(func.count())
        .select_from(ChargingLimit)
        .where(
            ChargingLimit.station == limit.station,
            ChargingLimit.ocpp_transaction_id == limit.ocpp_transaction_id,
            ChargingLimit.state == "rejected",
            ChargingLimit.id != limit.id,
        )
    )
    return count == 0
