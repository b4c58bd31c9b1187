"""The battery of a site: it runs by itself, on what the meter of the grid connection shows.

What would be sold it stores, what would be bought it gives, as batteries of homes do that nobody
commands. Cars come first: it takes only the sun that they leave, and plans do not know of it. A
battery that follows the plan is not here.
"""

from __future__ import annotations

from simulators.scenario import BatterySpec
from simulators.scorecard import STEP_MINUTES, BatteryTruth


class SiteBattery:
    """One battery, empty at the start."""

    def __init__(self, spec: BatterySpec, steps: int) -> None:
        """Takes what it is, and how many steps of 15 minutes it will run."""
        self._spec = spec
        self._stored_wh = 0.0
        self._cars_wh = 0.0
        self._taken_wh = 0.0
        self._step_wh = [0.0] * steps

    def run(self, rest_w: float, cars_wh: float, *, hours: float, step: int) -> float:
        """Runs for a while in which nothing changes; returns its power in W, positive charging.

        Args:
            rest_w: load of the building less the sun.
            cars_wh: what the cars of the site have drawn since the start.
            hours: how long.
            step: in which of its steps.
        """
        net_w = rest_w + (cars_wh - self._cars_wh) / hours
        self._cars_wh = cars_wh
        spec = self._spec
        if net_w < 0:
            room_w = (spec.capacity_wh - self._stored_wh) / spec.efficiency / hours
            power_w = max(0.0, min(-net_w, spec.max_power_w, room_w))
            self._stored_wh += power_w * spec.efficiency * hours
        else:
            held_w = self._stored_wh * spec.efficiency / hours
            power_w = -max(0.0, min(net_w, spec.max_power_w, held_w))
            self._stored_wh += power_w / spec.efficiency * hours
        self._step_wh[step] += power_w * hours
        self._taken_wh += power_w * hours
        return power_w

    def take_wh(self) -> float:
        """Returns what it took, less what it gave, since the last call."""
        taken_wh, self._taken_wh = self._taken_wh, 0.0
        return taken_wh

    def truth(self) -> BatteryTruth:
        """Returns what it has done."""
        hours = STEP_MINUTES / 60
        return BatteryTruth(
            power_w=tuple(round(energy_wh / hours, 3) for energy_wh in self._step_wh),
            stored_wh=round(self._stored_wh, 3),
        )
