"""Sites, measurements, forecasts and prices as they are shown, and how they are found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from csms.web.documents import KeptShown, Shown
from models.tables.energy import (
    Circuit,
    Forecast,
    ForecastSource,
    PriceSeries,
    Site,
    SiteMeasurement,
)
from models.timeline import StepGrid
from scheduler.forecast import QuantileForecast
from scheduler.forecast.quality import Record
from scheduler.forecast.sun import Plant

FORECAST_KINDS = ("pv", "load")
PUSHED = "pushed"
"""How the source of a forecast begins that somebody else made."""
PUSHED_FRESH_FOR = timedelta(hours=6)
"""So long after its issue a pushed forecast goes before our own."""


class CircuitShown(Shown):
    """A fuse of a site."""

    id: str
    parent: str | None
    limit_w: float
    unmanaged_load_w: float


class PvPlantShown(Shown):
    """A roof."""

    peak_power_w: float
    tilt_deg: float
    azimuth_deg: float


class BatteryShown(Shown):
    """A battery of a site."""

    capacity_wh: float
    soc_wh: float
    min_soc_wh: float
    max_charge_w: float
    max_discharge_w: float
    efficiency: float


class SiteShown(KeptShown):
    """A place with a grid connection where cars stand."""

    name: str
    latitude: float
    longitude: float
    timezone: str
    holiday_region: str | None
    import_limit_w: float
    export_limit_w: float
    circuits: list[CircuitShown]
    pv_plants: list[PvPlantShown]
    battery: BatteryShown | None
    tariff_id: str | None
    master_pass: str | None
    plug_and_charge: bool


class MeasurementShown(Shown):
    """What the meters of a site said at an instant."""

    site_id: str
    measured_at: AwareDatetime
    received_at: AwareDatetime
    pv_power_w: float | None
    load_power_w: float | None
    grid_power_w: float | None


class DoubtShown(Shown):
    """Why a forecast, or who makes it, is not believed."""

    code: str
    detail: str


class ForecastSourceShown(Shown):
    """How near a source came to what was measured, in the first six hours of its forecasts.

    What lies a week back counts by a third.
    """

    site_id: str
    kind: str
    source: str
    """`own`, or as pushed forecasts are called."""
    judged_at: AwareDatetime
    hours: float
    """Of steps in which there was something to forecast; all that follows is null without."""
    skill: float | None
    """1 is perfect, 0 no better than saying that it stays as it is."""
    error_w: float | None
    """Mean of what was missed, either way."""
    bias_w: float | None
    """How much too much was forecast on average."""
    inside_share: float | None
    """How often it came to lie between `q10_w` and `q90_w`; 0.8 would be right."""
    doubts: list[DoubtShown]
    """With any, its forecasts are not planned with."""


class ForecastShown(Shown):
    """A forecast as it was issued, one value per step."""

    id: str
    site_id: str
    kind: str
    issued_at: AwareDatetime
    source: str
    start: AwareDatetime
    step_minutes: int
    q10_w: list[float]
    q50_w: list[float]
    q90_w: list[float]
    doubts: list[DoubtShown]
    """What speaks against it; with any, it is not planned with."""


class PricesShown(Shown):
    """Prices as they were issued, one value per step."""

    id: str
    site_id: str
    issued_at: AwareDatetime
    start: AwareDatetime
    step_minutes: int
    currency: str
    import_price_per_kwh: list[str]
    export_price_per_kwh: list[str]
    import_co2_g_per_kwh: list[float] | None


def site_resource(row: Site, circuits: Sequence[Circuit]) -> dict[str, Any]:
    """Returns a site as the REST door and the events show it."""
    return {
        "id": row.id,
        "name": row.name,
        "latitude": row.latitude,
        "longitude": row.longitude,
        "timezone": row.timezone,
        "holiday_region": row.holiday_region,
        "import_limit_w": row.import_limit_w,
        "export_limit_w": row.export_limit_w,
        "circuits": [
            {
                "id": each.id,
                "parent": each.parent,
                "limit_w": each.limit_w,
                "unmanaged_load_w": each.unmanaged_load_w,
            }
            for each in circuits
        ],
        "pv_plants": row.pv_plants,
        "battery": row.battery,
        "tariff_id": row.tariff_id,
        "master_pass": row.master_pass,
        "plug_and_charge": row.plug_and_charge,
        "external_id": row.external_id,
        "custom": row.custom,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def measurement_resource(row: SiteMeasurement) -> dict[str, Any]:
    """Returns a measurement as the REST door and the events show it."""
    return {
        "site_id": row.site_id,
        "measured_at": row.measured_at,
        "received_at": row.received_at,
        "pv_power_w": row.pv_power_w,
        "load_power_w": row.load_power_w,
        "grid_power_w": row.grid_power_w,
    }


def forecast_resource(row: Forecast) -> dict[str, Any]:
    """Returns a forecast as the REST door and the events show it."""
    return {
        "id": row.id,
        "site_id": row.site_id,
        "kind": row.kind,
        "issued_at": row.issued_at,
        "source": row.source,
        "start": row.start,
        "step_minutes": row.step_minutes,
        "q10_w": row.q10_w,
        "q50_w": row.q50_w,
        "q90_w": row.q90_w,
        "doubts": row.doubts,
    }


def forecast_of(row: Forecast) -> QuantileForecast:
    """Returns a forecast that was kept."""
    grid = StepGrid(row.start, row.step_minutes, len(row.q50_w))
    series = (tuple(map(float, each)) for each in (row.q10_w, row.q50_w, row.q90_w))
    return QuantileForecast(row.issued_at, grid, "outside", *series)


def plants_of(row: Site) -> list[Plant]:
    """Returns the roofs of a site."""
    return [
        Plant(each["peak_power_w"], each["tilt_deg"], each["azimuth_deg"]) for each in row.pv_plants
    ]


def record_of(row: ForecastSource) -> Record:
    """Returns how near a source has come to what was measured."""
    return Record(*(getattr(row, name) for name in Record.__slots__))


def source_resource(row: ForecastSource) -> dict[str, Any]:
    """Returns a source of forecasts as the REST door and the events show it."""
    record = record_of(row)
    return {
        "site_id": row.site_id,
        "kind": row.kind,
        "source": row.source,
        "judged_at": row.judged_at,
        "hours": round(record.hours, 2),
        "skill": _rounded(record.skill, 4),
        "error_w": _rounded(record.error_w, 1),
        "bias_w": _rounded(record.bias_w, 1),
        "inside_share": _rounded(record.inside_share, 4),
        "doubts": row.doubts,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def price_resource(row: PriceSeries) -> dict[str, Any]:
    """Returns prices as the REST door and the events show them."""
    return {
        "id": row.id,
        "site_id": row.site_id,
        "issued_at": row.issued_at,
        "start": row.start,
        "step_minutes": row.step_minutes,
        "currency": row.currency,
        "import_price_per_kwh": row.import_price_per_kwh,
        "export_price_per_kwh": row.export_price_per_kwh,
        "import_co2_g_per_kwh": row.import_co2_g_per_kwh,
    }


async def circuits_of(session: AsyncSession, site_ids: Sequence[str]) -> dict[str, list[Circuit]]:
    """Returns the circuits of sites, by site and in order."""
    found: dict[str, list[Circuit]] = {site_id: [] for site_id in site_ids}
    query = sa.select(Circuit).where(Circuit.site_id.in_(site_ids)).order_by(Circuit.id)
    for circuit in (await session.execute(query)).scalars():
        found[circuit.site_id].append(circuit)
    return found


async def show_sites(session: AsyncSession, rows: Sequence[Site]) -> list[dict[str, Any]]:
    """Returns sites with their circuits as they are shown."""
    circuits = await circuits_of(session, [row.id for row in rows])
    return [site_resource(row, circuits[row.id]) for row in rows]


async def show_site(session: AsyncSession, row: Site) -> dict[str, Any]:
    """Returns one site as it is shown."""
    return (await show_sites(session, [row]))[0]


async def forecasts_that_count(
    session: AsyncSession, site_ids: Sequence[str], now: datetime
) -> dict[tuple[str, str], list[Forecast]]:
    """Returns what to plan each site and kind with: a pushed forecast while it is fresh, then ours.

    A pushed one counts although ours was issued later: whoever pushes knows more of the place. One
    that is doubted, or whose source is, counts for nothing.
    """
    is_pushed = Forecast.source.startswith(PUSHED)
    fresh = await session.scalars(
        sa.select(Forecast)
        .where(Forecast.site_id.in_(site_ids), Forecast.kind.in_(FORECAST_KINDS))
        .where(Forecast.issued_at >= now - PUSHED_FRESH_FOR, Forecast.issued_at <= now)
        .where(is_pushed)
        .order_by(Forecast.issued_at, Forecast.id)
    )
    doubted = await _doubted_sources(session, site_ids)
    found = {
        (row.site_id, row.kind): [row]
        for row in fresh
        if not row.doubts and (row.site_id, row.kind, row.source) not in doubted
    }
    for row in await _newest_forecasts(session, site_ids):
        own: Forecast | None = row
        if row.source.startswith(PUSHED):
            own = await session.scalar(
                sa.select(Forecast)
                .where(Forecast.site_id == row.site_id, Forecast.kind == row.kind, ~is_pushed)
                .order_by(Forecast.issued_at.desc())
                .limit(1)
            )
        if own is not None:
            found.setdefault((row.site_id, row.kind), []).append(own)
    return found


async def _doubted_sources(
    session: AsyncSession, site_ids: Sequence[str]
) -> set[tuple[str, str, str]]:
    rows = await session.scalars(
        sa.select(ForecastSource).where(ForecastSource.site_id.in_(site_ids))
    )
    return {(row.site_id, row.kind, row.source) for row in rows if row.doubts}


async def _newest_forecasts(session: AsyncSession, site_ids: Sequence[str]) -> Sequence[Forecast]:
    """The newest of each site and kind, whoever made it: found by the index alone."""
    newest = (
        sa.select(
            Forecast.site_id, Forecast.kind, sa.func.max(Forecast.issued_at).label("issued_at")
        )
        .where(Forecast.site_id.in_(site_ids))
        .group_by(Forecast.site_id, Forecast.kind)
        .subquery()
    )
    rows = await session.scalars(
        sa.select(Forecast)
        .join(
            newest,
            (Forecast.site_id == newest.c.site_id)
            & (Forecast.kind == newest.c.kind)
            & (Forecast.issued_at == newest.c.issued_at),
        )
        .order_by(Forecast.id)
    )
    return rows.all()
