"""What a plan decided, rebuilt from its document: chains, stays, powers, and what a car holds when.

It is the way back from `scheduler.result`, so that a stored plan, or one made by somebody else, can
be explained as well as one that was just made.
"""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from scheduler.chains import Chains
from scheduler.moving import Move, begins, move_at, with_moves
from scheduler.parking import Stay, stays_of
from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.reasons import Flows, Reasons
from scheduler.result import Decision, outcome
from scheduler.view import Floats, View

Number = float | int | str | datetime | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Reason:
    """A code, and the numbers that stand behind it.

    Their names end in their units, as everywhere: `_w`, `_wh`, `_pct`, `_per_kwh`, `_at`.
    """

    code: str
    numbers: Mapping[str, Number]
    says: str = ""
    """Which sentence says it, where a code has several."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A problem and its plan, ready to be explained."""

    problem: Problem
    plan: Plan
    view: View
    chains: Chains
    stays: list[Stay]
    of_car: list[range]
    """By car: the numbers of its stays, in order."""
    parked: list[list[Stay]]
    """By site: who stands there, from arrival to departure."""
    moves: dict[int, tuple[Move, ...]]
    """By car: when staff moves it."""
    powers_w: list[Floats]
    soc_wh: Floats
    """By car and step, and at the end; on a trip what it will come back with."""
    flows: Flows
    reasons: Reasons

    def instant(self, step: int) -> datetime:
        """Returns when a step begins; one beyond the calendar, as a trip may end, at its end."""
        try:
            return self.problem.grid.instant(step)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)

    def stay_at(self, car: int, step: int) -> int | None:
        """Returns the stay in which a car stands at a step, or None while it is away."""
        return _stay_at(self.stays, self.of_car[car], step)

    def circuit(self, number: int) -> tuple[str, float]:
        """Returns the name and the limit of a circuit, or of a phase of it or of a site."""
        limits = (limit for place in self.view.places for limit in place.limits)
        found = next(limit for limit in limits if limit.number == number)
        return found.name, found.limit_w


def picture_of(problem: Problem, plan: Plan) -> Picture:
    """Returns what `plan` decided; it must be lawful."""
    view = View(problem)
    chains = _chains(view, plan)
    parkings = stays_of(view, chains)
    moves = _moves(view, plan)
    every = tuple(each for mine in moves.values() for each in mine)
    view = with_moves(view, every)
    stays = stays_of(view, _with_own(view, chains, moves))
    of_car = _by_car(stays, len(view.cars))
    powers_w = [np.zeros(max(stay.end - stay.start, 0)) for stay in stays]
    cars = {car.id: car.index for car in view.cars}
    posts = {post.id: post.index for post in view.posts}
    brought: dict[tuple[int, int], float] = {}
    for entry in plan.charging:
        number = _stay_at(stays, of_car[cars[entry.vehicle]], entry.from_step)
        assert number is not None, "who charges stands"
        begin = stays[number].start
        powers_w[number][entry.from_step - begin : entry.to_step - begin] = entry.power_w
        held = number, posts[entry.evse]
        energy = abs(entry.power_w) * (entry.to_step - entry.from_step)
        brought[held] = brought.get(held, 0.0) + energy + 1.0
    for each in plan.stays:
        if each.evse is not None and each.from_step < each.to_step:
            mine = of_car[cars[each.vehicle]]
            number = _held_in(view, stays, mine, each.from_step)
            if number is None:  # a visit to a fast charger
                number = _stay_at(stays, mine, each.from_step)
            assert number is not None, "cars stand where the chains have them stand"
            brought.setdefault((number, posts[each.evse]), 0.0)
    # A stay may hold an EVSE and visit a fast one: the one that brings more stands for both.
    for (number, post), _ in sorted(brought.items(), key=lambda item: item[1]):
        stays[number] = replace(stays[number], post=post)
    # A plan may name its sites in any order, and says itself what flows there.
    said = {site.id: site for site in plan.sites}
    sites = [said[place.id] for place in view.places]
    battery_w = np.array([site.battery_w for site in sites])
    found = outcome(view, Decision(chains, stays, powers_w, battery_w))
    grid_w = np.array([site.grid_w for site in sites])
    pv_used_w = np.array([site.pv_used_w for site in sites])
    flows = Flows(grid_w, pv_used_w, battery_w, found.ends_wh)
    return Picture(
        problem=problem,
        plan=plan,
        view=view,
        chains=chains,
        stays=stays,
        of_car=of_car,
        parked=[
            [stay for stay in parkings if stay.site == site] for site in range(len(view.places))
        ],
        moves=moves,
        powers_w=powers_w,
        soc_wh=_states(view, stays, powers_w),
        flows=flows,
        reasons=Reasons(view, stays, powers_w, flows),
    )


def _chains(view: View, plan: Plan) -> Chains:
    trips = {trip.id: trip for trip in view.trips}
    cars = {car.id: car.index for car in view.cars}
    chains: list[list[int]] = [[] for _ in view.cars]
    for each in plan.assignments:
        chains[cars[each.vehicle]].append(trips[each.booking].index)
    return tuple(
        tuple(sorted(chain, key=lambda index: (view.trips[index].start, index))) for chain in chains
    )


def _moves(view: View, plan: Plan) -> dict[int, tuple[Move, ...]]:
    cars = {car.id: car.index for car in view.cars}
    sites = {place.id: place.index for place in view.places}
    found: dict[int, tuple[Move, ...]] = {}
    ordered = sorted(plan.moves, key=lambda move: (move.vehicle, move.from_step))
    for count, each in enumerate(ordered):
        car = cars[each.vehicle]
        trip = move_at(view, count, sites[each.site], each.from_step)
        found[car] = (*found.get(car, ()), trip)
    return found


def _with_own(view: View, chains: Chains, moves: Mapping[int, tuple[Move, ...]]) -> Chains:
    """Returns the chains with each car's moves among its trips."""
    return tuple(
        tuple(
            sorted(
                (*chain, *(each.index for each in moves.get(car, ()))),
                key=lambda index: (view.trips[index].start, index),
            )
        )
        for car, chain in enumerate(chains)
    )


def _held_in(view: View, stays: list[Stay], mine: range, step: int) -> int | None:
    """Returns the stay that begins at a step, with a move or without one."""
    return next((n for n in mine if begins(view, stays[n]) == step), None)


def _by_car(stays: list[Stay], cars: int) -> list[range]:
    """Returns the numbers of each car's stays, which follow one another."""
    begins = [0] * (cars + 1)
    for stay in stays:
        begins[stay.car + 1] += 1
    ends = list(itertools.accumulate(begins))
    return [range(ends[car], ends[car + 1]) for car in range(cars)]


def _stay_at(stays: list[Stay], mine: range, step: int) -> int | None:
    return next((n for n in mine if stays[n].start <= step < stays[n].end), None)


def _states(view: View, stays: list[Stay], powers_w: list[Floats]) -> Floats:
    states = np.zeros((len(view.cars), view.steps + 1))
    for stay, power_w in zip(stays, powers_w, strict=True):
        car = view.cars[stay.car]
        row = states[stay.car]
        if stay.before < 0:
            row[:] = car.soc_wh
        stored = np.where(power_w > 0, power_w * car.efficiency, power_w / car.efficiency)
        row[stay.start + 1 : stay.end + 1] = row[stay.start] + np.cumsum(stored) * view.hours
        left = float(row[min(max(stay.end, stay.start), view.steps)])
        if stay.after >= 0:
            row[stay.end + 1 :] = left - view.trips[stay.after].drive_wh(car)
        else:
            row[stay.end + 1 :] = left
    return states
