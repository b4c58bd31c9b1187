"""What booking reads: the cars and promises of a tenant, and bookings as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from csms.booking.rules import LATE_BY, ON_THE_ROAD, OPEN, reserve_km
from csms.ledger.work import ReadSession
from models.tables.booking import Booking
from models.tables.energy import Site
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.stations import Connector, Evse, Station
from scheduler.reach import CarState, Promise

UNKNOWN_SOC_PCT = 30.0
"""What a car whose charge is not known is taken to hold."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The cars and open promises of a tenant, as admission needs them."""

    cars: Sequence[CarState]
    promises: Sequence[Promise]
    calendar_versions: dict[str, int]
    """By site: the compare-and-set of admission."""


def booking_resource(row: Booking) -> dict[str, Any]:
    """Returns a booking as the REST door and the events show it."""
    return {
        "id": row.id,
        "external_id": row.external_id,
        "custom": row.custom,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "driver_id": row.driver_id,
        "pickup_site_id": row.pickup_site_id,
        "dropoff_site_id": row.dropoff_site_id,
        "start": row.start,
        "end": row.end,
        "distance_km": row.distance_km,
        "vehicle_class": row.vehicle_class,
        "status": row.status,
        "vehicle_id": row.vehicle_id,
        "expected_soc_pct": row.expected_soc_pct,
        "probability_ready": row.probability_ready,
        "solar_share": row.solar_share,
        "reasons": row.reasons,
        "started_at": row.started_at,
        "returned_at": row.returned_at,
        "cancelled_at": row.cancelled_at,
    }


async def read_fleet(session: ReadSession, *, tenant: str, now: datetime) -> Fleet:
    """Returns all cars with their promises at `now`.

    A car on the road is free when its booking ends (or half an hour from now if it is late) with
    what the trip will have left in it.
    """
    sites = await session.execute(
        sa.select(Site.id, Site.calendar_version).where(Site.tenant_id == tenant)
    )
    bookings = (
        await session.scalars(
            sa.select(Booking)
            .where(Booking.tenant_id == tenant, Booking.vehicle_id.is_not(None))
            .where(Booking.status.in_(OPEN + ON_THE_ROAD))
            .order_by(Booking.start, Booking.id)
        )
    ).all()
    vehicles = await session.execute(
        sa.select(Vehicle, VehicleModel)
        .join(VehicleModel, Vehicle.model_id == VehicleModel.id)
        .where(Vehicle.tenant_id == tenant)
        .order_by(Vehicle.id)
    )
    trips = {each.vehicle_id: each for each in bookings if each.status in ON_THE_ROAD}
    return Fleet(
        cars=[car_state(vehicle, model, trips.get(vehicle.id), now) for vehicle, model in vehicles],
        promises=[promise_of(each, now) for each in bookings if each.status in OPEN],
        calendar_versions={row.id: row.calendar_version for row in sites},
    )


def car_state(
    vehicle: Vehicle, model: VehicleModel, trip: Booking | None, now: datetime
) -> CarState:
    """Returns a car as admission sees it: where and when it is free, and how charged."""
    capacity_wh = model.battery_capacity_wh
    soc_pct = UNKNOWN_SOC_PCT if vehicle.soc_pct is None else vehicle.soc_pct
    soc_wh = capacity_wh * soc_pct / 100
    site_id, free_from = vehicle.at_site_id or vehicle.site_id, now
    if trip is not None:
        site_id = trip.dropoff_site_id
        free_from = trip.end if trip.end > now else now + LATE_BY
        soc_wh = max(0.0, soc_wh - trip.distance_km * model.consumption_wh_per_km)
    return CarState(
        vehicle_id=vehicle.id,
        vehicle_class=model.vehicle_class,
        site_id=site_id,
        free_from=free_from,
        soc_wh=soc_wh,
        capacity_wh=capacity_wh,
        min_soc_wh=capacity_wh * model.min_soc_pct / 100,
        max_soc_wh=capacity_wh,
        charge_power_w=model.max_ac_power_w,
        charge_efficiency=model.charge_efficiency,
        consumption_wh_per_km=model.consumption_wh_per_km,
    )


def promise_of(row: Booking, now: datetime) -> Promise:
    """Returns an open booking as a promise; one that should have begun begins now."""
    assert row.vehicle_id is not None
    start = max(row.start, now)
    return Promise(
        booking_id=row.id,
        vehicle_id=row.vehicle_id,
        pickup_site=row.pickup_site_id,
        dropoff_site=row.dropoff_site_id,
        start=start,
        end=max(row.end, start + timedelta(minutes=1)),
        distance_km=row.distance_km,
        reserve_km=reserve_km(row.distance_km),
    )


async def evses_of_site(session: ReadSession, site_id: str) -> list[str]:
    """Returns the EVSEs of a site that are in service, slow ones first, as `IDENTITY/EVSE`."""
    out = (
        sa.select(Connector.station, Connector.evse_id)
        .where(Connector.status.in_(("Faulted", "Unavailable")))
        .subquery()
    )
    rows = await session.execute(
        sa.select(Evse.station, Evse.evse_id)
        .join(Station, Station.identity == Evse.station)
        .outerjoin(out, (out.c.station == Evse.station) & (out.c.evse_id == Evse.evse_id))
        .where(Station.site_id == site_id, Evse.evse_id > 0, out.c.station.is_(None))
        .order_by(Evse.current_type, Evse.station, Evse.evse_id)
    )
    return [f"{station}/{evse_id}" for station, evse_id in rows]


async def plugged_evses(session: ReadSession, *, tenant: str) -> list[str]:
    """Returns the EVSEs that cars are known to hold."""
    rows = await session.scalars(
        sa.select(Vehicle.plugged_evse).where(
            Vehicle.tenant_id == tenant, Vehicle.plugged_evse.is_not(None)
        )
    )
    return [each for each in rows if each is not None]
