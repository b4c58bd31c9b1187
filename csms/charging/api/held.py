"""REST: the limits that a station says it holds, and what others allow it (OCPP 2.x)."""

from __future__ import annotations

from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import Query
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from csms.charging.queries import held_limit_resource, outside_limit_resource
from csms.inquiries.api import InquiryShown, inquire
from csms.stations.asking import ASKED
from csms.web.documents import Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page
from csms.web.reply import reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.shown import Page
from csms.web.work import Once, Reading
from models.commands.held_limits import ReadHeldLimits
from models.tables.held_limits import HeldLimit, OutsideLimit
from models.tables.stations import Station

router = api_router("limits", prefix="/stations")


class HeldPeriodShown(Shown):
    """From `start_s` after the schedule's start on."""

    start_s: int
    limit_w: float | None
    """Null: this period has none."""
    phases: int | None


class HeldScheduleShown(Shown):
    """A limit over time; A is shown as W at the nominal voltage."""

    start_at: AwareDatetime | None
    """Null: it begins with the transaction, or has begun."""
    duration_s: int | None
    """Null: until it is replaced."""
    rate_unit: str
    """In which it was told: W or A."""
    periods: list[HeldPeriodShown]


class HeldLimitShown(Shown):
    """One limit (charging profile) in a station's box, as it was last told."""

    id: int
    """Of the charging profile."""
    station: str
    evse_id: int
    """0: the station as a whole."""
    source: str
    """Who has set it: `CSO` (a central system), `EMS`, `SO` (the grid) and so on."""
    purpose: str
    """`transaction`, `default`, `station`, `external`, `priority` or `local-generation`."""
    stack_level: int
    kind: str
    recurrence: str | None
    valid_from: AwareDatetime | None
    valid_to: AwareDatetime | None
    ocpp_transaction_id: str | None
    schedules: list[HeldScheduleShown]
    state: Literal["ours", "foreign", "gone"]
    """`ours`: plans and the safe limit put it there; `foreign`: somebody else did, by hand or by
    command; `gone`: the last whole report had it no more."""
    told_at: AwareDatetime


class OutsideLimitShown(Shown):
    """What somebody else allows a station, as it tells."""

    station: str
    evse_id: int
    """0: the station as a whole."""
    source: str
    """`EMS` (an energy manager), `SO` (the grid), `CSO` or another name."""
    grid_critical: bool | None
    local_generation: bool | None
    schedules: list[HeldScheduleShown]
    """Empty: the station does not say how much."""
    cut: bool
    """Whether it has told more than 10 schedules, or 1024 periods in all: the rest is not read."""
    active: bool
    told_at: AwareDatetime
    cleared_at: AwareDatetime | None


class OutsideQuery(ListQuery):
    """Filters of the list of limits from elsewhere."""

    active: bool | None = None


@router.get(
    "/{identity}/charging-profiles",
    response_model=Page[HeldLimitShown],
    dependencies=[may("read")],
)
async def list_held(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List the limits that a station holds, as it has told; ask for a report to have it anew."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(HeldLimit).where(HeldLimit.station == identity),
        query,
        sorts={"evse_id": HeldLimit.evse_id, "told_at": HeldLimit.told_at},
        key=(HeldLimit.evse_id, HeldLimit.profile_id),
        updated=(HeldLimit.told_at,),
        default="evse_id",
    )
    return reply_page([held_limit_resource(row) for row in rows], cursor)


@router.post(
    "/{identity}/charging-profiles/report",
    status_code=201,
    response_model=InquiryShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def report_held(request: Request, _: Once, identity: str) -> Response:
    """Have a station tell all the limits that it holds; the list follows, part by part."""
    return await inquire(
        request,
        identity,
        "limits",
        lambda number: ReadHeldLimits(request_id=number),
        asked={},
        whole=True,
    )


@router.get(
    "/{identity}/external-limits",
    response_model=Page[OutsideLimitShown],
    dependencies=[may("read")],
)
async def list_outside(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[OutsideQuery, Query()]
) -> Response:
    """List what an energy manager or the grid allows a station; plans keep to it."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(OutsideLimit).where(OutsideLimit.station == identity)
    if query.active is not None:
        stands = OutsideLimit.cleared_at.is_(None)
        statement = statement.where(stands if query.active else ~stands)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"told_at": OutsideLimit.told_at},
        key=(OutsideLimit.evse_id, OutsideLimit.source),
        updated=(OutsideLimit.told_at, OutsideLimit.cleared_at),
        default="-told_at",
    )
    return reply_page([outside_limit_resource(row) for row in rows], cursor)
