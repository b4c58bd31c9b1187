"""What follows when a station has come: a safe limit goes into its box, what is not known is asked.

The safe limit is what the station keeps to while we are away. It lies at the lowest stack level as
the default of every transaction, so that each limit of a plan goes before it, and it is put there
again at each boot, because a box may have been exchanged or reset. Like each limit it is a row of
`charging_limit`, so that what becomes of it is watched and shown (`csms.planning.reactions`). Which
limits a plan wants is not here: see `csms.planning.actions`.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.stations.rules import DEFAULTS_FOR_TX, SAFE_PROFILE_ID, plan_profile_id
from models.clocks import Clock
from models.commands import ClearLimit, LimitPeriod, ReadVariables, SetLimit, TriggerMessage
from models.ids import IdMaker
from models.tables.charging import ChargingLimit, Transaction
from models.tables.stations import Station, StationVariable
from models.timeline import format_rfc3339

_EXPIRES_S = 300.0
"""Life time for which the orders of a boot are good; the next boot gives them again."""
_SAFE = "SAFE_LIMIT"
"""Why it is in force, as each period of a limit says."""


class _ConnectorNote(msgspec.Struct):
    connector_id: int


class _EvseNote(msgspec.Struct):
    evse_id: int = 0
    phases: int = 1
    connectors: list[_ConnectorNote] = []


class _StationNote(msgspec.Struct):
    """What this module reads of a station's resource."""

    identity: str
    approval: str
    online: bool
    site_id: str | None = None
    ocpp_version: str | None = None
    safe_limit_w: float | None = None
    evses: list[_EvseNote] = []

    @property
    def outlets(self) -> list[_EvseNote]:
        """Its EVSEs; 0 is the station as a whole, which has a status but gives no power."""
        return [evse for evse in self.evses if evse.evse_id > 0]


class _EndedNote(msgspec.Struct):
    """What this module reads of a transaction's resource."""

    station: str
    evse_id: int


_read = msgspec.json.Decoder(_StationNote)
_read_ended = msgspec.json.Decoder(_EndedNote)


def safe_limit(
    safe_limit_w: float, *, evses: int, phases: int, quirks: tuple[str, ...] = ()
) -> SetLimit:
    """Returns the order that puts a station's safe limit into its box.

    A default for EVSE 0 holds for each EVSE by itself, so each gets its part of the whole.
    Source: OCPP 1.6 section 3.13.4, OCPP 2.0.1 K01.FR.14.

    Args:
        safe_limit_w: of the whole station.
        evses: how many it has; 0 where it has reported none yet.
        phases: the most that any of them uses, for stations that count in amperes.
        quirks: that are tried beside those of the station's record.
    """
    return SetLimit(
        evse_id=0,
        purpose="default",
        profile_id=SAFE_PROFILE_ID,
        stack_level=0,
        periods=(LimitPeriod(0, safe_limit_w / max(1, evses)),),
        phases=phases,
        quirks=quirks,
    )


class StationHost:
    """Receives stations that have come up, or come back.

    A station that boots says by itself how it is. One whose connection only was lost may have kept
    everything or nothing: once it has told what it had queued, its limits are asserted again and
    its status is asked for.
    """

    follows = frozenset(
        {
            "station.connected",
            "station.booted",
            "station.caught_up",
            "station.status_changed",
            "station.updated",
            "transaction.ended",
            "transaction.repaired",
        }
    )

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._ordered: dict[str, SetLimit | None] = {}
        """By station, what was ordered on its connection to bring it to its safe limit."""

    async def heard(self, note: EventNote) -> None:
        """Orders what a station needs, on the events that `follows` names."""
        if note.type.startswith("transaction."):
            await self._clear_left_over(note)
            return
        station = _read.decode(note.resource)
        if not station.online or station.approval != "accepted":
            return
        if note.type == "station.connected":
            self._ordered.pop(station.identity, None)
            return
        wanted = _wanted(station)
        known = station.identity in self._ordered
        stale = not known or self._ordered[station.identity] != wanted
        came_back = note.type == "station.caught_up" and not known
        due = {
            "station.booted": True,
            "station.caught_up": came_back,
            "station.updated": stale,
            "station.status_changed": known and stale,
        }
        if not due[note.type]:
            return
        async with self._db.write(
            self._clock, self._ids, actor="stations", tenant=note.tenant
        ) as work:
            if wanted is None:
                await _drop_safe_limit(work, station.identity)
            else:
                _order_safe_limit(work, station, wanted)
            if note.type == "station.booted":
                await _order_inventory(work, station.identity)
            if came_back:
                _ask_status(work, station)
        self._ordered[station.identity] = wanted

    async def _clear_left_over(self, note: EventNote) -> None:
        """Takes a plan's limit out of a box that holds it as a default: the next car is another."""
        ended = _read_ended.decode(note.resource)
        async with self._db.read() as session:
            station = await session.get(Station, ended.station)
        if station is None or station.strict or DEFAULTS_FOR_TX.isdisjoint(station.quirks):
            return
        async with self._db.write(
            self._clock, self._ids, actor="stations", tenant=note.tenant
        ) as work:
            if await work.session.scalar(_limit_of_the_next(ended)) is not None:
                return
            clear = ClearLimit(profile_id=plan_profile_id(ended.evse_id))
            work.order(clear, station=ended.station, origin="rule", expires_in_s=_EXPIRES_S)


def _limit_of_the_next(ended: _EndedNote) -> sa.Select[str]:
    """Finds the limit that has taken the place of a former transaction's.

    What was said of a transaction may be put right long after another one has begun.
    """
    return (
        sa.select(ChargingLimit.id)
        .join(
            Transaction,
            sa.and_(
                Transaction.station == ChargingLimit.station,
                Transaction.ocpp_transaction_id == ChargingLimit.ocpp_transaction_id,
            ),
        )
        .where(
            Transaction.station == ended.station,
            Transaction.evse_id == ended.evse_id,
            Transaction.stopped_at.is_(None),
            ChargingLimit.state != "rejected",
        )
        .limit(1)
    )


def _wanted(station: _StationNote) -> SetLimit | None:
    """Returns what brings the box to its safe limit; None where it is to have none."""
    if station.safe_limit_w is None:
        return None
    phases = max((evse.phases for evse in station.outlets), default=1)
    return safe_limit(station.safe_limit_w, evses=len(station.outlets), phases=phases)


def _order_safe_limit(work: UnitOfWork, station: _StationNote, order: SetLimit) -> None:
    """Orders a safe limit, with the row that tells what becomes of it."""
    command_id = work.order(order, station=station.identity, origin="rule", expires_in_s=_EXPIRES_S)
    limit_w = order.periods[0].limit_w
    period = {"from_at": format_rfc3339(work.now), "limit_w": limit_w, "reasons": [_SAFE]}
    work.session.add(
        ChargingLimit(
            id=work.ids.new(),
            tenant_id=work.tenant,
            site_id=station.site_id or "",
            station=station.identity,
            evse_id=0,
            purpose="default",
            created_at=work.now,
            periods=[period],
            state="queued",
            command_id=command_id,
        )
    )


async def _drop_safe_limit(work: UnitOfWork, identity: str) -> None:
    """Takes a safe limit that nobody wants any more out of the box."""
    mine = sa.and_(
        ChargingLimit.station == identity,
        ChargingLimit.purpose == "default",
        ChargingLimit.state != "superseded",
    )
    if (await work.session.execute(sa.select(ChargingLimit.id).where(mine).limit(1))).first():
        clear = ClearLimit(profile_id=SAFE_PROFILE_ID)
        work.order(clear, station=identity, origin="rule", expires_in_s=_EXPIRES_S)
        await work.session.execute(
            sa.update(ChargingLimit)
            .where(mine)
            .values(state="superseded", detail="the station has no safe limit any more")
        )


def _ask_status(work: UnitOfWork, station: _StationNote) -> None:
    """Asks how each plug is: 1.6 tells of all at once, 2.x wants them named (F06.FR.12)."""
    places: list[tuple[int | None, int | None]] = [(None, None)]
    if station.ocpp_version != "ocpp1.6":
        places = [
            (evse.evse_id, plug.connector_id)
            for evse in station.outlets
            for plug in evse.connectors
        ]
    for evse_id, connector_id in places:
        order = TriggerMessage(
            message="StatusNotification", evse_id=evse_id, connector_id=connector_id
        )
        work.order(order, station=station.identity, origin="rule", expires_in_s=_EXPIRES_S)


async def _order_inventory(work: UnitOfWork, identity: str) -> None:
    """Asks a station for all its settings, unless it has told them before."""
    told = sa.select(StationVariable.variable).where(StationVariable.station == identity).limit(1)
    if (await work.session.execute(told)).first() is None:
        work.order(
            ReadVariables(request_id=1),
            station=identity,
            origin="rule",
            expires_in_s=_EXPIRES_S,
        )
