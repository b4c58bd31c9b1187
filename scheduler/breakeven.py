"""Whether an EVSE that would charge with less than it can pays at its least power.

Little sun is less than the 6 A that an EVSE does at least. Who leaves it sells it for little; who
takes it buys the rest of those 6 A now instead of later. Which of both is cheaper the answer of the
charging program tells: its price of a kWh at the site says what one in a car is worth.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scheduler.siteblock import SLICES, hoped_kw

if TYPE_CHECKING:
    from scheduler.chargeprogram import Model
    from scheduler.view import Floats, Place, View

_EVEN = 1e-6
"""Per kWh: below this difference both are as good."""


class BreakEven:
    """What power costs at each site beside what it is worth, step by step."""

    def __init__(self, view: View, model: Model, x: Floats, duals: Floats) -> None:
        """Reads off an answer of the charging program.

        Args:
            view: the problem.
            model: its program.
            x: the answer.
            duals: the prices that it leaves, by row.
        """
        self._view = view
        self._has_row = model.balance >= 0
        self._worth = np.append(duals, 0.0)[model.balance] / view.hours
        self._level_kw = _level_kw(view, model, x)

    def pays(self, site: int, step: int, rest_kw: float, power_kw: float) -> bool | None:
        """Returns whether to draw `power_kw` in place of the `rest_kw` that the answer has there.

        None: the answer does not tell, or both cost the same.
        """
        place = self._view.places[site]
        if place.metered or not self._has_row[site, step]:
            return None
        without_kw = float(self._level_kw[site, step]) - rest_kw
        cost = _cost(place, step, without_kw + power_kw) - _cost(place, step, without_kw)
        gain = float(self._worth[site, step]) * power_kw - cost
        return None if abs(gain) < _EVEN else gain > 0


def _level_kw(view: View, model: Model, x: Floats) -> Floats:
    """Returns by site and step what the answer draws beyond the median of the sun."""
    level_kw = np.array([place.load_w - place.pv_w for place in view.places]) / 1000
    cells = model.cells
    drawn = x[cells.column]
    gives = model.back >= 0
    drawn[gives] -= x[model.back[gives]]
    np.add.at(level_kw, (cells.site, cells.step), drawn)
    for each in model.batteries:
        level_kw[each.site] += x[each.charge :][: view.steps] - x[each.give :][: view.steps]
    for load, first in zip(view.flexibles, model.flexible, strict=True):
        level_kw[load.site] += x[first : first + view.steps]
    return level_kw


def _cost(place: Place, step: int, level_kw: float) -> float:
    """Returns what a level costs per hour: sun that is not sold, then hoped for, then bought."""
    buy, sell = float(place.buy[step]), float(place.sell[step])
    hoped = float(hoped_kw(place)[step])
    cost = sell * min(level_kw, 0.0) + buy * max(level_kw - hoped, 0.0)
    for begin, end, chance in SLICES:
        taken = min(max(level_kw - begin * hoped, 0.0), (end - begin) * hoped)
        cost += (buy - chance * (buy - sell)) * taken
    return cost
