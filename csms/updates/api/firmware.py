"""REST: `/stations/{identity}/firmware-updates` and what stations tell of their firmware."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Query
from starlette.responses import Response

from csms.updates.actions import request_update
from csms.updates.api.documents import (
    FirmwareStatusShown,
    FirmwareUpdateShown,
    NewFirmwareUpdate,
)
from csms.updates.queries import notice_resource, show_update, show_updates
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.errors import NotFound
from models.states import FirmwareUpdateState
from models.tables.stations import Station
from models.tables.updates import FirmwareNotice, FirmwareUpdate

router = api_router("updates", prefix="/stations")


class UpdateQuery(ListQuery):
    """Filters of the list of updates; the newest comes first unless `sort` says otherwise."""

    state: FirmwareUpdateState | None = None


@router.post(
    "/{identity}/firmware-updates",
    status_code=201,
    response_model=FirmwareUpdateShown,
    dependencies=[may("operate")],
)
async def post_firmware_update(work: Work, identity: str, body: NewFirmwareUpdate) -> Response:
    """Ask a station that is connected to fetch firmware and install it."""
    station = await find_row(work.session, Station, identity, work.tenant)
    row = await request_update(work, station, body.change())
    path = f"{BASE}/stations/{quote(identity, safe='')}/firmware-updates/{row.id}"
    shown = await show_update(work.session, row)
    return reply(shown, status=201, version=row.version, location=path)


@router.get(
    "/{identity}/firmware-updates",
    response_model=Page[FirmwareUpdateShown],
    dependencies=[may("read")],
)
async def list_firmware_updates(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[UpdateQuery, Query()]
) -> Response:
    """List the firmware updates of a station, with what it has told of each."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(FirmwareUpdate).where(FirmwareUpdate.station == identity)
    statement = filtered(statement, query, FirmwareUpdate.state)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={
            "created_at": FirmwareUpdate.created_at,
            "updated_at": FirmwareUpdate.updated_at,
        },
        key=(FirmwareUpdate.id,),
        updated=(FirmwareUpdate.updated_at,),
        default="-created_at",
    )
    return reply_page(await show_updates(session, rows), cursor)


@router.get(
    "/{identity}/firmware-updates/{update_id}",
    response_model=FirmwareUpdateShown,
    dependencies=[may("read")],
)
async def get_firmware_update(
    session: Reading, caller: CallerNow, identity: str, update_id: str
) -> Response:
    """Show a firmware update."""
    row = await find_row(session, FirmwareUpdate, update_id, caller.tenant)
    if row.station != identity:
        raise NotFound(f"the station {identity} has no firmware update {update_id}")
    return reply(await show_update(session, row), version=row.version)


@router.get(
    "/{identity}/firmware-statuses",
    response_model=Page[FirmwareStatusShown],
    dependencies=[may("read")],
)
async def list_firmware_statuses(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """Show all that a station has told of its firmware, asked for or not."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(FirmwareNotice).where(FirmwareNotice.station == identity),
        query,
        sorts={"id": FirmwareNotice.id},
        key=(FirmwareNotice.id,),
        updated=(FirmwareNotice.received_at,),
        default="-id",
    )
    return reply_page([notice_resource(row) for row in rows], cursor)
