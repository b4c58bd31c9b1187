"""A lower bound on the cost of every plan that serves as much: cars taken together as pools.

Cars that are alike form one pool per site: a number of cars and an energy, nothing more. Bookings
are shared among the pools in fractions, each fraction taking from its pool a car and the energy to
depart with, and bringing both to where the trip ends. A pool charges with what its cars and the
EVSEs could draw together; sites have their sun, grid, prices and battery as in any plan. Chains,
EVSE choice, the energy of single cars and the first hour's least power are relaxed, so every plan
is a point of this program at its own cost, and the program's least cost is a bound. Of what a
solver answers only the duals are used, and only as far as they prove something (`dual_bound`).

Between two events of a pool (cars leave or arrive) its number and energy are one column each;
pools of cars that can feed back have an event at every step. The quick bound, where this one takes
too long, is `scheduler.bound`.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.program import ProgramBuilder
from scheduler.siteblock import SiteBlock, flexible_loads, site_battery
from scheduler.solver import LinearProgram, SolveLimits, solve_lp
from scheduler.view import Car, Floats, Place, Post, Trip, View

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Group:
    """Cars that are alike; energies in kWh."""

    cars: tuple[Car, ...]
    low: float
    """The least of their minima."""
    high: float
    """The most that one of them can hold."""

    @property
    def efficiency(self) -> float:
        return self.cars[0].efficiency

    @property
    def gives(self) -> bool:
        return self.cars[0].discharge_w > 0


@dataclass(frozen=True, slots=True)
class _Use:
    """One trip as one group may drive it."""

    trip: Trip
    share: int
    """Column: how much of the trip the group drives."""
    energy: int
    """Column: what the cars depart with."""
    drive_kwh: float
    sure: bool
    """Whether the share is 1 in every plan."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """What the pools come to."""

    bound: float
    """No plan costs less (terminal value taken off) that serves as much."""
    shares: Floats
    """By trip: how much of it the pools serve; what is left out is what costs most."""


def pooled(view: View, priority: int, limits: SolveLimits) -> Pooled | None:
    """Returns what the pools come to if they serve so much priority; None if nothing was found."""
    pools = _Pools(view, priority)
    program = pools.program.build()
    result = solve_lp(program, limits=replace(limits, solvers=("glop",), answered=set()), dual=True)
    if result.duals is None:
        return None
    shares = np.zeros(len(view.trips))
    for use in pools.uses:
        shares[use.trip.index] += result.x[use.share]
    return Pooled(dual_bound(program, result.duals) + pools.fixed_cost, shares)


def dual_bound(program: LinearProgram, duals: Floats) -> float:
    """Returns what any row prices prove of a program's least cost (weak duality).

    Rounding and early ends of a solver make the bound looser, never wrong.
    """
    no_low, no_high = np.isinf(program.row_lower), np.isinf(program.row_upper)
    usable = np.where(((duals > 0) & no_low) | ((duals < 0) & no_high), 0.0, duals)
    sides = np.where(usable > 0, program.row_lower, program.row_upper)
    left = program.cost - program.matrix.T @ usable
    columns = np.where(left > 0, program.lower, program.upper)
    priced, free = usable != 0, left != 0
    return float(usable[priced] @ sides[priced] + left[free] @ columns[free])


class _Pools:
    """Builds the program."""

    def __init__(self, view: View, priority: int) -> None:
        self.view, self.program = view, ProgramBuilder()
        self.worth = view.problem.terminal_value_per_kwh
        groups = _groups(view)
        uses = self._uses(groups, priority)
        self.uses = [use for mine in uses for use in mine]
        pools = [
            pool
            for group, mine in zip(groups, uses, strict=True)
            for place in view.places
            if (pool := _Pool(view, group, place, mine)).in_use
        ]
        shape = (len(view.places), view.steps)
        most, back = np.zeros(shape), np.zeros(shape)
        for pool in pools:
            most[pool.place.index] += pool.most_kw
            back[pool.place.index] += pool.back_kw
        self.block = SiteBlock(view, self.program, most, back)
        for pool in pools:
            self._pool(pool)
        flexible_loads(view, self.program, self.block)
        for place in view.places:
            self._site(place, [pool for pool in pools if pool.place is place])
        self.fixed_cost = self.block.fixed_cost - self.worth * self._fixed_kwh()

    def _fixed_kwh(self) -> float:
        """Returns the energy at the end that no column counts."""
        held_wh = sum(car.soc_wh for car in self.view.cars if car.free_from >= self.view.steps)
        for place in self.view.places:
            if not site_battery(self.view, self.program, self.block, place, relaxed=True):
                held_wh += place.battery.soc_wh if place.battery else 0.0
        return held_wh / 1000

    def _uses(self, groups: Sequence[_Group], priority: int) -> list[list[_Use]]:
        """Adds the columns of all trips, group by group, and what must be served of them."""
        view = self.view
        able = [trip for trip in view.trips if trip.cars]
        whole = sum(trip.priority for trip in able) <= priority
        uses: list[list[_Use]] = [[] for _ in groups]
        number = {car.index: n for n, group in enumerate(groups) for car in group.cars}
        served = self.program.rows(1, float(priority), np.inf)
        for trip in able:
            mine = sorted({number[car] for car in trip.cars})
            must = whole and trip.priority > 0
            shares: list[int] = []
            for n in mine:
                use = self._use(trip, groups[n], sure=must and len(mine) == 1)
                uses[n].append(use)
                shares.append(use.share)
            row = self.program.rows(1, 1.0 if must else 0.0, 1.0)
            columns = np.array(shares, dtype=np.int64)
            self.program.entries(np.full(len(mine), row), columns, 1.0)
            self.program.entries(np.full(len(mine), served), columns, float(trip.priority))
        return uses

    def _use(self, trip: Trip, group: _Group, *, sure: bool) -> _Use:
        car = group.cars[0]
        drive = trip.drive_wh(car) / 1000
        need = (trip.km + trip.reserve_km) * car.wh_per_km / 1000 + group.low
        need = min(need, group.high)  # as far as sums of floats go
        stays_out = self.worth if trip.end >= self.view.steps else 0.0
        share = self.program.columns(np.array([stays_out * drive]), 1.0 if sure else 0.0, 1.0)
        most, least = max(group.high, 0.0), min(need, 0.0)
        energy = self.program.columns(np.array([-stays_out]), least, most)
        row = self.program.rows(2, np.array([0.0, -np.inf]), np.array([np.inf, 0.0]))
        rows = np.array([row, row, row + 1, row + 1])
        columns = np.array([energy, share, energy, share])
        self.program.entries(rows, columns, np.array([1.0, -need, 1.0, -group.high]))
        return _Use(trip, share, energy, drive, sure)

    def _pool(self, pool: _Pool) -> None:
        """Adds the number of cars and the energy of one pool, interval by interval."""
        program, group, size = self.program, pool.group, len(pool.starts)
        n = np.arange(size)
        pool.count = program.columns(np.zeros(size), pool.fewest, pool.most)
        room = max(abs(group.low), abs(group.high), 1.0) * len(group.cars) + pool.lack_kwh
        pool.begin = program.columns(np.zeros(size), -room, room)
        value = np.zeros(size)
        value[-1] = -self.worth
        pool.end = program.columns(value, -room, room)
        numbers = program.rows(size, pool.home_count, pool.home_count)
        energies = program.rows(size, pool.home_kwh, pool.home_kwh)
        for first, before, here in (
            (numbers, pool.count, pool.count),
            (energies, pool.end, pool.begin),
        ):
            program.entries(first + n, here + n, 1.0)
            program.entries(first + n[1:], before + n[:-1], -1.0)
        for trips, sign in ((pool.leaving, 1.0), (pool.coming, -1.0)):
            at = np.array([pool.at[u.trip.start if sign > 0 else u.trip.end] for u in trips], int)
            share = np.array([use.share for use in trips], dtype=np.int64)
            energy = np.array([use.energy for use in trips], dtype=np.int64)
            program.entries(numbers + at, share, sign)
            program.entries(energies + at, energy, sign)
            if sign < 0:
                drive = np.array([use.drive_kwh for use in trips])
                program.entries(energies + at, share, drive)
        self._turnaround(pool)
        self._bounds(pool)
        self._power(pool)

    def _bounds(self, pool: _Pool) -> None:
        """Keeps each pool's energy within what its cars can hold."""
        size, group = len(pool.starts), pool.group
        n = np.arange(size)
        lower = [pool.begin, pool.end] if group.gives else [pool.begin]
        upper = [pool.begin, pool.end] if group.gives else [pool.end]
        for column in lower:
            row = self.program.rows(size, -pool.lack_kwh, np.inf)
            self.program.entries(row + n, column + n, 1.0)
            self.program.entries(row + n, pool.count + n, -group.low)
        for column in upper:
            row = self.program.rows(size, -np.inf, 0.0)
            self.program.entries(row + n, column + n, 1.0)
            self.program.entries(row + n, pool.count + n, -group.high)

    def _turnaround(self, pool: _Pool) -> None:
        """Keeps cars that have just come from leaving at once."""
        wait = self.view.turnaround
        for step in sorted({use.trip.start for use in pool.leaving}) if wait else ():
            late = [use.share for use in pool.coming if step - wait < use.trip.end <= step]
            if late:
                row = self.program.rows(1, 0.0, np.inf)
                columns = np.array([pool.count + pool.at[step], *late], dtype=np.int64)
                values = np.array([1.0] + [-1.0] * len(late))
                self.program.entries(np.full(len(columns), row), columns, values)

    def _power(self, pool: _Pool) -> None:
        """Adds charging and discharging, what they bring, and what cars and EVSEs allow."""
        program, dt = self.program, self.view.hours
        site, steps, size = pool.place.index, np.arange(self.view.steps), len(pool.starts)
        interval = np.repeat(np.arange(size), pool.ends - pool.starts)
        price = self.block.price[site] * dt
        balance = self.block.balance[site]
        inside = balance >= 0
        stored = program.rows(size, 0.0, 0.0)
        n = np.arange(size)
        program.entries(stored + n, pool.end + n, 1.0)
        program.entries(stored + n, pool.begin + n, -1.0)
        pool.charge = program.columns(price, 0.0, pool.most_kw)
        program.entries(stored + interval, pool.charge + steps, -dt * pool.group.efficiency)
        program.entries(balance[inside], pool.charge + steps[inside], -1.0)
        if pool.group.gives:
            pool.give = program.columns(-price, 0.0, pool.back_kw)
            program.entries(stored + interval, pool.give + steps, dt / pool.group.efficiency)
            program.entries(balance[inside], pool.give + steps[inside], 1.0)
        moves = np.flatnonzero(pool.fewest < pool.most)
        moves = moves[moves < size]
        each_kw, beyond_kw = pool.usual_kw, np.add.reduceat(pool.beyond_kw, pool.starts)
        row = program.rows(len(moves), -np.inf, beyond_kw[moves])
        at = np.full(size, -1, dtype=np.int64)
        at[moves] = row + np.arange(len(moves))
        loose = at[interval] >= 0
        program.entries(at[interval][loose], pool.charge + steps[loose], 1.0)
        length = (pool.ends - pool.starts).astype(np.float64)
        program.entries(at[moves], pool.count + moves, -each_kw * length[moves])

    def _site(self, place: Place, pools: Sequence[_Pool]) -> None:
        """Adds what pools at a site share: EVSEs, circuits and an overloaded connection."""
        if not pools:
            return
        gives = any(pool.group.gives for pool in pools)
        cap_kw = _site_capacity_w(self.view, place) / 1000
        upper = np.where(place.no_draw, 0.0, cap_kw)
        lower = np.where(place.no_give, 0.0, -np.inf)
        most = np.sum([pool.most_kw for pool in pools], axis=0)
        binds = most > upper + 1e-9
        if gives:
            binds |= place.no_give
        steps = np.flatnonzero(binds)
        row = self.program.rows(len(steps), lower[steps], upper[steps])
        rows = np.arange(row, row + len(steps))
        for pool in pools:
            self.program.entries(rows, pool.charge + steps, 1.0)
            if pool.group.gives:
                self.program.entries(rows, pool.give + steps, -1.0)


class _Pool:
    """One group at one site, cut into intervals by its events."""

    def __init__(self, view: View, group: _Group, place: Place, uses: Sequence[_Use]) -> None:
        self.group, self.place = group, place
        steps = view.steps
        self.leaving = [use for use in uses if use.trip.pickup == place.index]
        self.coming = [
            use for use in uses if use.trip.dropoff == place.index and use.trip.end < steps
        ]
        home = [car for car in group.cars if car.site == place.index and car.free_from < steps]
        self.in_use = bool(home or self.coming)
        times = {0, *(use.trip.start for use in self.leaving)}
        times |= {use.trip.end for use in self.coming} | {car.free_from for car in home}
        self.starts = np.arange(steps) if group.gives else np.array(sorted(times))
        self.ends = np.append(self.starts[1:], steps)
        self.at = {int(step): n for n, step in enumerate(self.starts)}
        self.count = self.begin = self.end = self.charge = self.give = -1
        self.home_count, self.home_kwh = np.zeros(len(self.starts)), np.zeros(len(self.starts))
        for car in home:
            self.home_count[self.at[car.free_from]] += 1
            self.home_kwh[self.at[car.free_from]] += car.soc_wh / 1000
        self.lack_kwh = sum(max(group.low - car.soc_wh / 1000, 0.0) for car in home)
        self._count_cars()
        self._powers(view)

    def _count_cars(self) -> None:
        """Finds the fewest and the most cars that may stand here in each interval."""
        fewest, most = self.home_count.copy(), self.home_count.copy()
        for use in self.leaving:
            n = self.at[use.trip.start]
            fewest[n] -= 1
            most[n] -= use.sure
        for use in self.coming:
            n = self.at[use.trip.end]
            fewest[n] += use.sure
            most[n] += 1
        self.fewest = np.maximum(np.cumsum(fewest), 0.0)
        self.most = np.minimum(np.cumsum(most), float(len(self.group.cars)))

    def _powers(self, view: View) -> None:
        """Bounds the power of the pool, step by step.

        A car draws at most `usual_kw`, or more on the few EVSEs that give more: each of those is
        counted once, with what it gives beyond.
        """
        posts = [view.posts[n] for n in self.place.posts]
        gives = self.group.gives
        powers = [max(post.power_w(car) for car in self.group.cars) / 1000 for post in posts]
        self.usual_kw = float(np.median([p for p in powers if p > 0] or [0.0]))
        total, beyond, back = np.zeros(view.steps), np.zeros(view.steps), np.zeros(view.steps)
        for post, power_kw in zip(posts, powers, strict=True):
            total += np.where(post.open, power_kw, 0.0)
            beyond += np.where(post.open, max(power_kw - self.usual_kw, 0.0), 0.0)
            if post.bidirectional and gives:
                most_w = max(post.most_back_w(car) for car in self.group.cars)
                back += np.where(post.open, most_w / 1000, 0.0)
        cars = np.repeat(self.most, self.ends - self.starts)
        self.beyond_kw, self.back_kw = beyond, back
        self.most_kw = np.minimum(total, cars * self.usual_kw + beyond)
        if not gives:
            self.most_kw = np.where(self.place.no_draw, 0.0, self.most_kw)


def _groups(view: View) -> list[_Group]:
    """Returns the cars in groups.

    Batteries and powers of different sizes are taken together: on 30 cars that made the program 20
    times as quick and the bound no looser.
    """
    members: dict[tuple[object, ...], list[Car]] = {}
    alone = {trip.fixed for trip in view.trips if trip.fixed >= 0}
    for car in view.cars:
        own = car.index if car.index in alone else -1
        gives = car.discharge_w > 0
        key = (car.vehicle_class, own, car.efficiency, car.wh_per_km, gives)
        members.setdefault(key, []).append(car)
    return [
        _Group(
            tuple(cars),
            min(car.low_wh for car in cars) / 1000,
            max(car.most_wh for car in cars) / 1000,
        )
        for cars in members.values()
    ]


def _site_capacity_w(view: View, place: Place) -> Floats:
    """Returns what all EVSEs of a site can draw together under their circuits, by step."""
    limits = {limit.number: limit.most_w for limit in place.circuit_limits}
    above: dict[int, int | None] = {}
    depth: dict[int, int] = {}
    sums: dict[int | None, Floats] = {None: np.zeros(view.steps)}
    for post in (view.posts[n] for n in place.posts):
        line = (*post.circuits, None)
        for n, number in enumerate(post.circuits):
            above[number], depth[number] = line[n + 1], len(post.circuits) - n
            sums.setdefault(number, np.zeros(view.steps))
        sums[line[0]] = sums[line[0]] + _most_of_any(view, post)
    for number in sorted(depth, key=lambda each: -depth[each]):
        parent = above[number]
        sums[parent] = sums[parent] + np.minimum(sums[number], limits[number])
    return sums[None]


def _most_of_any(view: View, post: Post) -> Floats:
    most_w = max((post.power_w(car) for car in view.kinds), default=0.0)
    return np.where(post.open, most_w, 0.0)
