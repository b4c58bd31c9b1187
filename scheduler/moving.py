"""Cars that staff moves: to the solver each move is a trip to the same site that takes no energy.

A move takes one step, in which the car takes nothing; before and after it the car has a stay each,
so that all that is known of stays holds for both. To a plan the second stay begins with the move.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from operator import attrgetter

from scheduler.parking import Key, Stay
from scheduler.plan import Move as PlannedMove
from scheduler.plan import MoveReason
from scheduler.view import Bools, Car, Floats, Trip, View

_SMALLEST_W = 1e-3


@dataclass(frozen=True, slots=True)
class Move(Trip):
    """A car is moved within its site, in one step."""

    def need_wh(self, car: Car) -> float:  # noqa: ARG002 - a car may be moved however empty
        """Returns nothing: that is what a move takes."""
        return 0.0


def move_at(view: View, others: int, site: int, step: int) -> Move:
    """Returns one move more beside so many others of a problem."""
    return Move(
        index=len(view.trips) + others,
        id="",
        start=step,
        end=step + 1,
        pickup=site,
        dropoff=site,
        km=0.0,
        reserve_km=0.0,
        priority=0,
        cars=(),
        able=frozenset(),
        fixed=-1,
    )


def with_moves(view: View, moves: Sequence[Move]) -> View:
    """Returns the problem with moves among its trips, after those that it has."""
    if not moves:
        return view
    other = copy(view)
    other.trips = [*view.trips, *moves]
    return other


def moves_cost(view: View, moves: Iterable[Move]) -> float:
    """Returns what moves cost."""
    sites = view.problem.sites
    return sum(sites[each.pickup].move_price or 0.0 for each in moves)


def begins(view: View, stay: Stay) -> int:
    """Returns when a stay begins to a plan: with the move that leads to it.

    Moves come after all bookings, so `view` may be with them or without.
    """
    return stay.start - 1 if stay.before >= len(view.problem.bookings) else stay.start


def staffed(view: View, site: int) -> Bools:
    """Returns the steps in which staff may move cars at a site."""
    place = view.problem.sites[site]
    there = view.places[site].pv_w < 0
    if place.move_price is not None:
        for start, end in place.move_windows:
            there[start:end] = True
    return there


def split(stays: Sequence[Stay], key: Key, move: Move, post: int) -> list[Stay]:
    """Returns stays of which one is cut by a move to another EVSE, or (-1) to none."""
    found: list[Stay] = []
    for stay in stays:
        if stay.key == key:
            found.append(replace(stay, end=move.start, after=move.index))
            found.append(replace(stay, start=move.end, before=move.index, post=post))
        else:
            found.append(stay)
    return found


def on_free_evses(view: View, stays: Sequence[Stay]) -> list[Stay]:
    """Returns stays, those with a free EVSE that cars come to by themselves and had none.

    Moves leave EVSEs free that no other car was given. `view` is without moves.
    """
    found = list(stays)
    busy: dict[int, int] = {}
    for stay in stays:
        leaving = 1 << stay.end if stay.after >= len(view.problem.bookings) else 0
        busy[stay.post] = busy.get(stay.post, 0) | _steps(view, stay) | leaving
    for n, stay in enumerate(stays):
        if stay.post >= 0 or stay.start >= stay.end or not comes_by_itself(view, stay):
            continue
        car = view.cars[stay.car]
        free = [
            post
            for post in map(view.posts.__getitem__, view.places[stay.site].posts)
            if post.power_w(car) > 0
            and post.open[stay.start]
            and not busy.get(post.index, 0) & _steps(view, stay)
        ]
        if free:
            best = max(free, key=lambda post: (not post.dc, post.power_w(car), -post.index))
            found[n] = replace(stay, post=best.index)
            busy[best.index] = busy.get(best.index, 0) | _steps(view, stay)
    return found


def comes_by_itself(view: View, stay: Stay) -> bool:
    """Returns whether a driver brings the car, who can put it on any EVSE."""
    if stay.before >= 0:
        return stay.before < len(view.problem.bookings)
    car = view.cars[stay.car]
    return car.post < 0 and not car.parked


def _steps(view: View, stay: Stay) -> int:
    """Returns the steps of a stay as bits, that of the move to it with them."""
    since = stay.start - (stay.before >= len(view.problem.bookings))
    return (1 << stay.end) - (1 << since) if since < stay.end else 0


def without_idle(
    view: View, stays: Sequence[Stay], moves: Sequence[Move]
) -> tuple[list[Stay], tuple[Move, ...]]:
    """Returns stays and moves without those moves that leave a car where it is.

    A car that was to go somewhere in between may have been given another time since.
    """
    first = len(view.trips)
    found: list[Stay] = []
    idle: set[int] = set()
    for stay in stays:
        if stay.before >= first and found[-1].post == stay.post:
            idle.add(stay.before)
            found[-1] = replace(found[-1], end=stay.end, after=stay.after)
        else:
            found.append(stay)
    kept = [each for each in moves if each.index not in idle]
    numbers = {each.index: first + n for n, each in enumerate(kept)}
    renumbered = [
        replace(
            stay,
            before=numbers.get(stay.before, stay.before),
            after=numbers.get(stay.after, stay.after),
        )
        for stay in found
    ]
    return renumbered, tuple(replace(each, index=numbers[each.index]) for each in kept)


def planned_moves(
    view: View, stays: Sequence[Stay], powers_w: Sequence[Floats]
) -> tuple[PlannedMove, ...]:
    """Returns what staff is to do, in order; `view` has the moves among its trips."""
    if not any(isinstance(trip, Move) for trip in view.trips):
        return ()
    found = list(_moves(view, stays, powers_w))
    return tuple(sorted(found, key=attrgetter("from_step", "site", "vehicle")))


def _moves(view: View, stays: Sequence[Stay], powers_w: Sequence[Floats]) -> Iterator[PlannedMove]:
    for n, stay in enumerate(stays):
        step = begins(view, stay)
        if step == stay.start:
            continue
        was = stays[n - 1].post
        ends = _ends(view, stays, powers_w, n)
        yield PlannedMove(
            vehicle=view.cars[stay.car].id,
            site=view.places[stay.site].id,
            from_evse=view.posts[was].id if was >= 0 else None,
            to_evse=view.posts[stay.post].id if stay.post >= 0 else None,
            from_step=step,
            to_step=ends,
            reasons=(_reason(view, stays, n),),
        )


def _reason(view: View, stays: Sequence[Stay], n: int) -> MoveReason:
    """Returns why a car is moved to its `n`th stay: to a fast charger, away from one, or else."""
    stay, was = stays[n], stays[n - 1].post
    leaves_fast = was >= 0 and view.posts[was].dc
    if stay.post >= 0 and view.posts[stay.post].dc:
        return "FAST" if was >= 0 and not leaves_fast else "TURN"
    if stay.post >= 0:
        return "BACK" if leaves_fast else "TURN"
    follows = any(
        other.post == was and other.car != stay.car and begins(view, other) >= begins(view, stay)
        for other in stays
    )
    return "BACK" if leaves_fast and not follows else "ROOM"


def _ends(view: View, stays: Sequence[Stay], powers_w: Sequence[Floats], n: int) -> int:
    """Returns until when a car may be moved: before anything flows where it was or will be.

    A fast charger is left before it closes, or is reserved.
    """
    stay, step = stays[n], begins(view, stays[n])
    there = staffed(view, stay.site)
    ends = max(stay.end, step + 1)
    was = view.posts[stays[n - 1].post] if stays[n - 1].post >= 0 else None
    if was is not None and was.dc:
        ends = next((at for at in range(step + 1, ends) if not was.open[at]), ends)
    for m, other in enumerate(stays):
        if other.post < 0 or other.post not in {stay.post, stays[n - 1].post}:
            continue
        if begins(view, other) > step and m != n:
            ends = min(ends, max(begins(view, other), step + 1))
        flows = (at for at, w in enumerate(powers_w[m], other.start) if abs(w) > _SMALLEST_W)
        ends = next((at for at in flows if step < at < ends), ends)
    return next((at for at in range(step + 1, ends) if not there[at]), ends)
