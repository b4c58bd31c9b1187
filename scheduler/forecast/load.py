"""Building load forecast: what this building usually draws at this time of this weekday.

Means of past readings by local quarter of an hour, each leaning on the next broader one while it
has few readings of its own: this weekday, working day or weekend, any day, all hours, and at the
very start a constant. A public holiday is a Sunday. How far the load has been off its usual of late
goes on for some hours (`scheduler.forecast.lately`). Weather is not here.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from models.timeline import StepGrid
from scheduler.forecast import QuantileForecast, Reading, held_s, known_readings
from scheduler.forecast.lately import DAY_SPREAD, LOOKS_BACK, day_spread, off_by

Floats = NDArray[np.float64]

HISTORY = timedelta(days=42)
SLOT_MINUTES = 15
SLOTS = 24 * 60 // SLOT_MINUTES
SATURDAY = 5
SUNDAY = 6
PRIOR_READINGS = 2.0
"""How many readings the broader mean counts as."""
USUAL_SPREAD = 0.3
"""Standard deviation as a share of the load, until residuals tell it."""
ENOUGH_READINGS = 96
"""A day of quarters: from here on residuals count as much as `USUAL_SPREAD`."""
LEAST_USUAL_SHARE = 0.05
"""Of the mean load: shares of less than that say little."""
Z_90 = 1.2816


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """The usual week of a building. Make it with `learn`, once a day or so; it is cheap to ask."""

    zone: ZoneInfo
    holidays: Container[date]
    """Days that are as Sundays."""
    readings: int
    week_w: Floats
    """Mean load by weekday (rows, Monday first) and local quarter of an hour."""
    spread: float
    """Standard deviation of readings around it, as a share of it."""
    day_spread: float = DAY_SPREAD
    """How much of that goes on for hours."""
    places: dict[float, tuple[int, int]] = field(
        default_factory=dict[float, tuple[int, int]], compare=False
    )
    """Weekday and quarter of instants that were asked for, in seconds since 1970: a forecast asks
    for all but one of those before it."""

    @staticmethod
    def learn(
        readings: Sequence[Reading],
        timezone: str,
        *,
        until: datetime,
        fallback_w: float,
        holidays: Container[date] = frozenset(),
    ) -> LoadProfile:
        """Returns the profile of the readings up to `until`.

        Args:
            readings: the building's load, without cars.
            timezone: IANA name: people live by local time.
            until: later readings are not looked at, nor those over six weeks older.
            fallback_w: what to assume before there are any.
            holidays: local days that are as Sundays.
        """
        zone = ZoneInfo(timezone)
        at_s, power_w = known_readings(readings, until, until - HISTORY)
        at_s -= held_s(at_s) / 2
        weekday = np.empty(len(at_s), dtype=np.intp)
        slot = np.empty(len(at_s), dtype=np.intp)
        for index, each_s in enumerate(at_s.tolist()):
            weekday[index], slot[index] = _place(each_s, zone, holidays)
        week_w = _week(weekday, slot, power_w, fallback_w)
        usual_w = week_w[weekday, slot]
        return LoadProfile(
            zone,
            holidays,
            len(at_s),
            week_w,
            _spread(power_w - usual_w, week_w),
            day_spread(at_s, _shares(power_w, usual_w, week_w)),
        )

    def forecast(
        self, grid: StepGrid, *, issued_at: datetime, lately: Sequence[Reading] = ()
    ) -> QuantileForecast:
        """Returns the load in each step of the grid, in W.

        Args:
            grid: the steps.
            issued_at: when that is told.
            lately: readings; those of the last hours say how far the load is off its usual.
        """
        step_s = 60.0 * grid.step_minutes
        steps = np.arange(grid.steps, dtype=np.float64)
        middles_s: Floats = grid.start.timestamp() + step_s * (steps + 0.5)
        usual_w = self._usual_w(middles_s)
        margin_w = Z_90 * self.spread * np.abs(usual_w)
        at_s, power_w = known_readings(lately, issued_at, issued_at - LOOKS_BACK)
        at_s -= held_s(at_s) / 2
        shares = _shares(power_w, self._usual_w(at_s), self.week_w)
        off = off_by(at_s, shares, spread=self.day_spread, wanted_s=middles_s)
        likely_w = np.maximum(0.0, usual_w * (1 + off))
        return QuantileForecast(
            issued_at,
            grid,
            "profile" if self.readings else "fallback",
            tuple(np.maximum(0.0, likely_w - margin_w).tolist()),
            tuple(likely_w.tolist()),
            tuple((likely_w + margin_w).tolist()),
        )

    def _usual_w(self, times_s: Floats) -> Floats:
        places = np.array([self._place_at(at_s) for at_s in times_s.tolist()], dtype=np.intp)
        return self.week_w[tuple(places.reshape(-1, 2).T)]

    def _place_at(self, at_s: float) -> tuple[int, int]:
        place = self.places.get(at_s)
        if place is None:
            place = self.places[at_s] = _place(at_s, self.zone, self.holidays)
        return place


def _place(at_s: float, zone: ZoneInfo, holidays: Container[date]) -> tuple[int, int]:
    local = datetime.fromtimestamp(at_s, zone)
    weekday = SUNDAY if local.date() in holidays else local.weekday()
    return weekday, (60 * local.hour + local.minute) // SLOT_MINUTES


def _week(
    weekday: NDArray[np.intp], slot: NDArray[np.intp], power_w: Floats, fallback_w: float
) -> Floats:
    sums = np.zeros((7, SLOTS))
    counts = np.zeros((7, SLOTS))
    np.add.at(sums, (weekday, slot), power_w)
    np.add.at(counts, (weekday, slot), 1.0)
    overall = _leaning(sums.sum(), counts.sum(), np.asarray(fallback_w))
    if len(power_w) < SLOTS:
        # Of the hours to come nothing is known yet but that they go on from here.
        return np.full((7, SLOTS), overall)
    any_day = _leaning(sums.sum(axis=0), counts.sum(axis=0), overall)
    week_w = np.empty((7, SLOTS))
    for days in (slice(0, SATURDAY), slice(SATURDAY, 7)):
        kind = _leaning(sums[days].sum(axis=0), counts[days].sum(axis=0), any_day)
        week_w[days] = _leaning(sums[days], counts[days], kind)
    return week_w


def _leaning(sums: Floats, counts: Floats, broader: Floats) -> Floats:
    return (sums + PRIOR_READINGS * broader) / (counts + PRIOR_READINGS)


def _shares(power_w: Floats, usual_w: Floats, week_w: Floats) -> Floats:
    """Returns how far readings are off the usual, as shares of it."""
    least_w = max(1.0, LEAST_USUAL_SHARE * float(np.abs(week_w).mean()))
    return (power_w - usual_w) / np.maximum(np.abs(usual_w), least_w)


def _spread(residual_w: Floats, week_w: Floats) -> float:
    level_w = max(1.0, float(np.abs(week_w).mean()))
    seen = len(residual_w) / (len(residual_w) + ENOUGH_READINGS)
    measured = float(np.mean(residual_w**2)) / level_w**2 if len(residual_w) else 0.0
    return float(np.sqrt(seen * measured + (1 - seen) * USUAL_SPREAD**2))
