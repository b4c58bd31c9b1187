"""Chains: which trips each car serves, one after another.

A chain is judged by walking it: is the car free, at the place, and can it have the energy if it
charges as fast as the best EVSE of each site allows? That is optimistic, since cars share EVSEs and
limits; the charging program has the last word (`scheduler.charge`). Trips are put in and taken out
here one at a time; the joint assignment of all of them is `scheduler.assign`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from scheduler.prices import RechargePrices
from scheduler.view import TOLERANCE_WH, Car, Trip, View

Chain = tuple[int, ...]
"""The trips of one car, in order."""
Chains = tuple[Chain, ...]
"""One chain per car, in the order of the cars."""
Fault = Literal["TIME", "PLACE", "ENERGY", "CAR"]


@dataclass(frozen=True, slots=True)
class Break:
    """Where and why a chain can't be driven."""

    position: int
    fault: Fault
    short_wh: float = 0.0


def walk(view: View, car: Car, chain: Sequence[int]) -> Break | None:
    """Returns the first break of `chain` if `car` drives it, or None if it can."""
    place, free, soc = car.site, car.free_from, car.soc_wh
    for position, index in enumerate(chain):
        trip = view.trips[index]
        if car.index not in trip.able:
            return Break(position, "CAR")
        if trip.start < free:
            return Break(position, "TIME")
        if trip.pickup != place:
            return Break(position, "PLACE")
        soc = charged_wh(view, car, place, soc, parked_from(view, trip, chain, position, car), trip)
        need = trip.need_wh(car)
        if soc < need - TOLERANCE_WH:
            return Break(position, "ENERGY", need - soc)
        soc -= trip.drive_wh(car)
        place, free = trip.dropoff, trip.end + view.turnaround
    return None


def parked_from(view: View, trip: Trip, chain: Sequence[int], position: int, car: Car) -> int:
    """Returns the step at which the stay before `trip` begins."""
    since = view.trips[chain[position - 1]].end if position else car.free_from
    return min(since, trip.start)


def charged_wh(  # noqa: PLR0917 - one step of a walk
    view: View, car: Car, place: int, soc_wh: float, since: int, trip: Trip
) -> float:
    """Returns the most that `car` can hold at the start of `trip` if parked at `place`."""
    if soc_wh >= car.high_wh:
        return soc_wh
    reach = view.reach_wh(car, place)
    held_wh = min(car.high_wh, soc_wh + float(reach[trip.start] - reach[since]))
    if not car.taper:
        return held_wh
    gain = view.hours * car.efficiency
    return min(held_wh, car.most_after_wh(soc_wh, trip.start - since, gain))


def position_of(view: View, chain: Sequence[int], trip: Trip) -> int:
    """Returns where `trip` belongs in `chain` by its start."""
    return bisect_left(chain, trip.start, key=lambda index: view.trips[index].start)


def joined(view: View, car: Car, chain: Chain, trip: Trip) -> Chain | None:
    """Returns `chain` with `trip` put in where it belongs, or None if time or place forbid it."""
    position = position_of(view, chain, trip)
    if position < len(chain):
        after = view.trips[chain[position]]
        if trip.end + view.turnaround > after.start or trip.dropoff != after.pickup:
            return None
    if position:
        before = view.trips[chain[position - 1]]
        if before.end + view.turnaround > trip.start or before.dropoff != trip.pickup:
            return None
    elif car.site != trip.pickup or car.free_from > trip.start:
        return None
    return (*chain[:position], trip.index, *chain[position:])


def fits(view: View, car: Car, chain: Chain, trip: Trip) -> Chain | None:
    """Returns `chain` with `trip` put in where it belongs, or None if it then breaks."""
    longer = joined(view, car, chain, trip)
    return longer if longer is not None and walk(view, car, longer) is None else None


def insertion_cost(view: View, prices: RechargePrices, car: Car, chain: Chain, trip: Trip) -> float:
    """Returns what putting `trip` into `chain` adds to the price of recharging between trips."""
    position = position_of(view, chain, trip)
    before = view.trips[chain[position - 1]] if position else None
    after = view.trips[chain[position]] if position < len(chain) else None
    added = prices.between(car, before, trip)
    if after is not None:
        added += prices.between(car, trip, after) - prices.between(car, before, after)
    return added


def insert(
    view: View, prices: RechargePrices, chains: Chains, trips: Iterable[int]
) -> tuple[Chains, list[int]]:
    """Puts each trip where it costs least; returns the chains and the trips that found no car.

    Trips of higher priority come first, then earlier ones.
    """
    current = list(chains)
    here = calling_at(view, chains)
    left: list[int] = []
    ordered = sorted(trips, key=lambda n: (-view.trips[n].priority, view.trips[n].start, n))
    for index in ordered:
        trip = view.trips[index]
        best: tuple[float, int, Chain] | None = None
        for number in trip.able & here[trip.pickup]:
            car = view.cars[number]
            longer = fits(view, car, current[number], trip)
            if longer is None:
                continue
            cost = insertion_cost(view, prices, car, current[number], trip)
            if best is None or (cost, number) < best[:2]:
                best = (cost, number, longer)
        if best is None:
            left.append(index)
        else:
            current[best[1]] = best[2]
            here[trip.dropoff].add(best[1])
    return tuple(current), left


def calling_at(view: View, chains: Chains) -> list[set[int]]:
    """Returns, by site, the cars that stand there at some time: no other can leave from there."""
    here: list[set[int]] = [set() for _ in view.places]
    for car, chain in zip(view.cars, chains, strict=True):
        here[car.site].add(car.index)
        for index in chain:
            here[view.trips[index].dropoff].add(car.index)
    return here


def served(chains: Chains) -> set[int]:
    """Returns all trips that some car serves."""
    return {index for chain in chains for index in chain}


def priority_served(view: View, chains: Chains) -> int:
    """Returns the sum of the priorities of all trips that some car serves."""
    return sum(view.trips[index].priority for chain in chains for index in chain)


def sound(view: View, car: Car, chain: Sequence[int]) -> Chain:
    """Returns `chain` without the trips that break it, losing as little priority as is simple.

    On a break by energy the least important trip up to there whose loss leaves the places joined
    goes; on any other break the trip itself.
    """
    current = tuple(chain)
    while (broken := walk(view, car, current)) is not None:
        current = without(view, car, current, broken)
    return current


def sound_chains(view: View, chains: Chains) -> Chains:
    """Returns the chains of all cars, each without the trips that break it."""
    return tuple(sound(view, car, chain) for car, chain in zip(view.cars, chains, strict=True))


def without(view: View, car: Car, chain: Chain, broken: Break) -> Chain:
    """Returns `chain` less the trip whose loss mends `broken` most cheaply."""
    if broken.fault != "ENERGY":
        return (*chain[: broken.position], *chain[broken.position + 1 :])
    choices = [
        (view.trips[chain[n]].priority, -n, n)
        for n in range(broken.position + 1)
        if _joined(view, car, chain, n) and view.trips[chain[n]].fixed != car.index
    ]
    choices = choices or [(0, 0, broken.position)]
    mended: list[tuple[int, int, int]] = []
    for choice in choices:
        shorter = (*chain[: choice[2]], *chain[choice[2] + 1 :])
        later = walk(view, car, shorter)
        if later is None or later.position >= broken.position:
            mended.append(choice)
    position = min(mended or choices)[2]
    return (*chain[:position], *chain[position + 1 :])


def _joined(view: View, car: Car, chain: Chain, position: int) -> bool:
    """Whether the trips around `position` still meet when that one is left out."""
    place = view.trips[chain[position - 1]].dropoff if position else car.site
    if position + 1 == len(chain):
        return True
    return place == view.trips[chain[position + 1]].pickup
