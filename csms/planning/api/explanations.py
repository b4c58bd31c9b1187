"""REST: why a plan is so, and why a car charges now or does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from csms.planning.explaining import Asked, booking_explained, explained, vehicle_explained
from csms.planning.queries import current_plan
from csms.web.documents import Shown
from csms.web.identity import CallerNow
from csms.web.language import LanguageQuery, language_of
from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import ReasonShown
from models.errors import NotFound
from models.tables.booking import Booking
from models.tables.fleet import Vehicle
from models.tables.planning import Plan
from scheduler.explaining.words import Language

router = api_router("plans")


class ChargingExplained(Shown):
    """A charging entry of the plan, with its reasons, the weightiest first."""

    vehicle: str
    evse: str
    from_step: int
    to_step: int
    from_at: AwareDatetime
    to_at: AwareDatetime
    power_w: float
    reasons: list[ReasonShown]


class BookingExplained(Shown):
    """A booking, the car that the plan gives it (or null), and the reasons."""

    booking: str
    vehicle: str | None
    start_at: AwareDatetime
    reasons: list[ReasonShown]


class MoveExplained(Shown):
    """A car that staff is to move, and why."""

    vehicle: str
    site: str
    from_evse: str | None
    to_evse: str | None
    from_at: AwareDatetime
    to_at: AwareDatetime
    reasons: list[ReasonShown]


class VehicleNow(Shown):
    """What a car does by the plan at one time, and why."""

    vehicle: str
    state: Literal["charging", "giving", "waiting", "parked", "away"]
    at: AwareDatetime
    site: str | None
    evse: str | None
    soc_wh: float
    reasons: list[ReasonShown]


class PlanExplained(Shown):
    """Why a plan is so."""

    plan_id: str
    language: Language
    currency: str
    vehicles: list[VehicleNow]
    charging: list[ChargingExplained]
    assignments: list[BookingExplained]
    unserved: list[BookingExplained]
    moves: list[MoveExplained]


class VehicleExplained(Shown):
    """What a car does now, what the plan in force has it do, and why."""

    plan_id: str
    language: Language
    currency: str
    now: VehicleNow
    charging: list[ChargingExplained]
    assignments: list[BookingExplained]
    moves: list[MoveExplained]


class BookingWithCharging(BookingExplained):
    """A booking, the car that the plan in force gives it (or null), and why."""

    plan_id: str
    language: Language
    currency: str
    charging: list[ChargingExplained]
    """What the car charges between its trip before and this one."""


class ExplanationQuery(LanguageQuery):
    """What to show of an explanation."""

    vehicle_id: Annotated[str, Field(max_length=64)] | None = None
    site_id: Annotated[str, Field(max_length=64)] | None = None
    """Cars that stand there, what they charge there, bookings that begin there."""


@router.get(
    "/plans/{plan_id}/explanation", response_model=PlanExplained, dependencies=[may("read")]
)
async def explain_plan(
    request: Request,
    caller: CallerNow,
    plan_id: str,
    query: Annotated[ExplanationQuery, Query()],
) -> Response:
    """Say why a plan is so: of each charging entry, each booking and each car, in words.

    `current` is the plan in force, and tells what cars do now; others tell what they did when the
    plan was made.
    """
    asked = replace(_asked(request, query, query.vehicle_id), site=query.site_id)
    services = services_of(request)
    # Read first, then told: that takes seconds, and there are but a few readers for all.
    async with services.db.read() as session:
        is_current = plan_id == "current"
        row = (
            await _in_force(session, caller.tenant)
            if is_current
            else await find_row(session, Plan, plan_id, caller.tenant)
        )
    at = services.clock.now() if is_current else row.created_at
    return _reply(await explained(row, asked, at))


@router.get(
    "/vehicles/{vehicle_id}/explanation",
    response_model=VehicleExplained,
    dependencies=[may("read")],
)
async def explain_vehicle(
    request: Request,
    caller: CallerNow,
    vehicle_id: str,
    query: Annotated[LanguageQuery, Query()],
) -> Response:
    """Say why a car charges now or does not, and what the plan in force has it do."""
    services = services_of(request)
    async with services.db.read() as session:
        await find_row(session, Vehicle, vehicle_id, caller.tenant)
        row = await _in_force(session, caller.tenant)
    asked = _asked(request, query, vehicle_id)
    return _reply(await vehicle_explained(row, asked, services.clock.now()))


@router.get(
    "/bookings/{booking_id}/explanation",
    response_model=BookingWithCharging,
    dependencies=[may("read")],
)
async def explain_booking(
    request: Request,
    caller: CallerNow,
    booking_id: str,
    query: Annotated[LanguageQuery, Query()],
) -> Response:
    """Say why the plan in force gives a booking its car, or none, and what that charges for it."""
    services = services_of(request)
    async with services.db.read() as session:
        await find_row(session, Booking, booking_id, caller.tenant)
        row = await _in_force(session, caller.tenant)
    asked = replace(_asked(request, query, None), booking=booking_id)
    return _reply(await booking_explained(row, asked, services.clock.now()))


def _asked(request: Request, query: LanguageQuery, vehicle_id: str | None) -> Asked:
    inline = services_of(request).db.inline
    return Asked(language_of(request, query.language), vehicle_id, inline=inline)


async def _in_force(session: AsyncSession, tenant: str) -> Plan:
    row = await current_plan(session, tenant=tenant, with_problem=True)
    if row is None:
        raise NotFound("there is no plan yet")
    return row


def _reply(document: dict[str, Any]) -> Response:
    return reply(document, language=document["language"])
