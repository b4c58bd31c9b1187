"""The teller: has stations show what their transactions cost, and counts again what was put right.

When it is time is decided where transactions are priced (`csms.billing.intake`), in one step with
what the station has told; here the station is told, if it is there and its version can be.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from csms.billing.actions import count_again
from csms.bus.base import EventNote
from csms.ledger.database import Database
from models.clocks import Clock
from models.commands.costs import TellCost
from models.ids import IdMaker
from models.tables.charging import Transaction
from models.tables.stations import Station

_EXPIRES_S = 60.0


class _CostNote(msgspec.Struct):
    id: str
    station: str
    ocpp_transaction_id: str
    cost: Decimal


class CostTeller:
    """Tells stations what their running transactions cost."""

    follows = frozenset({"transaction.cost_due", "transaction.repaired"})

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids

    async def start(self) -> None:
        """Needs nothing: what was not told before the start is told with what grows."""

    async def stop(self) -> None:
        """Stops."""

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        if note.type == "transaction.repaired":
            await self._count_again(note)
            return
        due = msgspec.json.decode(note.resource, type=_CostNote)
        async with self._db.read() as session:
            row = await session.get(Transaction, due.id)
            station = await session.get(Station, due.station)
        if row is None or row.stopped_at is not None or station is None or not station.online:
            return
        if station.ocpp_version == "ocpp1.6":
            return  # it has no words for it
        command = TellCost(ocpp_transaction_id=due.ocpp_transaction_id, total_cost=due.cost)
        async with self._db.write(
            self._clock, self._ids, actor="billing", tenant=note.tenant
        ) as work:
            work.order(command, station=due.station, origin="rule", expires_in_s=_EXPIRES_S)

    async def _count_again(self, note: EventNote) -> None:
        transaction_id = note.subject.removeprefix("transaction/")
        async with self._db.read() as session:
            row = await session.get(Transaction, transaction_id)
        if row is None or row.tariff_id is None:
            return
        async with self._db.write(
            self._clock, self._ids, actor="billing", tenant=note.tenant
        ) as work:
            await count_again(
                work, await work.session.get_one(Transaction, transaction_id, with_for_update=True)
            )
