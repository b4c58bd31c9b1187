"""The forecast of the sun: the clear sky it rests on, and what it makes of measurements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models.timeline import StepGrid
from scheduler.forecast import Reading
from scheduler.forecast.skill import Scored, skill_vs_persistence
from scheduler.forecast.sun import (
    Location,
    Plant,
    clear_sky_power_w,
    forecast_pv,
    persistence_pv,
)

LYON = Location(45.74, 4.82)
SOUTH = Plant(10_000.0, 30.0, 180.0)
PLANTS = (SOUTH, Plant(5_000.0, 15.0, 90.0))
MIDNIGHT = datetime(2026, 6, 15, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def grid(start: datetime, steps: int = 96) -> StepGrid:
    return StepGrid(start, 15, steps)


def quarters(start: datetime, count: int) -> list[datetime]:
    return [start + index * QUARTER for index in range(count)]


def under(clearness: float, start: datetime, count: int) -> list[Reading]:
    """Readings of a sky that is equally clear all the time: means of the quarters that end."""
    at = quarters(start, count)
    clear_w = clear_sky_power_w(LYON, PLANTS, [each - QUARTER / 2 for each in at])
    return [Reading(*row) for row in zip(at, (clear_w * clearness).tolist(), strict=True)]


def test_a_clear_june_day_gives_about_eight_hours_of_peak_power() -> None:
    power_w = clear_sky_power_w(LYON, (SOUTH,), quarters(MIDNIGHT, 96))
    assert 7.0 < power_w.sum() * 0.25 / SOUTH.peak_power_w < 8.5
    assert 0.85 < power_w.max() / SOUTH.peak_power_w < 1.05
    # The sun is highest over 4.82 degrees east 19 minutes before noon UTC.
    assert abs(int(power_w.argmax()) - 4 * 12) <= 2
    assert power_w[:12].max() == 0.0


def test_december_gives_less_than_june_and_east_peaks_before_west() -> None:
    june = clear_sky_power_w(LYON, (SOUTH,), quarters(MIDNIGHT, 96))
    winter = quarters(datetime(2026, 12, 15, tzinfo=UTC), 96)
    assert clear_sky_power_w(LYON, (SOUTH,), winter).sum() < 0.6 * june.sum()
    east = clear_sky_power_w(LYON, (Plant(1.0, 40.0, 90.0),), quarters(MIDNIGHT, 96))
    west = clear_sky_power_w(LYON, (Plant(1.0, 40.0, 270.0),), quarters(MIDNIGHT, 96))
    assert int(east.argmax()) + 8 < int(west.argmax())


def test_the_clear_sky_runs_on_over_midnight_and_knows_no_time_zone() -> None:
    over = clear_sky_power_w(LYON, (SOUTH,), [MIDNIGHT + timedelta(hours=36)])
    assert over[0] == pytest.approx(
        clear_sky_power_w(LYON, (SOUTH,), [datetime(2026, 6, 16, 12, tzinfo=UTC)])[0]
    )
    pacific = Location(-20.0, 179.0)
    power_w = clear_sky_power_w(pacific, (SOUTH,), quarters(MIDNIGHT, 96))
    assert power_w[0] > 0.5 * power_w.max()
    assert power_w[48] == 0.0


def test_without_plants_there_is_no_power() -> None:
    assert clear_sky_power_w(LYON, (), quarters(MIDNIGHT, 96)).tolist() == [0.0] * 96
    assert forecast_pv(LYON, (), grid(MIDNIGHT), (), issued_at=MIDNIGHT).q90_w == (0.0,) * 96


def test_without_measurements_the_usual_clearness_is_taken_and_said() -> None:
    forecast = forecast_pv(LYON, PLANTS, grid(MIDNIGHT), (), issued_at=MIDNIGHT)
    assert forecast.source == "clear_sky"
    middles = [MIDNIGHT + QUARTER / 2 + index * QUARTER for index in range(96)]
    clear_w = clear_sky_power_w(LYON, PLANTS, middles)
    assert forecast.q50_w == pytest.approx((0.65 * clear_w).tolist())


@pytest.mark.parametrize("clearness", [0.2, 0.5, 1.0])
def test_the_next_steps_follow_the_clearness_just_measured(clearness: float) -> None:
    noon = MIDNIGHT + timedelta(hours=11)
    readings = under(clearness, MIDNIGHT, 45)
    forecast = forecast_pv(LYON, PLANTS, grid(noon), readings, issued_at=noon)
    assert forecast.source == "measured"
    clear_w = clear_sky_power_w(LYON, PLANTS, [noon + QUARTER / 2])[0]
    assert forecast.q50_w[0] / clear_w == pytest.approx(clearness, abs=0.06)


def test_a_cloudy_hour_says_less_about_tomorrow_than_about_the_next_hour() -> None:
    noon = MIDNIGHT + timedelta(hours=11)
    weeks = under(0.8, noon - timedelta(days=10), 960 - 8)
    cloudy = [*weeks, *under(0.1, noon - timedelta(hours=2), 9)]
    ratios = np.divide(
        forecast_pv(LYON, PLANTS, grid(noon), cloudy, issued_at=noon).q50_w,
        forecast_pv(LYON, PLANTS, grid(noon), weeks, issued_at=noon).q50_w,
        out=np.ones(96),
        where=clear_sky_power_w(LYON, PLANTS, quarters(noon, 96)) > 100,
    )
    assert ratios[0] < 0.4
    assert ratios[-1] > 0.8
    assert (np.diff(ratios[:30]) >= -1e-9).all()


def test_what_comes_later_changes_nothing() -> None:
    noon = MIDNIGHT + timedelta(hours=11)
    past = under(0.6, MIDNIGHT, 45)
    future = under(0.1, noon + timedelta(seconds=1), 90)
    known = forecast_pv(LYON, PLANTS, grid(noon), past, issued_at=noon)
    assert forecast_pv(LYON, PLANTS, grid(noon), [*future, *past], issued_at=noon) == known
    beaten = persistence_pv(LYON, PLANTS, grid(noon), past, issued_at=noon)
    assert persistence_pv(LYON, PLANTS, grid(noon), [*future, *past], issued_at=noon) == beaten


def test_quantiles_stay_in_order_and_widen_with_distance() -> None:
    noon = MIDNIGHT + timedelta(hours=11)
    forecast = forecast_pv(LYON, PLANTS, grid(noon), under(0.6, MIDNIGHT, 45), issued_at=noon)
    q10, q50, q90 = map(np.asarray, (forecast.q10_w, forecast.q50_w, forecast.q90_w))
    assert (q10 <= q50).all()
    assert (q50 <= q90).all()
    widths = (q90 - q10)[:24] / q50[:24]
    assert widths[0] < 0.7 * widths[-1]


def test_a_measured_zero_all_day_is_believed_and_kept_above_nothing() -> None:
    noon = MIDNIGHT + timedelta(hours=11)
    dead = under(0.0, noon - timedelta(days=10), 961)
    forecast = forecast_pv(LYON, PLANTS, grid(noon), dead, issued_at=noon)
    clear_w = clear_sky_power_w(LYON, PLANTS, [noon + QUARTER / 2])[0]
    assert 0 < forecast.q50_w[0] < 0.1 * clear_w


def test_the_sky_of_the_last_minutes_says_most_about_the_next_ones() -> None:
    noon = MIDNIGHT + timedelta(hours=11)
    cloud = [Reading(noon, 0.4 * float(clear_sky_power_w(LYON, PLANTS, [noon - QUARTER / 2])[0]))]
    forecast = forecast_pv(
        LYON, PLANTS, grid(noon), [*under(0.9, MIDNIGHT, 44), *cloud], issued_at=noon
    )
    clear_w = clear_sky_power_w(LYON, PLANTS, [noon + (n + 0.5) * QUARTER for n in range(96)])
    clearness = np.array(forecast.q50_w)[:32] / clear_w[:32]
    assert clearness[0] < 0.6
    assert clearness[16] > 0.75


def test_a_mean_of_the_last_quarter_is_compared_with_the_clear_sky_of_that_quarter() -> None:
    evening = MIDNIGHT + timedelta(hours=16.5)
    forecast = forecast_pv(LYON, PLANTS, grid(evening), under(0.8, MIDNIGHT, 67), issued_at=evening)
    clear_w = clear_sky_power_w(LYON, PLANTS, [evening + QUARTER / 2])[0]
    assert forecast.q50_w[0] == pytest.approx(0.8 * clear_w, rel=0.02)


def test_persistence_keeps_the_clearness_of_the_last_hour_of_daylight() -> None:
    night = MIDNIGHT + timedelta(hours=23)
    readings = [*under(0.9, MIDNIGHT, 66), *under(0.3, MIDNIGHT + timedelta(hours=16.5), 20)]
    kept = persistence_pv(LYON, PLANTS, grid(night), readings, issued_at=night)
    middles = [night + QUARTER / 2 + index * QUARTER for index in range(96)]
    assert kept == pytest.approx((0.3 * clear_sky_power_w(LYON, PLANTS, middles)).tolist())


def clouds(seed: int, days: int) -> np.ndarray:
    """Clearness by quarter of an hour: a draw per day, and clouds of an hour or so around it."""
    rng = np.random.default_rng(seed)
    day = np.repeat(rng.uniform(0.35, 0.95, days), 96)
    walk = np.zeros(days * 96)
    for index in range(1, len(walk)):
        walk[index] = 0.8 * walk[index - 1] + 0.12 * rng.standard_normal()
    return np.clip(day + walk, 0.05, 1.02)


def test_over_weeks_of_drawn_clouds_it_beats_persistence_and_its_quantiles_hold() -> None:
    days = 16
    at = quarters(MIDNIGHT, 96 * days)
    power_w = clear_sky_power_w(LYON, PLANTS, at) * clouds(3, days)
    readings = [Reading(*row) for row in zip(at, power_w.tolist(), strict=True)]
    scored: list[Scored] = []
    below = np.zeros(2)
    lit = 0
    for hour in range(6 * 24, (days - 1) * 24, 5):
        now = MIDNIGHT + timedelta(hours=hour)
        forecast = forecast_pv(LYON, PLANTS, grid(now), readings, issued_at=now)
        came = power_w[4 * hour : 4 * hour + 96]
        kept = persistence_pv(LYON, PLANTS, grid(now), readings, issued_at=now)
        scored.append(Scored(forecast.q50_w, kept, came.tolist()))
        day = np.asarray(forecast.q50_w) > 500
        lit += int(day.sum())
        below += [(came < forecast.q10_w)[day].sum(), (came <= forecast.q90_w)[day].sum()]
    skill = skill_vs_persistence(scored)
    assert skill is not None
    assert skill > 0.1
    assert 0.02 < below[0] / lit < 0.25
    assert 0.75 < below[1] / lit <= 1.0
