"""Asks plug-ins for forecasts by the clock, keeps what they tell, and says when they fail.

Each source is asked for each of its sites in turns of its own, and for a site at once when its
roofs are new to it. What it tells is checked and then kept as what somebody pushed is. When nothing
comes of it, what it told before ages, and then our own forecast is all there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.config import ForecastSourceSettings
from csms.energy.actions import store_forecast
from csms.energy.sources import FETCHED, plants_of, source_resource
from csms.energy.told import power_told
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.plugins.apart import Apart, Busy
from csms.plugins.forecasts import Asked, ForecastPlugin, NoForecast, load_plugin
from models.clocks import Activity, Clock, ticks
from models.ids import IdMaker
from models.tables.energy import Forecast, ForecastSource, Site
from models.timeline import floor_to_step
from scheduler.forecast import QuantileForecast
from scheduler.forecast.quality import Record

HORIZON = timedelta(hours=48)
AT_ONCE = 4
"""So many sites are asked for at the same time, of one source."""
FAILURE_MAX = 300
"""Letters of a failure that are kept."""

_log = structlog.get_logger("forecasts")


@dataclass(slots=True)
class _Source:
    """A plug-in as the configuration has it."""

    settings: ForecastSourceSettings
    plugin: ForecastPlugin
    apart: Apart
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    """What it was asked last, by site."""

    @property
    def name(self) -> str:
        """As its forecasts are called."""
        return f"{FETCHED}: {self.settings.name}"

    @property
    def every(self) -> timedelta:
        """How often it is asked."""
        return timedelta(minutes=self.settings.every_minutes)


class ForecastFetcher:
    """Asks all sources of a tenant."""

    follows = frozenset({"site.created", "site.updated"})

    def __init__(
        self,
        settings: Sequence[ForecastSourceSettings],
        *,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        tenant: str,
    ) -> None:
        """Loads the plug-ins.

        Raises:
            BadInput: for one that is not there, or does not take its options.
        """
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._tenant = tenant
        self._sources = [
            _Source(each, load_plugin(each.plugin, each.options), Apart(f"forecasts {each.name}"))
            for each in settings
        ]
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins with what is due: a restart does not ask again for what was asked just now."""
        for source in self._sources:
            self._begin(self._run(source), f"forecasts {source.name}")

    async def stop(self) -> None:
        """Ends; what is being asked is given up."""
        for task in [*self._tasks]:
            task.cancel()
        for task in [*self._tasks]:
            with suppress(asyncio.CancelledError):
                await task
        for source in self._sources:
            await source.apart.close()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names: roofs may be new."""
        site_id = note.subject.removeprefix("site/")
        for source in self._sources:
            self._activity.begin()
            self._begin(self._look_again(source, site_id), f"forecasts {source.name}")

    def _begin(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, source: _Source) -> None:
        anchor = self._clock.now()
        await self._round(source, due_only=True)
        async for _ in ticks(self._clock, source.every, anchor=anchor):
            await self._round(source)

    async def _look_again(self, source: _Source, site_id: str) -> None:
        try:
            await self._round(source, only={site_id}, changed_only=True)
        finally:
            self._activity.end()

    async def _round(
        self,
        source: _Source,
        *,
        only: Set[str] | None = None,
        due_only: bool = False,
        changed_only: bool = False,
    ) -> None:
        """Asks for all sites of a source that have roofs, or for some of them."""
        with self._activity.busy():
            try:
                now = self._clock.now()
                wanted = await self._wanted(source, now, only, due_only=due_only)
                if changed_only:
                    wanted = [each for each in wanted if _is_new(each, source)]
                # All are waited for: what outlived the round would outlive `stop`, too.
                asking = (self._ask(source, each) for each in wanted)
                ends = await asyncio.gather(*asking, return_exceptions=True)
            except Exception:  # noqa: BLE001 - the next round tries again
                _log.exception("forecasts_not_fetched", source=source.name)
                return
            for asked, failed in zip(wanted, ends, strict=True):
                if failed is not None:
                    name, site_id = source.name, asked.site_id
                    _log.error("forecast_not_kept", source=name, site=site_id, exc_info=failed)

    async def _wanted(
        self, source: _Source, now: datetime, only: Set[str] | None, *, due_only: bool
    ) -> list[Asked]:
        query = sa.select(Site).where(Site.tenant_id == self._tenant).order_by(Site.id)
        if source.settings.sites:
            query = query.where(Site.id.in_(source.settings.sites))
        if only is not None:
            query = query.where(Site.id.in_(only))
        known = sa.select(ForecastSource.site_id).where(
            ForecastSource.source == source.name, ForecastSource.asked_at > now - source.every
        )
        async with self._db.read() as session:
            sites = (await session.scalars(query)).all()
            fresh = set(await session.scalars(known)) if due_only else set[str]()
        return [
            Asked(
                site_id=site.id,
                latitude=site.latitude,
                longitude=site.longitude,
                plants=tuple(plants_of(site)),
                now=now,
                start=floor_to_step(now, 15),
                horizon=HORIZON,
            )
            for site in sites
            if plants_of(site) and site.id not in fresh
        ]

    async def _ask(self, source: _Source, asked: Asked) -> None:
        async def power() -> QuantileForecast:
            # There also what pvlib takes its time for.
            return power_told(await source.plugin.forecast(asked), asked)

        async with source.room:
            source.asked[asked.site_id] = asked
            told: QuantileForecast | None = None
            failure: str | None = None
            limit_s = source.settings.timeout_s
            try:
                told = await source.apart.run(power, limit_s)
            except NoForecast as why:
                failure = str(why) or "it has none"
            except TimeoutError:
                failure = f"it did not answer within {limit_s:g} s"
            except Busy:
                failure = "it is still busy with what it was asked before"
            except Exception as error:  # noqa: BLE001 - it may raise anything
                # What it says may hold a secret; the log is for those who run the service.
                failure = f"it failed with {type(error).__name__}; the log says more"
                _log.exception("forecast_plugin_failed", source=source.name, site=asked.site_id)
            await self._keep(source, asked.site_id, told, failure)

    async def _keep(
        self, source: _Source, site_id: str, told: QuantileForecast | None, failure: str | None
    ) -> None:
        async with self._db.write(
            self._clock, self._ids, actor="forecaster", tenant=self._tenant
        ) as work:
            site = await work.session.get(Site, site_id)
            if site is None:
                return
            if told is not None and not await _is_known(work, site_id, source.name, told.issued_at):
                values = {
                    "issued_at": told.issued_at,
                    "source": source.name,
                    "start": told.grid.start,
                    "step_minutes": told.grid.step_minutes,
                    "q10_w": _whole(told.q10_w),
                    "q50_w": _whole(told.q50_w),
                    "q90_w": _whole(told.q90_w),
                }
                row = await store_forecast(work, site, "pv", values)
                if row.doubts:
                    why = "; ".join(f"{each['code']}: {each['detail']}" for each in row.doubts)
                    failure = f"what it told can't be planned with: {why}"
            await _note(work, site_id, source.name, failure)


def _is_new(asked: Asked, source: _Source) -> bool:
    """Whether a site lies elsewhere or has other roofs than when a source was asked last."""
    before = source.asked.get(asked.site_id)
    return before is None or (before.latitude, before.longitude, before.plants) != (
        asked.latitude,
        asked.longitude,
        asked.plants,
    )


async def _is_known(work: UnitOfWork, site_id: str, source: str, issued_at: datetime) -> bool:
    """Whether that very issue has been told before, and was taken: not all have one each hour."""
    rows = await work.session.scalars(
        sa.select(Forecast).where(
            Forecast.site_id == site_id,
            Forecast.kind == "pv",
            Forecast.source == source,
            Forecast.issued_at == issued_at,
        )
    )
    return any(not row.doubts for row in rows)


async def _note(work: UnitOfWork, site_id: str, source: str, failure: str | None) -> None:
    """Writes down how a plug-in was asked, and tells when it begins or ceases to fail."""
    row = await work.session.get(ForecastSource, (site_id, "pv", source))
    if row is None:
        row = ForecastSource(site_id=site_id, kind="pv", source=source, doubts=[])
        row.judged_at = row.judged_until = work.now
        for name in Record.__slots__:
            setattr(row, name, 0.0)
        work.session.add(row)
    was_failing = row.failing_since is not None
    row.asked_at = work.now
    row.failure = None if failure is None else failure[:FAILURE_MAX]
    if failure is None:
        row.told_at, row.failing_since = work.now, None
    elif not was_failing:
        row.failing_since = work.now
    if was_failing == (failure is not None):
        return
    what = "recovered" if failure is None else "failed"
    _log.warning(f"forecast_source_{what}", site=site_id, source=source, failure=row.failure)
    work.emit(
        f"forecast_source.{what}",
        subject=f"site/{site_id}",
        resource=source_resource(row),
        site_id=site_id,
    )


def _whole(series_w: Sequence[float]) -> list[int]:
    """Watts are exact enough for a forecast, and short to store."""
    return [round(each) for each in series_w]
