"""Changes of models, cars and drivers, and what people report of a car's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from csms.access.actions import give_tokens
from csms.fleet.queries import model_resource, show_vehicles, site_of_evse
from csms.ledger.work import UnitOfWork
from csms.web.problem import bad_field
from csms.web.rows import add_row, change_row, check_reference, remove_row
from models.tables.energy import Site
from models.tables.fleet import Driver, Vehicle, VehicleModel

MEASURED_AHEAD = timedelta(minutes=5)
"""How far the clock of a car may be ahead of ours."""
Changed = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateReport:
    """What somebody says of a car; only what is in `said` counts."""

    said: frozenset[str]
    measured_at: datetime
    source: Literal["manual", "push"]
    soc_pct: float | None = None
    odometer_km: float | None = None
    plugged_evse: str | None = None
    at_site_id: str | None = None


async def create_model(
    work: UnitOfWork, model_id: str | None, values: Mapping[str, Any]
) -> VehicleModel:
    """Adds a model of cars.

    Raises:
        Conflict: `already-exists`.
    """
    row = VehicleModel(**_kept(work, model_id), **values)
    await add_row(work, row, row.id)
    announce_model(work, row, "created")
    return row


async def change_model(work: UnitOfWork, row: VehicleModel, values: Mapping[str, Any]) -> None:
    """Changes a model; plans of all sites with such cars are made anew."""
    change_row(work, row, values)
    announce_model(work, row, "updated")
    query = sa.select(Vehicle.at_site_id, Vehicle.site_id).where(Vehicle.model_id == row.id)
    for at_site_id, home in await work.session.execute(query):
        work.request_plan(at_site_id or home, "vehicle model changed")


async def delete_model(work: UnitOfWork, row: VehicleModel) -> None:
    """Removes a model.

    Raises:
        Conflict: `still-referenced` by a car.
    """
    announce_model(work, row, "deleted")
    await remove_row(work, row)


def announce_model(work: UnitOfWork, row: VehicleModel, change: Changed) -> None:
    """Says that a model was changed."""
    resource = model_resource(row)
    work.emit(f"vehicle_model.{change}", subject=f"vehicle_model/{row.id}", resource=resource)


async def create_vehicle(
    work: UnitOfWork, vehicle_id: str | None, values: Mapping[str, Any], tokens: Sequence[str]
) -> Vehicle:
    """Adds a car; until something else is reported it stands at home, unplugged.

    Raises:
        BadInput: for a model or site that is not there.
        Conflict: `already-exists`, `token-taken`.
    """
    await _check_vehicle(work, values)
    row = Vehicle(**_kept(work, vehicle_id), **values, at_site_id=values["site_id"])
    await add_row(work, row, row.id)
    await give_tokens(work, "vehicle", row.id, tokens)
    await announce_vehicle(work, row, "vehicle.created")
    work.request_plan(row.site_id, "vehicle created")
    return row


async def change_vehicle(
    work: UnitOfWork, row: Vehicle, values: Mapping[str, Any], tokens: Sequence[str]
) -> None:
    """Changes a car; errors as in `create_vehicle`."""
    await _check_vehicle(work, values)
    change_row(work, row, values)
    await give_tokens(work, "vehicle", row.id, tokens)
    await announce_vehicle(work, row, "vehicle.updated")
    work.request_plan(row.at_site_id or row.site_id, "vehicle changed")


async def delete_vehicle(work: UnitOfWork, row: Vehicle) -> None:
    """Removes a car and its tokens.

    Raises:
        Conflict: `still-referenced` by a booking.
    """
    await announce_vehicle(work, row, "vehicle.deleted")
    await remove_row(work, row)
    work.request_plan(row.at_site_id or row.site_id, "vehicle deleted")


async def report_state(work: UnitOfWork, row: Vehicle, report: StateReport) -> None:
    """Takes in what somebody says of a car; what is older than what we know changes nothing.

    A car on an EVSE stands at that EVSE's site, and another car said to be there is not.

    Raises:
        BadInput: for an EVSE or site that is not there, and news from the future.
    """
    if report.measured_at > work.now + MEASURED_AHEAD:
        raise bad_field("/measured_at", "lies in the future")
    values = await _state_values(work, report)
    if row.measured_at is not None and report.measured_at < row.measured_at:
        return
    place = values.get("plugged_evse")
    if place is not None:
        await unplug_others(work, place, but=row.id)
    sites = {row.at_site_id, values.get("at_site_id", row.at_site_id)}
    change_row(work, row, {**values, "measured_at": report.measured_at, "source": report.source})
    await announce_vehicle(work, row, "vehicle.state_changed")
    for site_id in sorted(site for site in sites if site is not None):
        work.request_plan(site_id, "vehicle state reported")


async def announce_vehicle(work: UnitOfWork, row: Vehicle, event: str) -> None:
    """Says what became true of a car, with the whole car."""
    resource = (await show_vehicles(work.session, [row], work.tenant))[0]
    site_id = row.at_site_id or row.site_id
    work.emit(event, subject=f"vehicle/{row.id}", resource=resource, site_id=site_id)


async def create_driver(
    work: UnitOfWork, driver_id: str | None, values: Mapping[str, Any], tokens: Sequence[str]
) -> Driver:
    """Adds a driver.

    Raises:
        Conflict: `already-exists`, `token-taken`.
    """
    row = Driver(**_kept(work, driver_id), **values)
    await add_row(work, row, row.id)
    await give_tokens(work, "driver", row.id, tokens)
    await announce_driver(work, row, "created")
    return row


async def change_driver(
    work: UnitOfWork, row: Driver, values: Mapping[str, Any], tokens: Sequence[str]
) -> None:
    """Changes a driver; errors as in `create_driver`."""
    change_row(work, row, values)
    await give_tokens(work, "driver", row.id, tokens)
    await announce_driver(work, row, "updated")


async def delete_driver(work: UnitOfWork, row: Driver) -> None:
    """Removes a driver and the driver's tokens.

    Raises:
        Conflict: `still-referenced` by a booking.
    """
    await announce_driver(work, row, "deleted")
    await remove_row(work, row)


async def announce_driver(work: UnitOfWork, row: Driver, change: Changed) -> None:
    """Says that a driver was changed; events carry the id only, because everybody reads them."""
    work.emit(f"driver.{change}", subject=f"driver/{row.id}", resource={"id": row.id})


def _kept(work: UnitOfWork, given: str | None) -> dict[str, Any]:
    return {
        "id": given or work.ids.new(),
        "tenant_id": work.tenant,
        "version": 1,
        "created_at": work.now,
        "updated_at": work.now,
    }


async def _check_vehicle(work: UnitOfWork, values: Mapping[str, Any]) -> None:
    await check_reference(work, VehicleModel, values["model_id"], "/model_id")
    await check_reference(work, Site, values["site_id"], "/site_id")


async def _state_values(work: UnitOfWork, report: StateReport) -> dict[str, Any]:
    values = {name: getattr(report, name) for name in report.said}
    await check_reference(work, Site, report.at_site_id, "/at_site_id")
    if report.plugged_evse is not None:
        site_id = await site_of_evse(work.session, report.plugged_evse, work.tenant)
        if site_id is None:
            raise bad_field("/plugged_evse", f"there is no EVSE {report.plugged_evse}")
        if values.setdefault("at_site_id", site_id) != site_id:
            raise bad_field("/at_site_id", f"the EVSE {report.plugged_evse} is at site {site_id}")
    elif "at_site_id" in values:
        values.setdefault("plugged_evse", None)
    return values


async def unplug_others(work: UnitOfWork, place: str, *, but: str) -> None:
    """Notes that no car but one is on an EVSE, `IDENTITY/EVSE`."""
    query = sa.select(Vehicle).where(
        Vehicle.tenant_id == work.tenant, Vehicle.plugged_evse == place, Vehicle.id != but
    )
    for other in (await work.session.execute(query)).scalars().all():
        change_row(work, other, {"plugged_evse": None})
        await announce_vehicle(work, other, "vehicle.state_changed")
