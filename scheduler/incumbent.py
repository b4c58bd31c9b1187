"""The plan before, carried over into a new problem by absolute time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from scheduler.chains import Chains
from scheduler.plan import Assignment, Charging, Kpis, Move, Plan, Unserved
from scheduler.problem import Problem
from scheduler.view import Floats, Trip, View


def incumbent_for(
    problem: Problem, *, former: tuple[datetime, Plan] | None, promised: Mapping[str, str]
) -> Plan | None:
    """Returns the standing plan in terms of a new problem: who drives what, charging, moves.

    It obeys no rule of the new problem yet; `make_plan` takes of it what still fits. Charging
    keeps its time of day, what is past or beyond the horizon is cut off. A move that staff may
    still make begins with the next step at the earliest.

    Args:
        problem: what is to be planned now.
        former: the last plan and its start; it knows bookings that are promised to no car.
        promised: which vehicle each booking is promised to; goes before the former plan.
    """
    known = {each.id for each in problem.bookings}
    vehicles: dict[str, str] = {}
    charging: tuple[Charging, ...] = ()
    unserved: tuple[Unserved, ...] = ()
    moves: tuple[Move, ...] = ()
    if former is not None:
        start, plan = former
        unserved = tuple(each for each in plan.unserved if each.booking in known - promised.keys())
        vehicles.update((each.booking, each.vehicle) for each in plan.assignments)
        charging = _shifted(problem, start, plan.charging)
        moves = _still_to_make(problem, start, plan.moves)
    vehicles.update(promised)
    assignments = tuple(
        Assignment(booking, vehicle, 0.0)
        for booking, vehicle in sorted(vehicles.items())
        if booking in known
    )
    if not assignments and not charging and not moves:
        return None
    return Plan(
        status="feasible",
        cost=0.0,
        lower_bound=None,
        solve_seconds=0.0,
        assignments=assignments,
        unserved=unserved,
        stays=(),
        charging=charging,
        sites=(),
        kpis=Kpis(None, 0.0, 0.0, 0.0),
        moves=moves,
    )


def _shifted(
    problem: Problem, start: datetime, charging: tuple[Charging, ...]
) -> tuple[Charging, ...]:
    """Returns `charging`, counted from `start`, as counted from the problem's start."""
    by, last = _steps_since(problem, start), problem.steps
    return tuple(
        # Most plans begin where the one before did, after an event in the same step. There are
        # hundreds of entries, which `replace` copies in twice the time.
        each
        if by == 0 and each.to_step <= last
        else Charging(
            each.vehicle,
            each.evse,
            max(each.from_step - by, 0),
            min(each.to_step - by, last),
            each.power_w,
            each.reasons,
        )
        for each in charging
        if max(each.from_step - by, 0) < min(each.to_step - by, last)
    )


def _still_to_make(problem: Problem, start: datetime, moves: tuple[Move, ...]) -> tuple[Move, ...]:
    """Returns moves, counted from `start`, as counted from the problem's start.

    What could have begun by now is due, until it should have been done: then it is left to a new
    plan.
    """
    by = _steps_since(problem, start)
    shifted = (
        replace(each, from_step=max(each.from_step - by, 0), to_step=each.to_step - by)
        for each in moves
    )
    return tuple(each for each in shifted if each.from_step < min(each.to_step, problem.steps))


def _steps_since(problem: Problem, start: datetime) -> int:
    return (problem.start - start) // timedelta(minutes=problem.step_minutes)


def kept_chains(view: View, incumbent: Plan | None) -> Chains | None:
    """Returns the incumbent's chains as far as they are about this problem."""
    if incumbent is None or not incumbent.assignments:
        return None
    trips = {trip.id: trip for trip in view.trips}
    cars = {car.id: car.index for car in view.cars}
    chains: list[list[Trip]] = [[] for _ in view.cars]
    for each in incumbent.assignments:
        trip, car = trips.get(each.booking), cars.get(each.vehicle)
        if trip is not None and car is not None and car in trip.cars:
            chains[car].append(trip)
    return tuple(
        tuple(trip.index for trip in sorted(chain, key=lambda t: (t.start, t.index)))
        for chain in chains
    )


def left_before(view: View, incumbent: Plan | None) -> frozenset[int]:
    """Returns the trips that the incumbent leaves out and no car is promised for."""
    if incumbent is None:
        return frozenset()
    names = {each.booking for each in incumbent.unserved}
    return frozenset(trip.index for trip in view.trips if trip.id in names)


def kept_powers(view: View, incumbent: Plan | None) -> Floats | None:
    """Returns the incumbent's charging by car and step, in W; None if it has none."""
    if incumbent is None or not incumbent.charging:
        return None
    cars = {car.id: car.index for car in view.cars}
    powers_w = np.zeros((len(view.cars), view.steps))
    for each in incumbent.charging:
        if each.vehicle in cars:
            powers_w[cars[each.vehicle], each.from_step : each.to_step] = max(each.power_w, 0.0)
    return powers_w
