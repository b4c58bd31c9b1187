"""The ledger of sun: how much of each transaction's energy its site's roof gave.

Of every quarter of an hour the surplus of each site (sun less building) is shared among the
transactions that charged in it, in proportion to their energy. What the surplus does not cover came
from the grid. That is the reading of "solar share" that a resident can check with two meters and a
clock. A quarter is settled a little after its end, when meters have reported; the running one is
shared as far as it has come each time that its site is measured. Shares are kept by quarter, so
that a quarter can be shared again, by any node, and still counts once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import ReadSession
from models.clocks import Activity, Clock, ticks
from models.ids import IdMaker
from models.tables.charging import Reading, SunShare, Transaction
from models.tables.energy import SiteMeasurement
from models.tables.stations import Station
from models.timeline import floor_to_step

QUARTER = timedelta(minutes=15)
GRACE = timedelta(minutes=2)
"""How long after its end a quarter is settled."""
SPEAKS_OF = timedelta(minutes=15)
"""How far back a measurement of a site speaks, unless it was measured since."""
LOOKS_BACK = timedelta(days=1)
"""How much of its own absence the ledger makes good."""
FOLLOWED = frozenset({"site.measured"})
"""What the ledger subscribes to."""

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


def metered_wh(said: Sequence[tuple[datetime, float]], start: datetime, end: datetime) -> float:
    """Returns the energy in `[start, end)` that a meter of power has told.

    What it says at an instant holds since it last spoke, but for no more than `SPEAKS_OF`.

    Args:
        said: instants after `start` with powers in W, in order.
        start: of the time asked for.
        end: of the time asked for.
    """
    energy_wh, heard_until = 0.0, start
    for measured_at, power_w in said:
        since, until = max(heard_until, measured_at - SPEAKS_OF), min(measured_at, end)
        if until > since:
            energy_wh += power_w * (until - since).total_seconds() / 3600
        heard_until = measured_at
    return energy_wh


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
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Makes good what was missed, and goes on with the quarter that ends next."""
        self._task = asyncio.create_task(self._run(), name="sun ledger")

    async def stop(self) -> None:
        """Ends the loop."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

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
                drawn = await _drawn(session, quarter, end, site_id)
                if not drawn:
                    return
                surplus_wh = await _surplus_wh(session, quarter, end)
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
            for name, solar_wh in shares.items():
                await work.session.merge(
                    SunShare(transaction_id=name, quarter=quarter, solar_wh=solar_wh)
                )
            await work.session.flush()
            await work.session.execute(
                sa.update(Transaction)
                .where(Transaction.id.in_(shares))
                .values(solar_wh=total_wh)
                .execution_options(synchronize_session=False)
            )


def _shared_by_site(drawn: Sequence[_Drawn], surplus_wh: Mapping[str, float]) -> dict[str, float]:
    by_site: dict[str, list[_Drawn]] = defaultdict(list)
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


async def _drawn(
    session: ReadSession, start: datetime, end: datetime, only_site: str | None
) -> list[_Drawn]:
    """What each transaction drew in `[start, end)`, by its energy register."""
    statement = (
        sa.select(Transaction, Station.site_id)
        .join(Station, Station.identity == Transaction.station)
        .where(Station.site_id.is_not(None), Transaction.started_at < end)
        .where(sa.or_(Transaction.stopped_at.is_(None), Transaction.stopped_at > start))
        .order_by(Transaction.id)
    )
    if only_site is not None:
        statement = statement.where(Station.site_id == only_site)
    transactions = await session.execute(statement)
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
    """Sun less building of each site in `[start, end)`, by what its meters said."""
    rows = await session.execute(
        sa.select(
            SiteMeasurement.site_id,
            SiteMeasurement.measured_at,
            SiteMeasurement.pv_power_w,
            SiteMeasurement.load_power_w,
        )
        .where(SiteMeasurement.measured_at > start)
        .where(SiteMeasurement.measured_at <= end + SPEAKS_OF)
        .order_by(SiteMeasurement.site_id, SiteMeasurement.measured_at)
    )
    pv: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    load: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for site_id, measured_at, pv_w, load_w in rows:
        if pv_w is not None:
            pv[site_id].append((measured_at, pv_w))
        if load_w is not None:
            load[site_id].append((measured_at, load_w))
    return {
        site_id: max(0.0, metered_wh(said, start, end) - metered_wh(load[site_id], start, end))
        for site_id, said in pv.items()
    }
