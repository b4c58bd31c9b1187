"""Whether a forecast is to be believed: what it says against the sky, the one before, and the past.

A source that lies costs more than none: the plan then waits for a sun that does not come. Some lies
show at once, since the sun does not shine at night; others only in a record of how near a source
came to what was measured, against how near saying "it stays as it is" would have come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.timeline import StepGrid
from scheduler.forecast import QuantileForecast, Reading, known_readings
from scheduler.forecast.sun import Location, Plant, clear_sky_power_w

Floats = NDArray[np.float64]
DoubtCode = Literal[
    "NIGHT", "BEYOND_CLEAR_SKY", "BELOW_ZERO", "OVER", "JUMP", "UNSKILLED", "BIASED"
]

AT_NIGHT_SHARE = 0.0015
"""How much of its energy a forecast of the sun may put into steps in which the sun is down.

A right one puts nothing there, and twilight gives less. By quarters of an hour, a summer's day that
is an hour too late shows 0.0026, and one too early 0.0018; in winter ten times as much. By whole
hours, an hour shows in winter only.
"""
DIM_SHARE = 0.002
"""Of the peak power: below that, the sun counts as down."""
BEYOND_CLEAR_SKY = 1.25
BEYOND_SHARE = 0.1
"""How much of its energy may lie beyond that many times a clear sky."""
COMPARED = timedelta(hours=6)
"""How far ahead two forecasts of a source are compared, and all are scored."""
ONE_AFTER_THE_OTHER = timedelta(hours=3)
JUMP_SHARE = 0.8
"""How much of what both say together two forecasts of a source may differ by."""
JUMP_LEAST_W = 500.0
FADES = timedelta(days=7)
"""A record from then counts by 1/e."""
ENOUGH_HOURS = 100.0
"""A shorter record is not judged: it is a day or two of hourly forecasts."""
WORST_SKILL = -0.25
LEAST_MISSED = 0.2
"""Who misses less than that share of what came is not doubted, however steady the sky was."""
MOST_BIAS = 0.5
"""Share of what was measured by which a source may be wrong on average."""
STANDS = timedelta(minutes=15)
"""For so long a reading stands at most, back from its instant."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a forecast, or who makes it, is not to be believed."""

    code: DoubtCode
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """How near a source has come to what was measured; what lies long back fades."""

    hours: float = 0.0
    """Of steps in which there was something to forecast."""
    measured_wh: float = 0.0
    error_wh: float = 0.0
    """Sum of what was missed in each step, either way."""
    persistence_error_wh: float = 0.0
    excess_wh: float = 0.0
    """Forecast less measured."""
    inside_hours: float = 0.0
    """Of steps that came to lie between the quantiles."""

    def after(self, passed: timedelta) -> Record:
        """Returns what is left of it so much later."""
        share = float(np.exp(-max(0.0, passed / FADES)))
        return Record(*(share * part for part in self._parts()))

    def plus(self, other: Record) -> Record:
        """Returns both together."""
        parts = zip(self._parts(), other._parts(), strict=True)
        return Record(*(mine + its for mine, its in parts))

    @property
    def skill(self) -> float | None:
        """1 is perfect, 0 no better than persistence; None: nothing to compare with."""
        if self.persistence_error_wh <= 0:
            return None
        return 1.0 - self.error_wh / self.persistence_error_wh

    @property
    def error_w(self) -> float | None:
        """The mean of what was missed, either way."""
        return self.error_wh / self.hours if self.hours > 0 else None

    @property
    def bias_w(self) -> float | None:
        """By how much too much was forecast on average."""
        return self.excess_wh / self.hours if self.hours > 0 else None

    @property
    def inside_share(self) -> float | None:
        """How often it came to lie between the quantiles; 0.8 would be right."""
        return self.inside_hours / self.hours if self.hours > 0 else None

    def doubts(self) -> tuple[Doubt, ...]:
        """Returns what its past says against a source."""
        if self.hours < ENOUGH_HOURS:
            return ()
        found: list[Doubt] = []
        misses = self.error_wh > LEAST_MISSED * max(self.measured_wh, 1.0)
        if misses and self.skill is not None and self.skill < WORST_SKILL:
            detail = f"it misses {1 - self.skill:.2f} times as much as saying it stays as it is"
            found.append(Doubt("UNSKILLED", detail))
        if abs(self.excess_wh) > MOST_BIAS * max(self.measured_wh, 1.0):
            way = "more" if self.excess_wh > 0 else "less"
            detail = (
                f"it says {abs(self.excess_wh) / self.hours:.0f} W {way} than the"
                f" {self.measured_wh / self.hours:.0f} W that came"
            )
            found.append(Doubt("BIASED", detail))
        return tuple(found)

    def _parts(self) -> tuple[float, ...]:
        return (
            self.hours,
            self.measured_wh,
            self.error_wh,
            self.persistence_error_wh,
            self.excess_wh,
            self.inside_hours,
        )


def doubts_of_sun(
    forecast: QuantileForecast, location: Location, plants: Sequence[Plant]
) -> tuple[Doubt, ...]:
    """Returns what the sky says against a forecast of these roofs."""
    grid = forecast.grid
    half = timedelta(minutes=grid.step_minutes / 2)
    instants = [grid.start + number * half for number in range(2 * grid.steps + 1)]
    sky_w = clear_sky_power_w(location, plants, instants)
    clear_w = np.maximum(np.maximum(sky_w[:-1:2], sky_w[1::2]), sky_w[2::2])
    peak_w = sum(plant.peak_power_w for plant in plants)
    said_w = np.array(forecast.q50_w)
    total_w = float(said_w.sum())
    if min(forecast.q10_w) < -DIM_SHARE * peak_w:
        return (Doubt("BELOW_ZERO", "it says that roofs take power; is its sign right?"),)
    if total_w <= 0:
        return ()
    found: list[Doubt] = []
    at_night = float(said_w[clear_w <= DIM_SHARE * peak_w].sum()) / total_w
    if at_night > AT_NIGHT_SHARE:
        detail = (
            f"{at_night:.0%} of its energy comes while the sun is down; is its time zone right?"
        )
        found.append(Doubt("NIGHT", detail))
    beyond_w = np.maximum(0.0, said_w - BEYOND_CLEAR_SKY * clear_w - DIM_SHARE * peak_w)
    beyond = float(beyond_w.sum()) / total_w
    if beyond > BEYOND_SHARE:
        detail = (
            f"{beyond:.0%} of its energy is more than a clear sky gives;"
            " are its unit, its time zone and the roofs of the site right?"
        )
        found.append(Doubt("BEYOND_CLEAR_SKY", detail))
    return tuple(found)


def doubts_of_course(
    forecast: QuantileForecast, before: QuantileForecast | None
) -> tuple[Doubt, ...]:
    """Returns what speaks against a forecast by itself, and beside the one its source made before.

    Of two that differ wildly the later one is doubted, until a third sides with it.
    """
    found: list[Doubt] = []
    if forecast.grid.end <= forecast.issued_at:
        found.append(Doubt("OVER", "all of it lies before its issue; is its time zone right?"))
    if (
        before is not None
        and abs(forecast.issued_at - before.issued_at) <= ONE_AFTER_THE_OTHER
        and (detail := _jump(forecast, before)) is not None
    ):
        found.append(Doubt("JUMP", detail))
    return tuple(found)


def compared(forecast: QuantileForecast) -> QuantileForecast:
    """Returns the part of a forecast by which it is judged: the whole steps of its first hours."""
    grid = forecast.grid
    first = min(grid.steps, max(0, grid.ceil(forecast.issued_at)))
    last = max(first, min(grid.steps, grid.floor(forecast.issued_at + COMPARED)))
    part = StepGrid(grid.instant(first), grid.step_minutes, last - first)
    series = (each[first:last] for each in (forecast.q10_w, forecast.q50_w, forecast.q90_w))
    return QuantileForecast(forecast.issued_at, part, forecast.source, *series)


def scored(
    part: QuantileForecast, persistence_w: Sequence[float], readings: Sequence[Reading]
) -> Record:
    """Returns the record of one forecast.

    Args:
        part: what is judged of it.
        persistence_w: what saying "it stays as it is" comes to, for the same steps.
        readings: what came; steps without any are left out, and so are those in which nothing was
            to be forecast: none came, and both said so.
    """
    hours = part.grid.hours
    came_w = step_means(readings, part.grid)
    said_w, stayed_w = np.array(part.q50_w), np.array(persistence_w)
    counts = np.isfinite(came_w) & ((came_w != 0) | (stayed_w != 0) | (said_w != 0))
    came_w, said_w, stayed_w = came_w[counts], said_w[counts], stayed_w[counts]
    inside = (np.array(part.q10_w)[counts] <= came_w) & (came_w <= np.array(part.q90_w)[counts])
    return Record(
        hours=hours * len(came_w),
        measured_wh=hours * float(came_w.sum()),
        error_wh=hours * float(np.abs(said_w - came_w).sum()),
        persistence_error_wh=hours * float(np.abs(stayed_w - came_w).sum()),
        excess_wh=hours * float((said_w - came_w).sum()),
        inside_hours=hours * float(inside.sum()),
    )


def step_means(readings: Sequence[Reading], grid: StepGrid) -> Floats:
    """Returns the mean power of each step in W, NaN where no reading tells of it.

    A reading is the mean of the time since the one before, 15 minutes at most.
    """
    at_s, power_w = known_readings(readings, grid.end + STANDS, grid.start)
    begins_s = grid.start.timestamp() + 3600 * grid.hours * np.arange(grid.steps + 1)
    since_s = np.maximum(np.concatenate(([-np.inf], at_s))[:-1], at_s - STANDS.total_seconds())
    lasts_s = np.minimum(at_s[None, :], begins_s[1:, None]) - np.maximum(
        since_s[None, :], begins_s[:-1, None]
    )
    lasts_s = np.clip(lasts_s, 0.0, None)
    seen_s = lasts_s.sum(axis=1)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(seen_s > 0, lasts_s @ power_w / seen_s, np.nan)
    return means


def persistence_load(
    grid: StepGrid, readings: Sequence[Reading], *, issued_at: datetime
) -> tuple[float, ...]:
    """Returns the forecast of load to beat, in W: as it was a day ago, else as it is now."""
    day = timedelta(days=1)
    known = [each for each in readings if each.measured_at <= issued_at]
    now_w = known[-1].power_w if known else 0.0
    day_before = StepGrid(grid.start - day, grid.step_minutes, grid.steps)
    means_w = step_means(known, day_before)
    return tuple(np.where(np.isfinite(means_w), means_w, now_w).tolist())


def _jump(forecast: QuantileForecast, before: QuantileForecast) -> str | None:
    """How far two forecasts are apart in the next hours, if wildly."""
    part = compared(forecast)
    ours: list[float] = []
    theirs: list[float] = []
    for step, power_w in enumerate(part.q50_w):
        place = before.grid.floor(part.grid.instant(step))
        if 0 <= place < before.grid.steps:
            ours.append(power_w)
            theirs.append(before.q50_w[place])
    if not ours:
        return None
    apart_w = sum(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / len(ours)
    both_w = (sum(map(abs, ours)) + sum(map(abs, theirs))) / len(ours)
    if apart_w < max(JUMP_LEAST_W, JUMP_SHARE * both_w):
        return None
    return f"it is {apart_w:.0f} W from what the same source said before, of {both_w / 2:.0f} W"
