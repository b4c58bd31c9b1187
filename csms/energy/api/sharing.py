"""REST: `/shared-plants`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import AfterValidator, Field
from starlette.responses import Response

from csms.energy.api.sites import MEASUREMENTS_MAX, NewPvPlant
from csms.energy.sharing import (
    SharedMeasurementShown,
    SharedPlantShown,
    change_shared_plant,
    create_shared_plant,
    delete_shared_plant,
    shared_plant_resource,
    store_shared_measurements,
)
from csms.web.documents import Document, Id, Instant, KeptDocument, Name, PowerW, Shown, patched
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.openapi import patch_of
from csms.web.paging import KeptQuery, kept_page
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.tables.energy import SharedPlant

router = api_router("energy", prefix="/shared-plants")

_ROUNDING = 1e-9
"""Keys such as a third add up to a little more than 1."""


class NewShare(Document):
    """The part of a plant that a site has."""

    site_id: Id
    share: Annotated[float, Field(gt=0, le=1)]


def _together(shares: list[NewShare]) -> list[NewShare]:
    if len({each.site_id for each in shares}) < len(shares):
        raise ValueError("a site is named twice")
    if sum(each.share for each in shares) > 1 + _ROUNDING:
        raise ValueError("the shares add up to more than 1")
    return shares


class NewSharedPlant(KeptDocument):
    """A PV plant that several sites share."""

    name: Name
    pv_plants: list[NewPvPlant] = Field(min_length=1, max_length=100)
    """Its roofs."""
    shares: Annotated[list[NewShare], AfterValidator(_together)] = Field(
        min_length=1, max_length=500
    )
    """What part each site has; at most 1 together, the rest is nobody's here."""
    key: Literal["fixed", "by_need"] = "fixed"
    """`by_need`: in each quarter of an hour, what the sites have together goes to them in
    proportion to what they draw, and what they don't draw by their shares."""


class NewSharedMeasurement(Document):
    """What the meter of a plant said."""

    measured_at: Instant
    pv_power_w: PowerW


class NewSharedMeasurements(Document):
    """Some of them; the same instant again overwrites."""

    measurements: list[NewSharedMeasurement] = Field(min_length=1, max_length=MEASUREMENTS_MAX)


class SharedMeasurementsShown(Shown):
    """What counts at each site."""

    items: list[SharedMeasurementShown]


@router.post("", status_code=201, response_model=SharedPlantShown, dependencies=[may("operate")])
async def post_shared_plant(work: Work, body: NewSharedPlant) -> Response:
    """Create a plant that several sites share; a site has a part of one plant, or its own roofs."""
    row = await create_shared_plant(work, body.id, body.model_dump(exclude={"id"}))
    location = f"{BASE}/shared-plants/{row.id}"
    return reply(shared_plant_resource(row), status=201, version=row.version, location=location)


@router.get("", response_model=Page[SharedPlantShown], dependencies=[may("read")])
async def list_shared_plants(
    session: Reading, caller: CallerNow, query: Annotated[KeptQuery, Query()]
) -> Response:
    """List plants that several sites share."""
    statement = sa.select(SharedPlant).where(SharedPlant.tenant_id == caller.tenant)
    rows, cursor = await kept_page(session, statement, query, SharedPlant, SharedPlant.name)
    return reply_page([shared_plant_resource(row) for row in rows], cursor)


@router.get("/{plant_id}", response_model=SharedPlantShown, dependencies=[may("read")])
async def get_shared_plant(session: Reading, caller: CallerNow, plant_id: str) -> Response:
    """Show a plant that several sites share."""
    row = await find_row(session, SharedPlant, plant_id, caller.tenant)
    return reply(shared_plant_resource(row), version=row.version)


@router.patch(
    "/{plant_id}",
    response_model=SharedPlantShown,
    dependencies=[may("operate")],
    openapi_extra=patch_of("NewSharedPlant"),
)
async def patch_shared_plant(
    request: Request, work: Work, plant_id: str, body: dict[str, Any]
) -> Response:
    """Change a plant that several sites share: from now on it is dealt anew."""
    row = await find_for_change(work, SharedPlant, plant_id)
    check_if_match(request, row.version)
    document = patched(NewSharedPlant, shared_plant_resource(row), body)
    await change_shared_plant(work, row, document.model_dump(exclude={"id"}))
    return reply(shared_plant_resource(row), version=row.version)


@router.delete("/{plant_id}", status_code=204, dependencies=[may("operate")])
async def remove_shared_plant(request: Request, work: Work, plant_id: str) -> Response:
    """Delete a plant; what was measured of it stays with its sites."""
    row = await find_for_change(work, SharedPlant, plant_id)
    check_if_match(request, row.version)
    await delete_shared_plant(work, row)
    return no_content()


@router.post(
    "/{plant_id}/measurements",
    status_code=201,
    response_model=SharedMeasurementsShown,
    dependencies=[may("energy")],
)
async def post_shared_measurements(
    work: Work, plant_id: str, body: NewSharedMeasurements
) -> Response:
    """Push what the meter of a plant said: each site's part counts as measured there."""
    row = await find_row(work.session, SharedPlant, plant_id, work.tenant)
    given = [each.model_dump() for each in body.measurements]
    kept = await store_shared_measurements(work, row, given)
    items = [
        {
            "site_id": each.site_id,
            "measured_at": each.measured_at,
            "pv_power_w": each.pv_power_w,
        }
        for each in kept
    ]
    return reply({"items": items}, status=201, location=f"{BASE}/shared-plants/{row.id}")
