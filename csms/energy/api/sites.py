"""REST: `/sites` with their measurements."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from starlette.responses import Response

from csms.energy.actions import (
    change_site,
    create_site,
    delete_site,
    store_measurements,
)
from csms.energy.queries import (
    MeasurementShown,
    SiteShown,
    measurement_resource,
    show_site,
    show_sites,
)
from csms.web.documents import (
    Document,
    EnergyWh,
    Id,
    Instant,
    KeptDocument,
    Money,
    Name,
    PowerW,
    SignedPowerW,
    patched,
)
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.openapi import patch_of
from csms.web.paging import KeptQuery, ListQuery, fetch_page, filtered, kept_page
from csms.web.problem import VARIANT
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.tables.energy import Site, SiteMeasurement
from models.timeline import format_rfc3339
from scheduler.forecast.holidays import is_region

router = api_router("energy")

MEASUREMENTS_MAX = 5_000


def _known_region(name: str | None) -> str | None:
    """Lets pass what the calendar of holidays knows."""
    if name is not None and not is_region(name):
        raise ValueError(f"no public holidays are known of {name}")
    return name


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"there is no time zone {name}") from None
    return name


PhaseLimits = Annotated[list[PowerW], Field(min_length=3, max_length=3)]
"""On L1, L2 and L3."""
Price = Annotated[Money, Field(ge=0)]


class NewCircuit(Document):
    """A fuse of the site."""

    id: Id
    parent: Id | None = None
    limit_w: PowerW
    unmanaged_load_w: PowerW = 0.0
    """The most that loads which we don't control may draw on it; a third of it on each phase."""
    phase_limits_w: PhaseLimits | None = None
    """On L1, L2 and L3 each; null: `limit_w` alone counts."""


class NewPvPlant(Document):
    """A roof."""

    peak_power_w: PowerW
    tilt_deg: Annotated[float, Field(ge=0, le=90)]
    azimuth_deg: Annotated[float, Field(ge=0, le=360)]
    """180 is south."""


class NewBattery(Document):
    """A battery that belongs to the site."""

    capacity_wh: EnergyWh
    soc_wh: EnergyWh
    min_soc_wh: EnergyWh
    max_charge_w: PowerW
    max_discharge_w: PowerW
    efficiency: Annotated[float, Field(ge=0.01, le=1)]
    """Applied each way."""

    @field_validator("soc_wh", "min_soc_wh")
    @classmethod
    def _fits(cls, energy_wh: float, info: ValidationInfo) -> float:
        capacity_wh = info.data.get("capacity_wh")
        if capacity_wh is not None and energy_wh > capacity_wh:
            raise ValueError(f"is at most capacity_wh, {capacity_wh:g}")
        return energy_wh


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)


class NewStaffHours(Document):
    """When staff is there, by the clocks of the site."""

    days: list[Day] = Field(default_factory=lambda: list(DAYS), min_length=1, max_length=7)
    start: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    """As `08:00`."""
    end: Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
    """As `17:30`, of the same day; at the latest `24:00`."""

    @field_validator("end")
    @classmethod
    def _begins_first(cls, end: str, info: ValidationInfo) -> str:
        start = info.data.get("start")
        if start is not None and end <= start:
            raise ValueError(
                f"comes after start, {start}; a night is said as two times of two days"
            )
        return end


class NewFlexibleLoad(Document):
    """A heat pump or boiler with a store; all in the electricity that it takes."""

    id: Id
    max_power_w: PowerW
    store_wh: EnergyWh
    """What the store holds at most."""
    loss_w: PowerW = 0.0
    """What the store loses."""


def _each_once(loads: list[NewFlexibleLoad]) -> list[NewFlexibleLoad]:
    names = [load.id for load in loads]
    if len(set(names)) < len(names):
        raise ValueError("two of them have the same id")
    return loads


class NewSite(KeptDocument):
    """A place with a grid connection where cars stand."""

    name: Name
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    timezone: Annotated[
        str,
        Field(max_length=64),
        AfterValidator(_known_zone),
        WithJsonSchema({"type": "string", "format": "iana-time-zone"}),
    ]
    """IANA name, such as `Europe/Vienna`."""
    holiday_region: Annotated[
        str | None, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"), AfterValidator(_known_region)
    ] = None
    """Whose public holidays people keep, as ISO 3166-1 or -2, such as `FR` or `DE-BY`: on them the
    building is expected to draw what it draws on Sundays. Null: none."""
    import_limit_w: PowerW
    export_limit_w: PowerW | None = None
    """Null: as much as may be imported."""
    phase_limits_w: PhaseLimits | None = None
    """Of the import, on L1, L2 and L3 each; null: `import_limit_w` alone counts."""
    circuits: list[NewCircuit] = Field(default_factory=list[NewCircuit], max_length=500)
    pv_plants: list[NewPvPlant] = Field(default_factory=list[NewPvPlant], max_length=100)
    battery: NewBattery | None = None
    flexible_loads: Annotated[list[NewFlexibleLoad], AfterValidator(_each_once)] = Field(
        default_factory=list[NewFlexibleLoad], max_length=50
    )
    """Beside the load that meters and forecasts tell of."""
    peak_price_per_kw: Price = Decimal(0)
    """Paid for the largest import of a month, as the mean of a quarter of an hour; in the currency
    of the prices of the site."""
    co2_price_per_kg: Price = Decimal(0)
    """What a kilogram of CO2 of the import counts in plans, beside what energy costs."""
    move_price: Price | None = None
    """What it costs that staff moves a car between EVSEs, or to one or from one, once, in the
    currency of the prices of the site; null: nobody moves cars here."""
    move_hours: list[NewStaffHours] = Field(default_factory=list[NewStaffHours], max_length=50)
    """When staff is there; none: at all hours."""
    tariff_id: Id | None = None
    """What charging costs here; null: nothing."""
    master_pass: Annotated[str, Field(min_length=1, max_length=36)] | None = None
    """A `parent` of tokens: those may end every transaction, and begin none."""
    plug_and_charge: bool = True
    """Take contracts in cars (ISO 15118) as tokens, by their eMAID in `/id-tokens`."""
    promise_probability: Annotated[float, Field(ge=0.5, le=0.9999)] = 0.99
    """How surely a booking from here must be kept to be accepted."""
    shadow: bool = False
    """Make plans for it and report, but command nothing by them: stations keep what they have."""
    follow_surplus: bool = True
    """Let cars follow the sun that is measured, between plans; for that its meters must speak every
    6 minutes or oftener."""


class NewMeasurement(Document):
    """What the meters of a site say; at least one of them."""

    measured_at: Instant
    pv_power_w: SignedPowerW | None = None
    load_power_w: SignedPowerW | None = None
    """The building alone, without cars."""
    grid_power_w: SignedPowerW | None = None
    """Positive: import."""

    @model_validator(mode="after")
    def _says_something(self) -> NewMeasurement:
        if self.pv_power_w is None and self.load_power_w is None and self.grid_power_w is None:
            raise ValueError("one of pv_power_w, load_power_w and grid_power_w is needed")
        return self


Measurements = Annotated[list[NewMeasurement], Field(min_length=1, max_length=MEASUREMENTS_MAX)]
OneOrMany = Annotated[
    Annotated[NewMeasurement, Tag(f"{VARIANT}one")]
    | Annotated[Measurements, Tag(f"{VARIANT}many")],
    Discriminator(lambda body: f"{VARIANT}many" if isinstance(body, list) else f"{VARIANT}one"),
]


class PeriodQuery(ListQuery):
    """A period of time, half open."""

    model_config = ConfigDict(populate_by_name=True)

    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")


class SiteQuery(KeptQuery):
    """Filters of the list of sites."""

    name: str | None = None


@router.post("/sites", status_code=201, response_model=SiteShown, dependencies=[may("operate")])
async def post_site(work: Work, body: NewSite) -> Response:
    """Create a site."""
    row = await create_site(work, body.id, _columns(body), _circuits(body))
    return reply(
        await show_site(work.session, row),
        status=201,
        version=row.version,
        location=f"{BASE}/sites/{row.id}",
    )


@router.get("/sites", response_model=Page[SiteShown], dependencies=[may("read")])
async def list_sites(
    session: Reading, caller: CallerNow, query: Annotated[SiteQuery, Query()]
) -> Response:
    """List sites."""
    statement = sa.select(Site).where(Site.tenant_id == caller.tenant)
    statement = filtered(statement, query, Site.name)
    rows, cursor = await kept_page(session, statement, query, Site, Site.name)
    return reply_page([caller.shown(each) for each in await show_sites(session, rows)], cursor)


@router.get("/sites/{site_id}", response_model=SiteShown, dependencies=[may("read")])
async def get_site(session: Reading, caller: CallerNow, site_id: str) -> Response:
    """Show a site."""
    row = await find_row(session, Site, site_id, caller.tenant)
    return reply(caller.shown(await show_site(session, row)), version=row.version)


@router.patch(
    "/sites/{site_id}",
    response_model=SiteShown,
    dependencies=[may("operate")],
    openapi_extra=patch_of("NewSite"),
)
async def patch_site(request: Request, work: Work, site_id: str, body: dict[str, Any]) -> Response:
    """Change a site."""
    row = await find_for_change(work, Site, site_id)
    check_if_match(request, row.version)
    document = patched(NewSite, await show_site(work.session, row), body)
    await change_site(work, row, _columns(document), _circuits(document))
    return reply(await show_site(work.session, row), version=row.version)


@router.delete("/sites/{site_id}", status_code=204, dependencies=[may("operate")])
async def remove_site(request: Request, work: Work, site_id: str) -> Response:
    """Delete a site that has no stations, cars or bookings, with all that was measured there."""
    row = await find_for_change(work, Site, site_id)
    check_if_match(request, row.version)
    await delete_site(work, row)
    return no_content()


@router.post(
    "/sites/{site_id}/measurements",
    status_code=201,
    response_model=MeasurementShown | list[MeasurementShown],
    dependencies=[may("energy")],
)
async def post_measurements(
    work: Work,
    site_id: str,
    body: OneOrMany,
) -> Response:
    """Push what meters said, one measurement or a list; the same instant again overwrites."""
    site = await find_row(work.session, Site, site_id, work.tenant)
    single = isinstance(body, NewMeasurement)
    given = [body] if isinstance(body, NewMeasurement) else body
    rows = await store_measurements(work, site, [each.model_dump() for each in given])
    shown = [measurement_resource(row) for row in rows]
    first = format_rfc3339(min(row.measured_at for row in rows))
    location = f"{BASE}/sites/{site_id}/measurements?from={first}"
    return reply(shown[0] if single else shown, status=201, location=location)


@router.get(
    "/sites/{site_id}/measurements",
    response_model=Page[MeasurementShown],
    dependencies=[may("read")],
)
async def list_measurements(
    session: Reading, caller: CallerNow, site_id: str, query: Annotated[PeriodQuery, Query()]
) -> Response:
    """List what meters said."""
    await find_row(session, Site, site_id, caller.tenant)
    statement = sa.select(SiteMeasurement).where(SiteMeasurement.site_id == site_id)
    if query.since is not None:
        statement = statement.where(SiteMeasurement.measured_at >= query.since)
    if query.until is not None:
        statement = statement.where(SiteMeasurement.measured_at < query.until)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"measured_at": SiteMeasurement.measured_at},
        key=(SiteMeasurement.site_id,),
        updated=(SiteMeasurement.received_at,),
    )
    return reply_page([measurement_resource(row) for row in rows], cursor)


def _columns(document: NewSite) -> dict[str, Any]:
    values = document.model_dump(exclude={"id", "circuits"})
    if document.export_limit_w is None:
        values["export_limit_w"] = document.import_limit_w
    return values


def _circuits(document: NewSite) -> list[dict[str, Any]]:
    return [circuit.model_dump() for circuit in document.circuits]
