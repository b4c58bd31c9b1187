"""What follows when a station has booted: a safe limit goes into its box, its settings are read.

The safe limit is what the station keeps to while we are away. It lies at the lowest stack level as
the default of every transaction, so that each limit of a plan goes before it, and it is put there
again at each boot, because a box may have been exchanged or reset. Which limits a plan wants is not
here: see `csms.planning.actions`.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from models.clocks import Clock
from models.commands import ClearLimit, LimitPeriod, ReadVariables, SetLimit
from models.ids import IdMaker
from models.tables.stations import StationVariable

_EXPIRES_S = 300.0
"""Life time for which the orders of a boot are good; the next boot gives them again."""


_SAFE_PROFILE_ID = 1
"""Of the safe limit; plans number theirs from 10 on."""


class _EvseNote(msgspec.Struct):
    phases: int = 1


class _StationNote(msgspec.Struct):
    """What this module reads of a station's resource."""

    identity: str
    approval: str
    online: bool
    safe_limit_w: float | None = None
    evses: list[_EvseNote] = []


_read = msgspec.json.Decoder(_StationNote)


def safe_limit(safe_limit_w: float, *, evses: int, phases: int) -> SetLimit:
    """Returns the order that puts a station's safe limit into its box.

    A default for EVSE 0 holds for each EVSE by itself, so each gets its part of the whole.
    Source: OCPP 1.6 section 3.13.4, OCPP 2.0.1 K01.FR.14.

    Args:
        safe_limit_w: of the whole station.
        evses: how many it has; 0 where it has reported none yet.
        phases: the most that any of them uses, for stations that count in amperes.
    """
    return SetLimit(
        evse_id=0,
        purpose="default",
        profile_id=_SAFE_PROFILE_ID,
        stack_level=0,
        periods=(LimitPeriod(0, safe_limit_w / max(1, evses)),),
        phases=phases,
    )


class StationHost:
    """Receives stations that have come up."""

    follows = frozenset({"station.booted", "station.status_changed", "station.updated"})

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._ordered: dict[str, tuple[float | None, int]] = {}
        """By station, the safe limit in W that was ordered last, and for how many EVSEs."""

    async def heard(self, note: EventNote) -> None:
        """Orders what a station needs, on the events that `follows` names."""
        station = _read.decode(note.resource)
        if not station.online or station.approval != "accepted":
            return
        wanted = (station.safe_limit_w, len(station.evses))
        known = station.identity in self._ordered
        stale = self._ordered.get(station.identity) != wanted
        if note.type == "station.booted":
            due = True
        elif note.type == "station.updated":
            due = stale
        else:
            due = known and stale
        if not due:
            return
        async with self._db.write(
            self._clock, self._ids, actor="stations", tenant=note.tenant
        ) as work:
            limit = self._limit_order(station)
            if limit is not None:
                work.order(limit, station=station.identity, origin="rule", expires_in_s=_EXPIRES_S)
            if note.type == "station.booted":
                await _order_inventory(work, station.identity)
        self._ordered[station.identity] = wanted

    def _limit_order(self, station: _StationNote) -> SetLimit | ClearLimit | None:
        """Returns what brings the box to its safe limit, or to none."""
        if station.safe_limit_w is not None:
            phases = max((evse.phases for evse in station.evses), default=1)
            return safe_limit(station.safe_limit_w, evses=len(station.evses), phases=phases)
        before, _ = self._ordered.get(station.identity, (None, 0))
        return None if before is None else ClearLimit(profile_id=_SAFE_PROFILE_ID)


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
