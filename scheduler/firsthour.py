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
) -> None:
    """Fixes the cells of the first hour to off or on, as near to the answer `x` as is simple.

    What is cut from one cell is carried to the next; the last cell of a stay that ends within the
    hour is on if anything was. Cars that are `urgent` are not cut: what lies between is on. What is
    cut from several cars of a site in the same step is one car's where it is enough for that: an
    answer may share out little sun among many.
    """
    early = cells.early()
    power_kw = x[cells.column[early]]
    least_kw = cells.least_kw[early]
    between = _between(power_kw, least_kw)
    room = _Room(view, stays)
    for n in np.flatnonzero(power_kw >= least_kw - _TINY_KW).tolist():
        room.take(cells, int(early[n]))
    spare = _spare(stays, cells, x, early[power_kw >= least_kw - _TINY_KW])
    carried: dict[int, float] = {}
    closing = _closing(cells, early[between])
    most = upper[cells.column[early]]

    def turned_on(n: int) -> bool:
        cell, stay = int(early[n]), int(cells.stay[early[n]])
        able = cells.most_kw[cell] >= least_kw[n] and spare.get(stay, least_kw[n]) >= least_kw[n]
        if not able or not room.has(cells, cell):
            return False
        if stay in spare:
            spare[stay] -= float(least_kw[n])
        room.take(cells, cell)
        lower[cells.column[cell]], upper[cells.column[cell]] = least_kw[n], most[n]
        return True

    order = np.lexsort((early, cells.site[early], cells.step[early]))
    for group in _runs(order, cells.step[early] * len(view.places) + cells.site[early]):
        cut: list[int] = []
        for n in group:
            cell = int(early[n])
            stay, column = int(cells.stay[cell]), int(cells.column[cell])
            if power_kw[n] >= least_kw[n] - _TINY_KW:
                lower[column] = max(lower[column], least_kw[n])
                continue
            carried[stay] = carried.get(stay, 0.0) + float(power_kw[n])
            enough = carried[stay] >= least_kw[n] / 2 or stays[stay].car in urgent
            wanted = between[n] and (enough or (cell in closing and carried[stay] > _TINY_KW))
            if wanted and turned_on(n):
                carried[stay] -= float(least_kw[n])
            else:
                upper[column] = 0.0
                cut += [n] if between[n] else []
        _pooled(cut, power_kw, least_kw, carried, cells.stay[early], turned_on)


def _runs(order: NDArray[np.int64], key: NDArray[np.int64]) -> list[list[int]]:
    """Returns neighbours in `order` of the same `key` together."""
    edges = np.flatnonzero(np.diff(key[order])) + 1
    return [run.tolist() for run in np.split(order, edges) if len(run)]


def _pooled(  # noqa: PLR0917 - columns of one table
    cut: list[int],
    power_kw: Floats,
    least_kw: Floats,
    carried: dict[int, float],
    stay: NDArray[np.int64],
    turned_on: Callable[[int], bool],
) -> None:
    """Turns on one of several cut cells of a site and step where they are enough for it together.

    That is the one with the most; what the others lack is no longer carried, since it has it.
    """
    whole = sum(float(power_kw[n]) for n in cut)
    chosen = max(cut, key=lambda n: (float(power_kw[n]), -n), default=None)
    if chosen is None or len(cut) < 2 or whole < least_kw[chosen] / 2 or not turned_on(chosen):
        return
    for n in cut:
        carried[int(stay[n])] -= float(power_kw[n])
    carried[int(stay[chosen])] -= float(least_kw[chosen]) - whole


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
