"""Which car serves which trip: one min-cost flow over all sites at once.

Each car is a unit of flow that runs from where it stands through trips that follow one another at
the same place, to the end; a trip lets one unit pass and pays a reward by its priority that
outweighs all arc costs (`scheduler.prices`). That is exact for cars that are alike, so cars are
grouped by class, a car with trips fixed to it being a group of its own; trips that several groups
may serve are first shared out by the linear relaxation over all groups. What a flow can't see, the
energy along a chain, is mended by making the arc into the broken trip dearer and solving again;
what is still broken after that is taken out and put in elsewhere (`mend`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.chains import (
    Chains,
    fits,
    insert,
    priority_served,
    served,
    sound,
    sound_chains,
    walk,
)
from scheduler.prices import Ints, RechargePrices
from scheduler.program import ProgramBuilder
from scheduler.solver import FlowNetwork, SolveLimits, least_cost_flow, solve_lp
from scheduler.view import Car, Floats, View

_NEAREST = 25
"""Successors tried per trip: the next ones at the place; later ones are never better."""
_ROUNDS = 4
_MANY_ARCS = 100_000
"""Beyond this many arcs the flow is solved once: with 3,000 cars and 400,000 arcs (2 s each time)
three more rounds served no trip more."""
_COST_UNIT = 1e-5
_REWARD = 10**9
_PENALTY = 10**7
_LARGEST_SPLIT = 30_000
"""Beyond this many columns, shared trips go to the group with most cars instead."""

Penalties = dict[tuple[int, int], int]
"""By (car or trip before, trip): what the arc costs on top; cars are counted from -1 down."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Cars that the same trips suit, and those trips."""

    cars: tuple[int, ...]
    trips: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Arcs:
    """Possible successions: `before` is a trip, or `-1 - car`."""

    before: Ints
    trip: Ints
    cost: Floats


def assign(
    view: View,
    prices: RechargePrices,
    keep: Chains | None,
    without: Collection[int] = frozenset(),
) -> Chains:
    """Returns the chains of the flow, mended; arcs of `keep` are always among its choices.

    Trips `without` are left out of the flow, and served where there is room for them afterwards.
    """
    if not view.cars or not view.trips:
        return tuple(() for _ in view.cars)
    chains: list[tuple[int, ...]] = [() for _ in view.cars]
    for group in _shared_out(view, prices, _groups(view, without)):
        for car, chain in _flow_chains(view, prices, group, keep).items():
            chains[car] = chain
    return mend(view, prices, tuple(chains))


def mend(
    view: View,
    prices: RechargePrices,
    chains: Chains,
    given_up: Collection[int] = frozenset(),
) -> Chains:
    """Returns drivable chains: breaks taken out, then every trip left put in where it fits.

    For trips that were `given_up` before no others are moved.
    """
    whole = sound_chains(view, chains)
    done = served(whole)
    left = [trip.index for trip in view.trips if trip.index not in done]
    whole, left = insert(view, prices, whole, left)
    left = [index for index in left if index not in given_up]
    return make_room(view, prices, whole, left) if left else whole


def make_room(view: View, prices: RechargePrices, chains: Chains, left: list[int]) -> Chains:
    """Returns chains that serve more of `left`, by moving trips that are in their way."""
    best, tries = chains, 300
    for index in sorted(left, key=lambda n: (-view.trips[n].priority, n)):
        trip = view.trips[index]
        for number in trip.cars:
            tries -= 1
            if tries < 0:
                return best
            tried = _with_room(view, prices, best, view.cars[number], index)
            if tried is not None and priority_served(view, tried) > priority_served(view, best):
                best = tried
                break
    return best


def _with_room(
    view: View, prices: RechargePrices, chains: Chains, car: Car, index: int
) -> Chains | None:
    """Returns chains in which `car` serves trip `index`, what was in the way moved or dropped."""
    trip, chain = view.trips[index], chains[car.index]
    rest = tuple(
        n
        for n in chain
        if view.trips[n].end + view.turnaround <= trip.start
        or trip.end + view.turnaround <= view.trips[n].start
    )
    longer = fits(view, car, rest, trip)
    for n in rest if longer is None else ():
        if view.trips[n].fixed < 0:
            rest_less = tuple(m for m in rest if m != n)
            longer = fits(view, car, rest_less, trip)
            if longer is not None and walk(view, car, longer) is None:
                break
    if longer is None:
        return None
    moved = [n for n in chain if n not in longer]
    tried = tuple(longer if c == car.index else other for c, other in enumerate(chains))
    return insert(view, prices, tried, moved)[0]


def _groups(view: View, without: Collection[int]) -> list[_Group]:
    """Returns groups of cars that are alike to every trip's classes and fixed vehicle."""
    alone = {trip.fixed for trip in view.trips if trip.fixed >= 0}
    members: dict[tuple[str, int], list[int]] = {}
    for car in view.cars:
        own = car.index if car.index in alone else -1
        members.setdefault((car.vehicle_class, own), []).append(car.index)
    group_of = {car: key for key, cars in members.items() for car in cars}
    trips: dict[tuple[str, int], list[int]] = {key: [] for key in members}
    keys_of: dict[int, list[tuple[str, int]]] = {}
    for trip in view.trips:
        # Trips share their tuples of cars, so each is looked through once.
        if id(trip.cars) not in keys_of:
            keys_of[id(trip.cars)] = list(dict.fromkeys(group_of[car] for car in trip.cars))
        for key in keys_of[id(trip.cars)] if trip.index not in without else ():
            trips[key].append(trip.index)
    return [_Group(tuple(members[key]), tuple(trips[key])) for key in members]


def _arcs(view: View, prices: RechargePrices, group: _Group, keep: Chains | None) -> _Arcs:
    """Returns the successions that time, place and a full battery allow."""
    cars = [view.cars[n] for n in group.cars]
    trips = [view.trips[n] for n in group.trips]
    best = replace(max(cars, key=lambda car: car.high_wh), overrides=())
    begins = np.array([t.start for t in trips], dtype=np.int64)
    pickups = np.array([t.pickup for t in trips], dtype=np.int64)
    needs = np.array([t.need_wh(best) for t in trips])
    place = np.array([c.site for c in cars] + [t.dropoff for t in trips])
    since = np.array([c.free_from for c in cars] + [t.end for t in trips])
    ready = since + np.array([0] * len(cars) + [view.turnaround] * len(trips))
    before = np.array([-1 - c.index for c in cars] + [t.index for t in trips])
    lack = np.array(
        [max(c.high_wh - c.soc_wh, 0.0) for c in cars] + [t.drive_wh(best) for t in trips]
    )
    full = np.array([c.most_wh for c in cars] + [best.most_wh] * len(trips))
    step_wh = np.array([prices.step_wh(best, site) for site in range(len(view.places))])
    found: list[tuple[Ints, Ints]] = []
    for site in range(len(view.places)):
        tails = np.flatnonzero(place == site)
        heads = np.flatnonzero(pickups == site)
        heads = heads[np.argsort(begins[heads], kind="stable")]
        if not len(tails) or not len(heads):
            continue
        first = np.searchsorted(begins[heads], ready[tails])
        index = first[:, None] + np.arange(min(_NEAREST, len(heads)))[None, :]
        row, column = np.nonzero(index < len(heads))
        tail, head = tails[row], heads[index[row, column]]
        reach = view.reach_wh(best, site)
        gain = reach[begins[head]] - reach[np.minimum(since[tail], begins[head])]
        able = np.minimum(full[tail], full[tail] - lack[tail] + gain) >= needs[head] - 1.0
        found.append((tail[able], head[able]))
    tail = np.concatenate([pair[0] for pair in found]) if found else np.zeros(0, np.int64)
    head = np.concatenate([pair[1] for pair in found]) if found else np.zeros(0, np.int64)
    tail, head = _with_kept(group, before, keep, tail, head)
    at = place[tail]
    cost = prices.gaps(at, since[tail], begins[head], lack[tail], step_wh[at])
    return _Arcs(before[tail], np.array(group.trips, dtype=np.int64)[head], cost)


def _with_kept(
    group: _Group, before: Ints, keep: Chains | None, tail: Ints, head: Ints
) -> tuple[Ints, Ints]:
    """Returns the arcs and, where they lack them, those of the standing chains."""
    if keep is None:
        return tail, head
    tails = {int(name): n for n, name in enumerate(before)}
    heads = {name: n for n, name in enumerate(group.trips)}
    known = set(zip(tail.tolist(), head.tolist(), strict=True))
    for car in group.cars:
        last = tails[-1 - car]
        for index in keep[car]:
            if index in heads and (last, heads[index]) not in known:
                tail = np.append(tail, last)
                head = np.append(head, heads[index])
            last = tails.get(index, last)
    return tail, head


def _rewards(view: View, trips: tuple[int, ...], group: _Group) -> Ints:
    """Returns what passing each trip pays; a trip fixed to the group's own car comes first."""
    most = max((trip.priority for trip in view.trips), default=1)
    scale = min(1.0, 1000.0 / max(most, 1))
    values: list[int] = []
    for index in trips:
        trip = view.trips[index]
        worth = max(trip.priority * scale, 0.01)
        if trip.fixed >= 0 and trip.fixed in group.cars:
            worth *= 3
        values.append(int(worth * _REWARD))
    return np.array(values, dtype=np.int64)


def _flow_chains(
    view: View, prices: RechargePrices, group: _Group, keep: Chains | None
) -> dict[int, tuple[int, ...]]:
    """Returns the chains of one group: flow, walk, make broken arcs dearer, again."""
    if not group.trips:
        return {}
    arcs = _arcs(view, prices, group, keep)
    penalties: Penalties = {}
    best: dict[int, tuple[int, ...]] = {}
    best_worth = -1
    for _ in range(_ROUNDS if len(arcs.cost) <= _MANY_ARCS else 1):
        chains = _solve_flow(view, prices, group, arcs, penalties)
        broken = 0
        whole: dict[int, tuple[int, ...]] = {}
        for car, chain in chains.items():
            fault = walk(view, view.cars[car], chain)
            whole[car] = chain if fault is None else sound(view, view.cars[car], chain)
            if fault is None:
                continue
            broken += 1
            trip = chain[fault.position]
            tail = chain[fault.position - 1] if fault.position else -1 - car
            penalties[tail, trip] = penalties.get((tail, trip), _PENALTY) * 20
        worth = sum(view.trips[n].priority for chain in whole.values() for n in chain)
        if worth > best_worth:
            best, best_worth = whole, worth
        if not broken:
            break
    return best


def _solve_flow(
    view: View, prices: RechargePrices, group: _Group, arcs: _Arcs, penalties: Penalties
) -> dict[int, tuple[int, ...]]:
    cars, trips = len(group.cars), len(group.trips)
    enter = cars + 2 * np.arange(trips)
    sink = cars + 2 * trips
    # By trip the node that leaves it, and from the end, as cars are counted, the node of each car.
    leaving = np.zeros(len(view.trips) + len(view.cars), np.int64)
    leaving[list(group.trips)] = enter + 1
    leaving[-1 - np.array(group.cars)] = np.arange(cars)
    tails, heads = leaving[arcs.before], leaving[arcs.trip] - 1
    costs = np.rint(arcs.cost / _COST_UNIT).astype(np.int64)
    _penalise(costs, arcs, penalties)
    ends = [prices.between(view.cars[car], None, None) for car in group.cars]
    some = view.cars[group.cars[0]]
    ends += [prices.between(some, view.trips[n], None) for n in group.trips]
    end_tails = np.concatenate([np.arange(cars), enter + 1])
    network = FlowNetwork(
        tail=np.concatenate([tails, enter, end_tails]),
        head=np.concatenate([heads, enter + 1, np.full(len(end_tails), sink, np.int64)]),
        capacity=np.ones(len(tails) + trips + len(end_tails), np.int64),
        cost=np.concatenate(
            [
                costs,
                -_rewards(view, group.trips, group),
                np.rint(np.array(ends) / _COST_UNIT).astype(np.int64),
            ]
        ),
        supply=np.array([1] * cars + [0] * (2 * trips) + [-cars], np.int64),
    )
    flow = least_cost_flow(network)
    if flow is None:
        return {}
    used = flow[: len(tails)] > 0
    return _followed(group.cars, arcs.before[used].tolist(), arcs.trip[used].tolist())


def _penalise(costs: Ints, arcs: _Arcs, penalties: Penalties) -> None:
    """Adds the penalties to the costs of their arcs."""
    if not penalties:
        return
    dear = np.fromiter((index for _, index in penalties), np.int64)
    for n in np.flatnonzero(np.isin(arcs.trip, dear)).tolist():
        costs[n] += penalties.get((int(arcs.before[n]), int(arcs.trip[n])), 0)


def _followed(
    cars: tuple[int, ...], before: list[int], trips: list[int]
) -> dict[int, tuple[int, ...]]:
    """Returns the chain of each car, read off the arcs that carry flow."""
    after = dict(zip(before, trips, strict=True))
    chains: dict[int, tuple[int, ...]] = {}
    for car in cars:
        chain: list[int] = []
        name = -1 - car
        while name in after:
            name = after[name]
            chain.append(name)
        chains[car] = tuple(chain)
    return chains


def _shared_out(view: View, prices: RechargePrices, groups: list[_Group]) -> list[_Group]:
    """Returns the groups with each trip left to one of them."""
    choices: dict[int, list[int]] = {}
    for number, group in enumerate(groups):
        for index in group.trips:
            choices.setdefault(index, []).append(number)
    if all(len(numbers) == 1 for numbers in choices.values()):
        return groups
    arcs = [_arcs(view, prices, group, None) if group.trips else None for group in groups]
    columns = sum(len(a.cost) for a in arcs if a is not None)
    relaxed = _relaxed_shares(view, groups, arcs) if columns <= _LARGEST_SPLIT else None
    chosen: dict[int, int] = {}
    for index, numbers in choices.items():
        worths = [
            float(relaxed[n, index]) if relaxed is not None else float(len(groups[n].cars))
            for n in numbers
        ]
        chosen[index] = numbers[worths.index(max(worths))]
    return [
        _Group(group.cars, tuple(n for n in group.trips if chosen[n] == number))
        for number, group in enumerate(groups)
    ]


def _relaxed_shares(
    view: View, groups: list[_Group], arcs: list[_Arcs | None]
) -> NDArray[np.float64] | None:
    """Returns how much of each trip each group serves in the linear relaxation."""
    builder = ProgramBuilder()
    once = builder.rows(len(view.trips), -np.inf, 1.0)
    entering: list[tuple[int, Ints, Ints]] = []
    for number, (group, some) in enumerate(zip(groups, arcs, strict=True)):
        if some is None or not len(some.cost):
            continue
        rewards = np.zeros(len(view.trips))
        rewards[list(group.trips)] = _rewards(view, group.trips, group) / _REWARD
        column = builder.columns(some.cost / 1e3 - rewards[some.trip], 0.0, 1.0)
        columns = np.arange(column, column + len(some.cost))
        builder.entries(once + some.trip, columns, 1.0)
        follow = builder.rows(len(view.trips), -np.inf, 0.0)
        leave = builder.rows(len(view.cars), -np.inf, 1.0)
        from_trip = some.before >= 0
        builder.entries(follow + some.before[from_trip], columns[from_trip], 1.0)
        builder.entries(follow + some.trip, columns, -1.0)
        builder.entries(leave - 1 - some.before[~from_trip], columns[~from_trip], 1.0)
        entering.append((number, some.trip, columns))
    result = solve_lp(builder.build(), limits=SolveLimits(iterations=20_000))
    if not result.solved:
        return None
    share = np.zeros((len(groups), len(view.trips)))
    for number, trips, columns in entering:
        np.add.at(share[number], trips, result.x[columns])
    return share
