"""Why a stored plan is so: its explanation, made where it holds up nobody.

A plan keeps its problem, so that it can be explained as long as it is kept. To explain one of
3,000 cars takes seconds: a thread of its own does it, one plan after the other, never the event
loop. Who asks for another car of the same plan, or another language, gets what was found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from models.errors import NotFound
from models.tables.planning import Plan
from models.timeline import StepGrid
from scheduler.explaining import Explanation, explain
from scheduler.explaining.told import Teller
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
    if asked.vehicle is not None and not told["vehicles"]:
        raise NotFound(f"the plan has no vehicle {asked.vehicle}")
    return told


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
    currency, found = _found(problem_json, plan_json, step)
    return {
        "plan_id": plan_id,
        "language": asked.language,
        "currency": currency,
        **_told(found, Teller(asked.language, currency), asked.vehicle),
    }


@lru_cache(maxsize=2)
def _found(problem_json: str, plan_json: str, step: int) -> tuple[str, Explanation]:
    """Returns the currency of a plan, and why it is so."""
    problem = read_problem(problem_json.encode())
    return problem.currency, explain(problem, read_plan(plan_json.encode()), step=step)


def _told(found: Explanation, teller: Teller, vehicle: str | None) -> dict[str, Any]:
    is_asked: Callable[[str | None], bool] = lambda name: vehicle in (None, name)  # noqa: E731
    return {
        "vehicles": teller.vehicles(e for e in found.vehicles if is_asked(e.vehicle)),
        "charging": teller.charging(e for e in found.charging if is_asked(e.vehicle)),
        "assignments": teller.bookings(e for e in found.assignments if is_asked(e.vehicle)),
        "unserved": teller.bookings(found.unserved),
        "moves": teller.moves(e for e in found.moves if is_asked(e.vehicle)),
    }
