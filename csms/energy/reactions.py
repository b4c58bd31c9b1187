"""Our own forecasts: issued every quarter of an hour from what was measured, and kept.

A forecast that somebody pushed goes before ours while it is fresh, and ours goes on where it ends,
mixed with what plug-ins fetch.
Measurements are read once and then followed, so that a refresh costs a few milliseconds a site.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import cast

import sqlalchemy as sa

from csms.energy.sources import FORECAST_KINDS, outside, plants_of
from csms.energy.track import Meters, TrackKeeper
from csms.ledger.database import Database
from csms.ledger.work import ReadSession
from models.clocks import Clock
from models.ids import IdMaker
from models.tables.energy import Forecast, Site, SiteMeasurement
from models.timeline import StepGrid, floor_to_step
from scheduler.forecast import QuantileForecast, Reading
from scheduler.forecast.holidays import public_holidays
from scheduler.forecast.lately import LOOKS_BACK
from scheduler.forecast.load import LoadProfile
from scheduler.forecast.sun import Location, forecast_pv

STEP_MINUTES = 15
STEPS = 192
HISTORY = timedelta(days=42)
"""How far back measurements are read: six weeks tell weekdays apart."""
SUN_HISTORY = timedelta(days=14)
KEPT_FOR = timedelta(days=60)
NEWS_FOR = timedelta(hours=1)
"""What a meter tells later than this is taken with the next step."""

_METERED = (
    sa.select(SiteMeasurement.measured_at, SiteMeasurement.pv_power_w, SiteMeasurement.load_power_w)
    .where(SiteMeasurement.site_id == sa.bindparam("site"))
    .where(SiteMeasurement.measured_at > sa.bindparam("after"))
    .where(SiteMeasurement.measured_at <= sa.bindparam("now"))
    .order_by(SiteMeasurement.measured_at)
)
_NEWS = (
    sa.select(SiteMeasurement.site_id, sa.func.max(SiteMeasurement.measured_at))
    .where(SiteMeasurement.measured_at > sa.bindparam("after"))
    .where(SiteMeasurement.measured_at <= sa.bindparam("now"))
    .where(SiteMeasurement.site_id.in_(sa.bindparam("sites", expanding=True)))
    .group_by(SiteMeasurement.site_id)
)
_SITES = sa.select(Site).where(Site.tenant_id == sa.bindparam("tenant")).order_by(Site.id)
_TABLE = cast("sa.Table", Forecast.__table__)
_SITE_IDS = cast("sa.Table", Site.__table__).c.id
_SAME_STEP = (
    sa.delete(_TABLE)
    .where(_TABLE.c.site_id.in_(sa.bindparam("sites", expanding=True)))
    .where(_TABLE.c.issued_at >= sa.bindparam("step"), ~outside())
)
_TOO_OLD = (
    sa.delete(_TABLE)
    # By what is indexed: else all forecasts are looked through each time, megabytes a day.
    .where(_TABLE.c.site_id.in_(sa.select(_SITE_IDS)), _TABLE.c.kind.in_(FORECAST_KINDS))
    .where(_TABLE.c.issued_at < sa.bindparam("before"))
)
_ISSUE = sa.insert(_TABLE)


@dataclass(slots=True)
class _History:
    """What is known of one site's meters."""

    until: datetime
    pv: list[Reading] = field(default_factory=list[Reading])
    load: list[Reading] = field(default_factory=list[Reading])
    profile: LoadProfile | None = None
    profile_day: datetime | None = None

    def meters(self) -> Meters:
        """Returns the readings."""
        return Meters(self.pv, self.load)


class Forecaster:
    """Issues forecasts of sun and building load for every site of a tenant."""

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, tenant: str) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._tenant = tenant
        self._issued_for: datetime | None = None
        self._histories: dict[str, _History] = {}
        self._track = TrackKeeper(db=db, clock=clock, ids=ids, tenant=tenant)

    async def refresh(self, now: datetime) -> None:
        """Issues forecasts from the step that holds `now` on, if time or a meter has gone on."""
        step = floor_to_step(now, STEP_MINUTES)
        if self._issued_for == step and not await self._metered_since(now):
            return
        grid = StepGrid(step, STEP_MINUTES, STEPS)
        made: list[tuple[str, str, QuantileForecast]] = []
        async with self._db.read() as session:
            sites = (await session.scalars(_SITES, {"tenant": self._tenant})).all()
            for site in sites:
                history = await self._follow(session, site.id, now)
                made.append((site.id, "pv", _sun(site, history, grid, now)))
                made.append((site.id, "load", _load(site, history, grid, now)))
        await self._store(made, step, now)
        if made:
            self._issued_for = step
            meters = {site.id: self._histories[site.id].meters() for site in sites}
            await self._track.judge(sites, meters, now)

    async def _metered_since(self, now: datetime) -> bool:
        """Whether the meter of any site has told something new that its forecast does not know yet.

        Meters tell of the same instant one after the other, and the first may ask for a plan.
        """
        async with self._db.read() as session:
            asked = {"sites": list(self._histories), "after": now - NEWS_FOR, "now": now}
            newest = await session.execute(_NEWS, asked)
            return any(at > self._histories[site_id].until for site_id, at in newest)

    async def _follow(self, session: ReadSession, site_id: str, now: datetime) -> _History:
        history = self._histories.setdefault(site_id, _History(until=now - HISTORY))
        rows = await session.execute(
            _METERED, {"site": site_id, "after": history.until, "now": now}
        )
        for measured_at, pv_w, load_w in rows:
            if pv_w is not None:
                history.pv.append(Reading(measured_at, pv_w))
            if load_w is not None:
                history.load.append(Reading(measured_at, load_w))
            history.until = measured_at
        sun_since, since = now - SUN_HISTORY, now - HISTORY
        _forget(history.pv, sun_since)
        _forget(history.load, since)
        return history

    async def _store(
        self, made: list[tuple[str, str, QuantileForecast]], step: datetime, now: datetime
    ) -> None:
        """Keeps what was issued; of one step the last issue is enough."""
        if not made:
            return
        async with self._db.write(self._clock, self._ids, actor="forecaster") as work:
            sites = sorted({site_id for site_id, _, _ in made})
            await work.session.execute(_SAME_STEP, {"sites": sites, "step": step})
            await work.session.execute(
                _ISSUE,
                [
                    {
                        "id": self._ids.new(),
                        "site_id": site_id,
                        "kind": kind,
                        "issued_at": now,
                        "source": forecast.source,
                        "start": forecast.grid.start,
                        "step_minutes": forecast.grid.step_minutes,
                        "q10_w": _whole(forecast.q10_w),
                        "q50_w": _whole(forecast.q50_w),
                        "q90_w": _whole(forecast.q90_w),
                    }
                    for site_id, kind, forecast in made
                ],
            )
            await work.session.execute(_TOO_OLD, {"before": now - KEPT_FOR})


def _forget(readings: list[Reading], before: datetime) -> None:
    """Takes away what was measured earlier; readings are in the order of their instants."""
    del readings[: bisect_left(readings, before, key=lambda reading: reading.measured_at)]


def _sun(site: Site, history: _History, grid: StepGrid, now: datetime) -> QuantileForecast:
    plants = plants_of(site)
    if not plants:
        nothing = (0.0,) * grid.steps
        return QuantileForecast(now, grid, "clear_sky", nothing, nothing, nothing)
    location = Location(site.latitude, site.longitude)
    return forecast_pv(location, plants, grid, history.pv, issued_at=now)


def _load(site: Site, history: _History, grid: StepGrid, now: datetime) -> QuantileForecast:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if history.profile is None or history.profile_day != day or len(history.load) < 96:
        history.profile = LoadProfile.learn(
            history.load,
            site.timezone,
            until=now,
            fallback_w=0.0,
            holidays=public_holidays(site.holiday_region),
        )
        history.profile_day = day
    since = bisect_left(history.load, now - LOOKS_BACK, key=attrgetter("measured_at"))
    return history.profile.forecast(grid, issued_at=now, lately=history.load[since:])


def _whole(series_w: tuple[float, ...]) -> list[int]:
    """Watts are exact enough for a forecast, and short to store."""
    return [round(each) for each in series_w]
