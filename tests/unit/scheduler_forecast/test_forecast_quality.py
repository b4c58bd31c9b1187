"""Which forecasts are not believed, and how near a source has come to what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models.timeline import StepGrid
from scheduler.forecast import QuantileForecast, Reading
from scheduler.forecast.quality import (
    ENOUGH_HOURS,
    FADES,
    Record,
    compared,
    doubts_of_course,
    doubts_of_sun,
    persistence_load,
    scored,
    step_means,
)
from scheduler.forecast.sun import Location, Plant, clear_sky_power_w

LYON = Location(45.74, 4.82)
ROOF = (Plant(10_000.0, 30.0, 180.0),)
MIDNIGHT = datetime(2026, 6, 15, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def made(
    power_w: Callable[[datetime], float],
    start: datetime = MIDNIGHT,
    steps: int = 192,
    issued_at: datetime | None = None,
) -> QuantileForecast:
    grid = StepGrid(start, 15, steps)
    middle_w = tuple(power_w(grid.instant(step)) for step in range(steps))
    return QuantileForecast(issued_at or start, grid, "outside", middle_w, middle_w, middle_w)


def sky(at: datetime, share: float = 0.8) -> float:
    return share * float(clear_sky_power_w(LYON, ROOF, [at + QUARTER / 2])[0])


def codes(forecast: QuantileForecast) -> list[str]:
    return [each.code for each in doubts_of_sun(forecast, LYON, ROOF)]


def test_a_likely_sky_and_a_dark_one_are_believed() -> None:
    assert codes(made(sky)) == []
    assert codes(made(lambda at: sky(at, 1.1))) == []
    assert codes(made(lambda _: 0.0)) == []


@pytest.mark.parametrize("hours", [-2, -1, 1, 2])
def test_a_wrong_time_zone_shines_in_the_night(hours: int) -> None:
    moved = timedelta(hours=hours)
    found = codes(made(lambda at: sky(at + moved)))
    assert found
    assert set(found) <= {"NIGHT", "BEYOND_CLEAR_SKY"}


def test_kilowatts_for_watts_and_a_turned_sign_are_noticed() -> None:
    assert "BEYOND_CLEAR_SKY" in codes(made(lambda at: 1000 * sky(at)))
    assert codes(made(lambda at: -sky(at))) == ["BELOW_ZERO"]


def test_of_two_that_differ_wildly_the_later_is_doubted_until_a_third_sides_with_it() -> None:
    noon = MIDNIGHT + timedelta(hours=10)
    bright, dark = made(sky, noon), made(lambda at: sky(at, 0.05), noon)
    assert doubts_of_course(bright, None) == ()
    assert doubts_of_course(bright, made(lambda at: sky(at, 0.6), noon)) == ()
    assert [each.code for each in doubts_of_course(dark, bright)] == ["JUMP"]
    assert doubts_of_course(replace(dark, issued_at=noon + QUARTER), dark) == ()
    long_after = replace(dark, issued_at=noon + timedelta(hours=4))
    assert doubts_of_course(long_after, bright) == ()


def test_a_forecast_that_was_over_when_it_was_issued_is_doubted() -> None:
    assert doubts_of_course(made(sky, steps=1), None) == ()
    over = made(sky, steps=4, issued_at=MIDNIGHT + timedelta(hours=1))
    assert [each.code for each in doubts_of_course(over, None)] == ["OVER"]


def test_only_whole_steps_of_the_first_hours_are_judged() -> None:
    part = compared(made(sky, issued_at=MIDNIGHT + timedelta(minutes=20)))
    assert part.grid == StepGrid(MIDNIGHT + timedelta(minutes=30), 15, 23)
    over = compared(made(sky, steps=4, issued_at=MIDNIGHT + timedelta(hours=3)))
    assert (over.grid.steps, over.q50_w) == (0, ())


def test_a_step_is_the_mean_of_the_time_that_readings_stand_for() -> None:
    grid = StepGrid(MIDNIGHT, 15, 4)
    readings = [
        Reading(MIDNIGHT + timedelta(minutes=5), 300.0),
        Reading(MIDNIGHT + timedelta(minutes=20), 600.0),
        # It tells of the 15 minutes before, so that a gap stays between the two.
        Reading(MIDNIGHT + timedelta(minutes=60), 100.0),
    ]
    means = step_means(readings, grid)
    assert means[:2].tolist() == [pytest.approx((5 * 300 + 10 * 600) / 15), 600.0]
    assert np.isnan(means[2])
    assert means[3] == 100.0
    assert np.isnan(step_means([], grid)).all()


def test_the_record_of_one_forecast_by_hand() -> None:
    grid = StepGrid(MIDNIGHT, 60, 4)
    low_w, middle_w, high_w = (0, 50, 0, 0), (0, 100, 300, 50), (0, 150, 350, 60)
    told = QuantileForecast(MIDNIGHT, grid, "outside", low_w, middle_w, high_w)
    came = [0.0, 140.0, 200.0]
    readings = [
        Reading(MIDNIGHT + timedelta(hours=hour, minutes=15 * part), came[hour])
        for hour in range(3)
        for part in range(1, 5)
    ]
    record = scored(told, (0.0, 0.0, 0.0, 0.0), readings)
    # The first hour had nothing to forecast, and the last was not measured.
    assert record.hours == 2.0
    assert record.error_wh == pytest.approx(140.0)
    assert record.persistence_error_wh == pytest.approx(340.0)
    assert record.excess_wh == pytest.approx(60.0)
    assert record.skill == pytest.approx(1 - 140 / 340)
    assert record.inside_share == 1.0
    assert (record.error_w, record.bias_w) == (pytest.approx(70.0), pytest.approx(30.0))


def test_a_record_fades_and_an_empty_one_says_nothing() -> None:
    record = Record(10.0, 20.0, 30.0, 40.0, 50.0, 5.0)
    assert record.after(FADES).hours == pytest.approx(10 / np.e)
    assert record.after(FADES).skill == pytest.approx(record.skill)
    assert record.plus(record).error_wh == 60.0
    nothing = Record()
    assert (nothing.skill, nothing.error_w, nothing.bias_w, nothing.inside_share) == (None,) * 4


def test_a_record_speaks_only_when_it_is_long_enough() -> None:
    bad = Record(ENOUGH_HOURS, 1_000.0, 2_000.0, 1_000.0, 900.0, 0.0)
    assert [each.code for each in bad.doubts()] == ["UNSKILLED", "BIASED"]
    assert replace(bad, hours=ENOUGH_HOURS - 1).doubts() == ()
    assert replace(bad, error_wh=1_200.0, excess_wh=-400.0).doubts() == ()
    # Under a steady sky nothing beats persistence; who misses little is believed all the same.
    steady = replace(bad, persistence_error_wh=1.0, excess_wh=0.0)
    assert replace(steady, error_wh=190.0).doubts() == ()
    assert [each.code for each in replace(steady, error_wh=210.0).doubts()] == ["UNSKILLED"]


def test_load_is_expected_as_it_was_a_day_ago_else_as_it_is() -> None:
    now = MIDNIGHT + timedelta(hours=12)
    readings = [
        Reading(now - timedelta(days=1) + QUARTER, 700.0),
        Reading(now, 300.0),
        Reading(now + QUARTER, 9_999.0),
    ]
    assert persistence_load(StepGrid(now, 15, 2), readings, issued_at=now) == (700.0, 300.0)
    assert persistence_load(StepGrid(now, 15, 1), [], issued_at=now) == (0.0,)
