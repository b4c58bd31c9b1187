"""Why a stored plan is so: its explanation, made where it holds up nobody.

A plan keeps its problem, so that it can be explained as long as it is kept. To explain one of
3,000 cars takes seconds: a thread of its own does it, one plan after the other, never the event
loop. Who asks for another car of the same plan, or another language, gets what was found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from models.errors import NotFound
from models.tables.planning import Plan
from models.timeline import StepGrid, format_rfc3339
from scheduler.explaining import Explanation, explain
from scheduler.explaining.slots import ChargingWhy
from scheduler.explaining.told import Teller
from scheduler.explaining.trips import BookingWhy
from scheduler.explaining.words import Language
from scheduler.plan import read_plan
from scheduler.problem import read_problem

_THREAD = ThreadPoolExecutor(1, "heliofleet-explaining")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of an explanation somebody wants to see."""

    language: Language
    vehicle: str | None = None
    """None: all."""
    site: str | None = None
    """Where cars stand and charge, bookings begin, and staff moves cars; None: anywhere."""
    booking: str | None = None
    """None: all."""
    inline: bool = False
    """Whether to explain in the calling thread, as a virtual event loop needs it."""


async def explained(plan: Plan, asked: Asked, at: datetime) -> dict[str, Any]:
    """Returns why a plan is so, as the REST door shows it.

    Args:
        plan: with its problem.
        asked: what to show.
        at: the time for which it is told what cars do; the plan's start where it says nothing then.

    Raises:
        NotFound: if the plan does not know the car that is asked for.
    """
    grid = StepGrid(plan.start, plan.step_minutes, plan.steps)
    step = grid.floor(at)
    if not 0 <= step < grid.steps:
        step = 0
    found = partial(_document, plan.id, plan.problem, plan.document, step, asked)
    if asked.inline:
        told = found()
    else:
        told = await asyncio.get_running_loop().run_in_executor(_THREAD, found)
    if asked.vehicle is not None and asked.site is None and not told["vehicles"]:
        raise NotFound(f"the plan has no vehicle {asked.vehicle}")
    if asked.site is not None and asked.site not in plan.site_ids:
        raise NotFound(f"the plan has no site {asked.site}")
    return told


async def booking_explained(plan: Plan, asked: Asked, now: datetime) -> dict[str, Any]:
    """Returns why a plan gives a booking its car, or none, and what that car charges for it.

    Raises:
        NotFound: if the plan does not say.
    """
    document = await explained(plan, asked, now)
    found = [*document["assignments"], *document["unserved"]]
    if not found:
        until = plan.start + timedelta(minutes=plan.step_minutes * plan.steps)
        detail = f"the plan in force, which looks until {format_rfc3339(until)}, says nothing"
        raise NotFound(f"{detail} of booking {asked.booking}")
    told = {name: document[name] for name in ("plan_id", "language", "currency", "charging")}
    return {**told, **found[0]}


async def vehicle_explained(plan: Plan, asked: Asked, now: datetime) -> dict[str, Any]:
    """Returns what a car does now by a plan, what it will do, and why.

    Raises:
        NotFound: if the plan does not know the car, or is over.
    """
    grid = StepGrid(plan.start, plan.step_minutes, plan.steps)
    if not 0 <= grid.floor(now) < grid.steps:
        raise NotFound("no plan says anything about now")
    document = await explained(plan, asked, now)
    (present,) = document.pop("vehicles")
    del document["unserved"]
    return {**document, "now": present}


def _document(
    plan_id: str, problem_json: str, plan_json: str, step: int, asked: Asked
) -> dict[str, Any]:
    found = _found(problem_json, plan_json, step)
    return {
        "plan_id": plan_id,
        "language": asked.language,
        "currency": found.currency,
        **_told(found, Teller(asked.language, found.currency), asked),
    }


@dataclass(frozen=True, slots=True)
class _Found:
    """Why a plan is so, and where its EVSEs are and its bookings begin."""

    currency: str
    why: Explanation
    evse_sites: Mapping[str, str]
    pickup_sites: Mapping[str, str]


@lru_cache(maxsize=2)
def _found(problem_json: str, plan_json: str, step: int) -> _Found:
    problem = read_problem(problem_json.encode())
    return _Found(
        problem.currency,
        explain(problem, read_plan(plan_json.encode()), step=step),
        {evse.id: site.id for site in problem.sites for evse in site.evses},
        {each.id: each.pickup_site for each in problem.bookings},
    )


def _told(found: _Found, teller: Teller, asked: Asked) -> dict[str, Any]:
    def is_asked(vehicle: str | None, site: str | None) -> bool:
        return asked.vehicle in (None, vehicle) and asked.site in (None, site)

    def begins_there(each: BookingWhy) -> bool:
        place = found.pickup_sites.get(each.booking)
        return asked.site in (None, place) and asked.booking in (None, each.booking)

    why = found.why
    served = [each for each in why.assignments if asked.vehicle in (None, each.vehicle)]
    charging = why.charging if asked.booking is None else _charged_for(asked.booking, why)
    return {
        "vehicles": teller.vehicles(e for e in why.vehicles if is_asked(e.vehicle, e.site)),
        "charging": teller.charging(
            e for e in charging if is_asked(e.vehicle, found.evse_sites.get(e.evse))
        ),
        "assignments": teller.bookings(filter(begins_there, served)),
        "unserved": teller.bookings(filter(begins_there, why.unserved)),
        "moves": teller.moves(e for e in why.moves if is_asked(e.vehicle, e.site)),
    }


def _charged_for(booking_id: str, why: Explanation) -> list[ChargingWhy]:
    """Returns what the car of a booking charges between its trip before and this one."""
    trip = next((each for each in why.assignments if each.booking == booking_id), None)
    if trip is None:
        return []
    same_car = [each for each in why.assignments if each.vehicle == trip.vehicle]
    before = max((e.start_at for e in same_car if e.start_at < trip.start_at), default=None)
    return [
        each
        for each in why.charging
        if each.vehicle == trip.vehicle
        and each.to_at <= trip.start_at
        and (before is None or each.from_at >= before)
    ]
