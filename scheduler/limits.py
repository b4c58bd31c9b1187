"""What EVSEs may draw together, as rows of a linear program: circuits, phases, the connection.

Each limit is on a sum of powers, in which a car counts whole or, on a phase, with its share. The
connection's phases carry a third each of what building, battery and sun come to. Where nothing
could reach a limit there is no row.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.parking import Stay
from scheduler.program import ProgramBuilder
from scheduler.siteblock import SiteBlock
from scheduler.view import Bools, Floats, Place, View

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """The (stay, step) pairs in which a car may charge, sorted by stay, then step."""

    stay: Index
    step: Index
    site: Index
    column: Index
    """Of charging power, in the program."""
    back: Index
    """Of discharging power, or -1."""
    most_kw: Floats
    back_kw: Floats


class LimitRows:
    """The limits of one program."""

    def __init__(
        self, view: View, program: ProgramBuilder, stays: Sequence[Stay], cells: Cells
    ) -> None:
        self._view, self._program, self._cells = view, program, cells
        counted: dict[int, list[tuple[int, float]]] = {}
        for n, stay in enumerate(stays):
            if stay.post >= 0:
                for number, share in view.posts[stay.post].loads(view.cars[stay.car]):
                    counted.setdefault(number, []).append((n, share))
        self._counted, self._stays = counted, len(stays)
        self._offsets = np.searchsorted(cells.stay, np.arange(len(stays) + 1))

    def overloads(self) -> None:
        """Keeps cars from adding to a building that is beyond a limit of its connection."""
        for place in self._view.places:
            if not (place.no_draw.any() or place.no_give.any()):
                continue
            at_site = (self._cells.site == place.index).astype(np.float64)
            self._one_sided(at_site, place.no_draw, -np.inf, 0.0)
            self._one_sided(at_site, place.no_give, 0.0, np.inf)

    def circuits(self) -> None:
        """Keeps the limit of each circuit, and of each of its phases."""
        for place in self._view.places:
            for limit in (*place.circuit_limits, *place.phase_limits):
                self._within(limit.number, limit.least_w / 1000, limit.most_w / 1000)

    def connections(self, block: SiteBlock) -> None:
        """Keeps each phase of a site's connection within its limit."""
        for place in self._view.places:
            for n, limit in enumerate(place.grid_phases):
                weight = self._weight(limit.number)
                self._one_sided(weight, place.phase_no_draw[n], -np.inf, 0.0)
                self._phase(place, block, weight, place.phase_import_w[n] / 1000)

    def _weight(self, number: int) -> Floats:
        """Returns with what part of its power each cell counts in a limit."""
        weight = np.zeros(self._stays)
        for n, share in self._counted.get(number, ()):
            weight[n] = share
        return weight[self._cells.stay]

    def _one_sided(self, weight: Floats, where: Bools, lower: float, upper: float) -> None:
        if where.any():
            chosen = np.flatnonzero((weight > 0) & where[self._cells.step])
            steps = self._view.steps
            self._rows(chosen, weight[chosen], np.full(steps, lower), np.full(steps, upper))

    def _within(self, number: int, low_kw: Floats, high_kw: Floats) -> None:
        counted = sorted(self._counted.get(number, ()))
        own = [slice(*self._offsets[n : n + 2].tolist()) for n, _ in counted]
        sizes = [part.stop - part.start for part in own]
        if not sum(sizes):
            return
        # Looked for among all cells, those of one circuit of many took most of the time.
        chosen = np.concatenate([np.arange(part.start, part.stop) for part in own])
        weight = np.repeat([share for _, share in counted], sizes)
        most, back = self._reach(chosen, weight)
        binds = ((most > high_kw) | (back > -low_kw))[self._cells.step[chosen]]
        self._rows(chosen[binds], weight[binds], low_kw, high_kw)

    def _reach(self, chosen: Index, weight: Floats) -> tuple[Floats, Floats]:
        """Returns what cells, by their weights, can draw, and give, together in each step."""
        cells, steps = self._cells, self._view.steps
        at = cells.step[chosen]
        most: Floats = np.bincount(at, weight * cells.most_kw[chosen], steps).astype(np.float64)
        back: Floats = np.bincount(at, weight * cells.back_kw[chosen], steps).astype(np.float64)
        return most, back

    def _rows(self, chosen: Index, weight: Floats, lower: Floats, upper: Floats) -> None:
        """Adds one row per step of the cells: their net power by weight, within its bounds."""
        if not len(chosen):
            return
        steps, place = np.unique(self._cells.step[chosen], return_inverse=True)
        rows = self._program.rows(len(steps), lower[steps], upper[steps]) + place
        self._net(rows, chosen, weight)

    def _net(self, rows: Index, chosen: Index, values: Floats) -> None:
        back = self._cells.back[chosen]
        self._program.entries(rows, self._cells.column[chosen], values)
        self._program.entries(rows[back >= 0], back[back >= 0], -values[back >= 0])

    def _phase(self, place: Place, block: SiteBlock, weight: Floats, most_kw: Floats) -> None:
        """Adds `cars on the phase + (grid - cars) / 3 <= most` where it could be exceeded."""
        charge_w = place.battery.max_charge_w if place.battery else 0.0
        charge_w += sum(e.most_w for e in self._view.flexibles if e.site == place.index)
        drawn = np.flatnonzero(weight)
        reach, _ = self._reach(drawn, weight[drawn])
        rest_kw = (np.maximum(place.load_w, place.load_w - place.pv_w) + charge_w) / 3000
        bought, sold = block.bought[place.index], block.sold[place.index]
        steps = np.flatnonzero((reach + rest_kw > most_kw) & (bought >= 0))
        if not len(steps):
            return
        row_of = np.full(self._view.steps, -1, dtype=np.int64)
        row_of[steps] = self._program.rows(len(steps), -np.inf, most_kw[steps]) + np.arange(
            len(steps)
        )
        self._program.entries(row_of[steps], bought[steps], 1 / 3)
        self._program.entries(row_of[steps], sold[steps], -1 / 3)
        step = self._cells.step
        chosen = np.flatnonzero((self._cells.site == place.index) & (row_of[step] >= 0))
        self._net(row_of[step[chosen]], chosen, weight[chosen] - 1 / 3)
