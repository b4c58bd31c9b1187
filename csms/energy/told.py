"""What a plug-in told of the sun: checked, for it may be anything, and as power of a site's roofs.

That it can't be, as sun at night, is not looked for here: that is done as for pushed forecasts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sized
from datetime import datetime, timedelta
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from csms.plugins.forecasts import (
    STEP_MINUTES,
    Asked,
    Clearness,
    Irradiance,
    NoForecast,
    Power,
)
from models.timeline import StepGrid, utc
from scheduler.forecast import QuantileForecast
from scheduler.forecast.sun import (
    Irradiated,
    Location,
    clear_sky_power_w,
    irradiated_power_w,
    spread_around,
)

AHEAD = timedelta(minutes=5)
"""How far the clock of a source may be ahead of ours."""
OLDEST = timedelta(hours=6)
"""What was issued longer ago is not taken: it would not be planned with."""
FARTHEST = timedelta(days=30)
MOST_STEPS = 10_000
MOST = 1e9
"""In whatever unit: more is no number of this world."""
USUAL_AIR_C = 15.0
DARK_W_PER_M2 = 10.0

Floats = NDArray[np.float64]


def power_told(told: object, asked: Asked) -> QuantileForecast:
    """Returns a forecast of the power of a site's roofs.

    Args:
        told: what the plug-in returned, of whatever type.
        asked: what it was asked.

    Raises:
        NoForecast: saying what is wrong with it.
    """
    place = Location(asked.latitude, asked.longitude)
    low: Floats | None = None
    high: Floats | None = None
    if isinstance(told, Power):
        grid = _grid(told, told.q50_w, asked)
        middle = _numbers("q50_w", told.q50_w, grid)
        low, high = _quantiles(told.q10_w, told.q90_w, grid, "_w")
    elif isinstance(told, Irradiance):
        grid = _grid(told, told.ghi_w_per_m2, asked)
        dni, dhi = told.dni_w_per_m2, told.dhi_w_per_m2
        seen = Irradiated(
            ghi=_light("ghi_w_per_m2", told.ghi_w_per_m2, grid),
            dni=None if dni is None else _light("dni_w_per_m2", dni, grid),
            dhi=None if dhi is None else _light("dhi_w_per_m2", dhi, grid),
            air_c=_numbers(
                "air_c", [USUAL_AIR_C] * grid.steps if told.air_c is None else told.air_c, grid
            ),
        )
        middle = irradiated_power_w(place, asked.plants, grid, seen)
    elif isinstance(told, Clearness):
        grid = _grid(told, told.q50, asked)
        half = timedelta(minutes=grid.step_minutes / 2)
        middles = [grid.instant(step) + half for step in range(grid.steps)]
        clear_w = clear_sky_power_w(place, asked.plants, middles)
        middle = clear_w * _numbers("q50", told.q50, grid)
        low, high = (
            None if each is None else clear_w * each
            for each in _quantiles(told.q10, told.q90, grid, "")
        )
    else:
        raise NoForecast(f"it returned {type(told).__name__}, which is no forecast")
    usual_low, usual_high = spread_around(place, asked.plants, grid, middle)
    q10, q90 = usual_low if low is None else low, usual_high if high is None else high
    _check_order(q10, middle, q90)
    _check_size(q10, middle, q90)
    series = (tuple(each.tolist()) for each in (q10, middle, q90))
    return QuantileForecast(utc(told.issued_at), grid, "outside", *series)


def _grid(told: Power | Irradiance | Clearness, series: object, asked: Asked) -> StepGrid:
    """Checks times and the number of steps."""
    for name in ("issued_at", "start"):
        instant: object = getattr(told, name)
        if not isinstance(instant, datetime):
            raise NoForecast(f"{name} is no instant")
        if instant.tzinfo is None:
            raise NoForecast(f"{name} has no time zone")
        if abs(instant - asked.now) > FARTHEST:
            raise NoForecast(f"{name} is {instant:%Y-%m-%d}")
    if told.issued_at > asked.now + AHEAD:
        raise NoForecast("issued_at lies in the future")
    if told.issued_at < asked.now - OLDEST:
        raise NoForecast(f"what it has is of {told.issued_at:%Y-%m-%d %H:%M %Z}")
    if not isinstance(cast("object", told.step_minutes), int) or (
        told.step_minutes not in STEP_MINUTES
    ):
        allowed = ", ".join(map(str, sorted(STEP_MINUTES)))
        raise NoForecast(f"step_minutes is {told.step_minutes}; allowed are {allowed}")
    steps = _length(series)
    if not 0 < steps <= MOST_STEPS:
        raise NoForecast(f"it has {steps} steps; allowed are 1 to {MOST_STEPS}")
    return StepGrid(utc(told.start), told.step_minutes, steps)


def _length(series: object) -> int:
    return len(series) if isinstance(series, Sized) and isinstance(series, Iterable) else 0


def _numbers(name: str, series: object, grid: StepGrid) -> Floats:
    """Checks that a series has one number for each step."""
    if _length(series) != grid.steps:
        raise NoForecast(f"{name} has not one value for each of {grid.steps} steps")
    numbers = np.empty(grid.steps)
    for step, value in enumerate(cast("Iterable[Any]", series)):
        try:
            numbers[step] = float(value)
        except (TypeError, ValueError, OverflowError):
            numbers[step] = math.nan
        if not math.isfinite(numbers[step]):
            raise NoForecast(f"{name} has a gap: no number at step {step}")
        if abs(numbers[step]) > MOST:
            raise NoForecast(f"{name} is {numbers[step]:.3g} at step {step}")
    return numbers


def _light(name: str, series: object, grid: StepGrid) -> Floats:
    """Checks that a series could be light; night may be a little off zero."""
    numbers = _numbers(name, series, grid)
    dark = np.flatnonzero(numbers < -DARK_W_PER_M2)
    if len(dark):
        raise NoForecast(f"{name} is below zero at step {dark[0]}")
    return np.maximum(numbers, 0.0)


def _optional(name: str, series: object, grid: StepGrid) -> Floats | None:
    return None if series is None else _numbers(name, series, grid)


def _quantiles(
    low: object, high: object, grid: StepGrid, unit: str
) -> tuple[Floats | None, Floats | None]:
    return _optional(f"q10{unit}", low, grid), _optional(f"q90{unit}", high, grid)


def _check_order(low: Floats, middle: Floats, high: Floats) -> None:
    wrong = np.flatnonzero((low > middle) | (middle > high))
    if len(wrong):
        raise NoForecast(f"its quantiles are out of order at step {wrong[0]}")


def _check_size(*quantiles: Floats) -> None:
    """Looks at what was made of the numbers: light that is no number of this world may pass."""
    for each in quantiles:
        wrong = np.flatnonzero(~(np.abs(each) <= MOST))
        if len(wrong):
            raise NoForecast(f"it comes to {each[wrong[0]]:.3g} W at step {wrong[0]}")
