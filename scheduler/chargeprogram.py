"""The charging program: one linear program for all sites, the chains being fixed.

Columns: power of each plugged car in each step (kW at the grid side), discharging where car and
EVSE can, energy at the end of each stay (kWh), energy that a trip lacks, and what the sites add
(`scheduler.siteblock`). Rows:

- a stay ends with what it began with, plus `efficiency * dt * sum of power`, at most the battery
  and at least what the next trip needs (what lacks costs far more than any energy);
- circuits and sites keep their limits; where nothing could reach a limit there is no row.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scheduler.apart import Memory, handed_over, is_large
from scheduler.firsthour import Cells
from scheduler.limits import Cells as LimitedCells
from scheduler.limits import LimitRows
from scheduler.options import PlanOptions
from scheduler.ordered import Ordered
from scheduler.parking import Stay
from scheduler.program import ProgramBuilder
from scheduler.siteblock import (
    THROUGHPUT_COST,
    BatteryColumns,
    SiteBlock,
    Ways,
    flexible_loads,
    site_battery,
)
from scheduler.solver import LinearProgram
from scheduler.taper import Falling
from scheduler.view import Floats, View

Index = NDArray[np.int64]
Part = tuple[Index, float, float, float]
"""Of a stay: the steps in which its car may charge, the most that it draws and gives, the least."""

_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Model:
    """The program and where to find what in it."""

    program: LinearProgram
    cells: Cells
    back: Index
    """By cell: its column of discharging, or -1."""
    slack: list[tuple[int, int]]
    """The stays that end with a trip, by their keys,"""
    slack_columns: Index
    """and by such a stay the column of what that trip lacks."""
    batteries: list[BatteryColumns]
    flexible: list[int]
    """By flexible load: the first column of what it draws beyond how it runs by itself."""
    ways: list[Ways]
    price: Floats
    balance: Index
    """By site and step, as in `scheduler.siteblock`."""
    fixed_cost: float
    """What makes programs of other stays comparable."""
    ends: Index
    """By stay: the column of what its car ends it with."""

    def handing(self, held_kwh: Mapping[int, float]) -> Model:
        """Returns the model in which some stays, by number, end with a given energy."""
        which = list(held_kwh)
        lower, upper = self.program.lower.copy(), self.program.upper.copy()
        at = self.ends[which]
        lower[at] = upper[at] = np.array([held_kwh[n] for n in which])
        program = replace(self.program, lower=lower, upper=upper)
        return replace(self, program=program, cells=replace(self.cells, agreed=frozenset(which)))


class Builder:
    """Puts the program together, block by block."""

    def __init__(
        self,
        view: View,
        stays: Sequence[Stay],
        options: PlanOptions,
        kept_w: Mapping[int, Floats] = MappingProxyType({}),
        memory: Memory | None = None,
    ) -> None:
        """Begins a program.

        Args:
            view: the problem.
            stays: where all cars stand.
            options: how to plan.
            kept_w: by car, the power that some keep.
            memory: what programs before have found out of stays, and this one adds to.
        """
        self.view, self.stays, self.options, self.kept_w = view, stays, options, kept_w
        self.memory = memory or Memory()
        self.program = ProgramBuilder()
        self.uncharged_wh = self._uncharged()
        self.wait = options.wait_cost_per_kwh_h * view.hours * np.arange(view.steps)
        self.priorities = max((trip.priority for trip in view.trips), default=1)

    def build(self) -> Model:
        """Returns the program, with what its columns and rows mean."""
        view = self.view
        self._plan_cells()
        shape = (len(view.places), view.steps)
        most, least = np.zeros(shape), np.zeros(shape)
        np.add.at(most, (self.site, self.step), self.most_kw)
        np.add.at(least, (self.site, self.step), self.back_kw)
        self.block = SiteBlock(view, self.program, most, least, weighs=True)
        self._power_columns()
        limits = self._limits()
        limits.overloads()
        batteries = [
            columns
            for place in view.places
            if (columns := site_battery(view, self.program, self.block, place, relaxed=False))
        ]
        flexible = flexible_loads(view, self.program, self.block)
        limits.circuits()
        limits.connections(self.block)
        self._energy()
        cells = Cells(
            stay=self.cell_stay,
            step=self.step,
            site=self.site,
            column=self.column,
            least_kw=self.least_kw,
            most_kw=self.most_kw,
        )
        model = Model(
            self.program.build(),
            cells,
            self.back,
            self.slack,
            self.slack_columns,
            batteries,
            flexible,
            self.block.ways,
            self.block.price + self.wait,
            self.block.balance,
            self.block.fixed_cost + self.ordered.driven,
            self.ends,
        )
        return model.handing(self._agreed()) if is_large(model.program) else model

    def _agreed(self) -> dict[int, float]:
        """Returns what one-way trips hand over in a large program, in kWh by stay."""
        most_kw = np.bincount(self.cell_stay, self.most_kw, len(self.stays))
        which, held_wh = handed_over(self.view, self.stays, most_kw.tolist(), self.memory)
        return {n: wh / 1000 for n, wh in zip(which, held_wh, strict=True)}

    def _plan_cells(self) -> None:
        """Lists the (stay, step) pairs in which a car may charge."""
        parts = [self._part(n, stay) for n, stay in enumerate(self.stays)]
        counts = np.array([len(part[0]) for part in parts], dtype=np.int64)
        every = np.arange(len(parts))
        self.cell_stay = np.repeat(every, counts)
        self.step = np.concatenate([np.zeros(0, dtype=np.int64), *(part[0] for part in parts)])
        in_kw = np.array([part[1:] for part in parts], dtype=np.float64).reshape(-1, 3) / 1000
        most_kw, back_kw, self.least_kw = np.repeat(in_kw, counts, axis=0).T
        sites = np.array([stay.site for stay in self.stays], dtype=np.int64)
        self.site = sites[self.cell_stay]
        self.offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.ordered = Ordered(self.view, self.stays, self.cell_stay, self.step)
        self.most_kw, self.back_kw = self.ordered.bounded(most_kw, back_kw)
        self.lower_kw = self._keep() if self.kept_w else np.zeros(len(self.step))

    def _part(self, n: int, stay: Stay) -> Part:
        """Returns what `_steps` finds for a stay, found out once for all programs."""
        if self.kept_w:
            return self._steps(n, stay)
        key = stay, self.uncharged_wh[n]
        known = self.memory.parts.get(key)
        if known is None:
            known = self.memory.parts[key] = self._steps(n, stay)
        return known

    def _keep(self) -> Floats:
        """Gives the cells of cars that keep their charging just that; returns the least of all."""
        lower_kw = np.zeros(len(self.step))
        for n, stay in enumerate(self.stays):
            own = slice(self.offsets[n], self.offsets[n + 1])
            if stay.car in self.kept_w:
                lower_kw[own] = self.kept_w[stay.car][self.step[own]] / 1000
                self.most_kw[own] = lower_kw[own]
        return lower_kw

    def _steps(self, n: int, stay: Stay) -> Part:
        """Returns the steps in which a stay's car may use its EVSE, and its powers in W.

        Those are the most each way, and the least that it charges with.
        """
        if stay.post < 0 or stay.start >= stay.end:
            return _NONE, 0.0, 0.0, 0.0
        view, car = self.view, self.view.cars[stay.car]
        post = view.posts[stay.post]
        most_w, back_w = post.power_w(car), post.back_w(car)
        if stay.before < 0 and car.soc_wh < car.low_wh:
            back_w = 0.0
        if self.uncharged_wh[n] > car.high_wh:
            most_w = 0.0
        if most_w <= 0 and back_w <= 0:
            return _NONE, 0.0, 0.0, 0.0
        if car.discharge_w <= 0:
            # What only charges takes no more later on.
            gain = view.hours * car.efficiency
            most_w = min(most_w, car.takes_w(self.uncharged_wh[n], gain))
        kept_w = self.kept_w.get(stay.car)
        used = post.open if kept_w is None else kept_w > 0
        steps = np.flatnonzero(used[stay.start : stay.end]) + stay.start
        back_w = back_w if kept_w is None else 0.0
        return steps.astype(np.int64), most_w, back_w, post.least_w(car)

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

    def _power_columns(self) -> None:
        dt = self.view.hours
        price = self.block.price[self.site, self.step] * dt
        waiting = self.wait[self.step] * dt
        cost = price + waiting - self.ordered.reward * dt
        first = self.program.columns(cost, self.lower_kw, self.most_kw)
        self.column = np.arange(first, first + len(self.step))
        self.back = np.full(len(self.step), -1, dtype=np.int64)
        gives = np.flatnonzero(self.back_kw > 0)
        if len(gives):
            cost = -price[gives] + THROUGHPUT_COST
            column = self.program.columns(cost, 0.0, self.back_kw[gives])
            self.back[gives] = np.arange(column, column + len(gives))
        rows = self.block.balance[self.site, self.step]
        inside = rows >= 0
        self.program.entries(rows[inside], self.column[inside], -1.0)
        both = inside & (self.back >= 0)
        self.program.entries(rows[both], self.back[both], 1.0)

    def _limits(self) -> LimitRows:
        cells = LimitedCells(
            stay=self.cell_stay,
            step=self.step,
            site=self.site,
            column=self.column,
            back=self.back,
            most_kw=self.most_kw,
            back_kw=self.back_kw,
        )
        return LimitRows(self.view, self.program, self.stays, cells)

    def _energy(self) -> None:
        """Adds the energy of each stay, what the trip after it needs, and readiness.

        The rows tie what a car holds at the end of a stay to what it held before and charges.
        """
        view, program, stays = self.view, self.program, self.stays
        size = len(stays)
        cars = [view.cars[stay.car] for stay in stays]
        after = [view.trips[stay.after] if stay.after >= 0 else None for stay in stays]
        begins = np.array([self._begins_wh(stay) for stay in stays]) / 1000
        high = np.array([car.high_wh for car in cars]) / 1000
        high = np.maximum(high, np.array(self.uncharged_wh) / 1000)
        need = np.array(
            [trip.need_wh(car) if trip else -np.inf for trip, car in zip(after, cars, strict=True)]
        )
        value = view.problem.terminal_value_per_kwh
        cost = np.array([0.0 if trip else -value for trip in after])
        self.ends = program.columns(cost, np.minimum(need / 1000, high), high) + np.arange(size)
        ends = self.ends
        rows = program.rows(size, begins, begins) + np.arange(size)
        program.entries(rows, ends, 1.0)
        goes_on = np.array([stay.before >= 0 for stay in stays], dtype=np.bool_)
        program.entries(rows[goes_on], ends[goes_on] - 1, -1.0)
        efficiency = np.array([car.efficiency for car in cars])
        gain, loss = view.hours * efficiency, view.hours / efficiency
        program.entries(rows[self.cell_stay], self.column, -gain[self.cell_stay])
        gives = self.back >= 0
        giving = self.cell_stay[gives]
        program.entries(rows[giving], self.back[gives], loss[giving])
        self._slack(rows)
        stepwise = np.array([bool(car.taper) for car in cars], dtype=np.bool_)
        stepwise[giving] = True
        stepwise |= bool(self.options.ready_steps)
        for n in np.flatnonzero(stepwise).tolist():
            stay = stays[n]
            cells = np.arange(self.offsets[n], self.offsets[n + 1])
            previous = int(ends[n]) - 1 if stay.before >= 0 else None
            lines = self._binding(n, cells)
            if len(cells) and (bool((self.back[cells] >= 0).any()) or lines):
                state = self._states(n, cells, float(gain[n]), float(loss[n]), previous)
                self._taper(lines, cells, state)
            self._readiness(stay, cells, float(gain[n]), previous)

    def _begins_wh(self, stay: Stay) -> float:
        """Returns what a stay begins with, less what the one before ended with."""
        car = self.view.cars[stay.car]
        return car.soc_wh if stay.before < 0 else -self.view.trips[stay.before].drive_wh(car)

    def _slack(self, rows: Index) -> None:
        """Lets trips lack energy, at a cost far above any price."""
        left = [n for n, stay in enumerate(self.stays) if stay.after >= 0]
        worth = np.array([self.view.trips[self.stays[n].after].priority for n in left])
        weight = 1 + 4 * worth / max(self.priorities, 1)
        missed = self.ordered.missed_cost(self.options.missed_cost_per_kwh)
        first = self.program.columns(missed * weight, 0.0, np.inf)
        columns = first + np.arange(len(left))
        self.program.entries(rows[left], columns, -1.0)
        self.slack, self.slack_columns = [self.stays[n].key for n in left], columns

    def _entry(self, row: int, column: int, value: float) -> None:
        self.program.entries(np.array([row]), np.array([column]), value)

    def _binding(self, n: int, cells: Index) -> list[Falling]:
        """Returns the lines of a car's taper that its power in a stay can reach."""
        car = self.view.cars[self.stays[n].car]
        if not car.taper or not len(cells):
            return []
        most_w = 1000 * float(self.most_kw[cells].max())
        return [line for line in car.taper if line.top_w - line.per_wh * car.high_wh < most_w]

    def _taper(self, lines: Sequence[Falling], cells: Index, state: Index) -> None:
        """Keeps each step's power to what the battery takes at its end."""
        for line in lines:
            rows = self.program.rows(len(cells), -np.inf, line.top_w / 1000) + np.arange(len(cells))
            self.program.entries(rows, self.column[cells], 1.0)
            self.program.entries(rows, state, line.per_wh)

    def _states(
        self, n: int, cells: Index, gain: float, loss: float, previous: int | None
    ) -> Index:
        """Adds what a car holds at the end of each step; one that can discharge keeps its least."""
        stay = self.stays[n]
        car = self.view.cars[stay.car]
        size = len(cells)
        high = max(car.high_wh, self.uncharged_wh[n]) / 1000
        gives = self.back[cells] >= 0
        low = car.low_wh if gives.any() else min(car.low_wh, self.uncharged_wh[n])
        state = self.program.columns(np.zeros(size), low / 1000, high)
        begins = np.zeros(size)
        begins[0] = self._begins_wh(stay) / 1000
        row = self.program.rows(size, begins, begins)
        step = np.arange(size)
        self.program.entries(row + step, state + step, 1.0)
        self.program.entries(row + step[1:], state + step[:-1], -1.0)
        if previous is not None:
            self._entry(row, previous, -1.0)
        self.program.entries(row + step, self.column[cells], -gain)
        self.program.entries(row + step[gives], self.back[cells][gives], loss)
        return state + step

    def _readiness(self, stay: Stay, cells: Index, gain: float, previous: int | None) -> None:
        car = self.view.cars[stay.car]
        for ready in self.options.ready_steps:
            if not stay.start < ready < stay.end or not len(cells):
                continue
            before = cells[self.step[cells] < ready]
            wanted = (self.options.ready_share * car.high_wh - self._begins_wh(stay)) / 1000
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
