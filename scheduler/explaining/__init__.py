"""Why a plan is so, from a problem and its plan alone: codes with numbers, and sentences for them.

The same explanation goes to the terminal, to REST and to whoever reads a plan: the codes of
charging are those that `scheduler.reasons` finds, and a test holds them to what they say
(`tests/simulation/test_reasons_hold.py`). `picture` rebuilds what the plan decided, `slots`,
`trips` and `waiting` find the numbers, `words` says them in English, French or German.
"""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.explaining.moves import MoveWhy, move_whys
from scheduler.explaining.picture import picture_of
from scheduler.explaining.slots import ChargingWhy, charging_whys
from scheduler.explaining.trips import BookingWhy, assignment_whys, unserved_whys
from scheduler.explaining.waiting import VehicleWhy, vehicle_whys
from scheduler.plan import Plan
from scheduler.problem import Problem

__all__ = [
    "BookingWhy",
    "ChargingWhy",
    "Explanation",
    "MoveWhy",
    "VehicleWhy",
    "explain",
    "explain_moves",
]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a plan is so."""

    charging: tuple[ChargingWhy, ...]
    """In the order of the plan's entries."""
    assignments: tuple[BookingWhy, ...]
    unserved: tuple[BookingWhy, ...]
    vehicles: tuple[VehicleWhy, ...]
    """What each car does at the step asked for, and why."""
    moves: tuple[MoveWhy, ...] = ()
    """What staff is to do, in order."""


def explain_moves(problem: Problem, plan: Plan) -> tuple[MoveWhy, ...]:
    """Returns why a lawful `plan` has staff move cars, in a fraction of the time of `explain`."""
    return move_whys(picture_of(problem, plan))


def explain(problem: Problem, plan: Plan, *, step: int = 0) -> Explanation:
    """Returns why `plan` is so.

    Args:
        problem: what the plan answers.
        plan: one that the referee passes; whoever made it.
        step: the time for which it is told what each car does.
    """
    picture = picture_of(problem, plan)
    charging = charging_whys(picture)
    return Explanation(
        charging=charging,
        assignments=assignment_whys(picture),
        unserved=unserved_whys(picture),
        vehicles=vehicle_whys(picture, charging, step),
        moves=move_whys(picture),
    )
