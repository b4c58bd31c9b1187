"""The battery of a site: it follows the plan's schedule, or runs by itself on what the meter shows.

By itself it stores what would be sold and gives what would be bought, as batteries of homes do that
nobody commands; cars come first. One that follows the plan stores and gives as the plan means, also
where sun, building and cars do otherwise than forecast. Where the schedule says nothing it runs by
itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from simulators.scenario import BatterySpec
from simulators.scorecard import STEP_MINUTES, BatteryTruth

NO_IMPORT_W = 100.0
"""A plan that expects less import than this means that there is none."""


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What a plan wants of a battery for a while."""

    from_at: datetime
    to_at: datetime
    power_w: float
    """Positive: it charges."""
    grid_w: float
    """What the plan then expects at the grid connection."""


class SiteBattery:
    """One battery, empty at the start."""

    def __init__(self, spec: BatterySpec, steps: int) -> None:
        """Takes what it is, and how many steps of 15 minutes it will run."""
        self.spec = spec
        self.stored_wh = 0.0
        self.power_w = 0.0
        """Of the last minute."""
        self._schedule: Sequence[Setpoint] = ()
        self._cars_wh = 0.0
        self._taken_wh = 0.0
        self._step_wh = [0.0] * steps

    def follow(self, schedule: Sequence[Setpoint]) -> None:
        """Takes a schedule in place of the one it has; empty: it runs by itself."""
        self._schedule = schedule

    def run(
        self, rest_w: float, cars_wh: float, *, now: datetime, hours: float, step: int
    ) -> float:
        """Runs for a while in which nothing changes; returns its power in W, positive charging.

        Args:
            rest_w: load of the building less the sun.
            cars_wh: what the cars of the site have drawn since the start.
            now: when the while begins.
            hours: how long.
            step: in which of its steps.
        """
        net_w = rest_w + (cars_wh - self._cars_wh) / hours
        self._cars_wh = cars_wh
        wanted = next((e for e in self._schedule if e.from_at <= now < e.to_at), None)
        wanted_w = -net_w if wanted is None else _meant_w(wanted, net_w)
        spec = self.spec
        if wanted_w > 0:
            room_w = (spec.capacity_wh - self.stored_wh) / spec.efficiency / hours
            power_w = max(0.0, min(wanted_w, spec.max_power_w, room_w))
            self.stored_wh += power_w * spec.efficiency * hours
        else:
            held_w = self.stored_wh * spec.efficiency / hours
            power_w = -max(0.0, min(-wanted_w, spec.max_power_w, held_w))
            self.stored_wh += power_w / spec.efficiency * hours
        self.power_w = power_w
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
            stored_wh=round(self.stored_wh, 3),
        )


def _meant_w(wanted: Setpoint, net_w: float) -> float:
    """Returns what a battery does by a plan, where load less sun is `net_w` rather than forecast.

    What the plan buys to store is bought, and what it saves is saved; but sun that is left over is
    stored, and what the plan covers wholly is covered, however much that is.
    """
    if wanted.power_w < 0:
        covers_all = wanted.grid_w < NO_IMPORT_W
        return -max(0.0, net_w if covers_all else min(net_w, -wanted.power_w))
    buys = wanted.power_w > 0 and wanted.grid_w >= NO_IMPORT_W
    return max(0.0, -net_w, wanted.power_w if buys else 0.0)
