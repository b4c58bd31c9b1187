"""Sites, measurements, forecasts and prices as they are shown, and how they are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from csms.energy.prices import doubts_of
from csms.energy.rules import is_fresh, month_of
from csms.energy.sources import DoubtShown
from csms.web.documents import KeptShown, Shown
from models.tables.energy import (
    BatteryState,
    Circuit,
    FlexibleState,
    Forecast,
    PriceSeries,
    Site,
    SiteMeasurement,
    SitePeak,
)

_OF_SITES: sa.BindParameter[str] = sa.bindparam("sites", expanding=True)
_PEAKS = sa.select(SitePeak).where(
    SitePeak.site_id.in_(_OF_SITES), SitePeak.month.in_(sa.bindparam("months", expanding=True))
)
_BATTERIES = sa.select(BatteryState).where(BatteryState.site_id.in_(_OF_SITES))
_FLEXIBLE = sa.select(FlexibleState).where(FlexibleState.site_id.in_(_OF_SITES))


class CircuitShown(Shown):
    """A fuse of a site."""

    id: str
    parent: str | None
    limit_w: float
    unmanaged_load_w: float
    phase_limits_w: list[float] | None


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


class FlexibleLoadShown(Shown):
    """A load with a store."""

    id: str
    max_power_w: float
    store_wh: float
    loss_w: float


class StaffHoursShown(Shown):
    """When staff is at a site."""

    days: list[str]
    start: str
    end: str


class SiteShown(KeptShown):
    """A place with a grid connection where cars stand."""

    name: str
    latitude: float
    longitude: float
    timezone: str
    holiday_region: str | None
    import_limit_w: float
    export_limit_w: float
    phase_limits_w: list[float] | None
    circuits: list[CircuitShown]
    pv_plants: list[PvPlantShown]
    shared_plant_id: str | None
    """Of which plant it has a part, in place of roofs of its own."""
    solar_share: float | None
    """Which part."""
    battery: BatteryShown | None
    flexible_loads: list[FlexibleLoadShown]
    peak_price_per_kw: Decimal
    co2_price_per_kg: Decimal
    move_price: Decimal | None
    move_hours: list[StaffHoursShown]
    tariff_id: str | None
    master_pass: str | None
    plug_and_charge: bool
    promise_probability: float
    shadow: bool
    follow_surplus: bool


class MeasurementShown(Shown):
    """What the meters of a site said at an instant."""

    site_id: str
    measured_at: AwareDatetime
    received_at: AwareDatetime
    pv_power_w: float | None
    load_power_w: float | None
    grid_power_w: float | None


class PeakShown(Shown):
    """The largest import of a site in a month so far, as the mean of a quarter of an hour."""

    site_id: str
    month: str
    """As `2026-06`, by the clocks of the site."""
    import_w: float
    start: AwareDatetime
    """Of that quarter of an hour."""
    updated_at: AwareDatetime


class BatteryStateShown(Shown):
    """What was last reported of a site's battery."""

    site_id: str
    soc_wh: float
    power_w: float | None
    measured_at: AwareDatetime
    received_at: AwareDatetime
    fresh: bool
    """Whether plans reckon with it; it is 30 minutes old at most."""


class FlexibleStateShown(Shown):
    """What was last reported of a load with a store, in the electricity that it takes."""

    site_id: str
    load_id: str
    stored_wh: float
    power_w: float | None
    start: AwareDatetime
    step_minutes: int
    demand_w: list[float]
    measured_at: AwareDatetime
    received_at: AwareDatetime
    fresh: bool
    """Whether plans reckon with it; it is 30 minutes old at most."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What is known now of what sites have besides power, by site."""

    peaks: Mapping[str, SitePeak] = field(default_factory=dict[str, SitePeak])
    """Of the present month."""
    batteries: Mapping[str, BatteryState] = field(default_factory=dict[str, BatteryState])
    loads: Mapping[tuple[str, str], FlexibleState] = field(
        default_factory=dict[tuple[str, str], FlexibleState]
    )
    """By site and load."""


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
    doubts: list[DoubtShown]
    """With any, they are not planned with: those issued before hold."""


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
        "phase_limits_w": row.phase_limits_w,
        "circuits": [
            {
                "id": each.id,
                "parent": each.parent,
                "limit_w": each.limit_w,
                "unmanaged_load_w": each.unmanaged_load_w,
                "phase_limits_w": each.phase_limits_w,
            }
            for each in circuits
        ],
        "pv_plants": row.pv_plants,
        "shared_plant_id": row.shared_plant_id,
        "solar_share": row.solar_share,
        "battery": row.battery,
        "flexible_loads": row.flexible_loads,
        "peak_price_per_kw": row.peak_price_per_kw,
        "co2_price_per_kg": row.co2_price_per_kg,
        "move_price": row.move_price,
        "move_hours": row.move_hours,
        "tariff_id": row.tariff_id,
        "master_pass": row.master_pass,
        "plug_and_charge": row.plug_and_charge,
        "promise_probability": row.promise_probability,
        "shadow": row.shadow,
        "follow_surplus": row.follow_surplus,
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


def peak_resource(row: SitePeak, zone: str) -> dict[str, Any]:
    """Returns a peak as the REST door shows it."""
    return {
        "site_id": row.site_id,
        "month": row.month.astimezone(ZoneInfo(zone)).strftime("%Y-%m"),
        "import_w": row.import_w,
        "start": row.start,
        "updated_at": row.updated_at,
    }


def battery_resource(row: BatteryState, now: datetime) -> dict[str, Any]:
    """Returns what is known of a battery as the REST door and the events show it."""
    return {
        "site_id": row.site_id,
        "soc_wh": row.soc_wh,
        "power_w": row.power_w,
        "measured_at": row.measured_at,
        "received_at": row.received_at,
        "fresh": is_fresh(row.measured_at, now),
    }


def flexible_resource(row: FlexibleState, now: datetime) -> dict[str, Any]:
    """Returns what is known of a load with a store as the REST door and the events show it."""
    return {
        "site_id": row.site_id,
        "load_id": row.load_id,
        "stored_wh": row.stored_wh,
        "power_w": row.power_w,
        "start": row.start,
        "step_minutes": row.step_minutes,
        "demand_w": row.demand_w,
        "measured_at": row.measured_at,
        "received_at": row.received_at,
        "fresh": is_fresh(row.measured_at, now),
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
        "doubts": doubts_of(row),
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


_GRID_POWERS = (
    sa.select(SiteMeasurement.measured_at, SiteMeasurement.grid_power_w)
    .where(
        SiteMeasurement.site_id == sa.bindparam("site"), SiteMeasurement.grid_power_w.is_not(None)
    )
    .where(
        SiteMeasurement.measured_at > sa.bindparam("after"),
        SiteMeasurement.measured_at <= sa.bindparam("until"),
    )
)


async def grid_powers(
    session: AsyncSession, site_id: str, start: datetime, end: datetime
) -> list[tuple[datetime, float]]:
    """Returns what a site's meter said of its grid connection in `(start, end]`."""
    asked = {"site": site_id, "after": start, "until": end}
    rows = await session.execute(_GRID_POWERS, asked)
    return [(measured_at, power_w or 0.0) for measured_at, power_w in rows]


async def read_equipment(session: AsyncSession, sites: Sequence[Site], now: datetime) -> Equipment:
    """Returns what is known of the equipment of sites, for a plan that is made at `now`."""
    paying = {row.id: month_of(now, row.timezone) for row in sites if row.peak_price_per_kw}
    months = sorted(set(paying.values()))
    peaks = await session.scalars(_PEAKS, {"sites": list(paying), "months": months})
    owners = [row.id for row in sites if row.battery is not None]
    batteries = await session.scalars(_BATTERIES, {"sites": owners})
    flexible = [row.id for row in sites if row.flexible_loads]
    loads = await session.scalars(_FLEXIBLE, {"sites": flexible})
    return Equipment(
        loads={(row.site_id, row.load_id): row for row in loads},
        peaks={row.site_id: row for row in peaks if row.month == paying[row.site_id]},
        batteries={row.site_id: row for row in batteries},
    )
