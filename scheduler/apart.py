"""Large charging programs, site by site: one-way trips hand over an agreed energy.

One simplex over all sites takes more than its time at thousands of cars, a hundred small ones take
a second. What ties sites together is what a car holds when it leaves one of them for another, so
in large programs that is agreed on before: what the rest of its chain needs of it, if it charges on
its way at a part of what it could, and at least what it holds anyhow. What is left falls apart
into blocks that share no row. Small programs are solved whole, since an agreement costs money.

Those in between are solved whole once. What is tried on that answer after it keeps what its cars
hand over, but for cars that drive something else now: the best agreement there is. Blocks that
have been solved before are not solved again.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from scheduler.parking import Stay
from scheduler.solver import LinearProgram, LpResult, SolveLimits, solve_lp, solve_mixed
from scheduler.view import Floats, View

Index = NDArray[np.int64]

LARGE = 150_000
"""Columns from which on a program is solved site by site: about 700 cars over two days."""
MIDDLING = 20_000
"""Columns from which on what is tried on an answer is solved site by site: about 100 cars."""
_SHARE = 0.85
"""What part of what a stay can bring a car may have to bring along."""
_LATER = 0.3
"""What part is counted on where it arrives: with 0.85 it pays for hours that are dear, with 0 it
brings along what it could have had cheaper (six problems: 3.5 and 7 % of the EV energy cost, 2.4
with this)."""
_BLOCK = 3_000
"""Columns up to which blocks are solved together; each solve has a price of its own."""
_MOST_PARTS = 200_000
"""With 3,000 cars a plan's programs have 20,000 stays or so each, most of them the same."""
_REMEMBERED = 400
"""So many blocks are kept: what a fleet of 3,000 cars comes to in a few solves."""


_NEAR = 1e-7
"""By so much an answer may be out of bounds, as solvers' own are."""
_NONE = np.zeros(0, dtype=np.int64)


class Memory:
    """The answers of blocks solved so far, found again by all that a block is made of."""

    def __init__(self) -> None:
        self.parts: dict[tuple[Stay, float], tuple[Index, float, float, float]] = {}
        """What is known of stays, by what cars would begin them with: `chargeprogram.Part`."""
        self.handed: dict[int, tuple[tuple[object, ...], list[tuple[int, float]]]] = {}
        """By car: what `handed_over` was last asked of it, and what it found."""
        self._known: dict[bytes, LpResult] = {}

    def make_room(self) -> None:
        """Forgets what is known of stays where that has become much: a search looks at many."""
        if len(self.parts) > _MOST_PARTS:
            self.parts.clear()

    def solve(self, block: LinearProgram, limits: SolveLimits) -> LpResult:
        """Returns the answer to a block, and solves it only if it is new."""
        key = _digest(block)
        found = self._known.pop(key, None) or _solve(block, limits)
        self._known[key] = found
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return found


def is_large(program: LinearProgram) -> bool:
    """Returns whether a program is to be solved in blocks."""
    return len(program.cost) > LARGE


def is_middling(program: LinearProgram) -> bool:
    """Returns whether what is tried on a program's answer keeps what cars hand over there."""
    return MIDDLING < len(program.cost) <= LARGE


def handed_over(
    view: View,
    stays: Sequence[Stay],
    most_kw: Sequence[float],
    memory: Memory | None = None,
) -> tuple[list[int], list[float]]:
    """Returns the stays that end with a one-way trip, and the Wh that their cars then hold.

    Args:
        view: the problem.
        stays: of all cars, those of a car in order.
        most_kw: by stay, the sum of the most power of its steps.
        memory: what was found for cars before, which for most of them is found again.
    """
    known = {} if memory is None else memory.handed
    which: list[int] = []
    held: list[float] = []
    end = 0
    for car, some in itertools.groupby(stays, key=lambda stay: stay.car):
        own = tuple(some)
        begin, end = end, end + len(own)
        key = own, tuple(most_kw[begin:end])
        last = known.get(car)
        if last is None or last[0] != key:
            last = known[car] = (key, _handed_over(view, own, key[1]))
        for n, held_wh in last[1]:
            which.append(begin + n)
            held.append(held_wh)
    return which, held


def _handed_over(
    view: View, stays: Sequence[Stay], most_kw: Sequence[float]
) -> list[tuple[int, float]]:
    """Returns what `handed_over` does of one car, by the numbers of its stays."""
    car = view.cars[stays[0].car]
    gains_wh = [1000 * view.hours * car.efficiency * kw for kw in most_kw]
    wanted = [0.0] * len(stays)
    for n in range(len(stays) - 1, -1, -1):
        stay = stays[n]
        if stay.after >= 0:
            trip = view.trips[stay.after]
            later_wh = wanted[n + 1] - _LATER * gains_wh[n + 1] + trip.drive_wh(car)
            wanted[n] = min(max(trip.need_wh(car), later_wh), car.most_wh)
    found: list[tuple[int, float]] = []
    least_wh = most_wh = car.soc_wh
    for n, stay in enumerate(stays):
        most_wh = max(most_wh, min(most_wh + _SHARE * gains_wh[n], car.high_wh))
        if stay.after < 0:
            continue
        trip = view.trips[stay.after]
        leaves_site = stays[n + 1].site != stay.site
        needed_wh = trip.need_wh(car)
        if leaves_site:
            needed_wh = max(needed_wh, min(wanted[n], most_wh))
        least_wh = max(least_wh, min(needed_wh, car.high_wh))
        if leaves_site:
            found.append((n, least_wh))
            most_wh = least_wh
        least_wh -= trip.drive_wh(car)
        most_wh -= trip.drive_wh(car)
    return found


def handed_as(solved: Sequence[Stay], ends_kwh: Floats, stays: Sequence[Stay]) -> dict[int, float]:
    """Returns with what those of `stays` end that hand a car over to another site, in kWh.

    They do as `solved` stays did, of which `ends_kwh` is known; cars that drive other trips than
    they did there are free to hand over what they like, and left out.
    """
    known = {(car, trips): numbers for car, trips, numbers in _by_car(solved)}
    held: dict[int, float] = {}
    for car, trips, numbers in _by_car(stays):
        before = known.get((car, trips), ())
        for n, m in zip(numbers, before, strict=False):
            if stays[n].after >= 0 and stays[n + 1].site != stays[n].site:
                held[n] = float(ends_kwh[m])
    return held


def _by_car(stays: Sequence[Stay]) -> Iterator[tuple[int, tuple[int, ...], list[int]]]:
    """Yields each car with its trips and the numbers of its stays."""
    for car, some in itertools.groupby(range(len(stays)), key=lambda n: stays[n].car):
        numbers = list(some)
        yield car, tuple(stays[n].after for n in numbers), numbers


def solve(
    program: LinearProgram,
    *,
    limits: SolveLimits,
    memory: Memory | None = None,
    apart: bool = False,
    looser: LpResult | None = None,
) -> LpResult:
    """Returns the answer to a program, linear or mixed; a large one's is put together of blocks.

    Of an answer in blocks, `duals` are whole only if each block has some. `apart` asks for blocks
    whatever the size: for programs in which cars hand over fixed energies. `looser` is the best
    answer to the same program with wider bounds: it stays the best of each block that it fits.
    """
    if not apart and not is_large(program):
        return _solve(program, limits)
    x = np.where(program.cost < 0, program.upper, program.lower)
    fixed = program.lower == program.upper
    x[fixed] = program.lower[fixed]
    duals: Floats | None = np.zeros(len(program.row_lower))
    last = LpResult("optimal", limits.solvers[0], x, 0.0)
    memory = memory or Memory()
    misfits = _misfits(program, looser)
    for block, columns, rows in _blocks(program, fixed):
        if looser is not None and not misfits[rows].any():
            duals_there = None if looser.duals is None else looser.duals[rows]
            last = replace(looser, x=looser.x[columns], duals=duals_there)
        else:
            last = memory.solve(block, limits)
        if not last.solved:
            return last
        x[columns] = last.x
        if duals is not None and last.duals is not None:
            duals[rows] = last.duals
        else:
            duals = None
    return LpResult("optimal", last.solver, x, float(program.cost @ x), duals)


def _misfits(program: LinearProgram, looser: LpResult | None) -> NDArray[np.bool_]:
    """Returns the rows in which a column of an answer is out of the program's bounds."""
    rows = np.zeros(len(program.row_lower), dtype=np.bool_)
    if looser is not None:
        out = (looser.x < program.lower - _NEAR) | (looser.x > program.upper + _NEAR)
        rows[program.matrix[:, np.flatnonzero(out)].nonzero()[0]] = True
    return rows


def _digest(program: LinearProgram) -> bytes:
    matrix = program.matrix
    parts = (
        program.cost,
        program.lower,
        program.upper,
        program.row_lower,
        program.row_upper,
        matrix.data,
        matrix.indices,
        matrix.indptr,
        _NONE if program.integer is None else program.integer,
    )
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(np.ascontiguousarray(part).data)
    return found.digest()


def _solve(program: LinearProgram, limits: SolveLimits) -> LpResult:
    if program.integer is None:
        return solve_lp(program, limits=limits)
    if not len(program.integer):
        return solve_lp(replace(program, integer=None), limits=limits)
    return solve_mixed(program, limits=limits)


def _blocks(
    program: LinearProgram, fixed: NDArray[np.bool_]
) -> Iterator[tuple[LinearProgram, Index, Index]]:
    """Yields parts of a program that share no row and no free column, with their columns and rows.

    Columns in no row are left out.
    """
    free = np.flatnonzero(~fixed)
    shift = program.matrix[:, np.flatnonzero(fixed)] @ program.lower[fixed]
    matrix = sparse.csr_matrix(program.matrix[:, free])
    entries = matrix.tocoo()
    size = len(program.row_lower)
    links = sparse.coo_matrix(
        (np.ones(len(entries.row)), (entries.row, size + entries.col)),
        shape=(size + len(free), size + len(free)),
    )
    count, label = connected_components(links, directed=False)
    part = _packed(np.bincount(label[size:], minlength=count))[label]
    whole = np.zeros(len(program.cost), dtype=np.bool_)
    if program.integer is not None:
        whole[program.integer] = True
    row_order = np.argsort(part[:size], kind="stable")
    column_order = np.argsort(part[size:], kind="stable")
    matrix = sparse.csr_matrix(matrix[row_order][:, column_order])
    parts = np.arange(int(part.max(initial=-1)) + 2)
    row_at = np.searchsorted(part[:size][row_order], parts)
    column_at = np.searchsorted(part[size:][column_order], parts)
    for n in parts[:-1].tolist():
        own_rows, own = slice(row_at[n], row_at[n + 1]), slice(column_at[n], column_at[n + 1])
        rows, columns = row_order[own_rows], free[column_order[own]]
        if not len(rows) or not len(columns):
            continue
        block = LinearProgram(
            cost=program.cost[columns],
            lower=program.lower[columns],
            upper=program.upper[columns],
            matrix=_part(matrix, own_rows, own),
            row_lower=program.row_lower[rows] - shift[rows],
            row_upper=program.row_upper[rows] - shift[rows],
            integer=None if program.integer is None else np.flatnonzero(whole[columns]),
        )
        yield block, columns, rows


def _part(matrix: sparse.csr_matrix, rows: slice, columns: slice) -> sparse.csr_matrix:
    """Returns the part of a matrix with all that these rows hold, which is in these columns.

    To ask the matrix for it takes ten times as long.
    """
    starts = matrix.indptr[rows.start : rows.stop + 1]
    own = slice(starts[0], starts[-1])
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    parts = (matrix.data[own], matrix.indices[own] - columns.start, starts - starts[0])
    return sparse.csr_matrix(parts, shape=shape)


def _packed(sizes: Index) -> Index:
    """Returns, by component, the number of its block: small neighbours go together."""
    blocks = np.zeros(len(sizes), dtype=np.int64)
    number = filled = 0
    for n, size in enumerate(sizes.tolist()):
        if filled and filled + size > _BLOCK:
            number, filled = number + 1, 0
        blocks[n] = number
        filled += size
    return blocks
