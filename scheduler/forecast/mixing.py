"""Several forecasts as one: who came nearer to what was measured has the greater say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    """Returns the forecasts as one, each quantile by itself, on the grid of the first.

    Where one of them does not reach, the others share its part.
    """
    first = forecasts[0]
    q10, q50, q90 = (
        _mean([_on_grid_of(first, each, name) for each in forecasts], shares)
        for name in ("q10_w", "q50_w", "q90_w")
    )
    return QuantileForecast(first.issued_at, first.grid, first.source, q10, q50, q90)


def _on_grid_of(
    first: QuantileForecast, forecast: QuantileForecast, name: str
) -> NDArray[np.float64]:
    """A quantile on the grid of another forecast; not a number where it says nothing."""
    grid, step_s = first.grid, 60 * first.grid.step_minutes
    offset_s = (grid.start - forecast.grid.start).total_seconds()
    place = (offset_s + step_s * np.arange(grid.steps)) // (60 * forecast.grid.step_minutes)
    values = np.asarray(getattr(forecast, name), dtype=np.float64)
    inside = (place >= 0) & (place < len(values))
    return np.where(inside, values[np.clip(place, 0, len(values) - 1).astype(int)], np.nan)


def _mean(series: Sequence[NDArray[np.float64]], shares: Sequence[float]) -> tuple[float, ...]:
    """The mean by shares of what is a number, of which the first series always is."""
    table = np.array(series)
    weights = np.where(np.isnan(table), 0.0, np.array(shares)[:, None])
    whole = weights.sum(axis=0)
    mean: NDArray[np.float64] = (np.nan_to_num(table) * weights).sum(axis=0) / np.where(
        whole > 0, whole, 1.0
    )
    known: NDArray[np.float64] = np.where(whole > 0, mean, table[0])
    return tuple(known.tolist())
