"""How the power that a battery takes falls as it fills, and what such a curve must be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import FieldError
from scheduler.ranges import ENERGY_WH, POWER_W, out_of


@dataclass(frozen=True, slots=True)
class Falling:
    """A line that bounds the power of a car: `power_w + per_wh * soc_wh <= top_w`."""

    top_w: float
    per_wh: float

    def takes_w(self, soc_wh: float, gain: float) -> float:
        """Returns the most power whose end is on the line, each W of which stores `gain` Wh."""
        return max(self.top_w - self.per_wh * soc_wh, 0.0) / (1 + self.per_wh * gain)

    def after_wh(self, soc_wh: float, steps: int, gain: float) -> float:
        """Returns what so many steps on the line lead to."""
        end_wh = self.top_w / self.per_wh
        return max(soc_wh, end_wh - (end_wh - soc_wh) * (1 + self.per_wh * gain) ** -steps)

    def steps_to(self, soc_wh: float, goal_wh: float, gain: float) -> float:
        """Returns how many steps on the line lead to `goal_wh`; infinite where none do."""
        end_wh = self.top_w / self.per_wh
        if soc_wh >= goal_wh:
            return 0.0
        if goal_wh >= end_wh:
            return np.inf
        return float(np.log((end_wh - soc_wh) / (end_wh - goal_wh)) / np.log1p(self.per_wh * gain))


def falling(points: Sequence[tuple[float, float]]) -> Iterator[Falling]:
    """Yields the lines between the points of a taper along which the power falls."""
    for (from_wh, from_w), (to_wh, to_w) in itertools.pairwise(points):
        per_wh = (from_w - to_w) / (to_wh - from_wh)
        if per_wh > 0:
            yield Falling(from_w + per_wh * from_wh, per_wh)


def taper_errors(
    points: Sequence[tuple[float, float]], max_soc_wh: float, pointer: str
) -> Iterator[FieldError]:
    """Yields what is wrong with the points `(soc_wh, power_w)` of a battery that holds so much."""
    for index, point in enumerate(points):
        for place, allowed in enumerate((ENERGY_WH, POWER_W)):
            if (wrong := out_of(point[place], allowed)) is not None:
                yield FieldError(f"{pointer}/{index}/{place}", wrong)
    slope = 0.0
    for index, (before, after) in enumerate(itertools.pairwise(points), 1):
        if not after[0] > before[0]:
            detail = f"must be above the point before, {before[0]:g}, not {after[0]:g}"
            yield FieldError(f"{pointer}/{index}/0", detail)
            return
        most_w = before[1] + slope * (after[0] - before[0])
        if not after[1] <= most_w * (1 + 1e-9):
            detail = f"must fall at least as steeply as before, to {most_w:g}, not {after[1]:g}"
            yield FieldError(f"{pointer}/{index}/1", detail)
        slope = (after[1] - before[1]) / (after[0] - before[0])
    if points and not points[-1][0] >= max_soc_wh:
        detail = f"must reach max_soc_wh, {max_soc_wh:g}, not {points[-1][0]:g}"
        yield FieldError(f"{pointer}/{len(points) - 1}/0", detail)
