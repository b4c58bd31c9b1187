"""Exchanges between two cars that may make a plan cheaper, priced before they are tried.

The charging program leaves a price on every kWh of every site and step; at these prices each car
stands by itself (`scheduler.worth`), and thousands of exchanges are priced at once: two cars that
stand at one place swap all that follows, or one car takes a round trip from another. By duality an
exchange that does not pay at the prices can't pay in the program either, save for EVSEs dealt anew
and for the grid of energies, so only those that do are worth a try there, best first.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.chains import Chain, Chains, walk
from scheduler.parking import Stay
from scheduler.result import Decision
from scheduler.view import Floats, View
from scheduler.worth import Index, Worth

_NEVER = 2**40
_MOST_ROUNDS = 500
"""How many round trips are offered to other cars, those first without which their cars save most:
no exchange gains more than that. With 3,000 cars all of them took a tenth of a plan's time."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Two cars get other chains; `gain` is what that saves at most, and about."""

    gain: float
    chains: tuple[tuple[int, Chain], tuple[int, Chain]]

    @property
    def cars(self) -> frozenset[int]:
        """The two cars."""
        return frozenset(car for car, _ in self.chains)

    def applied(self, chains: Chains) -> Chains:
        """Returns `chains` with the two in place."""
        changed = list(chains)
        for car, chain in self.chains:
            changed[car] = chain
        return tuple(changed)


def exchanges(
    view: View, decision: Decision, price: Floats, *, least_gain: float, most: int
) -> list[Exchange]:
    """Returns up to `most` drivable exchanges that gain more than `least_gain`, best first.

    `price` is by site and step what one more kWh costs there under `decision`.
    """
    chains, stays = decision.chains, decision.stays
    if len(view.cars) < 2 or not view.trips:
        return []
    worth = Worth(view, stays, price)
    spots = _Spots(view, chains, stays)
    found = _tails(chains, spots, worth, least_gain)
    found += _moves(chains, spots, worth, least_gain)
    found.sort(key=lambda each: -each.gain)
    kept: list[Exchange] = []
    for each in found:
        if len(kept) == most:
            break
        if all(walk(view, view.cars[car], chain) is None for car, chain in each.chains):
            kept.append(each)
    return kept


class _Spots:
    """Stays as arrays; those that begin after the horizon are left out."""

    def __init__(self, view: View, chains: Chains, stays: Sequence[Stay]) -> None:
        some = [stay for stay in stays if stay.start < view.steps]
        number = {trip: n + 1 for chain in chains for n, trip in enumerate(chain)}
        self.stays = some
        self.wait = view.turnaround
        self.steps = view.steps
        self.position = _whole([number.get(stay.before, 0) for stay in some])
        """How many trips the car has made before."""
        self.car = _whole([stay.car for stay in some])
        self.site = _whole([stay.site for stay in some])
        self.start = _whole([stay.start for stay in some])
        self.ready = _whole([s.start + self.wait * (s.before >= 0) for s in some])
        """From when on the car may leave."""
        self.leaves = _whole([stay.end if stay.after >= 0 else _NEVER for stay in some])

    def by_site(self) -> list[Index]:
        """Returns the numbers of the stays of each site that has any.

        All stays against all others would be 3 GB at 3,000 cars.
        """
        order = np.argsort(self.site, kind="stable")
        return [
            part
            for part in np.split(order, np.flatnonzero(np.diff(self.site[order])) + 1)
            if len(part)
        ]


def _meeting(spots: _Spots, here: Index) -> tuple[Index, Index]:
    """Returns the pairs of stays at one site whose cars may swap all that follows."""
    car, ready, leaves = spots.car[here], spots.ready[here], spots.leaves[here]
    one, other = np.nonzero(
        (car[:, None] < car[None, :])
        & (ready[:, None] <= leaves[None, :])
        & (ready[None, :] <= leaves[:, None])
        & (np.minimum(leaves[:, None], leaves[None, :]) < _NEVER)
    )
    return here[one], here[other]


def _pairs(parts: Sequence[tuple[Index, Index]]) -> tuple[Index, Index]:
    """Returns pairs of all sites in one order, by the first and then by the second."""
    if not parts:
        return _whole([]), _whole([])
    one = np.concatenate([part[0] for part in parts])
    other = np.concatenate([part[1] for part in parts])
    order = np.lexsort((other, one))
    return one[order], other[order]


def _whole(values: Sequence[int]) -> Index:
    return np.array(values, dtype=np.int64)


def _tails(chains: Chains, spots: _Spots, worth: Worth, least_gain: float) -> list[Exchange]:
    """Returns exchanges of all that follows between cars that stand at one place."""
    one, other = _pairs([_meeting(spots, here) for here in spots.by_site()])
    first, second = spots.car[one], spots.car[other]
    at = np.maximum(spots.start[one], spots.start[other])
    crossed = (worth.past[at, first] + worth.future[at, second]).min(axis=1)
    crossed += (worth.past[at, second] + worth.future[at, first]).min(axis=1)
    gain = worth.now[first] + worth.now[second] - crossed
    found: list[Exchange] = []
    for n in np.flatnonzero(gain > least_gain).tolist():
        i, j = int(first[n]), int(second[n])
        cut_i, cut_j = int(spots.position[one[n]]), int(spots.position[other[n]])
        mine = (*chains[i][:cut_i], *chains[j][cut_j:])
        theirs = (*chains[j][:cut_j], *chains[i][cut_i:])
        found.append(Exchange(float(gain[n]), ((i, mine), (j, theirs))))
    return found


def _moves(chains: Chains, spots: _Spots, worth: Worth, least_gain: float) -> list[Exchange]:
    """Returns exchanges in which a car takes a round trip from another."""
    trips = worth.view.trips
    rounds = [
        stay
        for stay in spots.stays
        if stay.after >= 0
        and trips[stay.after].dropoff == stay.site
        and trips[stay.after].end < spots.steps
    ]
    if not rounds:
        return []
    begins = _whole([stay.end for stay in rounds])
    ends = _whole([trips[stay.after].end for stay in rounds])
    saved = _saved(rounds, begins, ends, worth)
    sites = _whole([stay.site for stay in rounds])
    riders = _whole([stay.car for stay in rounds])
    pays = np.zeros(len(rounds), dtype=np.bool_)
    pays[np.argsort(-saved, kind="stable")[:_MOST_ROUNDS]] = True
    pays &= saved > least_gain
    parts: list[tuple[Index, Index]] = []
    for here in spots.by_site():
        some = np.flatnonzero((sites == spots.site[here[0]]) & pays)
        row, column = np.nonzero(
            (riders[some][:, None] != spots.car[here])
            & (spots.ready[here] <= begins[some][:, None])
            & (spots.leaves[here] >= ends[some][:, None] + spots.wait)
        )
        parts.append((some[row], here[column]))
    which, host = _pairs(parts)
    cars = spots.car[host]
    takes, need, drive = _by_car(worth, [rounds[n].after for n in which.tolist()], cars)
    back = worth.driven(worth.past[begins[which], cars], takes, need, drive)
    added = (back + worth.future[ends[which], cars]).min(axis=1) - worth.now[cars]
    gain = saved[which] - added
    found: list[Exchange] = []
    for n in np.flatnonzero(gain > least_gain).tolist():
        stay, car = rounds[int(which[n])], int(cars[n])
        cut = int(spots.position[host[n]])
        rest = tuple(index for index in chains[stay.car] if index != stay.after)
        longer = (*chains[car][:cut], stay.after, *chains[car][cut:])
        found.append(Exchange(float(gain[n]), ((stay.car, rest), (car, longer))))
    return found


def _by_car(worth: Worth, trips: Sequence[int], cars: Index) -> tuple[Index, Floats, Floats]:
    """Returns car, need and drive of each trip if that car drives it."""
    pairs = [
        (worth.view.trips[trip], worth.view.cars[car])
        for trip, car in zip(trips, cars.tolist(), strict=True)
    ]
    need = np.array([trip.need_wh(car) for trip, car in pairs]) / 1000
    return cars, need, np.array([trip.drive_wh(car) for trip, car in pairs]) / 1000


def _saved(rounds: Sequence[Stay], begins: Index, ends: Index, worth: Worth) -> Floats:
    """Returns what each car would save if it stayed where it is instead of a round trip."""
    cars = _whole([stay.car for stay in rounds])
    sites = _whole([stay.site for stay in rounds])
    units = _whole([worth.units(stay) for stay in rounds])
    efficiency = np.array([worth.view.cars[stay.car].efficiency for stay in rounds])
    values = worth.past[begins, cars]
    for ahead in range(int((ends - begins).max())):
        step = np.minimum(begins + ahead, len(worth.price[0]) - 1)
        here = np.where(begins + ahead < ends, units, 0)
        values = worth.charged(values, here, worth.price[sites, step] / efficiency)
    return worth.now[cars] - (values + worth.future[ends, cars]).min(axis=1)
