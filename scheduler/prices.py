"""What it costs to recharge between two trips: the arc cost of the assignment.

The price of a step at a site is what one more kWh costs there as the sun is forecast: the export
price while the sun exceeds the building, else the import price. Recharging `u` Wh in a gap takes
its cheapest steps, `r` Wh in each; what does not fit costs the dearest price. For speed the prices
are sorted into a few levels and the number of steps at each level up to any time is tabulated, so
that thousands of gaps are priced by one array expression. A gap too short to recover from a late
return costs a little more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.view import Car, Floats, Place, Trip, View

Ints = NDArray[np.int64]

CHARGE_SHARE = 0.85
"""Cars are taken to charge at this share of their power: EVSEs and limits are shared."""
_LEVELS = 16
SHORT_GAP_H = 2.0


class RechargePrices:
    """Prices of recharging, for one problem."""

    def __init__(self, view: View, *, short_gap_cost: float, wait_cost_per_kwh_h: float) -> None:
        self._view = view
        self._short_gap_cost = short_gap_cost
        waiting = wait_cost_per_kwh_h * view.hours * np.arange(view.steps)
        prices = [_step_prices(place) + waiting for place in view.places]
        every = np.concatenate(prices) if prices else np.zeros(1)
        self._edges = np.unique(np.quantile(every, np.linspace(0.0, 1.0, _LEVELS + 1)))[:-1]
        if not len(self._edges):
            self._edges = every[:1]
        self._tops = np.append(self._edges[1:], every.max())
        self._counts = np.zeros((len(view.places), len(self._edges), view.steps + 1))
        for site, series in enumerate(prices):
            level = np.clip(np.searchsorted(self._edges, series, "right") - 1, 0, None)
            hits = level[None, :] == np.arange(len(self._edges))[:, None]
            np.cumsum(hits, axis=1, out=self._counts[site, :, 1:])
        self._means = (self._edges + self._tops) / 2
        self._worth = view.problem.terminal_value_per_kwh

    def step_wh(self, car: Car, site: int) -> float:
        """Returns what `car` takes into its battery in one step at the best EVSE of `site`."""
        reach = self._view.reach_wh(car, site, limited=False)
        return CHARGE_SHARE * float(reach[-1]) / self._view.steps

    def gaps(
        self, sites: Ints, since: Ints, until: Ints, energy_wh: Floats, step_wh: Floats
    ) -> Floats:
        """Returns the cost of recharging `energy_wh` in each gap `[since, until)`."""
        last = self._view.steps
        since, until = np.minimum(since, last), np.minimum(until, last)
        counts = self._counts[sites, :, until] - self._counts[sites, :, since]
        wanted = energy_wh / np.maximum(step_wh, 1.0)
        below = np.cumsum(counts, axis=1)
        taken = np.minimum(below, wanted[:, None])
        taken = np.diff(taken, axis=1, prepend=0.0)
        missing = np.maximum(wanted - below[:, -1], 0.0)
        steps_cost = taken @ self._means + missing * self._means[-1]
        short_h = np.maximum(SHORT_GAP_H - (until - since) * self._view.hours, 0.0)
        penalty = np.where(until < last, short_h * self._short_gap_cost, 0.0)
        return steps_cost * np.maximum(step_wh, 1.0) / 1000 + penalty

    def between(self, car: Car, before: Trip | None, after: Trip | None) -> float:
        """Returns the cost of the gap between two trips of `car` (None: its start, its end)."""
        if before is None:
            site, since, energy = car.site, car.free_from, max(car.high_wh - car.soc_wh, 0.0)
        else:
            site, since, energy = before.dropoff, before.end, before.drive_wh(car)
        if after is None:
            return energy / 1000 * max(self._worth, 0.0)
        cost = self.gaps(
            np.array([site]),
            np.array([since]),
            np.array([after.start]),
            np.array([energy]),
            np.array([self.step_wh(car, site)]),
        )
        return float(cost[0])


def _step_prices(place: Place) -> Floats:
    sunny = place.pv_w > place.load_w
    return np.where(sunny, np.minimum(place.sell, place.buy), place.buy)
