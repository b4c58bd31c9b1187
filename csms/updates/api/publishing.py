"""REST: firmware that a local controller offers to the stations behind it (OCPP 2.x)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from csms.ledger.work import ReadSession
from csms.stations.actions import COMMAND_TIMEOUT_S, outcome_of
from csms.stations.asking import ASKED, ON_2X, ask_found, find_asked
from csms.updates.actions import order_publication
from csms.updates.api.documents import Duration, Location
from csms.updates.queries import publication_resource
from csms.web.documents import Document, Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page
from csms.web.reply import reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Once, Reading, begin_work
from models.commands.publishing import UnpublishFirmware
from models.errors import Conflict, NotFound
from models.states import PublicationState
from models.tables.stations import Station
from models.tables.updates import FirmwarePublication

router = api_router("updates", prefix="/stations")


class NewPublication(Document):
    """Firmware that a controller is to fetch and offer to the stations behind it."""

    location: Location
    checksum: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{32}$")]
    """MD5 of the firmware, as OCPP has it."""
    retries: Annotated[int, Field(ge=0, le=100)] | None = None
    retry_interval: Duration | None = None


class PublishStatusShown(Shown):
    """What a controller has said, and when."""

    status: str
    received_at: AwareDatetime


class PublicationShown(Shown):
    """Firmware that a controller was asked to offer, and what became of it."""

    id: str
    station: str
    request_id: int
    location: str
    """Without credentials."""
    checksum: str
    retries: int | None
    retry_interval: timedelta | None
    state: PublicationState
    """`refused`, `running`, `published`, `failed` or `withdrawn`; `requested` before its answer."""
    status: str | None
    """The last that the controller has said, in the words of OCPP."""
    why: str | None
    locations: list[str]
    """Where the stations behind it find the firmware."""
    history: list[PublishStatusShown]
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    updated_at: AwareDatetime


@router.post(
    "/{identity}/firmware-publications",
    status_code=201,
    response_model=PublicationShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def publish(request: Request, _: Once, identity: str, body: NewPublication) -> Response:
    """Have a controller fetch firmware and offer it; its answer is waited for, the rest follows."""
    services = services_of(request)
    await find_asked(request, identity, ON_2X)
    interval = body.retry_interval
    async with begin_work(request) as work:
        row = await order_publication(
            work,
            identity,
            location=body.location,
            checksum=body.checksum.lower(),
            retries=body.retries,
            retry_interval_s=None if interval is None else int(interval.total_seconds()),
        )
        number, command_id = row.id, row.command_id
    outcome_of(await services.courier.settled(command_id, COMMAND_TIMEOUT_S))
    async with services.db.read() as session:
        shown = publication_resource(await session.get_one(FirmwarePublication, number))
    path = f"{BASE}/stations/{quote(identity, safe='')}/firmware-publications/{number}"
    return reply(shown, status=201, location=path)


@router.get(
    "/{identity}/firmware-publications",
    response_model=Page[PublicationShown],
    dependencies=[may("read")],
)
async def list_publications(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List the firmware that a controller was asked to offer."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(FirmwarePublication).where(FirmwarePublication.station == identity),
        query,
        sorts={"created_at": FirmwarePublication.created_at},
        key=(FirmwarePublication.id,),
        updated=(FirmwarePublication.updated_at,),
        default="-created_at",
    )
    return reply_page([publication_resource(row) for row in rows], cursor)


@router.get(
    "/{identity}/firmware-publications/{publication_id}",
    response_model=PublicationShown,
    dependencies=[may("read")],
)
async def get_publication(
    session: Reading, caller: CallerNow, identity: str, publication_id: str
) -> Response:
    """Show firmware that a controller was asked to offer."""
    row = await _find(session, identity, publication_id, caller.tenant)
    return reply(publication_resource(row))


@router.post(
    "/{identity}/firmware-publications/{publication_id}/unpublish",
    response_model=PublicationShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def unpublish(
    request: Request, _: Once, caller: CallerNow, identity: str, publication_id: str
) -> Response:
    """Have a controller offer firmware no longer, and wait for its answer."""
    services = services_of(request)
    async with services.db.read() as session:
        row = await _find(session, identity, publication_id, caller.tenant)
    await find_asked(request, identity, ON_2X)
    await ask_found(request, identity, UnpublishFirmware(checksum=row.checksum))
    async with services.db.read() as session:
        row = await session.get_one(FirmwarePublication, publication_id)
    if row.state in {"requested", "running", "published"}:
        raise Conflict("the controller still fetches it", code="download-ongoing")
    return reply(publication_resource(row))


async def _find(
    session: ReadSession, identity: str, publication_id: str, tenant: str
) -> FirmwarePublication:
    row = await session.get(FirmwarePublication, publication_id)
    if row is None or (row.tenant_id, row.station) != (tenant, identity):
        raise NotFound(f"the station {identity} was never asked to publish {publication_id}")
    return row
