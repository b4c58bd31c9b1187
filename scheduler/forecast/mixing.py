"""Several forecasts as one: who came nearer to what was measured has the greater say."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np
from numpy.typing import NDArray

from models.timeline import StepGrid
from scheduler.forecast import QuantileForecast
from scheduler.forecast.quality import ENOUGH_HOURS, Record


def says(records: Sequence[Record]) -> tuple[float, ...]:
    """Returns the share that each of several sources has in what is planned with.

    It goes by the inverse square of the mean error, which is what makes the error of the mix least
    where the sources err independently (Bates and Granger, "The Combination of Forecasts", 1969).
    While any record is too short to judge, all have the same.
    """
    weights = np.ones(len(records))
    errors_w = [each.error_w for each in records]
    if all(each.hours >= ENOUGH_HOURS for each in records):
        weights = np.array([1.0 / max(1.0, error_w or 0.0) ** 2 for error_w in errors_w])
    return tuple((weights / weights.sum()).tolist())


def mixed(forecasts: Sequence[QuantileForecast], shares: Sequence[float]) -> QuantileForecast:
    """Returns the forecasts as one, each quantile by itself, in steps as those of the first.

    Where one of them does not reach, the others share its part: it begins where the first to begin
    does, and ends with the last.
    """
    first, grid = forecasts[0], _grid_of_all([each.grid for each in forecasts])
    table = [
        _mean([_on_grid(grid, each, name) for each in forecasts], shares)
        for name in ("q10_w", "q50_w", "q90_w")
    ]
    # Where they leave a gap before or after the first, what lies beyond it is left out.
    own = grid.floor(first.grid.start)
    gaps = np.flatnonzero(np.isnan(table[1]))
    begins = int(max(gaps[gaps < own], default=-1)) + 1
    ends = int(min(gaps[gaps > own], default=grid.steps))
    series = (tuple(each[begins:ends].tolist()) for each in table)
    grid = StepGrid(grid.instant(begins), grid.step_minutes, ends - begins)
    return QuantileForecast(first.issued_at, grid, first.source, *series)


def _grid_of_all(grids: Sequence[StepGrid]) -> StepGrid:
    """The first grid, longer at both ends as far as any reaches."""
    first = grids[0]
    begins = min(first.floor(each.start) for each in grids)
    ends = max(first.ceil(each.end) for each in grids)
    return StepGrid(first.instant(begins), first.step_minutes, ends - begins)


def _on_grid(grid: StepGrid, forecast: QuantileForecast, name: str) -> NDArray[np.float64]:
    """A quantile on another grid, finer steps as their mean; not a number where it says nothing."""
    minutes = gcd(grid.step_minutes, forecast.grid.step_minutes)
    parts = grid.step_minutes // minutes
    offset_s = (grid.start - forecast.grid.start).total_seconds()
    at_s = offset_s + 60 * minutes * np.arange(grid.steps * parts)
    place = at_s // (60 * forecast.grid.step_minutes)
    values = np.asarray(getattr(forecast, name), dtype=np.float64)
    inside = (place >= 0) & (place < len(values))
    said = np.where(inside, values[np.clip(place, 0, len(values) - 1).astype(int)], 0.0)
    known = inside.reshape(grid.steps, parts).sum(axis=1)
    whole = said.reshape(grid.steps, parts).sum(axis=1)
    return np.where(known > 0, whole / np.maximum(known, 1), np.nan)


def _mean(series: Sequence[NDArray[np.float64]], shares: Sequence[float]) -> NDArray[np.float64]:
    """The mean by shares of what is a number; not a number where there is none."""
    table = np.array(series)
    weights = np.where(np.isnan(table), 0.0, np.array(shares)[:, None])
    whole = weights.sum(axis=0)
    mean: NDArray[np.float64] = (np.nan_to_num(table) * weights).sum(axis=0) / np.where(
        whole > 0, whole, 1.0
    )
    return np.where(whole > 0, mean, np.nan)
