"""REST: `/vehicle-models`, `/vehicles` with their state, and `/drivers`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import AfterValidator, AwareDatetime, Field
from starlette.responses import Response

from csms.fleet.actions import (
    StateReport,
    change_driver,
    change_model,
    change_vehicle,
    create_driver,
    create_model,
    create_vehicle,
    delete_driver,
    delete_model,
    delete_vehicle,
    report_state,
)
from csms.fleet.queries import model_resource, show_drivers, show_vehicles
from csms.fleet.rules import taper_mistake
from csms.web.documents import (
    Document,
    Id,
    Instant,
    KeptDocument,
    KeptShown,
    Name,
    Percent,
    PowerW,
    Shown,
    patched,
)
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.openapi import patch_of
from csms.web.paging import KeptQuery, filtered, kept_page
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.tables.fleet import Driver, Vehicle, VehicleModel

router = api_router("fleet")

TokenText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S(.*\S)?$")]
Positive = Annotated[float, Field(gt=0, le=1e7)]


class TaperPoint(Document):
    """How much a battery takes at one state of charge."""

    soc_pct: Percent
    power_w: PowerW
    """At the grid side."""


def _possible(points: list[TaperPoint]) -> list[TaperPoint]:
    mistake = taper_mistake(tuple((each.soc_pct, each.power_w) for each in points))
    if mistake is not None:
        raise ValueError(mistake)
    return points


TaperPoints = Annotated[list[TaperPoint], AfterValidator(_possible)]


class NewVehicleModel(KeptDocument):
    """What cars of one model have in common."""

    name: Name
    vehicle_class: Annotated[str, Field(min_length=1, max_length=64)]
    """What drivers ask for, such as `city`."""
    battery_capacity_wh: Positive
    """Usable energy, in Wh."""
    max_ac_power_w: PowerW
    max_dc_power_w: PowerW = 0.0
    consumption_wh_per_km: Annotated[float, Field(gt=0, le=10_000)]
    charge_efficiency: Annotated[float, Field(ge=0.01, le=1)] = 0.9
    """Energy stored over energy taken at the grid side."""
    min_soc_pct: Percent = 10.0
    """The reserve that a plan never spends."""
    ac_phases: Annotated[int, Field(ge=1, le=3)] = 3
    """On how many phases its on-board charger charges, where the EVSE has as many."""
    taper: TaperPoints = Field(default_factory=list[TaperPoint], max_length=20)
    """The most power that the battery takes, which falls ever more steeply as it fills; straight
    from point to point, level before the first, the last at 100 %. Empty: not known."""


class TaperShown(Shown):
    """How much a battery takes at one state of charge."""

    soc_pct: float
    power_w: float


class VehicleModelShown(KeptShown):
    """A model of cars."""

    name: str
    vehicle_class: str
    battery_capacity_wh: float
    max_ac_power_w: float
    max_dc_power_w: float
    consumption_wh_per_km: float
    charge_efficiency: float
    min_soc_pct: float
    ac_phases: int
    taper: list[TaperShown]


class NewVehicle(KeptDocument):
    """A car of the fleet."""

    model_id: Id
    site_id: Id
    """Its home."""
    registration: Annotated[str, Field(max_length=32)] | None = None
    id_tokens: list[TokenText] = Field(default_factory=list[str], max_length=20)
    """Tokens that stand for the car; unknown ones are created."""


class VehicleShown(KeptShown):
    """A car, with the state it was last known in."""

    model_id: str
    site_id: str
    registration: str | None
    id_tokens: list[str]
    at_site_id: str | None
    """Null: on the road."""
    soc_pct: float | None
    odometer_km: float | None
    plugged_evse: str | None
    """`IDENTITY/EVSE`."""
    measured_at: AwareDatetime | None
    source: Literal["manual", "charger", "push", "estimate"] | None
    returned_at: AwareDatetime | None
    version: int


class VehicleQuery(KeptQuery):
    """Filters of the list of cars."""

    site_id: str | None = None
    at_site_id: str | None = None
    model_id: str | None = None


class NewVehicleState(Document):
    """What is known of a car now; what is left out stays as it was."""

    soc_pct: Percent | None = None
    odometer_km: Annotated[float, Field(ge=0, le=1e7)] | None = None
    plugged_evse: Annotated[str, Field(max_length=60)] | None = None
    """`IDENTITY/EVSE`; null: not plugged in."""
    at_site_id: Id | None = None
    """Null: on the road."""
    measured_at: Instant | None = None
    """Now when missing."""
    source: Literal["manual", "push"] = "manual"


class NewDriver(KeptDocument):
    """A person who books cars."""

    name: Name
    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    id_tokens: list[TokenText] = Field(default_factory=list[str], max_length=20)
    """The person's cards; unknown ones are created."""


class DriverShown(KeptShown):
    """A person who books cars."""

    name: str
    email: str | None
    id_tokens: list[str]


class KeptNameQuery(KeptQuery):
    """Filters of lists of things with names."""

    name: str | None = None


@router.post(
    "/vehicle-models",
    status_code=201,
    response_model=VehicleModelShown,
    dependencies=[may("fleet")],
)
async def post_model(work: Work, body: NewVehicleModel) -> Response:
    """Create a model of cars."""
    row = await create_model(work, body.id, body.model_dump(exclude={"id"}))
    location = f"{BASE}/vehicle-models/{row.id}"
    return reply(model_resource(row), status=201, version=row.version, location=location)


@router.get("/vehicle-models", response_model=Page[VehicleModelShown], dependencies=[may("read")])
async def list_models(
    session: Reading, caller: CallerNow, query: Annotated[KeptNameQuery, Query()]
) -> Response:
    """List models of cars."""
    statement = sa.select(VehicleModel).where(VehicleModel.tenant_id == caller.tenant)
    statement = filtered(statement, query, VehicleModel.name)
    rows, cursor = await kept_page(session, statement, query, VehicleModel, VehicleModel.name)
    return reply_page([model_resource(row) for row in rows], cursor)


@router.get(
    "/vehicle-models/{model_id}", response_model=VehicleModelShown, dependencies=[may("read")]
)
async def get_model(session: Reading, caller: CallerNow, model_id: str) -> Response:
    """Show a model of cars."""
    row = await find_row(session, VehicleModel, model_id, caller.tenant)
    return reply(model_resource(row), version=row.version)


@router.patch(
    "/vehicle-models/{model_id}",
    response_model=VehicleModelShown,
    dependencies=[may("fleet")],
    openapi_extra=patch_of("NewVehicleModel"),
)
async def patch_model(
    request: Request, work: Work, model_id: str, body: dict[str, Any]
) -> Response:
    """Change a model of cars."""
    row = await find_for_change(work, VehicleModel, model_id)
    check_if_match(request, row.version)
    document = patched(NewVehicleModel, model_resource(row), body)
    await change_model(work, row, document.model_dump(exclude={"id"}))
    return reply(model_resource(row), version=row.version)


@router.delete("/vehicle-models/{model_id}", status_code=204, dependencies=[may("fleet")])
async def remove_model(request: Request, work: Work, model_id: str) -> Response:
    """Delete a model that no car has."""
    row = await find_for_change(work, VehicleModel, model_id)
    check_if_match(request, row.version)
    await delete_model(work, row)
    return no_content()


@router.post("/vehicles", status_code=201, response_model=VehicleShown, dependencies=[may("fleet")])
async def post_vehicle(work: Work, body: NewVehicle) -> Response:
    """Create a car."""
    values = body.model_dump(exclude={"id", "id_tokens"})
    row = await create_vehicle(work, body.id, values, body.id_tokens)
    return reply(
        await _vehicle(work, row),
        status=201,
        version=row.version,
        location=f"{BASE}/vehicles/{row.id}",
    )


@router.get("/vehicles", response_model=Page[VehicleShown], dependencies=[may("read")])
async def list_vehicles(
    session: Reading, caller: CallerNow, query: Annotated[VehicleQuery, Query()]
) -> Response:
    """List cars."""
    statement = sa.select(Vehicle).where(Vehicle.tenant_id == caller.tenant)
    statement = filtered(statement, query, Vehicle.site_id, Vehicle.at_site_id, Vehicle.model_id)
    rows, cursor = await kept_page(session, statement, query, Vehicle, Vehicle.site_id)
    return reply_page(await show_vehicles(session, rows, caller.tenant), cursor)


@router.get("/vehicles/{vehicle_id}", response_model=VehicleShown, dependencies=[may("read")])
async def get_vehicle(session: Reading, caller: CallerNow, vehicle_id: str) -> Response:
    """Show a car."""
    row = await find_row(session, Vehicle, vehicle_id, caller.tenant)
    shown = (await show_vehicles(session, [row], caller.tenant))[0]
    return reply(shown, version=row.version)


@router.patch(
    "/vehicles/{vehicle_id}",
    response_model=VehicleShown,
    dependencies=[may("fleet")],
    openapi_extra=patch_of("NewVehicle"),
)
async def patch_vehicle(
    request: Request, work: Work, vehicle_id: str, body: dict[str, Any]
) -> Response:
    """Change a car; its state has an endpoint of its own."""
    row = await find_for_change(work, Vehicle, vehicle_id)
    check_if_match(request, row.version)
    document = patched(NewVehicle, await _vehicle(work, row), body)
    values = document.model_dump(exclude={"id", "id_tokens"})
    await change_vehicle(work, row, values, document.id_tokens)
    return reply(await _vehicle(work, row), version=row.version)


@router.delete("/vehicles/{vehicle_id}", status_code=204, dependencies=[may("fleet")])
async def remove_vehicle(request: Request, work: Work, vehicle_id: str) -> Response:
    """Delete a car that no booking names, and its tokens."""
    row = await find_for_change(work, Vehicle, vehicle_id)
    check_if_match(request, row.version)
    await delete_vehicle(work, row)
    return no_content()


@router.post(
    "/vehicles/{vehicle_id}/state", response_model=VehicleShown, dependencies=[may("fleet")]
)
async def post_state(work: Work, vehicle_id: str, body: NewVehicleState) -> Response:
    """Say in what state a car is; older news than we have change nothing."""
    row = await find_for_change(work, Vehicle, vehicle_id)
    report = StateReport(
        said=frozenset(body.model_fields_set - {"measured_at", "source"}),
        measured_at=body.measured_at or work.now,
        source=body.source,
        soc_pct=body.soc_pct,
        odometer_km=body.odometer_km,
        plugged_evse=body.plugged_evse,
        at_site_id=body.at_site_id,
    )
    await report_state(work, row, report)
    return reply(await _vehicle(work, row), version=row.version)


@router.post("/drivers", status_code=201, response_model=DriverShown, dependencies=[may("fleet")])
async def post_driver(work: Work, body: NewDriver) -> Response:
    """Create a driver."""
    values = body.model_dump(exclude={"id", "id_tokens"})
    row = await create_driver(work, body.id, values, body.id_tokens)
    return reply(
        await _driver(work, row),
        status=201,
        version=row.version,
        location=f"{BASE}/drivers/{row.id}",
    )


@router.get("/drivers", response_model=Page[DriverShown], dependencies=[may("read-people")])
async def list_drivers(
    session: Reading, caller: CallerNow, query: Annotated[KeptNameQuery, Query()]
) -> Response:
    """List drivers."""
    statement = sa.select(Driver).where(Driver.tenant_id == caller.tenant)
    statement = filtered(statement, query, Driver.name)
    rows, cursor = await kept_page(session, statement, query, Driver, Driver.name)
    return reply_page(await show_drivers(session, rows, caller.tenant), cursor)


@router.get("/drivers/{driver_id}", response_model=DriverShown, dependencies=[may("read-people")])
async def get_driver(session: Reading, caller: CallerNow, driver_id: str) -> Response:
    """Show a driver."""
    row = await find_row(session, Driver, driver_id, caller.tenant)
    return reply((await show_drivers(session, [row], caller.tenant))[0], version=row.version)


@router.patch(
    "/drivers/{driver_id}",
    response_model=DriverShown,
    dependencies=[may("fleet")],
    openapi_extra=patch_of("NewDriver"),
)
async def patch_driver(
    request: Request, work: Work, driver_id: str, body: dict[str, Any]
) -> Response:
    """Change a driver."""
    row = await find_for_change(work, Driver, driver_id)
    check_if_match(request, row.version)
    document = patched(NewDriver, await _driver(work, row), body)
    values = document.model_dump(exclude={"id", "id_tokens"})
    await change_driver(work, row, values, document.id_tokens)
    return reply(await _driver(work, row), version=row.version)


@router.delete("/drivers/{driver_id}", status_code=204, dependencies=[may("fleet")])
async def remove_driver(request: Request, work: Work, driver_id: str) -> Response:
    """Delete a driver whom no booking names, and the driver's tokens."""
    row = await find_for_change(work, Driver, driver_id)
    check_if_match(request, row.version)
    await delete_driver(work, row)
    return no_content()


async def _vehicle(work: Work, row: Vehicle) -> dict[str, Any]:
    return (await show_vehicles(work.session, [row], work.tenant))[0]


async def _driver(work: Work, row: Driver) -> dict[str, Any]:
    return (await show_drivers(work.session, [row], work.tenant))[0]
