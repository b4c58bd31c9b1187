"""The ledger of sun: how much of each transaction's energy its site's roof gave.

Every quarter of an hour, a little later so that meters have reported, the surplus of each site (sun
less building) is shared among the transactions that charged in that quarter, in proportion to
their energy. What the surplus does not cover came from the grid. That is the reading of "solar
share" that a resident can check with two meters and a clock.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from csms.ledger.database import Database
from csms.ledger.work import ReadSession
from models.clocks import Activity, Clock, ticks
from models.ids import IdMaker
from models.tables.charging import Reading, Transaction
from models.tables.energy import SiteMeasurement
from models.tables.stations import Station
from models.timeline import floor_to_step

QUARTER = timedelta(minutes=15)
GRACE = timedelta(minutes=2)
"""How long after its end a quarter is shared out."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a transaction drew in a quarter."""

    transaction_id: str
    site_id: str
    energy_wh: float


def shared_sun(energy_wh: Sequence[float], surplus_wh: float) -> list[float]:
    """Returns each transaction's part of the surplus: in proportion, never more than it drew.

    Args:
        energy_wh: what each drew, not negative.
        surplus_wh: sun less building; below zero counts as none.
    """
    total_wh = sum(energy_wh)
    if total_wh <= 0:
        return [0.0 for _ in energy_wh]
    share = min(1.0, max(0.0, surplus_wh) / total_wh)
    return [each * share for each in energy_wh]


class SunLedger:
    """Shares out the sun, quarter by quarter."""

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins with the quarter that ends next."""
        self._task = asyncio.create_task(self._run(), name="sun ledger")

    async def stop(self) -> None:
        """Ends the loop."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        anchor = floor_to_step(self._clock.now(), 15) + GRACE
        async for due in ticks(self._clock, QUARTER, anchor=anchor):
            with self._activity.busy():
                try:
                    await self.share(due - GRACE - QUARTER)
                except Exception:
                    log.exception("sun.not_shared", quarter=due - GRACE - QUARTER)

    async def share(self, quarter: datetime) -> None:
        """Shares out the sun of `[quarter, quarter + 15 min)`; once for each quarter."""
        async with self._db.read() as session:
            drawn = await _drawn(session, quarter, quarter + QUARTER)
            surplus_wh = await _surplus_wh(session, quarter, quarter + QUARTER)
        by_site: dict[str, list[_Drawn]] = defaultdict(list)
        for each in drawn:
            by_site[each.site_id].append(each)
        solar: dict[str, float] = {}
        for site_id, of_site in by_site.items():
            parts = shared_sun([e.energy_wh for e in of_site], surplus_wh.get(site_id, 0.0))
            solar.update(
                (each.transaction_id, part)
                for each, part in zip(of_site, parts, strict=True)
                if part > 0
            )
        if not solar:
            return
        async with self._db.write(self._clock, self._ids, actor="sun") as work:
            for name, part in sorted(solar.items()):
                await work.session.execute(
                    sa.update(Transaction)
                    .where(Transaction.id == name)
                    .values(solar_wh=Transaction.solar_wh + part)
                    .execution_options(synchronize_session=False)
                )


async def _drawn(session: ReadSession, start: datetime, end: datetime) -> list[_Drawn]:
    """What each transaction drew in `[start, end)`, by its energy register."""
    transactions = await session.execute(
        sa.select(Transaction, Station.site_id)
        .join(Station, Station.identity == Transaction.station)
        .where(Station.site_id.is_not(None), Transaction.started_at < end)
        .where(sa.or_(Transaction.stopped_at.is_(None), Transaction.stopped_at > start))
        .order_by(Transaction.id)
    )
    known = [(row, site_id) for row, site_id in transactions if site_id is not None]
    at_start = await _registers(session, [row for row, _ in known], start)
    at_end = await _registers(session, [row for row, _ in known], end)
    drawn: list[_Drawn] = []
    for row, site_id in known:
        first = at_start.get(row.id, row.meter_start_wh)
        last = at_end.get(row.id)
        if first is not None and last is not None and last > first:
            drawn.append(_Drawn(row.id, site_id, last - first))
    return drawn


async def _registers(
    session: ReadSession, rows: Sequence[Transaction], until: datetime
) -> Mapping[str, float]:
    """The highest register of each transaction up to and including `until`."""
    ids = {(row.station, row.ocpp_transaction_id): row.id for row in rows}
    found = await session.execute(
        sa.select(Reading.station, Reading.ocpp_transaction_id, sa.func.max(Reading.energy_wh))
        .where(Reading.station.in_({row.station for row in rows}))
        .where(Reading.ocpp_transaction_id.in_({row.ocpp_transaction_id for row in rows}))
        .where(Reading.measured_at <= until, Reading.energy_wh.is_not(None))
        .group_by(Reading.station, Reading.ocpp_transaction_id)
    )
    return {
        ids[station, transaction]: register
        for station, transaction, register in found
        if register is not None and (station, transaction) in ids
    }


async def _surplus_wh(session: ReadSession, start: datetime, end: datetime) -> dict[str, float]:
    """Sun less building of each site in `[start, end)`, by the mean of what its meters said."""
    rows = await session.execute(
        sa.select(
            SiteMeasurement.site_id,
            sa.func.avg(SiteMeasurement.pv_power_w),
            sa.func.avg(SiteMeasurement.load_power_w),
        )
        .where(SiteMeasurement.measured_at > start, SiteMeasurement.measured_at <= end)
        .group_by(SiteMeasurement.site_id)
    )
    hours = (end - start).total_seconds() / 3600
    return {
        site_id: max(0.0, float(pv_w) - float(load_w or 0.0)) * hours
        for site_id, pv_w, load_w in rows
        if pv_w is not None
    }
