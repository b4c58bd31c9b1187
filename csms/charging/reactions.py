"""The ledger of sun: how much of each transaction's energy its site's roof gave.

Of every quarter of an hour the surplus of each site (sun less building) is shared among the
transactions that charged in it, in proportion to their energy. What the surplus does not cover came
from the grid. Of a plant that is dealt by need, a site has the sun that it is dealt. That is the
reading of "solar share" that a resident can check with two meters and a clock. A quarter is settled
a little after its end, when meters have reported; the running one is shared as far as it has come
each time that its site is measured. Shares are kept by quarter, so that a quarter can be shared
again, by any node, and still counts once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.charging.sunshine import (
    QUARTER,
    SPEAKS_OF,
    Drawn,
    drawn_between,
    metered_between,
    shared_sun,
    surplus_of,
)
from csms.energy.dealing import sites_by_need_at
from csms.ledger.database import Database
from csms.ledger.work import ReadSession
from models.clocks import Activity, Clock, ticks
from models.ids import IdMaker
from models.rounds import Rounds
from models.tables.base import Base
from models.tables.charging import SunShare, Transaction
from models.timeline import floor_to_step

GRACE = timedelta(minutes=2)
"""How long after its end a quarter is settled."""
LOOKS_BACK = timedelta(days=1)
"""How much of its own absence the ledger makes good."""
FOLLOWED = frozenset({"site.measured"})
"""What the ledger subscribes to."""

_TABLE = Base.metadata.tables[SunShare.__tablename__]
_ADD = sa.insert(_TABLE).values(
    transaction_id=sa.bindparam("its_transaction"),
    quarter=sa.bindparam("its_quarter"),
    solar_wh=sa.bindparam("its_wh"),
)
_CHANGE = (
    sa.update(_TABLE)
    .where(_TABLE.c.transaction_id == sa.bindparam("its_transaction"))
    .where(_TABLE.c.quarter == sa.bindparam("its_quarter"))
    .values(solar_wh=sa.bindparam("its_wh"))
)

log = structlog.get_logger()


class _Measured(msgspec.Struct):
    site_id: str
    measured_at: datetime


class SunLedger:
    """Shares out the sun, quarter by quarter."""

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._sharing = asyncio.Lock()
        self._rounds = Rounds(self._run, name="sun ledger")

    async def start(self) -> None:
        """Makes good what was missed, and goes on with the quarter that ends next."""
        self._rounds.begin()

    async def stop(self) -> None:
        """Ends the loop."""
        await self._rounds.end()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the `FOLLOWED` events from the bus, and shares the quarters it speaks of.

        A quarter that is measured as it ends is left to its settling, when all meters have spoken.
        """
        measured = msgspec.json.decode(note.resource, type=_Measured)
        settled = measured.measured_at + GRACE <= self._clock.now()
        quarter = floor_to_step(measured.measured_at - SPEAKS_OF, 15)
        while quarter < measured.measured_at:
            if quarter + QUARTER != measured.measured_at or settled:
                await self.share(quarter, site_id=measured.site_id)
            quarter += QUARTER

    async def _run(self) -> None:
        anchor = floor_to_step(self._clock.now(), 15) + GRACE
        with self._activity.busy():
            await self._guarded(self.catch_up(), "missed quarters")
        async for due in ticks(self._clock, QUARTER, anchor=anchor):
            with self._activity.busy():
                quarter = due - GRACE - QUARTER
                await self._guarded(self.share(quarter), str(quarter))

    async def _guarded(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """A quarter that fails does not end the ledger; it is logged."""
        try:
            await work
        except Exception:
            log.exception("sun.not_shared", what=what)

    async def catch_up(self) -> None:
        """Settles the quarters that ended while no ledger was running."""
        now = self._clock.now()
        async with self._db.read() as session:
            newest = await session.scalar(sa.select(sa.func.max(SunShare.quarter)))
        if newest is None:
            return
        quarter = max(newest, floor_to_step(now - LOOKS_BACK, 15))
        while quarter + QUARTER + GRACE <= now:
            await self.share(quarter)
            quarter += QUARTER

    async def share(self, quarter: datetime, *, site_id: str | None = None) -> None:
        """Shares out the sun of `[quarter, quarter + 15 min)`, as far as that has come.

        Args:
            quarter: when it begins.
            site_id: only there; None: everywhere.
        """
        end = min(quarter + QUARTER, self._clock.now())
        if end <= quarter:
            return
        async with self._sharing:
            async with self._db.read() as session:
                groups = await sites_by_need_at(session, quarter)
                here = None if site_id is None else _together_with(site_id, groups)
                drawn = await drawn_between(session, quarter, end, here)
                if not drawn:
                    return
                metered = await metered_between(session, quarter, end)
                surplus_wh = surplus_of(metered, drawn, groups)
                known = await _shares(session, quarter, [each.transaction_id for each in drawn])
            shares = _shared_by_site(drawn, surplus_wh)
            news = {
                name: solar_wh
                for name, solar_wh in sorted(shares.items())
                if known.get(name, 0.0) != solar_wh
            }
            if news:
                await self._keep(quarter, news)

    async def _keep(self, quarter: datetime, shares: Mapping[str, float]) -> None:
        total_wh = (
            sa.select(sa.func.sum(SunShare.solar_wh))
            .where(SunShare.transaction_id == Transaction.id)
            .scalar_subquery()
        )
        async with self._db.write(self._clock, self._ids, actor="sun") as work:
            kept = await _shares(work.session, quarter, list(shares))
            for statement, is_change in ((_ADD, False), (_CHANGE, True)):
                rows = [
                    {"its_transaction": name, "its_quarter": quarter, "its_wh": solar_wh}
                    for name, solar_wh in shares.items()
                    if (name in kept) is is_change
                ]
                if rows:
                    await work.session.execute(statement, rows)
            await work.session.execute(
                sa.update(Transaction)
                .where(Transaction.id.in_(shares))
                .values(solar_wh=total_wh)
                .execution_options(synchronize_session=False)
            )


def _together_with(site_id: str, groups: Sequence[Sequence[str]]) -> set[str]:
    """A site, and those that its plant is dealt to by need: what one draws the others lack."""
    return {site_id}.union(*(group for group in groups if site_id in group))


def _shared_by_site(drawn: Sequence[Drawn], surplus_wh: Mapping[str, float]) -> dict[str, float]:
    by_site: dict[str, list[Drawn]] = defaultdict(list)
    for each in drawn:
        by_site[each.site_id].append(each)
    shares: dict[str, float] = {}
    for site_id, of_site in by_site.items():
        parts = shared_sun([e.energy_wh for e in of_site], surplus_wh.get(site_id, 0.0))
        for each, part in zip(of_site, parts, strict=True):
            shares[each.transaction_id] = round(part, 3)
    return shares


async def _shares(
    session: ReadSession, quarter: datetime, transaction_ids: Sequence[str]
) -> dict[str, float]:
    """What is kept of a quarter so far."""
    rows = await session.execute(
        sa.select(SunShare.transaction_id, SunShare.solar_wh)
        .where(SunShare.quarter == quarter)
        .where(SunShare.transaction_id.in_(transaction_ids))
    )
    return {row.transaction_id: row.solar_wh for row in rows}
