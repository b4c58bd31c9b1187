"""REST: `/forecasts/pv`, `/forecasts/load`, and how good those were who made them."""

from __future__ import annotations

from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import Query
from pydantic import Field, model_validator
from starlette.responses import Response

from csms.energy.actions import store_forecast
from csms.energy.queries import (
    PUSHED,
    ForecastShown,
    ForecastSourceShown,
    forecast_resource,
    source_resource,
)
from csms.energy.series import STEPS_MAX, SeriesQuery, StepMinutes, site_of
from csms.web.documents import Document, Id, Instant, PowerW
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page
from csms.web.reply import reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.errors import NotFound
from models.tables.energy import Forecast, ForecastSource, Site

router = api_router("energy")

PowerSeries = Annotated[list[PowerW], Field(min_length=1, max_length=STEPS_MAX)]


class NewForecast(Document):
    """One's own forecast for a site, with one value per step."""

    site_id: Id
    issued_at: Instant
    start: Instant
    step_minutes: StepMinutes = 15
    q10_w: PowerSeries | None = None
    """In one case of ten it is less; null: the median."""
    q50_w: PowerSeries
    """The median."""
    q90_w: PowerSeries | None = None
    """In nine cases of ten it is less; null: the median."""
    source: Annotated[str, Field(max_length=40, pattern=r"^[A-Za-z0-9 ._-]*$")] = ""
    """Who made it; shown after `pushed`."""

    @model_validator(mode="after")
    def _in_order(self) -> NewForecast:
        low_w, high_w = self.q10_w or self.q50_w, self.q90_w or self.q50_w
        if not len(low_w) == len(self.q50_w) == len(high_w):
            raise ValueError("q10_w, q50_w and q90_w have one value per step each")
        for step, (low, middle, high) in enumerate(zip(low_w, self.q50_w, high_w, strict=True)):
            if not low <= middle <= high:
                raise ValueError(f"quantiles are out of order at step {step}")
        return self


@router.post(
    "/forecasts/{kind}",
    status_code=201,
    response_model=ForecastShown,
    dependencies=[may("energy")],
)
async def post_forecast(work: Work, kind: Literal["pv", "load"], body: NewForecast) -> Response:
    """Push one's own forecast of sun or building load."""
    site = await site_of(work, body.site_id)
    source = f"{PUSHED}: {body.source}" if body.source else PUSHED
    values = {
        **body.model_dump(exclude={"site_id"}),
        "q10_w": body.q10_w or body.q50_w,
        "q90_w": body.q90_w or body.q50_w,
        "source": source,
    }
    row = await store_forecast(work, site, kind, values)
    location = f"{BASE}/forecasts/{kind}/{row.id}"
    return reply(forecast_resource(row), status=201, location=location)


@router.get("/forecasts/{kind}", response_model=Page[ForecastShown], dependencies=[may("read")])
async def list_forecasts(
    session: Reading,
    caller: CallerNow,
    kind: Literal["pv", "load"],
    query: Annotated[SeriesQuery, Query()],
) -> Response:
    """List forecasts, the one issued last first."""
    statement = (
        sa.select(Forecast)
        .join(Site, Site.id == Forecast.site_id)
        .where(Site.tenant_id == caller.tenant, Forecast.kind == kind)
    )
    if query.site_id is not None:
        statement = statement.where(Forecast.site_id == query.site_id)
    if query.since is not None:
        statement = statement.where(Forecast.issued_at >= query.since)
    if query.until is not None:
        statement = statement.where(Forecast.issued_at < query.until)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"issued_at": Forecast.issued_at},
        key=(Forecast.id,),
        updated=(Forecast.issued_at,),
        default="-issued_at",
    )
    return reply_page([forecast_resource(row) for row in rows], cursor)


@router.get(
    "/forecasts/{kind}/{forecast_id}", response_model=ForecastShown, dependencies=[may("read")]
)
async def get_forecast(
    session: Reading, caller: CallerNow, kind: Literal["pv", "load"], forecast_id: str
) -> Response:
    """Show a forecast as it was issued."""
    row = await session.get(Forecast, forecast_id)
    if row is None or row.kind != kind:
        raise NotFound(f"there is no {kind} forecast {forecast_id}")
    await find_row(session, Site, row.site_id, caller.tenant)
    return reply(forecast_resource(row))


class SourceQuery(ListQuery):
    """Filters of the list of sources."""

    site_id: str | None = None
    kind: Literal["pv", "load"] | None = None


@router.get(
    "/forecast-sources", response_model=Page[ForecastSourceShown], dependencies=[may("read")]
)
async def list_forecast_sources(
    session: Reading, caller: CallerNow, query: Annotated[SourceQuery, Query()]
) -> Response:
    """List who forecasts, how near each came to what was measured, and who is not believed."""
    statement = (
        sa.select(ForecastSource)
        .join(Site, Site.id == ForecastSource.site_id)
        .where(Site.tenant_id == caller.tenant)
    )
    if query.site_id is not None:
        statement = statement.where(ForecastSource.site_id == query.site_id)
    if query.kind is not None:
        statement = statement.where(ForecastSource.kind == query.kind)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"judged_at": ForecastSource.judged_at},
        key=(ForecastSource.site_id, ForecastSource.kind, ForecastSource.source),
        updated=(ForecastSource.judged_at,),
    )
    return reply_page([source_resource(row) for row in rows], cursor)
