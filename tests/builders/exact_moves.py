"""For the exact oracle: a stay in which staff may move the car from EVSE to EVSE.

The EVSE of each step is a variable, and so is each move. In the step of a move the stay is on the
new EVSE already; nothing flows into the car then, nor where it was.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ortools.sat.python import cp_model

from scheduler.plan import Move, Stay
from scheduler.problem import Evse, Site, Vehicle


@dataclass(frozen=True)
class Stand:
    """A stay that a car may make, after a trip (None: at first) until another (None: the end)."""

    car: Vehicle
    site: Site
    start: int
    end: int
    before: str | None
    after: str | None


class Turned:
    """The EVSEs that a car holds in turn in one stay, as variables."""

    def __init__(self, model: cp_model.CpModel, stand: Stand, made: cp_model.IntVar) -> None:
        self.stand = stand
        self.held: dict[tuple[str, int], cp_model.IntVar] = {}
        self.moved: dict[int, cp_model.IntVar] = {}
        """By step: whether staff moves the car then."""
        self.went: dict[tuple[str, int], cp_model.IntVar] = {}
        """By EVSE and step: whether the car is moved away from it then."""
        steps = range(stand.start, stand.end)
        for evse, step in itertools.product(stand.site.evses, steps):
            self.held[evse.id, step] = model.new_bool_var("")
        for step in steps:
            here = [self.held[evse.id, step] for evse in stand.site.evses]
            model.add(cp_model.LinearExpr.sum(here) <= made)
        self._begin(model, made)
        for step in steps[1:]:
            self._move(model, step)

    def _begin(self, model: cp_model.CpModel, made: cp_model.IntVar) -> None:
        """A car that stands on an EVSE keeps it at first; who comes can't come to a closed one."""
        stand = self.stand
        stays = stand.before is None
        for evse in stand.site.evses:
            held = self.held[evse.id, stand.start]
            if stays and stand.car.evse is not None:
                model.add(held == (made if evse.id == stand.car.evse else 0))
            elif (stays and stand.car.parked) or is_closed(evse, stand.start):
                model.add(held == 0)

    def _move(self, model: cp_model.CpModel, step: int) -> None:
        """Changes of EVSE are moves, made while staff is there."""
        site = self.stand.site
        there = any(start <= step < end for start, end in site.move_windows)
        moved = self.moved[step] = model.new_bool_var("")
        if not there or not self.stand.car.may_be_moved:
            model.add(moved == 0)
        for evse in site.evses:
            before, after = self.held[evse.id, step - 1], self.held[evse.id, step]
            model.add(after - before <= moved)
            went = self.went[evse.id, step] = model.new_bool_var("")
            model.add(before - after <= went)
            model.add(went <= moved)
            if is_closed(evse, step):
                model.add(after <= before)

    def found(self, solver: cp_model.CpSolver) -> tuple[list[Stay], list[Move]]:
        """Returns stays and moves as they were found."""
        stand = self.stand
        at = [
            next((e.id for e in stand.site.evses if solver.value(self.held[e.id, step])), None)
            for step in range(stand.start, stand.end)
        ]
        cuts = [n for n in range(1, len(at)) if at[n] != at[n - 1]]
        car, site = stand.car.id, stand.site.id
        stays = [
            Stay(car, site, at[one], stand.start + one, stand.start + other)
            for one, other in itertools.pairwise([0, *cuts, len(at)])
            if one < other
        ]
        moves = [
            Move(car, site, at[n - 1], at[n], stand.start + n, stand.start + n + 1) for n in cuts
        ]
        return stays, moves


def is_closed(evse: Evse, step: int) -> bool:
    """Returns whether an EVSE is unavailable in a step."""
    return any(start <= step < end for start, end in evse.unavailable)
