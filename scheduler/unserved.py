"""Bookings that no car serves yet: who could still take them, and why not.

A reason must be true of the plan that gives it: `NO_VEHICLE` only where no car of the classes is
free at that place and time, and none at all where an idle car holds the energy already. So before
reasons are given, idle cars are looked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

import numpy as np

from scheduler.chains import Chain, Chains, joined, served
from scheduler.parking import Stay
from scheduler.plan import Unserved, UnservedCode
from scheduler.result import Decision
from scheduler.view import TOLERANCE_WH, Car, Floats, Trip, View


def reason(
    view: View,
    trip: Trip,
    chains: Chains,
    known: Mapping[int, UnservedCode],
    here: Sequence[Set[int]],
) -> Unserved:
    """Returns why no car of `chains` serves `trip`.

    `known` holds what charging has shown for trips that it gave up, `here` which cars stand at
    each site at some time.
    """
    booking = view.problem.bookings[trip.index]
    if booking.vehicle is not None:
        detail = f"it is fixed to {booking.vehicle}, which can't serve it"
        return Unserved(trip.id, "FIXED_VEHICLE", detail)
    of_class = [car for car in view.cars if car.vehicle_class in booking.classes]
    if not of_class:
        return Unserved(trip.id, "NO_VEHICLE", f"no car is of class {', '.join(booking.classes)}")
    if all(trip.need_wh(car) > car.most_wh + TOLERANCE_WH for car in of_class):
        need_wh = min(trip.need_wh(car) for car in of_class)
        detail = f"it takes a battery of {need_wh:.0f} Wh or more"
        return Unserved(trip.id, "BEYOND_CAPACITY", detail)
    free = [
        car
        for car in of_class
        if car.index in here[trip.pickup] and joined(view, car, chains[car.index], trip) is not None
    ]
    if not free:
        detail = f"none of {len(of_class)} cars is free at that place and time"
        return Unserved(trip.id, "NO_VEHICLE", detail)
    if trip.index in known:
        return Unserved(trip.id, known[trip.index], "the energy can't be brought into a car")
    detail = f"none of {len(free)} cars there can be charged enough for it and for what follows"
    return Unserved(trip.id, "NOT_ENOUGH_ENERGY", detail)


def held_only(view: View, chains: Chains) -> Chains:
    """Returns what the cars can serve with the energy that they hold, `chains` first."""
    kept: list[Chain] = []
    for car, chain in zip(view.cars, chains, strict=True):
        mine: Chain = ()
        for index in chain:
            mine = _with_held(view, car, mine, view.trips[index]) or mine
        kept.append(mine)
    done = served(tuple(kept))
    left = [trip for trip in view.trips if trip.index not in done]
    for trip in sorted(left, key=lambda trip: (-trip.priority, trip.start, trip.index)):
        for car in _may_serve(view, trip, view.cars):
            longer = _with_held(view, car, kept[car.index], trip)
            if longer is not None:
                kept[car.index] = longer
                break
    return tuple(kept)


def _may_serve(view: View, trip: Trip, cars: Sequence[Car]) -> list[Car]:
    """Returns those cars that the booking allows, wherever they are and whatever they hold."""
    booking = view.problem.bookings[trip.index]
    return [
        car
        for car in cars
        if car.vehicle_class in booking.classes and booking.vehicle in (None, car.id)
    ]


def _with_held(view: View, car: Car, chain: Chain, trip: Trip) -> Chain | None:
    """Returns `chain` with `trip` in it if the car can drive it all without being charged."""
    longer = joined(view, car, chain, trip)
    soc_wh = car.soc_wh
    for index in longer or ():
        each = view.trips[index]
        if soc_wh < each.need_wh(car):
            return None
        soc_wh -= each.drive_wh(car)
    return longer


def with_idle_cars(view: View, decision: Decision) -> tuple[Chains, list[Stay]] | None:
    """Returns chains and stays in which idle cars take trips that they hold the energy for.

    A car is idle after its last trip. Nothing changes for others: it leaves its EVSE and comes
    back to none. None if there is no such car and trip.
    """
    done = served(decision.chains)
    if len(done) == len(view.trips):
        return None
    chains, stays = list(decision.chains), list(decision.stays)
    last = {stay.car: n for n, stay in enumerate(stays)}
    paths = _Paths(view, decision)
    ending: list[list[Car]] = [[] for _ in view.places]
    for car, chain in zip(view.cars, chains, strict=True):
        ending[view.trips[chain[-1]].dropoff if chain else car.site].append(car)
    taken: set[int] = set()
    left = [trip for trip in view.trips if trip.index not in done]
    for trip in sorted(left, key=lambda trip: (-trip.priority, trip.start, trip.index)):
        for car in _may_serve(view, trip, ending[trip.pickup]):
            number, at = car.index, last[car.index]
            longer = joined(view, car, chains[number], trip)
            if number in taken or longer is None or longer[-1] != trip.index:
                continue
            since = trip.start - stays[at].start
            if (
                paths.of(car)[since] < trip.need_wh(car)
                or (decision.powers_w[at][since:] < 0).any()
            ):
                continue
            taken.add(number)
            chains[number] = longer
            stays[at] = replace(stays[at], end=trip.start, after=trip.index)
            if trip.start == stays[at].start:
                stays[at] = replace(stays[at], post=-1)
            begin = min(trip.end, view.steps)
            stays.append(Stay(number, trip.dropoff, begin, view.steps, trip.index, -1))
            break
    if not taken:
        return None
    order = {index: n for chain in chains for n, index in enumerate(chain)}
    stays.sort(key=lambda stay: (stay.car, order.get(stay.before, -1)))
    return tuple(chains), stays


class _Paths:
    """Each car's state of charge through its last stay, found for those that are asked for."""

    def __init__(self, view: View, decision: Decision) -> None:
        self._view, self._decision = view, decision
        self._stays: dict[int, list[int]] = {}
        for n, stay in enumerate(decision.stays):
            self._stays.setdefault(stay.car, []).append(n)
        self._known: dict[int, Floats] = {}

    def of(self, car: Car) -> Floats:
        """Returns the path of a car, from the start of its last stay on, in Wh."""
        if car.index not in self._known:
            self._known[car.index] = self._path(car)
        return self._known[car.index]

    def _path(self, car: Car) -> Floats:
        view, decision = self._view, self._decision
        path = np.array([car.soc_wh])
        for n in self._stays.get(car.index, ()):
            stay, power_w = decision.stays[n], decision.powers_w[n]
            soc_wh = float(path[-1])
            if stay.before >= 0:
                soc_wh -= view.trips[stay.before].drive_wh(car)
            stored = np.where(power_w > 0, power_w * car.efficiency, power_w / car.efficiency)
            path = soc_wh + np.concatenate(([0.0], np.cumsum(stored) * view.hours))
        return path
