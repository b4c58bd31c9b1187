"""What a site adds to a linear program: its grid connection, its sun and its battery.

Import less export is building plus cars plus battery less sun. Where a site surely imports (or
surely exports) whatever its cars and battery do, the price goes straight onto their power and no
row is needed; where nothing can move, nothing is added. What a linear program can't say (importing
and exporting at once where selling pays more than buying) is kept to the convex hull of being one
of them; whoever needs the one or the other closes columns of `Ways` and solves again.

Where the sun is known as quantiles, what it may bring beyond its median is bought at the mean of
what it may cost (the newsvendor's rule): the less, the likelier it is that the roof gives it after
all. Sun below its median is not made dearer, though it is not sure either: the sun of later hours
looked surer than that which shines, and was waited for (July: 0.92 of foresight in place of 0.93).
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.grid import step_cost, sun_used
from scheduler.program import ProgramBuilder
from scheduler.view import Floats, Place, View

Index = NDArray[np.int64]

SLICES = ((0.0, 0.41, 0.40), (0.41, 1.0, 0.20))
"""Between the median of the sun and its 90 % quantile: from and to which part of the way, and with
what probability it gives at least so much, of a normal distribution."""
THROUGHPUT_COST = 1e-6
"""Per kWh through a battery: keeps it from turning energy over for nothing."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Columns of which no two at the same place may both be above zero."""

    one: Index
    other: Index


def hope_fails(bought_w: Floats, hoped_w: Floats) -> Floats:
    """Returns how probable it is that the last watt bought beyond the median sun does not come.

    Args:
        bought_w: what the sun must give beyond its median.
        hoped_w: what it gives beyond it, at its 90 % quantile.
    """
    fails = np.ones(len(bought_w))
    for _, end, chance in reversed(SLICES):
        fails = np.where(bought_w <= end * hoped_w, 1 - chance, fails)
    return fails


class SiteBlock:
    """The part of a program that is about sites."""

    def __init__(
        self,
        view: View,
        program: ProgramBuilder,
        most_kw: Floats,
        back_kw: Floats,
        *,
        weighs: bool = False,
    ) -> None:
        """Adds all sites.

        Args:
            view: the problem.
            program: where to.
            most_kw: the most that their cars draw, by site and step.
            back_kw: the most that they give.
            weighs: whether sun counts that may come; else its median, by which plans cost.
        """
        self._view, self._program, self._weighs = view, program, weighs
        self.price = np.zeros(most_kw.shape)
        """By site and step: what power costs per kWh where it has no row."""
        self.balance = np.full(most_kw.shape, -1, dtype=np.int64)
        """By site and step: the row in which power counts with -1 (fed back: with 1), or -1."""
        self.bought = np.full(most_kw.shape, -1, dtype=np.int64)
        self.sold = np.full(most_kw.shape, -1, dtype=np.int64)
        """By site and step: the columns of import and export, or -1."""
        self.fixed_cost = 0.0
        """What the program's own cost lacks to be that of the grid."""
        self.ways: list[Ways] = []
        for place in view.places:
            self._site(place, most_kw[place.index], back_kw[place.index])

    def _site(self, place: Place, most_kw: Floats, back_kw: Floats) -> None:
        """Adds balance and limits of one site, and the price that its cars see directly."""
        dt = self._view.hours
        battery = place.battery
        charge = battery.max_charge_w / 1000 if battery else 0.0
        give = battery.max_discharge_w / 1000 if battery else 0.0
        load, pv = place.load_w / 1000, place.pv_w / 1000
        imports, exports = place.import_w / 1000, place.export_w / 1000
        up_kw, down_kw = _flexible_kw(self._view, place)
        moves = (most_kw + back_kw + charge + give + up_kw + down_kw) > 0
        more = hoped_kw(place) if self._weighs else np.zeros(self._view.steps)
        high = load - pv + most_kw + charge + up_kw
        low = load - pv - back_kw - give - down_kw - more
        buys = (low >= 0) & ((place.buy >= 0) | (pv <= 0)) & (high <= imports)
        sells = (high <= 0) & (place.sell >= 0) & (place.buy >= 0) & (-low <= exports)
        if place.metered:
            buys, sells = np.zeros_like(buys), np.zeros_like(sells)
        self.price[place.index] = np.where(buys, place.buy, np.where(sells, place.sell, 0.0))
        at = np.flatnonzero(moves & ~buys & ~sells)
        self.fixed_cost += dt * _fixed_cost(place, buys, sells, at)
        still_w = np.delete(np.maximum(place.load_w - place.pv_w, 0.0), at)
        still_kw = max(float(still_w.max(initial=0.0)) - place.peak_so_far_w, 0.0) / 1000
        if not len(at):
            self.fixed_cost += place.peak_price * still_kw
            return
        row = self._program.rows(len(at), (load - pv)[at], (load - pv)[at])
        rows = np.arange(row, row + len(at))
        self.balance[place.index, at] = rows
        most_in = np.minimum(imports, np.maximum(high + pv, 0.0))[at]
        most_out = np.minimum(exports, np.maximum(-low, 0.0))[at]
        most_in = most_in - self._hopes(place, rows, at, most_in, more[at])
        bought = self._program.columns(place.buy[at] * dt, 0.0, most_in)
        sold = self._program.columns(-place.sell[at] * dt, 0.0, most_out)
        columns = np.arange(len(at))
        self.bought[place.index, at], self.sold[place.index, at] = bought + columns, sold + columns
        self._program.entries(rows, bought + columns, 1.0)
        self._program.entries(rows, sold + columns, -1.0)
        if place.peak_price > 0:
            self._peak(place, bought + columns, still_kw, float(most_in.max()))
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
            curtailed = self._program.columns(np.zeros(len(spill)), 0.0, pv[at][spill])
            self._program.entries(rows[spill], curtailed + np.arange(len(spill)), -1.0)
        twisted = np.flatnonzero(place.sell[at] > place.buy[at])
        if len(twisted):
            self._either(bought + twisted, sold + twisted, most_in[twisted], most_out[twisted])

    def _hopes(self, place: Place, rows: Index, at: Index, most_in: Floats, more: Floats) -> Floats:
        """Adds sun beyond its median, as power that may have to be bought; returns the most of it.

        It counts as import, and no more of it is taken than may be imported.
        """
        whole = np.minimum(more, most_in)
        here = np.flatnonzero(whole > 0)
        if len(here):
            buy, sell = place.buy[at][here], place.sell[at][here]
            for begin, end, chance in SLICES:
                price = buy - chance * (buy - sell)
                columns = self._program.columns(
                    price * self._view.hours, 0.0, (end - begin) * whole[here]
                )
                self._program.entries(rows[here], columns + np.arange(len(here)), 1.0)
        return whole

    def _peak(self, place: Place, bought: Index, still_kw: float, most_kw: float) -> None:
        """Adds what the largest import costs, where steps in which nothing moves set the least."""
        so_far_kw = place.peak_so_far_w / 1000
        most_kw = max(most_kw - so_far_kw, still_kw)
        peak = self._program.columns(np.array([place.peak_price]), still_kw, most_kw)
        row = self._program.rows(len(bought), -np.inf, so_far_kw)
        rows = np.arange(row, row + len(bought))
        self._program.entries(rows, bought, 1.0)
        self._program.entries(rows, np.full(len(bought), peak), -1.0)

    def _either(self, bought: Index, sold: Index, most_in: Floats, most_out: Floats) -> None:
        """Keeps import and export from both being large: the convex hull of being one of them."""
        row = self._program.rows(len(bought), -np.inf, 1.0)
        rows = np.arange(row, row + len(bought))
        self._program.entries(rows, bought, 1 / np.maximum(most_in, 1e-3))
        self._program.entries(rows, sold, 1 / np.maximum(most_out, 1e-3))
        self.ways.append(Ways(bought, sold))


def hoped_kw(place: Place) -> Floats:
    """Returns how much more than its median the sun may give and is weighed, by step."""
    counts = (place.sell >= 0) & (place.buy > place.sell)
    if place.metered:
        counts = np.zeros_like(counts)
    return np.where(counts, place.high_pv_w - place.pv_w, 0.0) / 1000


def _flexible_kw(view: View, place: Place) -> tuple[Floats, Floats]:
    """Returns how far the flexible loads of a site can go up and down from how they run."""
    up_kw, down_kw = np.zeros(view.steps), np.zeros(view.steps)
    for each in view.flexibles:
        if each.site == place.index:
            up_kw += each.most_w / 1000
            down_kw -= each.least_w / 1000
    return up_kw, down_kw


def _fixed_cost(
    place: Place, buys: NDArray[np.bool_], sells: NDArray[np.bool_], rows: Index
) -> float:
    """Returns the cost per hour of what a site without rows does at its grid before cars."""
    surplus_kw = (place.load_w - place.pv_w) / 1000
    still = step_cost(place, place.load_w - sun_used(place, place.load_w)) / 1000
    cost = np.where(buys, place.buy * surplus_kw, np.where(sells, place.sell * surplus_kw, still))
    cost[rows] = 0.0
    return float(cost.sum())


@dataclass(frozen=True, slots=True)
class BatteryColumns:
    """Where a site battery is in the program: the first column of each direction."""

    site: int
    charge: int
    give: int


def site_battery(
    view: View, program: ProgramBuilder, block: SiteBlock, place: Place, *, relaxed: bool
) -> BatteryColumns | None:
    """Adds the battery of a site, if it has one.

    One that starts out of its bounds is moved towards them only; `relaxed` lets it do anything
    between, as a bound needs.
    """
    battery = place.battery
    if battery is None or battery.max_charge_w + battery.max_discharge_w <= 0:
        return None
    steps, dt = view.steps, view.hours
    throughput_cost = 0.0 if relaxed else THROUGHPUT_COST
    below = battery.soc_wh < battery.min_soc_wh and not relaxed
    above = battery.soc_wh > battery.capacity_wh and not relaxed
    charge_kw = 0.0 if above else battery.max_charge_w / 1000
    give_kw = 0.0 if below else battery.max_discharge_w / 1000
    price = block.price[place.index] * dt
    charge = program.columns(price + throughput_cost, 0.0, charge_kw)
    give = program.columns(-price + throughput_cost, 0.0, give_kw)
    value = np.zeros(steps)
    value[-1] = -view.problem.terminal_value_per_kwh
    low = min(battery.min_soc_wh, battery.soc_wh) / 1000
    high = max(battery.capacity_wh, battery.soc_wh) / 1000
    stored = program.columns(value, low, high)
    start = np.zeros(steps)
    start[0] = battery.soc_wh / 1000
    row = program.rows(steps, start, start)
    n = np.arange(steps)
    program.entries(row + n, stored + n, 1.0)
    program.entries(row + n[1:], stored + n[:-1], -1.0)
    program.entries(row + n, charge + n, -dt * battery.efficiency)
    program.entries(row + n, give + n, dt / battery.efficiency)
    rows = block.balance[place.index]
    inside = rows >= 0
    program.entries(rows[inside], charge + n[inside], -1.0)
    program.entries(rows[inside], give + n[inside], 1.0)
    return BatteryColumns(place.index, charge, give)


def flexible_loads(view: View, program: ProgramBuilder, block: SiteBlock) -> list[int]:
    """Adds the flexible loads; returns the first column of each.

    A column is how much more than by itself the load draws in a step.
    """
    firsts: list[int] = []
    n, dt = np.arange(view.steps), view.hours
    for each in view.flexibles:
        price = block.price[each.site] * dt
        moved = program.columns(price, each.least_w / 1000, each.most_w / 1000)
        stored = program.columns(np.zeros(view.steps), each.least_wh / 1000, each.most_wh / 1000)
        row = program.rows(view.steps, 0.0, 0.0)
        program.entries(row + n, stored + n, 1.0)
        program.entries(row + n[1:], stored + n[:-1], -1.0)
        program.entries(row + n, moved + n, -dt)
        rows = block.balance[each.site]
        inside = rows >= 0
        program.entries(rows[inside], moved + n[inside], -1.0)
        firsts.append(moved)
    return firsts
