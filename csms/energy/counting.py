"""Which forecasts count: what is pushed goes first, then our own with those of plug-ins as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from csms.energy.sources import (
    FORECAST_KINDS,
    FRESH_FOR,
    OWN,
    PUSHED,
    forecast_of,
    is_outside,
    outside,
    shares_of,
)
from models.tables.energy import Forecast, ForecastSource, Site
from scheduler.forecast.mixing import mixed

_SITES: sa.BindParameter[str] = sa.bindparam("sites", expanding=True)
_TOLD = (
    sa.select(Forecast.id, Forecast.site_id, Forecast.kind, Forecast.source, Forecast.doubts)
    .where(Forecast.site_id.in_(_SITES), Forecast.kind.in_(FORECAST_KINDS))
    .where(Forecast.issued_at >= sa.bindparam("since"), Forecast.issued_at <= sa.bindparam("now"))
    .where(outside())
    .order_by(Forecast.issued_at, Forecast.id)
)
_FORECASTS = (
    sa.select(Forecast)
    .where(Forecast.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(Forecast.issued_at, Forecast.id)
)
_SOURCES = (
    sa.select(ForecastSource)
    .where(ForecastSource.site_id.in_(_SITES))
    .order_by(ForecastSource.source)
)


def _last_of(kind: str) -> sa.Select[str, str, datetime]:
    """Returns the newest instant of each site, each found by one step into the index.

    Grouped by site, the index was gone through for all forecasts that are kept.
    """
    each = aliased(Forecast)
    newest = (
        sa.select(sa.func.max(each.issued_at))
        .where(each.site_id == Site.id, each.kind == kind)
        .scalar_subquery()
    )
    named = sa.literal(kind).label("kind")
    return sa.select(Site.id.label("site_id"), named, newest.label("issued_at")).where(
        Site.id.in_(_SITES)
    )


_LAST = sa.union_all(*(_last_of(kind) for kind in FORECAST_KINDS)).subquery()
_NEWEST = (
    sa.select(Forecast)
    .join(
        _LAST,
        (Forecast.site_id == _LAST.c.site_id)
        & (Forecast.kind == _LAST.c.kind)
        & (Forecast.issued_at == _LAST.c.issued_at),
    )
    .order_by(Forecast.id)
)


async def forecasts_that_count(
    session: AsyncSession, site_ids: Sequence[str], now: datetime
) -> dict[tuple[str, str], list[Forecast]]:
    """Returns what to plan each site and kind with: a pushed forecast while it is fresh, then ours.

    A pushed one counts although ours was issued later: whoever pushes knows more of the place. Ours
    is mixed with those that plug-ins fetched, by how good each has been. Whatever is doubted, or
    whose source is, counts for nothing.
    """
    sources = await sources_of(session, site_ids)
    pushed: dict[tuple[str, str], Forecast] = {}
    fetched: dict[tuple[str, str], dict[str, Forecast]] = defaultdict(dict)
    for row in await _fresh_forecasts(session, site_ids, now, sources):
        if row.source.startswith(PUSHED):
            pushed[row.site_id, row.kind] = row
        else:
            fetched[row.site_id, row.kind][row.source] = row
    found = {key: [row] for key, row in pushed.items()}
    own = await _own_forecasts(session, site_ids)
    for key in {**own, **fetched}:
        shares = shares_of(sources[key], now)
        found.setdefault(key, []).extend(_as_one(own.get(key), fetched[key], shares))
    return found


async def _fresh_forecasts(
    session: AsyncSession,
    site_ids: Sequence[str],
    now: datetime,
    sources: Mapping[tuple[str, str], Sequence[ForecastSource]],
) -> Sequence[Forecast]:
    """The newest of each outside source that is not doubted, the newest of all last.

    Of the others not even the series are read: some tell a new one every few minutes.
    """
    told = await session.execute(
        _TOLD, {"sites": list(site_ids), "since": now - FRESH_FOR, "now": now}
    )
    doubted = {(*key, each.source) for key, rows in sources.items() for each in rows if each.doubts}
    newest = {
        (site_id, kind, source): number
        for number, site_id, kind, source, doubts in told
        if not doubts and (site_id, kind, source) not in doubted
    }
    if not newest:
        return ()
    return (await session.scalars(_FORECASTS, {"ids": list(newest.values())})).all()


async def sources_of(
    session: AsyncSession, site_ids: Sequence[str]
) -> defaultdict[tuple[str, str], list[ForecastSource]]:
    """Returns who forecasts for sites, by site and kind."""
    found: defaultdict[tuple[str, str], list[ForecastSource]] = defaultdict(list)
    for row in await session.scalars(_SOURCES, {"sites": list(site_ids)}):
        found[row.site_id, row.kind].append(row)
    return found


def _as_one(
    own: Forecast | None, fetched: Mapping[str, Forecast], shares: Mapping[str, float]
) -> list[Forecast]:
    """Ours and what was fetched as one, in steps of the first; none where there is nothing."""
    parts = [] if own is None else [(own, shares[OWN])]
    parts += [(row, shares[name]) for name, row in sorted(fetched.items()) if name in shares]
    if not parts:
        return []
    rows, weights = zip(*parts, strict=True)
    if len(rows) == 1:
        return [rows[0]]
    one = mixed([forecast_of(row) for row in rows], weights)
    first = rows[0]
    return [
        Forecast(
            id=first.id,
            site_id=first.site_id,
            kind=first.kind,
            issued_at=first.issued_at,
            source=", ".join(row.source for row in rows),
            start=one.grid.start,
            step_minutes=one.grid.step_minutes,
            q10_w=list(one.q10_w),
            q50_w=list(one.q50_w),
            q90_w=list(one.q90_w),
            doubts=[],
        )
    ]


async def _own_forecasts(
    session: AsyncSession, site_ids: Sequence[str]
) -> dict[tuple[str, str], Forecast]:
    """Ours of each site and kind."""
    own: dict[tuple[str, str], Forecast] = {}
    others: set[tuple[str, str]] = set()
    for row in await _newest_forecasts(session, site_ids):
        key = (row.site_id, row.kind)
        if is_outside(row.source):
            others.add(key)
        else:
            own[key] = row
    for site_id, kind in sorted(others - set(own)):
        row = await session.scalar(
            sa.select(Forecast)
            .where(Forecast.site_id == site_id, Forecast.kind == kind, ~outside())
            .order_by(Forecast.issued_at.desc())
            .limit(1)
        )
        if row is not None:
            own[site_id, kind] = row
    return own


async def _newest_forecasts(session: AsyncSession, site_ids: Sequence[str]) -> Sequence[Forecast]:
    """The newest of each site and kind, whoever made it: found by the index alone."""
    return (await session.scalars(_NEWEST, {"sites": list(site_ids)})).all()
