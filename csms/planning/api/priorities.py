"""REST: priority of transactions, and dynamic profiles of stations (2.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from fastapi import Path, Query, Request
from pydantic import AwareDatetime, Field, model_validator
from starlette.responses import Response

from csms.charging.queries import TransactionShown, transaction_resource
from csms.planning.queries import schedule_resource
from csms.stations.asking import ASKED, ON_21, ask_found, check_asked
from csms.stations.rules import plan_profile_id
from csms.web.documents import Document, PowerW, Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page
from csms.web.problem import bad_field
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Reading
from models.commands.priorities import (
    SetPriorityLimit,
    UpdateSchedule,
    UsePriority,
)
from models.errors import Conflict
from models.schedules import ScheduleUpdate
from models.tables.charging import Transaction
from models.tables.planning import DynamicSchedule
from models.tables.stations import Evse, Station

router = api_router("plans")

Amount = Annotated[float, Field(ge=-1e9, le=1e9)]
Outflow = Annotated[float, Field(ge=-1e9, le=0)]


class Priority(Document):
    """Whether a transaction goes before all others."""

    active: bool
    limit_w: PowerW | None = None
    """What it may draw then: put into the station first. Null: as the station has it."""


class NewScheduleUpdate(Document):
    """How a dynamic profile goes on; in the unit of the profile, at least one value."""

    evse_id: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Whose limit by plan answers when the station asks by itself (then in W); null: what is said
    here."""
    limit: Amount | None = None
    limit_l2: Amount | None = None
    limit_l3: Amount | None = None
    discharge_limit: Outflow | None = None
    discharge_limit_l2: Outflow | None = None
    discharge_limit_l3: Outflow | None = None
    setpoint: Amount | None = None
    """What is to flow, where a limit is what may."""
    setpoint_l2: Amount | None = None
    setpoint_l3: Amount | None = None
    setpoint_reactive: Amount | None = None
    setpoint_reactive_l2: Amount | None = None
    setpoint_reactive_l3: Amount | None = None

    @model_validator(mode="after")
    def _says_something(self) -> NewScheduleUpdate:
        if all(value is None for value in self.values().values()):
            raise ValueError("at least one value is needed")
        return self

    def values(self) -> dict[str, Any]:
        """Returns all but the EVSE."""
        return self.model_dump(exclude={"evse_id"})


class DynamicScheduleShown(Shown):
    """What a station was last told of a dynamic profile."""

    station: str
    profile_id: int
    evse_id: int | None
    told: dict[str, float]
    source: Literal["api", "plan"]
    state: Literal["told", "refused"]
    why: str | None
    changed_at: AwareDatetime


class _Response(msgspec.Struct):
    status: str = "nothing"


@router.put(
    "/transactions/{transaction_id}/priority",
    response_model=TransactionShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def put_priority(
    request: Request, caller: CallerNow, transaction_id: str, body: Priority
) -> Response:
    """Let a transaction charge at full power before all others, or end that; waits for the station.

    While it lasts the plan counts the transaction as a load that nothing holds.
    """
    services = services_of(request)
    async with services.db.read() as session:
        row = await find_row(session, Transaction, transaction_id, caller.tenant)
        station = await find_row(session, Station, row.station, caller.tenant)
        evse = await session.get(Evse, (row.station, row.evse_id))
    if row.stopped_at is not None:
        raise Conflict("the transaction is over", code="transaction-over")
    check_asked(request, station, ON_21)
    most_w = None if evse is None else evse.max_power_w
    if body.limit_w is not None and most_w is not None and body.limit_w > most_w:
        raise bad_field("/limit_w", f"the EVSE gives no more than {most_w:g} W")
    if body.active and body.limit_w is not None:
        limit = SetPriorityLimit(
            evse_id=row.evse_id,
            profile_id=plan_profile_id(row.evse_id) + 1,
            limit_w=body.limit_w,
        )
        _check_taken(await ask_found(request, row.station, limit))
    order = UsePriority(ocpp_transaction_id=row.ocpp_transaction_id, activate=body.active)
    _check_taken(await ask_found(request, row.station, order))
    async with services.db.read() as session:
        row = await find_row(session, Transaction, transaction_id, caller.tenant)
    return reply(caller.shown(transaction_resource(row)))


@router.put(
    "/stations/{identity}/dynamic-schedules/{profile_id}",
    response_model=DynamicScheduleShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def put_schedule(
    request: Request,
    caller: CallerNow,
    identity: str,
    profile_id: Annotated[int, Path(ge=0, le=2**31 - 1)],
    body: NewScheduleUpdate,
) -> Response:
    """Change a dynamic profile of a station as it runs, and wait for its answer."""
    services = services_of(request)
    async with services.db.read() as session:
        station = await find_row(session, Station, identity, caller.tenant)
    check_asked(request, station, ON_21)
    order = UpdateSchedule(
        profile_id=profile_id, update=ScheduleUpdate(**body.values()), evse_id=body.evse_id
    )
    await ask_found(request, identity, order)
    async with services.db.read() as session:
        row = await session.get_one(DynamicSchedule, (identity, profile_id))
    return reply(schedule_resource(row))


@router.get(
    "/stations/{identity}/dynamic-schedules",
    response_model=Page[DynamicScheduleShown],
    dependencies=[may("read")],
)
async def list_schedules(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List what a station was last told of each dynamic profile, also when it asked itself."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(DynamicSchedule).where(DynamicSchedule.station == identity),
        query,
        sorts={"profile_id": DynamicSchedule.profile_id},
        key=(DynamicSchedule.profile_id,),
        updated=(DynamicSchedule.changed_at,),
    )
    return reply_page([schedule_resource(row) for row in rows], cursor)


def _check_taken(answer: dict[str, Any]) -> None:
    told = msgspec.json.decode(msgspec.json.encode(answer["response"]), type=_Response)
    if told.status != "Accepted":
        raise Conflict(f"the station answers {told.status}", code="priority-refused")
