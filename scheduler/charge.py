"""When and how hard each car charges: one linear program for all sites, the chains being fixed.

Columns: power of each plugged car in each step (kW at the grid side), discharging where car and
EVSE can, energy at the end of each stay (kWh), energy that a trip lacks, site batteries, and per
site import, export and curtailed sun. Rows, after `../docs` of the planner's formulation:

- a stay ends with what it began with, plus `efficiency * dt * sum of power`, at most the battery
  and at least what the next trip needs (what lacks costs far more than any energy);
- circuits and sites keep their limits; where nothing could reach a limit there is no row;
- import less export is building plus cars plus battery less sun. Where a site surely imports (or
  surely exports) whatever the cars do, its price goes straight onto the power and no row is needed.

All sites are in one program: 30 cars at 6 sites take some 20 ms, and one-way trips then need no
energy contract between sites. What a linear program can't say (charging and discharging at once,
selling above the buying price, the least power of the first hour) is mended after a solve by
fixing the columns concerned and solving again: see `scheduler.firsthour` and `_Signs`.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.firsthour import Cells, decide, lies_between, with_switches
from scheduler.options import PlanOptions
from scheduler.parking import Stay
from scheduler.program import ProgramBuilder
from scheduler.solver import LinearProgram, LpResult, SolveLimits, solve_lp, solve_mixed
from scheduler.view import Floats, Place, View

Index = NDArray[np.int64]

_TINY_KW = 1e-6
_THROUGHPUT_COST = 1e-6
"""Per kWh through a battery: keeps it from turning energy over for nothing."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A solved charging program."""

    powers_w: tuple[Floats, ...]
    """By stay: net power in each of its steps."""
    battery_w: Floats
    """By site and step."""
    short_wh: dict[tuple[int, int], float]
    """By the key of a stay: energy that the trip after it lacks."""
    objective: float
    """Cost with all penalties; comparable between chains of the same problem and options."""
    solver: str


@dataclass(frozen=True, slots=True)
class _Model:
    """The program and where to find what in it."""

    program: LinearProgram
    cells: Cells
    back: Index
    """By cell: its column of discharging, or -1."""
    slack: list[tuple[tuple[int, int], int]]
    batteries: list[tuple[int, int, int]]
    """Site, first column of charging, first column of discharging."""
    signs: list[_Signs]


@dataclass(frozen=True, slots=True)
class _Signs:
    """Steps at which a site would gain by importing and exporting at once."""

    imports: Index
    exports: Index


class _Builder:
    """Puts the program together, block by block."""

    def __init__(self, view: View, stays: Sequence[Stay], options: PlanOptions) -> None:
        self.view, self.stays, self.options = view, stays, options
        self.program = ProgramBuilder()
        self.uncharged_wh = self._uncharged()
        self.wait = options.wait_cost_per_kwh_h * view.hours * np.arange(view.steps)
        self.priorities = max((trip.priority for trip in view.trips), default=1)
        self.slack: list[tuple[tuple[int, int], int]] = []
        self.batteries: list[tuple[int, int, int]] = []
        self.signs: list[_Signs] = []

    def build(self) -> _Model:
        view = self.view
        self._plan_cells()
        shape = (len(view.places), view.steps)
        most, least = np.zeros(shape), np.zeros(shape)
        np.add.at(most, (self.site, self.step), self.most_kw)
        np.add.at(least, (self.site, self.step), self.back_kw)
        self.price = np.zeros(shape)
        self.balance = np.full(shape, -1, dtype=np.int64)
        for place in view.places:
            self._site_rows(place, most[place.index], least[place.index])
        self._power_columns()
        for place in view.places:
            self._battery(place)
        self._circuits()
        self._energy()
        cells = Cells(
            stay=self.cell_stay,
            step=self.step,
            site=self.site,
            column=self.column,
            least_kw=self.least_kw,
            most_kw=self.most_kw,
        )
        program = self.program.build()
        return _Model(program, cells, self.back, self.slack, self.batteries, self.signs)

    def _plan_cells(self) -> None:
        """Lists the (stay, step) pairs in which a car may charge."""
        stay_parts: list[Index] = []
        step_parts: list[Index] = []
        per_stay: dict[str, list[float]] = {"most": [], "back": [], "least": [], "site": []}
        counts: list[int] = []
        posts: list[int] = []
        for n, stay in enumerate(self.stays):
            steps, most_w, back_w = self._steps(n, stay)
            stay_parts.append(np.full(len(steps), n, dtype=np.int64))
            step_parts.append(steps)
            counts.append(len(steps))
            posts.append(stay.post)
            per_stay["most"].append(most_w / 1000)
            per_stay["back"].append(back_w / 1000)
            least_w = self.view.posts[stay.post].min_w if stay.post >= 0 else 0.0
            per_stay["least"].append(least_w / 1000)
            per_stay["site"].append(stay.site)
        empty = np.zeros(0, dtype=np.int64)
        self.cell_stay = np.concatenate(stay_parts) if stay_parts else empty
        self.step = np.concatenate(step_parts) if step_parts else empty
        self.most_kw = np.repeat(np.array(per_stay["most"]), counts)
        self.back_kw = np.repeat(np.array(per_stay["back"]), counts)
        self.least_kw = np.repeat(np.array(per_stay["least"]), counts)
        self.site = np.repeat(np.array(per_stay["site"], dtype=np.int64), counts)
        self.post = np.repeat(np.array(posts, dtype=np.int64), counts)
        self.offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def _steps(self, n: int, stay: Stay) -> tuple[Index, float, float]:
        """Returns the steps in which a stay's car may use its EVSE, and its powers each way."""
        empty = np.zeros(0, dtype=np.int64)
        if stay.post < 0 or stay.start >= stay.end:
            return empty, 0.0, 0.0
        view, car = self.view, self.view.cars[stay.car]
        post = view.posts[stay.post]
        most_w, back_w = post.power_w(car), post.back_w(car)
        if stay.before < 0 and car.soc_wh < car.low_wh:
            back_w = 0.0
        if self.uncharged_wh[n] > car.high_wh:
            most_w = 0.0
        if most_w <= 0 and back_w <= 0:
            return empty, 0.0, 0.0
        open_steps = np.flatnonzero(post.open[stay.start : stay.end]) + stay.start
        return open_steps.astype(np.int64), most_w, back_w

    def _uncharged(self) -> list[float]:
        """Returns, by stay, what the car would begin it with if it never charged before."""
        states: list[float] = []
        soc_wh = 0.0
        for stay in self.stays:
            car = self.view.cars[stay.car]
            if stay.before < 0:
                soc_wh = car.soc_wh
            else:
                soc_wh -= self.view.trips[stay.before].drive_wh(car)
            states.append(soc_wh)
        return states

    def _site_rows(self, place: Place, most_kw: Floats, back_kw: Floats) -> None:
        """Adds balance and limits of one site, and the price that its cars see directly."""
        dt = self.view.hours
        battery = place.battery
        charge = battery.max_charge_w / 1000 if battery else 0.0
        give = battery.max_discharge_w / 1000 if battery else 0.0
        load, pv = place.load_w / 1000, place.pv_w / 1000
        imports, exports = place.import_w / 1000, place.export_w / 1000
        moves = (most_kw + back_kw + charge + give) > 0
        high, low = load - pv + most_kw + charge, load - pv - back_kw - give
        buys = (low >= 0) & ((place.buy >= 0) | (pv <= 0)) & (high <= imports)
        sells = (high <= 0) & (place.sell >= 0) & (place.buy >= 0) & (-low <= exports)
        self.price[place.index] = np.where(buys, place.buy, np.where(sells, place.sell, 0.0))
        at = np.flatnonzero(moves & ~buys & ~sells)
        if not len(at):
            return
        row = self.program.rows(len(at), (load - pv)[at], (load - pv)[at])
        rows = np.arange(row, row + len(at))
        self.balance[place.index, at] = rows
        most_in = np.minimum(imports, np.maximum(high + pv, 0.0))[at]
        most_out = np.minimum(exports, np.maximum(-low, 0.0))[at]
        bought = self.program.columns(place.buy[at] * dt, 0.0, most_in)
        sold = self.program.columns(-place.sell[at] * dt, 0.0, most_out)
        columns = np.arange(len(at))
        self.program.entries(rows, bought + columns, 1.0)
        self.program.entries(rows, sold + columns, -1.0)
        spill = np.flatnonzero(
            (pv[at] > 0)
            & (
                (place.sell[at] < 0)
                | (place.buy[at] < 0)
                | (place.sell[at] > place.buy[at])
                | (-low[at] > exports[at])
            )
        )
        if len(spill):
            curtailed = self.program.columns(np.zeros(len(spill)), 0.0, pv[at][spill])
            self.program.entries(rows[spill], curtailed + np.arange(len(spill)), -1.0)
        twisted = np.flatnonzero(place.sell[at] > place.buy[at])
        if len(twisted):
            self._either(bought + twisted, sold + twisted, most_in[twisted], most_out[twisted])

    def _either(self, bought: Index, sold: Index, most_in: Floats, most_out: Floats) -> None:
        """Keeps import and export from both being large: the convex hull of being one of them."""
        row = self.program.rows(len(bought), -np.inf, 1.0)
        rows = np.arange(row, row + len(bought))
        self.program.entries(rows, bought, 1 / np.maximum(most_in, 1e-3))
        self.program.entries(rows, sold, 1 / np.maximum(most_out, 1e-3))
        self.signs.append(_Signs(bought, sold))

    def _power_columns(self) -> None:
        dt = self.view.hours
        price = self.price[self.site, self.step] * dt
        waiting = self.wait[self.step] * dt
        first = self.program.columns(price + waiting, 0.0, self.most_kw)
        self.column = np.arange(first, first + len(self.step))
        self.back = np.full(len(self.step), -1, dtype=np.int64)
        gives = np.flatnonzero(self.back_kw > 0)
        if len(gives):
            cost = -price[gives] + _THROUGHPUT_COST
            column = self.program.columns(cost, 0.0, self.back_kw[gives])
            self.back[gives] = np.arange(column, column + len(gives))
        rows = self.balance[self.site, self.step]
        inside = rows >= 0
        self.program.entries(rows[inside], self.column[inside], -1.0)
        both = inside & (self.back >= 0)
        self.program.entries(rows[both], self.back[both], 1.0)
        for place in self.view.places:
            self._net_limit(place, place.no_draw, -np.inf, 0.0)
            self._net_limit(place, place.no_give, 0.0, np.inf)

    def _net_limit(
        self, place: Place, where: NDArray[np.bool_], lower: float, upper: float
    ) -> None:
        """Keeps the cars' sum at a site to one side of zero at some steps."""
        if not where.any():
            return
        cells = np.flatnonzero((self.site == place.index) & where[self.step])
        self._sum_rows(cells, self.step[cells], lower, upper)

    def _sum_rows(self, cells: Index, groups: Index, lower: float, upper: float) -> None:
        """Adds one row per group: the net power of its cells, within bounds."""
        if not len(cells):
            return
        names, place = np.unique(groups, return_inverse=True)
        rows = self.program.rows(len(names), lower, upper) + place
        self.program.entries(rows, self.column[cells], 1.0)
        back = self.back[cells]
        self.program.entries(rows[back >= 0], back[back >= 0], -1.0)

    def _battery(self, place: Place) -> None:
        battery = place.battery
        if battery is None or battery.capacity_wh <= 0:
            return
        steps, dt = self.view.steps, self.view.hours
        below = battery.soc_wh < battery.min_soc_wh
        above = battery.soc_wh > battery.capacity_wh
        charge_kw = 0.0 if above else battery.max_charge_w / 1000
        give_kw = 0.0 if below else battery.max_discharge_w / 1000
        price = self.price[place.index] * dt
        charge = self.program.columns(price + _THROUGHPUT_COST, 0.0, charge_kw)
        give = self.program.columns(-price + _THROUGHPUT_COST, 0.0, give_kw)
        value = np.zeros(steps)
        value[-1] = -self.view.problem.terminal_value_per_kwh
        low = min(battery.min_soc_wh, battery.soc_wh) / 1000
        high = max(battery.capacity_wh, battery.soc_wh) / 1000
        stored = self.program.columns(value, low, high)
        start = np.zeros(steps)
        start[0] = battery.soc_wh / 1000
        row = self.program.rows(steps, start, start)
        n = np.arange(steps)
        self.program.entries(row + n, stored + n, 1.0)
        self.program.entries(row + n[1:], stored + n[:-1], -1.0)
        self.program.entries(row + n, charge + n, -dt * battery.efficiency)
        self.program.entries(row + n, give + n, dt / battery.efficiency)
        rows = self.balance[place.index]
        inside = rows >= 0
        self.program.entries(rows[inside], charge + n[inside], -1.0)
        self.program.entries(rows[inside], give + n[inside], 1.0)
        self.batteries.append((place.index, charge, give))

    def _circuits(self) -> None:
        """Adds the limit of each circuit where the EVSEs on it could exceed it."""
        for place in self.view.places:
            for number, limit_w in place.circuit_limits_w:
                on = np.array([number in post.circuits for post in self.view.posts], dtype=np.bool_)
                cells = np.flatnonzero(on[self.post]) if len(self.post) else self.post
                if not len(cells):
                    continue
                limit = limit_w / 1000
                most = np.bincount(self.step[cells], self.most_kw[cells], self.view.steps)
                back = np.bincount(self.step[cells], self.back_kw[cells], self.view.steps)
                binds = np.maximum(most, back) > limit
                cells = cells[binds[self.step[cells]]]
                self._sum_rows(cells, self.step[cells], -limit, limit)

    def _energy(self) -> None:
        """Adds the energy of each stay, what the trip after it needs, and readiness."""
        value = self.view.problem.terminal_value_per_kwh
        last: dict[int, int] = {}
        for n, stay in enumerate(self.stays):
            car = self.view.cars[stay.car]
            begins = car.soc_wh / 1000
            if stay.before >= 0:
                begins = -self.view.trips[stay.before].drive_wh(car) / 1000
            ends = stay.after < 0
            need = -np.inf if ends else self.view.trips[stay.after].need_wh(car) / 1000
            high = max(car.high_wh, self.uncharged_wh[n]) / 1000
            cost = np.array([-value if ends else 0.0])
            column = self.program.columns(cost, min(need, high), high)
            row = self.program.rows(1, begins, begins)
            self._entry(row, column, 1.0)
            self._store(n, stay, row, last.get(stay.car))
            if not ends:
                weight = 1 + 4 * self.view.trips[stay.after].priority / max(self.priorities, 1)
                price = np.array([self.options.missed_cost_per_kwh * weight])
                slack = self.program.columns(price, 0.0, np.inf)
                self._entry(row, slack, -1.0)
                self.slack.append((stay.key, slack))
            last[stay.car] = column

    def _entry(self, row: int, column: int, value: float) -> None:
        self.program.entries(np.array([row]), np.array([column]), value)

    def _store(self, n: int, stay: Stay, row: int, previous: int | None) -> None:
        """Ties the energy at the end of a stay to what the car does in it."""
        cells = np.arange(self.offsets[n], self.offsets[n + 1])
        car = self.view.cars[stay.car]
        gain = self.view.hours * car.efficiency
        if previous is not None:
            self._entry(row, previous, -1.0)
        charging = self.column[cells]
        self.program.entries(np.full(len(cells), row), charging, -gain)
        back = self.back[cells]
        if (back >= 0).any():
            loss = self.view.hours / car.efficiency
            self.program.entries(np.full(len(cells), row), back, loss)
            self._floor(n, cells, gain, loss, previous)
        self._readiness(stay, cells, gain, previous)

    def _floor(self, n: int, cells: Index, gain: float, loss: float, previous: int | None) -> None:
        """Keeps the state of a car that can discharge within its bounds at every step."""
        stay = self.stays[n]
        car = self.view.cars[stay.car]
        size = len(cells)
        high = max(car.high_wh, self.uncharged_wh[n]) / 1000
        state = self.program.columns(np.zeros(size), car.low_wh / 1000, high)
        begins = np.zeros(size)
        if stay.before >= 0:
            begins[0] = -self.view.trips[stay.before].drive_wh(car) / 1000
        else:
            begins[0] = car.soc_wh / 1000
        row = self.program.rows(size, begins, begins)
        step = np.arange(size)
        self.program.entries(row + step, state + step, 1.0)
        self.program.entries(row + step[1:], state + step[:-1], -1.0)
        if previous is not None:
            self._entry(row, previous, -1.0)
        self.program.entries(row + step, self.column[cells], -gain)
        self.program.entries(row + step, self.back[cells], loss)

    def _readiness(self, stay: Stay, cells: Index, gain: float, previous: int | None) -> None:
        car = self.view.cars[stay.car]
        for ready in self.options.ready_steps:
            if not stay.start < ready < stay.end or not len(cells):
                continue
            before = cells[self.step[cells] < ready]
            begins = car.soc_wh
            if stay.before >= 0:
                begins = -self.view.trips[stay.before].drive_wh(car)
            wanted = (self.options.ready_share * car.high_wh - begins) / 1000
            row = self.program.rows(1, wanted, np.inf)
            if previous is not None:
                self._entry(row, previous, 1.0)
            self.program.entries(np.full(len(before), row), self.column[before], gain)
            gives = before[self.back[before] >= 0]
            loss = self.view.hours / car.efficiency
            self.program.entries(np.full(len(gives), row), self.back[gives], -loss)
            price = np.array([self.options.ready_cost_per_kwh])
            slack = self.program.columns(price, 0.0, np.inf)
            self._entry(row, slack, 1.0)


def charge(
    view: View, stays: Sequence[Stay], options: PlanOptions, limits: SolveLimits
) -> Charge | None:
    """Returns the cheapest charging for fixed stays, or None if no solver found any.

    A trip that can't have its energy is told by `short_wh`; the plan then is not lawful yet.
    """
    model = _Builder(view, stays, options).build()
    result = solve_lp(model.program, limits=limits)
    if not result.solved:
        return None
    short = _short_kwh(model, result)
    program, rounded = model.program, False
    for whole in (False, True, True):
        upper = program.upper.copy()
        turned = _one_way(view, model, result.x, upper, whole=whole)
        program = replace(program, upper=upper)
        between = lies_between(model.cells, result.x)
        if not turned and not between:
            break
        rounded = rounded or between
        fixed = program
        if rounded:
            fixed = replace(program, lower=program.lower.copy(), upper=upper.copy())
            decide(view, stays, model.cells, result.x, fixed.lower, fixed.upper)
        again = solve_lp(fixed, limits=limits)
        if rounded and (not again.solved or _short_kwh(model, again) > short + 1e-3):
            again = _switched(model, program, limits)
        if not again.solved:
            return None
        result = again
    return _charge(view, stays, model, result)


def _switched(model: _Model, program: LinearProgram, limits: SolveLimits) -> LpResult:
    """Returns the answer with the first hour's least power as true switches, or without it."""
    mixed = solve_mixed(with_switches(program, model.cells), limits=limits)
    if mixed.solved:
        return replace(mixed, x=mixed.x[: len(program.cost)])
    upper = program.upper.copy()
    upper[model.cells.column[model.cells.early()]] = 0.0
    return solve_lp(replace(program, upper=upper), limits=limits)


def _short_kwh(model: _Model, result: LpResult) -> float:
    return sum(float(result.x[column]) for _, column in model.slack)


def _one_way(view: View, model: _Model, x: Floats, upper: Floats, *, whole: bool) -> bool:
    """Closes one of two ways wherever the answer goes both at once; returns whether it had to.

    What is closed in one step tends to turn up in the next, so with `whole` all are closed, each
    in the way that the answer goes less.
    """
    gives = model.back >= 0
    pairs = [(model.cells.column[gives], model.back[gives])]
    steps = np.arange(view.steps)
    pairs += [(charge + steps, give + steps) for _, charge, give in model.batteries]
    pairs += [(signs.imports, signs.exports) for signs in model.signs]
    found = False
    for one, other in pairs:
        both = (x[one] > _TINY_KW) & (x[other] > _TINY_KW)
        if not both.any():
            continue
        found = True
        closed = np.ones_like(both) if whole else both
        first = x[one] >= x[other]
        upper[other[closed & first]] = 0.0
        upper[one[closed & ~first]] = 0.0
    return found


def _charge(view: View, stays: Sequence[Stay], model: _Model, result: LpResult) -> Charge:
    x, cells = result.x, model.cells
    net = x[cells.column].copy()
    gives = model.back >= 0
    net[gives] -= x[model.back[gives]]
    net[np.abs(net) < 5e-4] = 0.0
    powers = [np.zeros(max(stay.end - stay.start, 0)) for stay in stays]
    bounds = np.searchsorted(cells.stay, np.arange(len(stays) + 1))
    for n, stay in enumerate(stays):
        own = slice(bounds[n], bounds[n + 1])
        powers[n][cells.step[own] - stay.start] = net[own] * 1000
    battery = np.zeros((len(view.places), view.steps))
    for site, charging, giving in model.batteries:
        battery[site] = 1000 * (
            x[charging : charging + view.steps] - x[giving : giving + view.steps]
        )
    short = {key: 1000 * float(x[column]) for key, column in model.slack if x[column] > 1e-4}
    return Charge(tuple(powers), battery, short, result.objective, result.solver)
