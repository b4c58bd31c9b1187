"""Series of power from what meters said: averaged into steps, gaps filled, too large ones refused.

A reading is the mean since the one before it, one hour at most. Gaps of the load up to an hour are
bridged by a straight line; longer ones have the mean of the same time on the other days. Gaps of
the sun have the clearness between their neighbours, times what a clear sky would give.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from models.errors import BadInput, FieldError
from models.timeline import StepGrid
from simulators.changed_past import SUN_SHARE, clearness
from simulators.past import STEPS_PER_DAY

Floats = npt.NDArray[np.float64]
READING_MAX = timedelta(hours=1)
"""A reading says nothing of what was longer before it."""
GAP_MAX_STEPS = 24
"""Six hours: a longer gap is refused."""
FILLED_SHARE_MAX = 0.25
"""More of the steps than this are not filled."""
LINE_MAX_STEPS = 4
"""An hour: a longer gap of the load is filled from other days."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A series without gaps."""

    power_w: Floats
    measured: int
    """Steps of which a meter said something."""
    filled: int
    """Steps of which none did, and that were filled by rule."""


def step_means(readings: Iterable[tuple[datetime, float | None]], grid: StepGrid) -> Floats:
    """Returns the mean power of each step; NaN where no reading says anything.

    Args:
        readings: instant and power in W, in order of time; the ones an hour before the grid too.
        grid: the steps.
    """
    energy, covered = np.zeros(grid.steps), np.zeros(grid.steps)
    step_s = grid.step_minutes * 60
    before: datetime | None = None
    for measured_at, power_w in readings:
        if power_w is None:
            continue
        begins = measured_at - READING_MAX if before is None else before
        begins = max(begins, measured_at - READING_MAX)
        before = measured_at
        first_s = max(0.0, (begins - grid.start).total_seconds())
        last_s = min(grid.steps * step_s, (measured_at - grid.start).total_seconds())
        step = int(first_s // step_s)
        while step < grid.steps and step * step_s < last_s:
            overlap = min(last_s, (step + 1) * step_s) - max(first_s, step * step_s)
            energy[step] += power_w * overlap
            covered[step] += overlap
            step += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(covered > 0, energy / covered, np.nan)


def fill_load(power_w: Floats, grid: StepGrid, *, whose: str) -> Filled:
    """Returns the load of a building without gaps; where nothing was ever measured, there is none.

    Raises:
        BadInput: where too much is missing, naming `/history`.
    """
    known = ~np.isnan(power_w)
    if not known.any():
        return Filled(np.zeros(grid.steps), 0, 0)
    gaps = _gaps(~known)
    _refuse_large(gaps, grid, whose=whose)
    filled = np.interp(np.arange(grid.steps), np.flatnonzero(known), power_w[known])
    for first, length in gaps:
        if length > LINE_MAX_STEPS:
            for step in range(first, first + length):
                same_time = power_w[step % STEPS_PER_DAY :: STEPS_PER_DAY]
                if not np.isnan(same_time).all():
                    filled[step] = np.nanmean(same_time)
    return _filled(np.maximum(filled, 0.0), known)


def fill_sun(power_w: Floats, clear_w: Floats, grid: StepGrid, *, whose: str) -> Filled:
    """Returns what a roof gave without gaps; while the sun is low, what was not measured is none.

    Args:
        power_w: measured; NaN where nothing was.
        clear_w: under a clear sky; all 0: there is no roof.
        grid: the steps.
        whose: the name of the roof in errors.

    Raises:
        BadInput: where too much is missing, naming `/history`.
    """
    peak_w = float(clear_w.max(initial=0.0))
    known = ~np.isnan(power_w)
    if peak_w <= 0:
        return _filled(np.maximum(np.where(known, power_w, 0.0), 0.0), np.ones_like(known))
    dark = clear_w <= SUN_SHARE * peak_w
    _refuse_large(_gaps(~known & ~dark), grid, whose=whose)
    sky = clearness(power_w, clear_w, peak_w)
    guessed = np.zeros(grid.steps) if sky is None else clear_w * sky
    filled = np.where(known, power_w, np.where(dark, 0.0, guessed))
    return _filled(np.maximum(filled, 0.0), known | dark)


def _filled(power_w: Floats, known: npt.NDArray[np.bool_]) -> Filled:
    measured = int(known.sum())
    return Filled(power_w, measured, len(power_w) - measured)


def _gaps(missing: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Returns first step and length of each run of missing steps."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False]))))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _refuse_large(gaps: Sequence[tuple[int, int]], grid: StepGrid, *, whose: str) -> None:
    missing = sum(length for _, length in gaps)
    first, length = max(gaps, key=lambda gap: gap[1], default=(0, 0))
    if length > GAP_MAX_STEPS:
        begins, ends = grid.instant(first), grid.instant(first + length)
        hours = length * grid.hours
        most = GAP_MAX_STEPS * grid.hours
        detail = (
            f"{whose} was not measured from {begins:%Y-%m-%dT%H:%M}Z to {ends:%Y-%m-%dT%H:%M}Z,"
            f" {hours:g} hours; allowed are {most:g}"
        )
        raise BadInput(f"/history: {detail}", (FieldError("/history", detail),))
    if missing > FILLED_SHARE_MAX * grid.steps:
        detail = (
            f"{whose} was not measured in {missing} of {grid.steps} steps; allowed are"
            f" {FILLED_SHARE_MAX:.0%}"
        )
        raise BadInput(f"/history: {detail}", (FieldError("/history", detail),))
