"""The least power of the first hour: 0, or at least what the EVSE can do.

An EVSE can't charge with less than 6 A. Later steps are planned anew before they are acted on, so
only the first four bind. The linear program ignores it; `decide` then rounds what lies between,
carrying what it cuts from one step to the next, and fixes each cell to off or to at least its
least; the caller solves again. Where that costs a trip its energy the cells become true switches
(`with_switches`) of a mixed program.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scheduler.parking import Stay
from scheduler.solver import LinearProgram
from scheduler.view import FIRST_HOUR_STEPS, Floats, View

Pays = Callable[[int, int, float, float], bool | None]
"""Whether it pays that a site draws, in a step, so many kW more (the last) than without so many of
the answer (the third); None: that can't be told (`scheduler.breakeven`)."""

_TINY_KW = 1e-6


@dataclass(frozen=True, slots=True)
class Cells:
    """The (stay, step) pairs in which a car may charge, sorted by stay, then step."""

    stay: NDArray[np.int64]
    step: NDArray[np.int64]
    site: NDArray[np.int64]
    column: NDArray[np.int64]
    """Of charging power, in the program."""
    least_kw: Floats
    most_kw: Floats
    agreed: frozenset[int] = frozenset()
    """Stays that end with an agreed energy, neither more nor less (`scheduler.apart`)."""

    def early(self) -> NDArray[np.int64]:
        """Returns the cells of the first hour that a least power binds."""
        return np.flatnonzero((self.step < FIRST_HOUR_STEPS) & (self.least_kw > 0))


def lies_between(cells: Cells, x: Floats) -> bool:
    """Returns whether an answer has a cell of the first hour that is neither off nor on."""
    early = cells.early()
    return bool(_between(x[cells.column[early]], cells.least_kw[early]).any())


def _between(power_kw: Floats, least_kw: Floats) -> NDArray[np.bool_]:
    return (power_kw > _TINY_KW) & (power_kw < least_kw - _TINY_KW)


def decide(  # noqa: PLR0917 - the program's own arrays
    view: View,
    stays: Sequence[Stay],
    cells: Cells,
    x: Floats,
    lower: Floats,
    upper: Floats,
    *,
    urgent: Collection[int] = (),
    pays: Pays | None = None,
) -> None:
    """Fixes the cells of the first hour to off or on, as near to the answer `x` as is simple.

    Where it can be told what `pays`, that decides: little sun is worth the rest of an EVSE's least
    power, or is not. Else what is cut from one cell is carried to the next; the last cell of a stay
    that ends within the hour is on if anything was; what is cut from several cars of a site in the
    same step is one car's where it is enough for that. Cars that are `urgent` are not cut: what
    lies between is on.
    """
    early = cells.early()
    power_kw, least_kw = x[cells.column[early]], cells.least_kw[early]
    rounding = _Rounding(view, stays, cells, x, lower, upper)
    order = np.lexsort((early, cells.site[early], cells.step[early]))
    for group in _runs(order, cells.step[early] * len(view.places) + cells.site[early]):
        on = power_kw[group] >= least_kw[group] - _TINY_KW
        running = [n for n, runs in zip(group, on.tolist(), strict=True) if runs]
        others = [n for n, runs in zip(group, on.tolist(), strict=True) if not runs]
        for n in running:
            rounding.keeps_on(n)
        if pays is None or not rounding.by_price(running, others, urgent, pays):
            rounding.by_carrying(others, urgent)


class _Rounding:
    """Cells of the first hour, numbered as `Cells.early` gives them, on their way to off or on."""

    def __init__(  # noqa: PLR0917 - the program's own arrays
        self,
        view: View,
        stays: Sequence[Stay],
        cells: Cells,
        x: Floats,
        lower: Floats,
        upper: Floats,
    ) -> None:
        self._stays, self._cells = stays, cells
        self._lower, self._upper = lower, upper
        self._early = cells.early()
        self._power_kw = x[cells.column[self._early]]
        self._least_kw = cells.least_kw[self._early]
        self._most_kw = upper[cells.column[self._early]]
        self._between = _between(self._power_kw, self._least_kw)
        on = self._early[self._power_kw >= self._least_kw - _TINY_KW]
        self._room = _Room(view, stays)
        for cell in on.tolist():
            self._room.take(cells, cell)
        self._spare = _spare(stays, cells, x, on)
        self._closing = _closing(cells, self._early[self._between])
        self._carried: dict[int, float] = {}

    def keeps_on(self, n: int) -> None:
        """Keeps a cell at its least power or above."""
        column = int(self._cells.column[self._early[n]])
        self._lower[column] = max(self._lower[column], self._least_kw[n])

    def by_price(
        self, running: Sequence[int], others: Sequence[int], urgent: Collection[int], pays: Pays
    ) -> bool:
        """Decides for cars of a site in a step by what it costs; returns whether that is known.

        What those that run can take beyond what they do is theirs; for the rest one after the
        other is on, as long as that pays.
        """
        small = [n for n in others if self._between[n]]
        if not small or any(self._car(n) in urgent for n in small):
            return False
        cell = int(self._early[small[0]])
        site, step = int(self._cells.site[cell]), int(self._cells.step[cell])
        rest_kw = sum(float(self._power_kw[n]) for n in small)
        rest_kw -= sum(float(self._most_kw[n] - self._power_kw[n]) for n in running)
        chosen: list[int] = []
        for n in sorted(small, key=lambda n: (-float(self._power_kw[n]), n)):
            if rest_kw <= _TINY_KW:
                break
            power_kw = max(float(self._least_kw[n]), min(rest_kw, float(self._most_kw[n])))
            verdict = pays(site, step, rest_kw, power_kw)
            if verdict is None:
                return False
            if not verdict:
                break
            chosen.append(n)
            rest_kw -= power_kw
        for n in others:
            if n not in chosen or not self._turned_on(n):
                self._cut(n)
        return True

    def by_carrying(self, others: Sequence[int], urgent: Collection[int]) -> None:
        """Decides for cars of a site in a step by what was cut from them before."""
        cut: list[int] = []
        for n in others:
            stay = self._stay(n)
            self._carried[stay] = self._carried.get(stay, 0.0) + float(self._power_kw[n])
            carried = self._carried[stay]
            enough = carried >= self._least_kw[n] / 2 or self._car(n) in urgent
            closes = int(self._early[n]) in self._closing and carried > _TINY_KW
            if self._between[n] and (enough or closes) and self._turned_on(n):
                self._carried[stay] -= float(self._least_kw[n])
            else:
                self._cut(n)
                cut += [n] if self._between[n] else []
        self._pool(cut)

    def _pool(self, cut: Sequence[int]) -> None:
        """Turns on one of several cut cells of a site and step where they are enough for it.

        That is the one with the most; what the others lack is no longer carried, since it has it.
        """
        whole = sum(float(self._power_kw[n]) for n in cut)
        chosen = max(cut, key=lambda n: (float(self._power_kw[n]), -n), default=None)
        if chosen is None or len(cut) < 2 or whole < self._least_kw[chosen] / 2:
            return
        if not self._turned_on(chosen):
            return
        for n in cut:
            self._carried[self._stay(n)] -= float(self._power_kw[n])
        self._carried[self._stay(chosen)] -= float(self._least_kw[chosen]) - whole

    def _stay(self, n: int) -> int:
        return int(self._cells.stay[self._early[n]])

    def _car(self, n: int) -> int:
        return self._stays[self._stay(n)].car

    def _cut(self, n: int) -> None:
        self._upper[self._cells.column[self._early[n]]] = 0.0

    def _turned_on(self, n: int) -> bool:
        """Turns a cell on if that is possible; returns whether it is."""
        cells, cell, least_kw = self._cells, int(self._early[n]), float(self._least_kw[n])
        stay, column = self._stay(n), int(cells.column[cell])
        able = cells.most_kw[cell] >= least_kw and self._spare.get(stay, least_kw) >= least_kw
        if not able or not self._room.has(cells, cell):
            return False
        if stay in self._spare:
            self._spare[stay] -= least_kw
        self._room.take(cells, cell)
        self._lower[column], self._upper[column] = least_kw, self._most_kw[n]
        return True


def _runs(order: NDArray[np.int64], key: NDArray[np.int64]) -> list[list[int]]:
    """Returns neighbours in `order` of the same `key` together."""
    edges = np.flatnonzero(np.diff(key[order])) + 1
    return [run.tolist() for run in np.split(order, edges) if len(run)]


def _spare(
    stays: Sequence[Stay], cells: Cells, x: Floats, on: NDArray[np.int64]
) -> dict[int, float]:
    """Returns what stays take up to an agreed end beyond the cells that are on, in kW times steps.

    What is charged now is still there then, so round trips in between change nothing.
    """
    spare: dict[int, float] = {}
    for stay in np.unique(cells.stay[cells.early()]).tolist() if cells.agreed else ():
        last, car = stay, stays[stay].car
        while last not in cells.agreed and last + 1 < len(stays) and stays[last + 1].car == car:
            last += 1
        if last in cells.agreed:
            own = slice(*np.searchsorted(cells.stay, [stay, last + 1]).tolist())
            spare[stay] = float(x[cells.column[own]].sum())
    for cell in on.tolist():
        if cells.stay[cell] in spare:
            spare[int(cells.stay[cell])] -= float(cells.least_kw[cell])
    return spare


def _closing(cells: Cells, between: NDArray[np.int64]) -> set[int]:
    """Returns those of `between` after which their stay has no cell to make good in."""
    last: dict[int, int] = {}
    for cell in between.tolist():
        last[int(cells.stay[cell])] = cell
    ends = np.searchsorted(cells.stay, np.arange(int(cells.stay.max(initial=0)) + 1), "right") - 1
    return {cell for stay, cell in last.items() if cells.step[ends[stay]] < FIRST_HOUR_STEPS}


class _Room:
    """What is left of circuits, sites and batteries once cells run at their least power."""

    def __init__(self, view: View, stays: Sequence[Stay]) -> None:
        self._view, self._stays = view, stays
        self._limits = {
            (limit.number, step): float(limit.most_w[step]) / 1000
            for place in view.places
            for limit in place.limits
            for step in range(min(FIRST_HOUR_STEPS, view.steps))
        }
        self._sites = {
            (place.index, step): float(place.headroom_w[step]) / 1000
            for place in view.places
            for step in range(min(FIRST_HOUR_STEPS, view.steps))
        }
        self._batteries: dict[int, float] = {}

    def _drawn(self, cells: Cells, cell: int) -> list[tuple[tuple[int, int], float]]:
        """Returns the limits that a cell counts in, and with how much at its least power."""
        stay, step = self._stays[int(cells.stay[cell])], int(cells.step[cell])
        loads = self._view.posts[stay.post].loads(self._view.cars[stay.car])
        least = float(cells.least_kw[cell])
        return [((number, step), share * least) for number, share in loads]

    def _stored_kwh(self, cells: Cells, cell: int) -> float:
        car = self._view.cars[self._stays[int(cells.stay[cell])].car]
        return float(cells.least_kw[cell]) * self._view.hours * car.efficiency

    def _battery_kwh(self, stay: int) -> float:
        """Returns the room in the battery; a trip before the stay makes more than it may take."""
        if stay not in self._batteries:
            car = self._view.cars[self._stays[stay].car]
            self._batteries[stay] = (car.high_wh - car.soc_wh) / 1000
        return self._batteries[stay]

    def has(self, cells: Cells, cell: int) -> bool:
        """Returns whether one more cell can run at its least power."""
        least = float(cells.least_kw[cell])
        stay = int(cells.stay[cell])
        return (
            least <= self._sites[int(cells.site[cell]), int(cells.step[cell])]
            and all(drawn <= self._limits[key] for key, drawn in self._drawn(cells, cell))
            and self._stored_kwh(cells, cell) <= self._battery_kwh(stay)
        )

    def take(self, cells: Cells, cell: int) -> None:
        """Notes that a cell runs at its least power."""
        least = float(cells.least_kw[cell])
        stay = int(cells.stay[cell])
        self._sites[int(cells.site[cell]), int(cells.step[cell])] -= least
        for key, drawn in self._drawn(cells, cell):
            self._limits[key] -= drawn
        self._batteries[stay] = self._battery_kwh(stay) - self._stored_kwh(cells, cell)


def with_switches(program: LinearProgram, cells: Cells) -> LinearProgram:
    """Returns the program with a switch per cell of the first hour: off, or at least its least.

    The switches are the last columns.
    """
    early = cells.early()
    size, columns, rows = len(early), len(program.cost), len(program.row_lower)
    n = np.arange(size)
    able = cells.most_kw[early] >= cells.least_kw[early]
    at = cells.column[early]
    block = sparse.csr_matrix(
        (
            np.concatenate(
                [np.ones(size), -cells.least_kw[early], np.ones(size), -cells.most_kw[early]]
            ),
            (
                np.concatenate([n, n, size + n, size + n]),
                np.concatenate([at, columns + n, at, columns + n]),
            ),
        ),
        shape=(2 * size, columns + size),
    )
    wider = sparse.csr_matrix(
        (program.matrix.data, program.matrix.indices, program.matrix.indptr),
        shape=(rows, columns + size),
    )
    return LinearProgram(
        cost=np.concatenate([program.cost, np.zeros(size)]),
        lower=np.concatenate([program.lower, np.zeros(size)]),
        upper=np.concatenate([program.upper, able.astype(np.float64)]),
        matrix=sparse.csr_matrix(sparse.vstack([wider, block])),
        row_lower=np.concatenate([program.row_lower, np.zeros(size), np.full(size, -np.inf)]),
        row_upper=np.concatenate([program.row_upper, np.full(size, np.inf), np.zeros(size)]),
        integer=columns + n,
    )
