"""The teller: has stations show what their transactions cost, and counts again what was put right.

When it is time is decided where transactions are priced (`csms.billing.intake`), in one step with
what the station has told; here the station is told, if it is there and its version can be. Costs
that do not agree with the end of their transaction are counted again at the start, and in rounds
while that fails: an event is heard once, and a house may stop before it is.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import msgspec
import sqlalchemy as sa
import structlog

from csms.billing.actions import count_again
from csms.bus.base import EventNote
from csms.ledger.database import Database
from models.clocks import Activity, Clock, ticks
from models.commands.costs import TellCost
from models.ids import IdMaker
from models.rounds import Rounds
from models.tables.billing import TransactionCost
from models.tables.charging import Transaction
from models.tables.stations import Station

EVERY = timedelta(minutes=5)
_EXPIRES_S = 60.0

_log = structlog.get_logger("cost_teller")


class _CostNote(msgspec.Struct):
    id: str
    station: str
    ocpp_transaction_id: str
    cost: Decimal


class CostTeller:
    """Tells stations what their running transactions cost."""

    follows = frozenset({"transaction.cost_due", "transaction.repaired"})

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._left = True
        """Whether there may be costs to count again."""
        self._rounds = Rounds(self._run, name="cost-teller")

    async def start(self) -> None:
        """Begins with what was left; what was not told before the start is told as it grows."""
        self._rounds.begin()

    async def stop(self) -> None:
        """Ends the rounds."""
        await self._rounds.end()

    async def _run(self) -> None:
        anchor = self._clock.now()
        await self.look()
        async for _ in ticks(self._clock, EVERY, anchor=anchor):
            await self.look()

    async def look(self) -> None:
        """Counts again what does not agree with the end of its transaction, if that was left."""
        if not self._left:
            return
        with self._activity.busy():
            self._left = False
            try:
                for transaction_id, tenant in await self._disagreeing():
                    await self._try_again(transaction_id, tenant)
            except Exception:  # noqa: BLE001 - the next round tries again
                self._left = True
                _log.exception("costs_not_looked_at")

    async def _disagreeing(self) -> list[tuple[str, str]]:
        query = (
            sa.select(Transaction.id, Transaction.tenant_id)
            .join(TransactionCost, TransactionCost.transaction_id == Transaction.id)
            .where(
                Transaction.stopped_at.is_not(None),
                sa.or_(
                    TransactionCost.counted_until != Transaction.stopped_at,
                    TransactionCost.counted_wh != Transaction.energy_wh,
                ),
            )
        )
        async with self._db.read() as session:
            return [(number, tenant) for number, tenant in await session.execute(query)]

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        if note.type == "transaction.repaired":
            await self._try_again(note.subject.removeprefix("transaction/"), note.tenant)
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

    async def _try_again(self, transaction_id: str, tenant: str) -> None:
        try:
            await self._count_again(transaction_id, tenant)
        except Exception:  # noqa: BLE001 - the next round tries again
            self._left = True
            _log.exception("cost_not_counted", transaction=transaction_id)

    async def _count_again(self, transaction_id: str, tenant: str) -> None:
        async with self._db.read() as session:
            row = await session.get(Transaction, transaction_id)
        if row is None or row.tariff_id is None:
            return
        async with self._db.write(self._clock, self._ids, actor="billing", tenant=tenant) as work:
            await count_again(
                work, await work.session.get_one(Transaction, transaction_id, with_for_update=True)
            )
