"""The closer: ends transactions that nobody else will end, and doubts meters that can't be right.

A box that lost its power, its memory or its patience never says that a transaction is over. Where
its connector is free again, or nothing has been heard for a week, the transaction is ended by rule
and listed for a person. An end that comes late after all takes the place of the one made up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.reconciliation.actions import doubt, end_by_rule
from csms.reconciliation.rules import (
    IMPLAUSIBLE,
    SILENT,
    SILENT_AFTER,
    STOP_MISSING,
    is_gone,
    is_implausible,
)
from models.clocks import Activity, Clock, ticks
from models.ids import IdMaker
from models.rounds import Rounds
from models.tables.charging import Transaction
from models.tables.stations import Connector, Evse, Station

EVERY = timedelta(minutes=5)

_OPEN = (Transaction.tenant_id == sa.bindparam("tenant"), Transaction.stopped_at.is_(None))
_PLUGS = (
    sa.select(
        Transaction.id,
        Transaction.connector_id,
        Transaction.started_at,
        Transaction.last_reading_at,
        Connector.connector_id,
        Connector.status,
        Connector.status_at,
    )
    .join(Station, Station.identity == Transaction.station)
    .join(
        Connector,
        sa.and_(Connector.station == Transaction.station, Connector.evse_id == Transaction.evse_id),
    )
    .where(*_OPEN, Station.online)
)
_SILENT = sa.select(Transaction.id).where(*_OPEN, Transaction.updated_at <= sa.bindparam("since"))

_log = structlog.get_logger("closer")


class Closer:
    """Looks at transactions every five minutes."""

    follows = frozenset({"transaction.ended", "transaction.repaired"})

    def __init__(
        self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity, tenant: str
    ) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._tenant = tenant
        self._ended: dict[str, None] = {}
        self._rounds = Rounds(self._run, name="closer")

    async def start(self) -> None:
        """Begins the rounds."""
        self._rounds.begin()

    async def stop(self) -> None:
        """Ends the rounds."""
        await self._rounds.end()

    async def heard(self, note: EventNote) -> None:
        """Remembers a transaction that has ended, to judge what its meter told."""
        self._ended[note.subject.removeprefix("transaction/")] = None

    async def _run(self) -> None:
        anchor = self._clock.now().replace(second=0, microsecond=0)
        async for _ in ticks(self._clock, EVERY, anchor=anchor):
            with self._activity.busy():
                try:
                    await self.look()
                except Exception:  # noqa: BLE001 - the next round tries again
                    _log.exception("transactions_not_closed")

    async def look(self) -> None:
        """Makes one round."""
        now = self._clock.now()
        gone, silent = await self._gone(now), await self._silent(now)
        doubted = await self._implausible()
        if not (gone or silent or doubted):
            return
        async with self._db.write(
            self._clock, self._ids, actor="closer", tenant=self._tenant
        ) as work:
            for row in await _still_open(work, gone):
                detail = "its connector is free, and no end was told"
                await end_by_rule(work, row, kind=STOP_MISSING, detail=detail)
            for row in await _still_open(work, silent):
                detail = f"nothing was heard of it since {row.updated_at:%Y-%m-%d %H:%M} UTC"
                await end_by_rule(work, row, kind=SILENT, detail=detail)
            for row in await _by_id(work, doubted):
                energy = f"{row.energy_wh / 1000:.1f} kWh"
                detail = f"{energy} is more than its EVSE can give in the time"
                await doubt(work, row, IMPLAUSIBLE, detail)

    async def _gone(self, now: datetime) -> list[str]:
        """Returns open transactions whose car has left; only stations that are here can tell."""
        asked = {"tenant": self._tenant}
        times: dict[str, tuple[datetime, datetime | None]] = {}
        statuses: dict[str, list[tuple[str, datetime | None]]] = defaultdict(list)
        async with self._db.read() as session:
            rows = await session.execute(_PLUGS, asked)
            for number, mine, started, metered, plug, status, since in rows:
                if mine is None or mine == plug:
                    times[number] = (started, metered)
                    statuses[number].append((status, since))
        return [n for n, (begun, heard) in times.items() if is_gone(begun, heard, statuses[n], now)]

    async def _silent(self, now: datetime) -> list[str]:
        asked = {"tenant": self._tenant, "since": now - SILENT_AFTER}
        async with self._db.read() as session:
            return list(await session.scalars(_SILENT, asked))

    async def _implausible(self) -> list[str]:
        ended, self._ended = list(self._ended), {}
        if not ended:
            return []
        query = (
            sa.select(Transaction, Evse.max_power_w)
            .outerjoin(
                Evse,
                sa.and_(Evse.station == Transaction.station, Evse.evse_id == Transaction.evse_id),
            )
            .where(Transaction.id.in_(ended), Transaction.stopped_at.is_not(None))
        )
        try:
            async with self._db.read() as session:
                rows = list(await session.execute(query))
        except Exception:
            self._ended = dict.fromkeys(ended) | self._ended
            raise
        return [
            row.id
            for row, power_w in rows
            if row.stopped_at is not None
            and IMPLAUSIBLE not in row.suspect
            and is_implausible(row.energy_wh, row.stopped_at - row.started_at, power_w, row.suspect)
        ]


async def _still_open(work: UnitOfWork, numbers: Sequence[str]) -> Sequence[Transaction]:
    return [row for row in await _by_id(work, numbers) if row.stopped_at is None]


async def _by_id(work: UnitOfWork, numbers: Sequence[str]) -> Sequence[Transaction]:
    if not numbers:
        return []
    query = sa.select(Transaction).where(Transaction.id.in_(numbers)).order_by(Transaction.id)
    return (await work.session.scalars(query.with_for_update())).all()
