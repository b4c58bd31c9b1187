"""The track record of those who forecast: how near each came to what the meters showed.

Each quarter of a day the forecasts whose first hours are over are held against what came, one of
each hour. Whose record speaks against it is not planned with until the record is better: what it
pushes meanwhile is scored all the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from csms.energy.sources import (
    OWN,
    forecast_of,
    is_outside,
    plants_of,
    record_of,
    source_resource,
)
from csms.ledger.database import Database
from csms.ledger.work import ReadSession, UnitOfWork
from models.clocks import Clock
from models.ids import IdMaker
from models.tables.energy import Forecast, ForecastSource, Site
from models.timeline import floor_to_step
from scheduler.forecast import QuantileForecast, Reading
from scheduler.forecast.quality import COMPARED, STANDS, Record, compared, persistence_load, scored
from scheduler.forecast.sun import Location, persistence_pv

JUDGED_EVERY_MINUTES = 6 * 60
FIRST_LOOK = timedelta(days=2)
"""How far back forecasts are read for a source that has no record."""

LOOKED_BACK = timedelta(days=3)
"""How far before its issue readings are looked at for what a forecast is to beat: it stays as it
was a day ago, or as clear as in the last daylight."""

_log = structlog.get_logger("forecasts")


@dataclass(frozen=True, slots=True)
class Meters:
    """What the meters of a site have shown."""

    pv: Sequence[Reading]
    load: Sequence[Reading]


@dataclass(frozen=True, slots=True)
class _Judged:
    site_id: str
    kind: str
    source: str
    record: Record


class TrackKeeper:
    """Keeps the records of all sources of a tenant's sites."""

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, tenant: str) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._tenant = tenant
        self._judged_for: datetime | None = None

    async def judge(
        self, sites: Sequence[Site], meters: Mapping[str, Meters], now: datetime
    ) -> None:
        """Brings the records up to now, if a quarter of a day has begun since.

        Args:
            sites: all of the tenant.
            meters: by site.
            now: the present.
        """
        turn = floor_to_step(now, JUDGED_EVERY_MINUTES)
        if self._judged_for == turn:
            return
        until = turn - COMPARED
        async with self._db.read() as session:
            known = await _known(session, [site.id for site in sites])
            found = [
                judged
                for site in sites
                for judged in await _judged(session, site, meters[site.id], known, until)
            ]
        async with self._db.write(
            self._clock, self._ids, actor="forecaster", tenant=self._tenant
        ) as work:
            for judged in found:
                await _store(work, judged, known, until)
        self._judged_for = turn


async def _known(
    session: ReadSession, site_ids: Sequence[str]
) -> dict[tuple[str, str, str], tuple[Record, datetime]]:
    """The records as they stand, and until when forecasts are in them."""
    rows = await session.scalars(
        sa.select(ForecastSource).where(ForecastSource.site_id.in_(site_ids))
    )
    return {(row.site_id, row.kind, row.source): (record_of(row), row.judged_until) for row in rows}


async def _judged(
    session: ReadSession,
    site: Site,
    meters: Meters,
    known: Mapping[tuple[str, str, str], tuple[Record, datetime]],
    until: datetime,
) -> list[_Judged]:
    """What the forecasts of a site that were issued before `until` add to the records."""
    ends = [end for (site_id, *_), (_, end) in known.items() if site_id == site.id]
    since = max(min(ends, default=until - FIRST_LOOK), until - FIRST_LOOK)
    rows = await session.scalars(
        sa.select(Forecast)
        .where(Forecast.site_id == site.id, Forecast.issued_at >= since, Forecast.issued_at < until)
        .order_by(Forecast.issued_at, Forecast.id)
    )
    added: dict[tuple[str, str], Record] = {}
    hours: set[tuple[str, str, datetime]] = set()
    for row in rows:
        source = row.source if is_outside(row.source) else OWN
        key = (site.id, row.kind, source)
        hour = row.issued_at.replace(minute=0, second=0, microsecond=0)
        if (row.kind, source, hour) in hours or (key in known and row.issued_at < known[key][1]):
            continue
        hours.add((row.kind, source, hour))
        record = _scored(site, row.kind, forecast_of(row), meters)
        added[row.kind, source] = added.get((row.kind, source), Record()).plus(record)
    return [
        _Judged(site.id, kind, source, record) for (kind, source), record in sorted(added.items())
    ]


def _scored(site: Site, kind: str, forecast: QuantileForecast, meters: Meters) -> Record:
    part = compared(forecast)
    if kind == "load":
        seen = _around(meters.load, part)
        stays_w = persistence_load(part.grid, seen, issued_at=part.issued_at)
        return scored(part, stays_w, seen)
    seen = _around(meters.pv, part)
    location = Location(site.latitude, site.longitude)
    stays_w = persistence_pv(location, plants_of(site), part.grid, seen, issued_at=part.issued_at)
    return scored(part, stays_w, seen)


def _around(readings: Sequence[Reading], part: QuantileForecast) -> Sequence[Reading]:
    """Returns the readings, in order of time, by which a forecast is judged.

    Six weeks of a meter that speaks each minute are 60,000: to look at all of them for each of a
    site's forecasts stopped the service for 0.6 s (2 cores).
    """
    since, until = part.issued_at - LOOKED_BACK, part.grid.end + STANDS
    first = bisect_left(readings, since, key=_measured_at)
    return readings[first : bisect_right(readings, until, key=_measured_at)]


def _measured_at(reading: Reading) -> datetime:
    return reading.measured_at


async def _store(
    work: UnitOfWork,
    judged: _Judged,
    known: Mapping[tuple[str, str, str], tuple[Record, datetime]],
    until: datetime,
) -> None:
    """Writes a record down, and tells who is no longer believed, or is again."""
    key = (judged.site_id, judged.kind, judged.source)
    record, since = known.get(key, (Record(), until))
    record = record.after(until - since).plus(judged.record)
    row = await work.session.get(ForecastSource, key)
    before: list[Any] = []
    if row is None:
        row = ForecastSource(site_id=judged.site_id, kind=judged.kind, source=judged.source)
        work.session.add(row)
    else:
        before = row.doubts
    row.judged_at, row.judged_until = work.now, until
    for name in Record.__slots__:
        setattr(row, name, getattr(record, name))
    # Ours is what is left when nobody else is believed.
    doubts = record.doubts() if judged.source != OWN else ()
    row.doubts = [{"code": each.code, "detail": each.detail} for each in doubts]
    if bool(row.doubts) != bool(before):
        what = "doubted" if row.doubts else "believed"
        _log.warning(f"forecast_source_{what}", site=row.site_id, source=row.source)
        work.emit(
            f"forecast_source.{what}",
            subject=f"site/{row.site_id}",
            resource=source_resource(row),
            site_id=row.site_id,
        )
        work.request_plan(row.site_id, f"forecasts of {row.source} are {what}")
