"""REST: what cars of ISO 15118 want and mean to do, station by station (OCPP 2.x)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import sqlalchemy as sa
from fastapi import Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from csms.needs.queries import needs_resource, schedule_resource
from csms.web.documents import Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.shown import Page
from csms.web.work import Reading
from models.tables.needs import EvNeeds, EvSchedule
from models.tables.stations import Station

router = api_router("needs", prefix="/stations")
R = TypeVar("R", EvNeeds, EvSchedule)


class EvNeedsShown(Shown):
    """What a car wanted, as its station told it."""

    id: str
    station: str
    evse_id: int
    transaction_id: str | None
    """That which ran there."""
    received_at: AwareDatetime
    measured_at: AwareDatetime
    answer: Literal["Processing", "Rejected"]
    """What the car was told; `Rejected`: no transaction ran there."""
    transfer_mode: str
    departure_at: AwareDatetime | None
    energy_wh: float | None
    """What it wants in all."""
    soc_pct: float | None
    target_soc_pct: float | None
    capacity_wh: float | None
    max_power_w: float | None
    max_discharge_w: float | None
    """What it can give (2.1)."""
    max_current_a: float | None
    max_voltage_v: float | None
    control_mode: str | None
    max_periods: int | None
    parameters: dict[str, Any]
    """All that it said, as OCPP spells it: AC, DC, V2X and DER."""


class EvPeriodShown(Shown):
    """What a car means to take from an instant on."""

    start_s: int
    limit_w: float | None


class EvScheduleShown(Shown):
    """How a car meant to charge."""

    id: str
    station: str
    evse_id: int
    transaction_id: str | None
    received_at: AwareDatetime
    base_at: AwareDatetime
    """What the periods count from."""
    answer: Literal["Accepted", "Rejected"]
    """`Rejected`: it exceeds our limit."""
    rate_unit: Literal["W", "A"]
    duration_s: int | None
    schedule_id: int
    selected_id: int | None
    periods: list[EvPeriodShown]
    limit_id: str | None
    """Of the limit that it was compared with; null: there was none."""
    exceeds_at: AwareDatetime | None


class EvseQuery(ListQuery):
    """Filters of both lists; the newest comes first unless `sort` says otherwise."""

    evse_id: Annotated[int, Field(ge=0, le=100_000)] | None = None
    transaction_id: str | None = None


@router.get("/{identity}/ev-needs", response_model=Page[EvNeedsShown], dependencies=[may("read")])
async def list_needs(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[EvseQuery, Query()]
) -> Response:
    """List what cars have wanted at a station."""
    rows, cursor = await _listed(session, caller.tenant, identity, query, EvNeeds)
    return reply_page([{"id": str(row.id), **needs_resource(row)} for row in rows], cursor)


@router.get(
    "/{identity}/ev-schedules", response_model=Page[EvScheduleShown], dependencies=[may("read")]
)
async def list_schedules(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[EvseQuery, Query()]
) -> Response:
    """List how cars have meant to charge at a station."""
    rows, cursor = await _listed(session, caller.tenant, identity, query, EvSchedule)
    return reply_page([{"id": str(row.id), **schedule_resource(row)} for row in rows], cursor)


async def _listed(
    session: Reading, tenant: str, identity: str, query: EvseQuery, table: type[R]
) -> tuple[list[R], str | None]:
    await find_row(session, Station, identity, tenant)
    statement = sa.select(table).where(table.station == identity)
    statement = filtered(statement, query, table.evse_id, table.transaction_id)
    return await fetch_page(
        session,
        statement,
        query,
        sorts={"id": table.id},
        key=(table.id,),
        updated=(table.received_at,),
        default="-id",
    )
