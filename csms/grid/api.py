"""REST: `/stations/{identity}/der-controls`, alarms of the grid, and cars that give (OCPP 2.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Path, Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from csms.grid.controls import NewControl
from csms.grid.queries import alarm_resource, control_resource
from csms.stations.api import StationAnswer
from csms.stations.asking import ASKED, ON_21, ask
from csms.web.documents import Document, Instant, Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.problem import bad_field
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Once, Reading
from models.commands.grid import (
    AllowEnergyTransfer,
    ClearDerControl,
    ReadDerControls,
    SendAfrrSignal,
    SetDerControl,
)
from models.errors import Conflict, NotFound
from models.tables.charging import Transaction
from models.tables.grid import DerAlarm, DerControl
from models.tables.stations import Station

router = api_router("grid", prefix="/stations")
ControlId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._~:@-]{1,36}$")]
TransferMode = Literal[
    "AC_single_phase",
    "AC_two_phase",
    "AC_three_phase",
    "DC",
    "AC_BPT",
    "AC_BPT_DER",
    "AC_DER",
    "DC_BPT",
    "DC_ACDP",
    "DC_ACDP_BPT",
    "WPT",
]


class AllowedTransfer(Document):
    """The ways in which a car may take or give power."""

    transaction_id: Annotated[str, Field(max_length=64)]
    modes: Annotated[list[TransferMode], Field(min_length=1, max_length=11)]
    """`BPT` is to and fro, `DER` with controls towards the grid."""


class AfrrSignal(Document):
    """A signal of the automatic frequency restoration reserve."""

    signal: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
    """What it means is in the charging profile (`v2xSignalWattCurve`)."""
    at: Instant | None = None
    """From when; null: now."""


class DerControlShown(Shown):
    """A control of a station: as it was set, and as it was reported."""

    station: str
    control_id: str
    control_type: str | None
    is_default: bool
    state: Literal["accepted", "rejected", "cleared", "gone"]
    """`gone`: the station's last report does not have it."""
    detail: str | None
    """The station's own words."""
    wished: dict[str, Any] | None
    wished_at: AwareDatetime | None
    reported: dict[str, Any] | None
    reported_at: AwareDatetime | None
    superseded: bool
    """Another one is in its place."""
    started: bool | None
    """Whether it is in force; null: not told."""
    started_at: AwareDatetime | None
    """When that began or ended."""
    updated_at: AwareDatetime


class DerAlarmShown(Shown):
    """Something about the grid that a control watches for."""

    id: str
    station: str
    control_type: str
    grid_event: str | None
    ended: bool
    happened_at: AwareDatetime
    received_at: AwareDatetime
    info: str | None


class ControlQuery(ListQuery):
    """Filters of the list of controls."""

    control_type: str | None = None
    state: Literal["accepted", "rejected", "cleared", "gone"] | None = None


class AlarmQuery(ListQuery):
    """Filters of the list of alarms; the newest comes first unless `sort` says otherwise."""

    ended: bool | None = None


@router.put(
    "/{identity}/der-controls/{control_id}",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def put_control(
    request: Request, identity: str, control_id: ControlId, body: NewControl
) -> Response:
    """Have a station behave by a control, and wait for its answer."""
    form, setting = body.form()
    command = SetDerControl(
        control_id=control_id,
        control_type=body.control_type,
        is_default=body.is_default,
        form=form,
        setting=setting,
    )
    return reply(await ask(request, identity, command, ON_21))


@router.delete(
    "/{identity}/der-controls/{control_id}",
    status_code=204,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def clear_control(
    request: Request, caller: CallerNow, identity: str, control_id: ControlId
) -> Response:
    """Have a station behave by a control no longer, and wait for its answer."""
    async with services_of(request).db.read() as session:
        await find_row(session, Station, identity, caller.tenant)
        known = await session.get(DerControl, (identity, control_id))
    if known is None or known.state != "accepted":
        raise NotFound(f"the station {identity} has no control {control_id}")
    command = ClearDerControl(control_id=control_id, is_default=known.is_default)
    await ask(request, identity, command, ON_21)
    async with services_of(request).db.read() as session:
        left = await session.get(DerControl, (identity, control_id))
    if left is not None and left.state == "accepted":
        raise Conflict(f"the station keeps the control {control_id}", code="control-kept")
    return no_content()


@router.get(
    "/{identity}/der-controls", response_model=Page[DerControlShown], dependencies=[may("read")]
)
async def list_controls(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ControlQuery, Query()]
) -> Response:
    """List the controls of a station, as far as it has told."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(DerControl).where(DerControl.station == identity)
    statement = filtered(statement, query, DerControl.control_type, DerControl.state)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"control_id": DerControl.control_id, "updated_at": DerControl.updated_at},
        key=(DerControl.control_id,),
        updated=(DerControl.updated_at,),
    )
    return reply_page([control_resource(row) for row in rows], cursor)


@router.post(
    "/{identity}/der-controls/report",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def report_controls(request: Request, _: Once, identity: str) -> Response:
    """Have a station tell anew all controls that it has; the list follows its report."""
    command = ReadDerControls(request_id=int(services_of(request).clock.now().timestamp()))
    return reply(await ask(request, identity, command, ON_21))


@router.get(
    "/{identity}/der-alarms", response_model=Page[DerAlarmShown], dependencies=[may("read")]
)
async def list_alarms(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[AlarmQuery, Query()]
) -> Response:
    """List what the grid has done at a station."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(DerAlarm).where(DerAlarm.station == identity)
    if query.ended is not None:
        statement = statement.where(DerAlarm.ended.is_(query.ended))
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": DerAlarm.id},
        key=(DerAlarm.id,),
        updated=(DerAlarm.received_at,),
        default="-id",
    )
    return reply_page([{"id": str(row.id), **alarm_resource(row)} for row in rows], cursor)


@router.post(
    "/{identity}/afrr-signal",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def post_signal(request: Request, _: Once, identity: str, body: AfrrSignal) -> Response:
    """Send a station a signal of the automatic frequency restoration reserve."""
    at = body.at or services_of(request).clock.now()
    command = SendAfrrSignal(signal=body.signal, at=at)
    return reply(await ask(request, identity, command, ON_21))


@router.post(
    "/{identity}/allowed-energy-transfer",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def post_allowed_transfer(
    request: Request, _: Once, caller: CallerNow, identity: str, body: AllowedTransfer
) -> Response:
    """Say in which ways the car of a transaction may take or give power."""
    async with services_of(request).db.read() as session:
        await find_row(session, Station, identity, caller.tenant)
        row = await session.get(Transaction, body.transaction_id)
    if row is None or row.station != identity or row.tenant_id != caller.tenant:
        raise bad_field("/transaction_id", f"{identity} has no such transaction")
    if row.stopped_at is not None:
        raise Conflict("the transaction is over", code="transaction-over")
    command = AllowEnergyTransfer(
        ocpp_transaction_id=row.ocpp_transaction_id, modes=tuple(body.modes)
    )
    return reply(await ask(request, identity, command, ON_21))
