"""What others may know of cars.

The `*_resource` functions make what events carry and the REST door shows. They take the ORM's rows
and the structs of `csms.fleet.intake` alike: both have the columns' names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.access.queries import tokens_of
from models.tables.fleet import Driver, Vehicle, VehicleModel
from models.tables.stations import Evse, Station

SHOWN_VEHICLE = (
    "id",
    "model_id",
    "site_id",
    "registration",
    "at_site_id",
    "soc_pct",
    "odometer_km",
    "plugged_evse",
    "measured_at",
    "source",
    "returned_at",
    "external_id",
    "custom",
    "version",
    "created_at",
    "updated_at",
)


def vehicle_resource(vehicle: Any, id_tokens: Iterable[str]) -> dict[str, Any]:
    """Returns a car as the REST door shows it.

    Args:
        vehicle: its row.
        id_tokens: the tokens that stand for it.
    """
    resource = {name: getattr(vehicle, name) for name in SHOWN_VEHICLE}
    resource["id_tokens"] = sorted(id_tokens)
    return resource


def model_resource(row: VehicleModel) -> dict[str, Any]:
    """Returns a model of cars as the REST door and the events show it."""
    return {
        "id": row.id,
        "name": row.name,
        "vehicle_class": row.vehicle_class,
        "battery_capacity_wh": row.battery_capacity_wh,
        "max_ac_power_w": row.max_ac_power_w,
        "max_dc_power_w": row.max_dc_power_w,
        "consumption_wh_per_km": row.consumption_wh_per_km,
        "charge_efficiency": row.charge_efficiency,
        "min_soc_pct": row.min_soc_pct,
        "ac_phases": row.ac_phases,
        "taper": row.taper,
        "external_id": row.external_id,
        "custom": row.custom,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def driver_resource(row: Driver, id_tokens: Iterable[str]) -> dict[str, Any]:
    """Returns a driver as the REST door and the events show it."""
    return {
        "id": row.id,
        "name": row.name,
        "email": row.email,
        "id_tokens": sorted(id_tokens),
        "external_id": row.external_id,
        "custom": row.custom,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


async def show_vehicles(
    session: AsyncSession, rows: Sequence[Vehicle], tenant: str
) -> list[dict[str, Any]]:
    """Returns cars with their tokens as they are shown."""
    tokens = await tokens_of(session, tenant=tenant, vehicles=[row.id for row in rows])
    return [vehicle_resource(row, tokens.get(row.id, [])) for row in rows]


async def show_drivers(
    session: AsyncSession, rows: Sequence[Driver], tenant: str
) -> list[dict[str, Any]]:
    """Returns drivers with their tokens as they are shown."""
    tokens = await tokens_of(session, tenant=tenant, drivers=[row.id for row in rows])
    return [driver_resource(row, tokens.get(row.id, [])) for row in rows]


async def site_of_evse(session: AsyncSession, place: str, tenant: str) -> str | None:
    """Returns the site of `IDENTITY/EVSE`; None if there is no such EVSE."""
    identity, _, number = place.rpartition("/")
    if not (number.isascii() and number.isdigit() and len(number) < 9):
        return None
    query = (
        sa.select(Station.site_id)
        .join(Evse, Evse.station == Station.identity)
        .where(Station.identity == identity, Station.tenant_id == tenant)
        .where(Evse.evse_id == int(number))
    )
    return (await session.execute(query)).scalar()
