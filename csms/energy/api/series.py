"""REST: `/forecasts/pv`, `/forecasts/load`, how good those were who made them, and `/prices`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import sqlalchemy as sa
from fastapi import Query
from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from csms.energy.actions import delete_prices, store_forecast, store_prices
from csms.energy.api.sites import PeriodQuery
from csms.energy.counting import sources_of
from csms.energy.queries import (
    ForecastShown,
    PricesShown,
    forecast_resource,
    price_resource,
)
from csms.energy.sources import PUSHED, ForecastSourceShown, shares_of, source_resource
from csms.web.documents import Currency, Document, Id, Instant, Money, PowerW
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.problem import bad_field
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.errors import NotFound
from models.tables.energy import Forecast, ForecastSource, PriceSeries, Site

S = TypeVar("S", Forecast, PriceSeries)
router = api_router("energy")

STEPS_MAX = 2 * 366 * 24
StepMinutes = Literal[1, 5, 10, 15, 20, 30, 60]
PowerSeries = Annotated[list[PowerW], Field(min_length=1, max_length=STEPS_MAX)]
PriceList = Annotated[list[Money], Field(min_length=1, max_length=STEPS_MAX)]


def _check_length(
    name: str, series: Sequence[object] | None, first_name: str, first: Sequence[object]
) -> None:
    """Lets a series pass that has a value for each step, as the first one has, or is not there."""
    if series is not None and len(series) != len(first):
        detail = f"has {len(series)} values, {first_name} has {len(first)}: one for each step"
        raise bad_field(f"/{name}", detail)


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
        for name, series in (("q10_w", self.q10_w), ("q90_w", self.q90_w)):
            _check_length(name, series, "q50_w", self.q50_w)
            for step, (value, median) in enumerate(zip(series or (), self.q50_w, strict=False)):
                if value > median if name == "q10_w" else value < median:
                    wrong = "above" if name == "q10_w" else "below"
                    raise bad_field(f"/{name}/{step}", f"{value:g} is {wrong} q50_w, {median:g}")
        return self


class NewPrices(Document):
    """Prices of a site, with one value per step."""

    site_id: Id
    issued_at: Instant
    start: Instant
    step_minutes: StepMinutes = 15
    currency: Currency = "EUR"
    import_price_per_kwh: PriceList
    export_price_per_kwh: PriceList
    import_co2_g_per_kwh: (
        Annotated[
            list[Annotated[float, Field(ge=0, le=10_000)]],
            Field(min_length=1, max_length=STEPS_MAX),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _same_length(self) -> NewPrices:
        first = self.import_price_per_kwh
        for name in ("export_price_per_kwh", "import_co2_g_per_kwh"):
            _check_length(name, getattr(self, name), "import_price_per_kwh", first)
        return self


class SeriesQuery(PeriodQuery):
    """Series of one site that were issued in a period; the newest comes first."""

    site_id: str | None = None


@router.post(
    "/forecasts/{kind}",
    status_code=201,
    response_model=ForecastShown,
    dependencies=[may("energy")],
)
async def post_forecast(work: Work, kind: Literal["pv", "load"], body: NewForecast) -> Response:
    """Push one's own forecast of sun or building load."""
    site = await _site_of(work, body.site_id)
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
    statement = filtered(statement, query, Forecast.site_id)
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
    row = await _own(session, Forecast, forecast_id, caller.tenant)
    if row is None or row.kind != kind:
        raise NotFound(f"there is no {kind} forecast {forecast_id}")
    return reply(forecast_resource(row))


class SourceQuery(ListQuery):
    """Filters of the list of sources."""

    site_id: str | None = None
    kind: Literal["pv", "load"] | None = None


@router.get(
    "/forecast-sources", response_model=Page[ForecastSourceShown], dependencies=[may("read")]
)
async def list_forecast_sources(
    request: Request, session: Reading, caller: CallerNow, query: Annotated[SourceQuery, Query()]
) -> Response:
    """List who forecasts, how near each came to what was measured, and who is failing."""
    statement = (
        sa.select(ForecastSource)
        .join(Site, Site.id == ForecastSource.site_id)
        .where(Site.tenant_id == caller.tenant)
    )
    statement = filtered(statement, query, ForecastSource.site_id, ForecastSource.kind)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"judged_at": ForecastSource.judged_at},
        key=(ForecastSource.site_id, ForecastSource.kind, ForecastSource.source),
        updated=(ForecastSource.judged_at,),
    )
    now = services_of(request).clock.now()
    known = await sources_of(session, sorted({row.site_id for row in rows}))
    shares = {key: shares_of(each, now) for key, each in known.items() if key[1] == "pv"}
    shown = [
        source_resource(row, shares.get((row.site_id, row.kind), {}).get(row.source))
        for row in rows
    ]
    return reply_page(shown, cursor)


@router.post("/prices", status_code=201, response_model=PricesShown, dependencies=[may("energy")])
async def post_prices(work: Work, body: NewPrices) -> Response:
    """Push prices of a site."""
    site = await _site_of(work, body.site_id)
    values = {
        **body.model_dump(exclude={"site_id"}),
        "import_price_per_kwh": _texts(body.import_price_per_kwh),
        "export_price_per_kwh": _texts(body.export_price_per_kwh),
    }
    row = await store_prices(work, site, values)
    return reply(price_resource(row), status=201, location=f"{BASE}/prices/{row.id}")


@router.get("/prices", response_model=Page[PricesShown], dependencies=[may("read")])
async def list_prices(
    session: Reading, caller: CallerNow, query: Annotated[SeriesQuery, Query()]
) -> Response:
    """List series of prices, the one issued last first."""
    statement = (
        sa.select(PriceSeries)
        .join(Site, Site.id == PriceSeries.site_id)
        .where(Site.tenant_id == caller.tenant)
    )
    statement = filtered(statement, query, PriceSeries.site_id)
    if query.since is not None:
        statement = statement.where(PriceSeries.issued_at >= query.since)
    if query.until is not None:
        statement = statement.where(PriceSeries.issued_at < query.until)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"issued_at": PriceSeries.issued_at},
        key=(PriceSeries.id,),
        updated=(PriceSeries.issued_at,),
        default="-issued_at",
    )
    return reply_page([price_resource(row) for row in rows], cursor)


@router.get("/prices/{series_id}", response_model=PricesShown, dependencies=[may("read")])
async def get_prices(session: Reading, caller: CallerNow, series_id: str) -> Response:
    """Show a series of prices as it was issued."""
    row = await _own(session, PriceSeries, series_id, caller.tenant)
    if row is None:
        raise NotFound(f"there are no prices {series_id}")
    return reply(price_resource(row))


@router.delete("/prices/{series_id}", status_code=204, dependencies=[may("energy")])
async def remove_prices(work: Work, series_id: str) -> Response:
    """Take prices back that were wrong; those issued before hold again, and its site is planned."""
    row = await _own(work.session, PriceSeries, series_id, work.tenant)
    if row is None:
        raise NotFound(f"there are no prices {series_id}")
    await delete_prices(work, row)
    return no_content()


async def _own(session: AsyncSession, kind: type[S], series_id: str, tenant: str) -> S | None:
    """Returns a series of a site of the tenant; what is another's is not there, nor is its site."""
    row = await session.get(kind, series_id)
    site = None if row is None else await session.get(Site, row.site_id)
    return row if site is not None and site.tenant_id == tenant else None


def _texts(prices: Sequence[Decimal]) -> list[str]:
    return [format(price, "f") for price in prices]


async def _site_of(work: Work, site_id: str) -> Site:
    try:
        return await find_row(work.session, Site, site_id, work.tenant)
    except NotFound as missing:
        raise bad_field("/site_id", missing.detail) from None
