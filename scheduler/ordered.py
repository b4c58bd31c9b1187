"""Overrides in the charging program: bounds of cells, and what charging at once is worth there.

`charge_now` becomes a reward per kWh that falls with time by more than prices can differ, so that
no later step is worth waiting for, and that is far below what a trip's missing energy costs. It is
no part of a plan's cost. Energy that a car drives off before its override ends earns nothing:
else sending it on trips would seem to pay.
"""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.overrides import most_w
from scheduler.parking import Stay
from scheduler.view import Floats, View

_ABOVE_PRICES = 0.01
"""Per kWh and step, what a reward falls by beyond the difference of any two prices."""
_FAR_ABOVE = 10.0
"""How much more a missed kWh costs than charging one at once is worth, at least."""


class Ordered:
    """What overrides make of the cells of one program."""

    reward: Floats
    """By cell: what a kWh is worth there beyond its price."""
    driven: float = 0.0
    """What trips would earn by making room in a battery, to be taken off again."""

    def __init__(
        self,
        view: View,
        stays: Sequence[Stay],
        cell_stay: NDArray[np.int64],
        step: NDArray[np.int64],
    ) -> None:
        self.reward = np.zeros(len(step))
        self._bound_kw = np.full(len(step), np.inf)
        self._gives = np.ones(len(step), dtype=np.bool_)
        self._most = 0.0
        if not any(car.overrides for car in view.cars):
            return
        fall = _fall(view)
        bounds = np.searchsorted(cell_stay, np.arange(len(stays) + 1)).tolist()
        for n, stay in enumerate(stays):
            car = view.cars[stay.car]
            own = slice(bounds[n], bounds[n + 1])
            self._bound_kw[own] = most_w(car.overrides, view.steps)[step[own]] / 1000
            for each in car.overrides:
                at, end = step[own], min(each.to_step, view.steps)
                inside = (at >= each.from_step) & (at < end)
                if each.kind == "hold":
                    self._gives[own] &= ~inside
                elif each.kind == "charge_now" and each.from_step < view.steps:
                    # What is given back before would only be charged at once again.
                    self._gives[own] &= at >= end
                    self.reward[own] += np.where(inside, fall * (1 + end - at), 0.0)
                    highest = fall * (1 + end - each.from_step)
                    self._most = max(self._most, highest)
                    if stay.before >= 0 and stay.start < end:
                        drive_kwh = view.trips[stay.before].drive_wh(car) / 1000
                        self.driven += highest * drive_kwh / car.efficiency

    def bounded(self, most_kw: Floats, back_kw: Floats) -> tuple[Floats, Floats]:
        """Returns what cells can draw and give, within what overrides leave them."""
        return np.minimum(most_kw, self._bound_kw), np.where(self._gives, back_kw, 0.0)

    def missed_cost(self, cost_per_kwh: float) -> float:
        """Returns what a kWh that a trip lacks costs: still far above any reward."""
        return max(cost_per_kwh, _FAR_ABOVE * self._most)


def _fall(view: View) -> float:
    """Returns more than taking one kWh a step later can save, peaks of the import included."""
    saved = 0.0
    for place in view.places:
        prices = np.concatenate([place.buy, place.sell])
        peak = place.peak_price / view.hours
        saved = max(saved, float(prices.max() - prices.min()) + peak, float(prices.max()) + peak)
    return saved + _ABOVE_PRICES
