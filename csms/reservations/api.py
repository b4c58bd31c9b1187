"""REST: `/reservations`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from csms.reservations.actions import cancel, reserve
from csms.reservations.queries import ReservationShown, reservation_resource
from csms.stations.actions import COMMAND_TIMEOUT_S, check_connected, outcome_of
from csms.web.documents import Instant, KeptDocument
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.paging import KeptQuery, filtered, kept_page
from csms.web.problem import bad_field
from csms.web.reply import reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.services import services_of
from csms.web.shown import Page, Problem
from csms.web.work import Once, Reading, begin_work
from models.states import ReservationStatus
from models.tables.reservations import Reservation
from models.tables.stations import Station

router = api_router("reservations", prefix="/reservations")

ConnectorType = Literal[
    "cCCS1",
    "cCCS2",
    "cG105",
    "cTesla",
    "cType1",
    "cType2",
    "s309-1P-16A",
    "s309-1P-32A",
    "s309-3P-16A",
    "s309-3P-32A",
    "sBS1361",
    "sCEE-7-7",
    "sType2",
    "sType3",
    "Other1PhMax16A",
    "Other1PhOver16A",
    "Other3Ph",
    "Pan",
    "wInductive",
    "wResonant",
]
"""As OCPP 2.0.1 names them (part 2, 3.17 ConnectorEnumType)."""


class NewReservation(KeptDocument):
    """An EVSE that a station is to keep free for a token, from now on."""

    station: Annotated[str, Field(min_length=1, max_length=48)]
    evse_id: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Null: whichever of the station (1.6: connector 0)."""
    connector_type: ConnectorType | None = None
    """2.x, and only where no EVSE is named."""
    id_token: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S(.*\S)?$")]
    """One of `/id-tokens`; those with the same `parent` may use it too."""
    expires_at: Instant


class ReservationQuery(KeptQuery):
    """Filters of the list of reservations."""

    station: str | None = None
    state: ReservationStatus | None = None
    evse_id: Annotated[int, Field(ge=0, le=100_000)] | None = None
    id_token: str | None = None


@router.post(
    "",
    status_code=201,
    response_model=ReservationShown,
    dependencies=[may("operate")],
    responses={202: {"model": ReservationShown}, 502: {"model": Problem}},
)
async def post_reservation(
    request: Request, _: Once, caller: CallerNow, body: NewReservation
) -> Response:
    """Have a station keep an EVSE free, and wait for its answer; 202 if it gives none in time."""
    services = services_of(request)
    async with services.db.read() as session:
        station = await session.get(Station, body.station)
        if station is None or station.tenant_id != caller.tenant:
            raise bad_field("/station", f"there is no station {body.station}")
    check_connected(services.gateway, body.station)
    values = body.model_dump(exclude={"id", "station"})
    async with begin_work(request) as work:
        row = await reserve(work, station, reservation_id=body.id, values=values)
        row_id, command_id = row.id, row.command_id
    assert command_id is not None
    settled = await services.courier.settled(command_id, COMMAND_TIMEOUT_S)
    if settled.state == "failed":
        outcome_of(settled)
    shown, version = await _shown(request, row_id)
    return reply(
        shown,
        status=201 if settled.state == "answered" else 202,
        version=version,
        location=f"{BASE}/reservations/{row_id}",
    )


@router.get("", response_model=Page[ReservationShown], dependencies=[may("read")])
async def list_reservations(
    session: Reading, caller: CallerNow, query: Annotated[ReservationQuery, Query()]
) -> Response:
    """List reservations, those that are over too."""
    statement = sa.select(Reservation).where(Reservation.tenant_id == caller.tenant)
    statement = filtered(
        statement, query, Reservation.station, Reservation.state, Reservation.evse_id
    )
    if query.id_token is not None:
        caller.require("read-people")
        statement = statement.where(sa.func.lower(Reservation.id_token) == query.id_token.lower())
    rows, cursor = await kept_page(session, statement, query, Reservation, Reservation.expires_at)
    return reply_page([caller.shown(reservation_resource(row)) for row in rows], cursor)


@router.get("/{reservation_id}", response_model=ReservationShown, dependencies=[may("read")])
async def get_reservation(session: Reading, caller: CallerNow, reservation_id: str) -> Response:
    """Show a reservation."""
    row = await find_row(session, Reservation, reservation_id, caller.tenant)
    return reply(caller.shown(reservation_resource(row)), version=row.version)


@router.post(
    "/{reservation_id}/cancel", response_model=ReservationShown, dependencies=[may("operate")]
)
async def cancel_reservation(request: Request, _: Once, reservation_id: str) -> Response:
    """Give up a reservation; a station that is away is told when it comes back."""
    services = services_of(request)
    async with begin_work(request) as work:
        row = await find_for_change(work, Reservation, reservation_id)
        check_if_match(request, row.version)
        station = await work.session.get(Station, row.station)
        site_id = station.site_id if station else None
        online = services.gateway.online(row.station)
        command_id = cancel(work, row, online=online, site_id=site_id)
    if command_id is not None:
        await services.courier.settled(command_id, COMMAND_TIMEOUT_S)
    shown, version = await _shown(request, reservation_id)
    return reply(shown, version=version)


async def _shown(request: Request, reservation_id: str) -> tuple[dict[str, Any], int]:
    """Returns a reservation as the station's answer has left it."""
    async with services_of(request).db.read() as session:
        row = await session.get_one(Reservation, reservation_id)
        return reservation_resource(row), row.version
