"""When and how hard each car charges: the charging program, solved and made lawful.

All sites are in one program (30 cars at 6 sites: 20 ms) while they are few: `scheduler.apart`.
What a linear program can't say (charging and discharging at once, selling above the buying price,
the first hour's least power) is mended after a solve: see `scheduler.firsthour` and `_one_way`.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from scheduler.apart import Memory, handed_as, is_middling, solve
from scheduler.breakeven import BreakEven
from scheduler.chargeprogram import Builder, Model
from scheduler.firsthour import decide, lies_between, with_switches
from scheduler.options import PlanOptions
from scheduler.parking import Stay
from scheduler.partly import Kept
from scheduler.solver import LinearProgram, LpResult, SolveLimits
from scheduler.view import Floats, View

Index = NDArray[np.int64]

_TINY_KW = 1e-6
_FEW_SWITCHES = 64
"""So many cells of the first hour (16 cars) take a tenth of a second as switches."""


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
    marginal: Floats | None = None
    """By site and step: what one more kWh for a car costs; None where the solver can't tell."""
    finish: Callable[[], Charge | None] | None = None
    """Makes it lawful; None where it is so already."""
    flexible_w: Floats | None = None
    """By flexible load and step; None: as they run by themselves."""
    near: Callable[[View, Sequence[Stay]], Charge | None] | None = None
    """Charges stays of which most are these, in less time; None where that is quick anyhow."""


def charge(
    view: View,
    stays: Sequence[Stay],
    options: PlanOptions,
    limits: SolveLimits,
    *,
    memory: Memory | None = None,
    kept: Kept | None = None,
) -> Charge | None:
    """Returns the cheapest charging for fixed stays, or None if no solver found any.

    A trip that can't have its energy is told by `short_wh`; the plan then is not lawful yet. Nor
    is it before `finish`, which keeps to what a linear program can't say; candidates are compared
    without, since that takes as long again. `memory` holds what was solved before; cars that are
    `kept` charge as they did.
    """
    kept = None if kept is None else kept.beside(stays)
    if kept is not None and not kept.fits(stays):
        return None
    solving = _Solving(view, stays, options, limits, memory=memory or Memory(), kept=kept)
    return solving.solved()


class _Solving:
    """One program on its way to a lawful answer."""

    def __init__(
        self,
        view: View,
        stays: Sequence[Stay],
        options: PlanOptions,
        limits: SolveLimits,
        *,
        memory: Memory,
        kept: Kept | None,
    ) -> None:
        self._view, self._stays, self._options = view, stays, options
        self._limits, self._memory = limits, memory
        self._kept = kept
        self._has_time = options.time_limit_s is not None
        memory.make_room()
        kept_w = {} if kept is None else kept.powers_w
        self.model = Builder(view, stays, options, kept_w, memory).build()
        self.apart = kept is not None

    def solved(self) -> Charge | None:
        """Returns the answer, not lawful yet."""
        result = self._solve(self.model.program)
        return self._charge(result) if result.solved else None

    def _solve(self, program: LinearProgram, looser: LpResult | None = None) -> LpResult:
        return solve(
            program, limits=self._limits, memory=self._memory, apart=self.apart, looser=looser
        )

    def _handing(self, held_kwh: Mapping[int, float]) -> _Solving:
        """Returns the same in which some stays end with a given energy, to be solved in blocks."""
        other = copy(self)
        other.model, other.apart = self.model.handing(held_kwh), True
        return other

    def _near(self, result: LpResult, view: View, stays: Sequence[Stay]) -> Charge | None:
        """Charges other stays; cars that drive the same trips hand over what they do here."""
        tried = _Solving(
            view, stays, self._options, self._limits, memory=self._memory, kept=self._kept
        )
        held_kwh = handed_as(self._stays, result.x[self.model.ends], stays)
        return tried._handing(held_kwh).solved()

    def _charge(self, result: LpResult, *, final: bool = False) -> Charge:
        """Returns what an answer of the program means."""
        view, stays, model = self._view, self._stays, self.model
        x, cells = result.x, model.cells
        net = x[cells.column].copy()
        gives = model.back >= 0
        net[gives] -= x[model.back[gives]]
        net[np.abs(net) < 5e-4] = 0.0
        starts = np.array([stay.start for stay in stays], dtype=np.int64)
        ends = np.array([stay.end for stay in stays], dtype=np.int64)
        lengths = np.maximum(ends - starts, 0)
        last = np.cumsum(lengths)
        # All in one array, of which each stay has its part: most stays are short.
        power_w = np.zeros(int(last[-1]) if len(stays) else 0)
        first = last - lengths
        power_w[(first - starts)[cells.stay] + cells.step] = net * 1000
        bounds = zip(first.tolist(), last.tolist(), strict=True)
        powers = tuple(power_w[begin:end] for begin, end in bounds)
        battery = np.zeros((len(view.places), view.steps))
        for each in model.batteries:
            charging, giving = x[each.charge :][: view.steps], x[each.give :][: view.steps]
            battery[each.site] = 1000 * (charging - giving)
        lacks = x[model.slack_columns]
        short = {model.slack[n]: 1000 * float(lacks[n]) for n in np.flatnonzero(lacks > 1e-4)}
        marginal = None
        if result.duals is not None:
            duals = np.append(result.duals, 0.0)[model.balance]
            marginal = model.price + duals / view.hours
        finish = None if final else partial(self._finish, result)
        cost = result.objective + model.fixed_cost
        flexible_w = self._flexible_w(x)
        near = partial(self._near, result) if is_middling(model.program) else None
        return Charge(powers, battery, short, cost, marginal, finish, flexible_w, near)

    def _flexible_w(self, x: Floats) -> Floats | None:
        view = self._view
        if not view.flexibles:
            return None
        rows: list[Floats] = []
        for each, first in zip(view.flexibles, self.model.flexible, strict=True):
            moved_w = np.clip(1000 * x[first : first + view.steps], each.least_w, each.most_w)
            rows.append(each.itself_w + moved_w)
        return np.array(rows)

    def _finish(self, result: LpResult) -> Charge | None:
        """Returns the answer with batteries going one way at a time and the first hour's least.

        Where sites are many, cars first hand over what they do in the answer, so that sites in
        which nothing has to change are not solved again.
        """
        if is_middling(self.model.program):
            held_kwh = handed_as(self._stays, result.x[self.model.ends], self._stays)
            found = self._handing(held_kwh).finished(result)
            lacks_wh = self._charge(result).short_wh
            if found is not None and all(
                wh <= lacks_wh.get(key, 0.0) + 1.0 for key, wh in found.short_wh.items()
            ):
                return found
        return self.finished(result)

    def finished(self, result: LpResult) -> Charge | None:
        """Returns the lawful answer nearest to `result`."""
        program, rounded = self.model.program, False
        for whole in (False, True, True):
            upper = program.upper.copy()
            turned = _one_way(self._view, self.model, result.x, upper, whole=whole)
            program = replace(program, upper=upper)
            between = lies_between(self.model.cells, result.x)
            if not turned and not between:
                break
            if rounded or between:
                result = self._rounded(program, result, best=not rounded)
                rounded = True
                if self._has_time and result.solved:
                    result = self._bettered(program, result)
            else:
                result = self._solve(program)
            if not result.solved:
                return None
        return self._charge(result, final=True)

    def _rounded(self, program: LinearProgram, result: LpResult, *, best: bool) -> LpResult:
        """Returns the answer with the first hour's cells off or on.

        `best` says that `result` is the best answer where they may be anything.
        Where rounding takes from a trip, its car's cells are rounded up, and where that does not
        do, they become true switches. A mixed program takes 50 times as long as a linear one.
        """
        slack, at, cells = self.model.slack, self.model.slack_columns, self.model.cells
        lacks = result.x[at]
        pays = None
        if result.duals is not None:
            pays = BreakEven(self._view, self.model, result.x, result.duals).pays
        urgent: set[int] = set()
        for _ in range(2):
            lower, upper = program.lower.copy(), program.upper.copy()
            x = result.x
            decide(self._view, self._stays, cells, x, lower, upper, urgent=urgent, pays=pays)
            fixed = replace(program, lower=lower, upper=upper)
            again = self._solve(fixed, result if best else None)
            if not again.solved:
                break
            worse = {slack[n][0] for n in np.flatnonzero(again.x[at] > lacks + 1e-3)}
            if not worse:
                return again
            if worse <= urgent:
                break
            urgent |= worse
        return self._switched(program)

    def _bettered(self, program: LinearProgram, rounded: LpResult) -> LpResult:
        """Returns the answer with true switches where they are few, and it is better."""
        cells = self.model.cells
        if len(cells.early()) > _FEW_SWITCHES:
            return rounded
        mixed = self._solve(with_switches(program, cells))
        if not mixed.solved or mixed.objective >= rounded.objective:
            return rounded
        return replace(mixed, x=mixed.x[: len(program.cost)])

    def _switched(self, program: LinearProgram) -> LpResult:
        """Returns the answer with the first hour's least power as switches, or without power."""
        cells = self.model.cells
        mixed = self._solve(with_switches(program, cells))
        if mixed.solved:
            return replace(mixed, x=mixed.x[: len(program.cost)])
        upper = program.upper.copy()
        upper[cells.column[cells.early()]] = 0.0
        return self._solve(replace(program, upper=upper))


def _one_way(view: View, model: Model, x: Floats, upper: Floats, *, whole: bool) -> bool:
    """Closes one of two ways wherever the answer goes both at once; returns whether it had to.

    What is closed in one step tends to turn up in the next, so with `whole` all are closed, each
    in the way that the answer goes less.
    """
    gives = model.back >= 0
    pairs = [(model.cells.column[gives], model.back[gives])]
    steps = np.arange(view.steps)
    pairs += [(each.charge + steps, each.give + steps) for each in model.batteries]
    pairs += [(ways.one, ways.other) for ways in model.ways]
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
