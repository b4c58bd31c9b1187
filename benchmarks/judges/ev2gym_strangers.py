"""Cars that have yet to come, as few large ones: who gives energy now must find room for it later.

How likely a free charger gets a car in a step, and what such a car wants, is learnt from other days
of the same configuration, never from the day that is judged. What is expected shares the
transformer's limit with the cars that stand there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.judges.standing import Standing

Floats = NDArray[np.float64]

_TOGETHER_STEPS = 4
"""Cars of an hour are taken together."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A car of another day."""

    arrives_step: int
    leaves_step: int
    needs_wh: float
    max_power_w: float


class Strangers:
    """What other days say about cars to come."""

    def __init__(self, days: Sequence[Sequence[Stranger]], steps: int, chargers: int) -> None:
        """Learns from whole days of so many steps at so many chargers; at least one is needed."""
        self._steps = steps
        came = np.zeros(steps)
        taken = np.zeros(steps)
        groups = -(-steps // _TOGETHER_STEPS)
        sums = np.zeros((groups, 4))
        for day in days:
            for car in day:
                came[car.arrives_step] += 1
                # It stood there when the step began, and whoever comes now finds it taken.
                taken[car.arrives_step + 1 : car.leaves_step + 1] += 1
                stays = car.leaves_step - car.arrives_step
                told = (1.0, stays, car.needs_wh, car.max_power_w)
                sums[car.arrives_step // _TOGETHER_STEPS] += told
        free = np.maximum(len(days) * chargers - taken, 1.0)
        self._come: Floats = came / free
        self._means: Floats = sums[:, 1:] / np.maximum(sums[:, :1], 1.0)

    def expected(self, step: int, free: int, leave: Sequence[int]) -> list[Standing]:
        """Returns who is expected after `step`, while `free` chargers are and others become so.

        `leave` are the steps of the day in which those who stand there leave. Steps of what is
        returned count from `step`.
        """
        number = np.zeros(len(self._means))
        left = float(free)
        freed = np.bincount(np.asarray(leave, dtype=np.int64), minlength=self._steps + 1)
        for later in range(step + 1, self._steps):
            left += float(freed[later - 1])
            come = left * float(self._come[later])
            left -= come
            number[later // _TOGETHER_STEPS] += come
        return [
            self._group(group, float(count), step)
            for group, count in enumerate(number)
            if count > 0
        ]

    def _group(self, group: int, count: float, step: int) -> Standing:
        stays, needs_wh, power_w = self._means[group].tolist()
        arrives = max(group * _TOGETHER_STEPS + _TOGETHER_STEPS // 2, step + 1)
        leaves = min(arrives + round(stays), self._steps)
        return Standing(
            id=f"strangers {group}",
            evse=f"strangers {group}",
            arrives_step=arrives - step,
            leaves_step=leaves - step,
            soc_wh=0.0,
            wanted_wh=needs_wh * count,
            capacity_wh=needs_wh * count,
            max_power_w=power_w * count,
        )
