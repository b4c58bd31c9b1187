"""The skill of forecasts is judged against one that knew as much, and on what was not known yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from csms.commands.report.forecasts import SCORED_STEPS, forecast_skill
from models.timeline import StepGrid, format_rfc3339
from scheduler.forecast import Reading
from scheduler.forecast.sun import Location, Plant, clear_sky_power_w, persistence_pv
from tests.builders.truths import SCENARIO, SPEC, WORLD, site_truth, truth_of

PLACE = Location(SPEC.latitude, SPEC.longitude)
ROOFS = [Plant(p.peak_power_w, p.tilt_deg, p.azimuth_deg) for p in SPEC.pv_plants]
QUARTER = timedelta(minutes=15)
AT_SEVEN = 28
"""The step that begins seven hours after the start: a morning, when the sun climbs."""


def sky(clearness: np.ndarray | float) -> list[float]:
    """What the roofs give in each step."""
    middles = [WORLD.instant(step) + QUARTER / 2 for step in range(WORLD.steps)]
    return (clear_sky_power_w(PLACE, ROOFS, middles) * clearness).tolist()


def meter(pv_power_w: list[float]) -> list[dict[str, Any]]:
    """What a meter tells at the end of each step: the mean of it."""
    return [
        {"measured_at": format_rfc3339(WORLD.instant(step + 1)), "pv_power_w": power_w}
        for step, power_w in enumerate(pv_power_w)
    ]


def issued(step: int, late: timedelta, q50_w: list[float]) -> dict[str, Any]:
    return {
        "site_id": SPEC.id,
        "issued_at": format_rfc3339(WORLD.instant(step) + late),
        "start": format_rfc3339(WORLD.instant(step)),
        "q50_w": q50_w,
    }


def skill(came_w: list[float], told: list[dict[str, Any]], *forecasts: dict[str, Any]) -> Any:
    return forecast_skill(truth_of(site_truth(came_w)), SCENARIO, forecasts, {SPEC.id: told})


def persistence(told: list[dict[str, Any]], step: int, late: timedelta, steps: int) -> list[float]:
    readings = [Reading(WORLD.instant(n + 1), row["pv_power_w"]) for n, row in enumerate(told)]
    grid = StepGrid(WORLD.instant(step), 15, steps)
    at = WORLD.instant(step) + late
    return list(persistence_pv(PLACE, ROOFS, grid, readings, issued_at=at))


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=2), timedelta(minutes=1)])
def test_persistence_itself_has_no_skill(late: timedelta) -> None:
    came_w = sky(np.linspace(0.9, 0.5, WORLD.steps))
    told = meter(came_w)
    q50_w = persistence(told, AT_SEVEN, late, 48)
    assert skill(came_w, told, issued(AT_SEVEN, late, q50_w)) == 0.0


def test_a_morning_as_clear_as_the_last_hour_leaves_nothing_to_be_better_at() -> None:
    """Readings are stamped at the end of their step; judged there, the climbing sun is a cloud."""
    came_w = sky(0.8)
    told = meter(came_w)
    ours = issued(AT_SEVEN, timedelta(0), [1.1 * power_w for power_w in came_w[AT_SEVEN:]])
    assert persistence(told, AT_SEVEN, timedelta(0), 24) == pytest.approx(came_w[AT_SEVEN:][:24])
    assert skill(came_w, told, ours) is None


def test_what_a_meter_told_within_the_step_is_known_to_the_forecast_to_beat_too() -> None:
    """A cloud comes at seven; a meter tells of it five minutes later, then we forecast."""
    came_w = sky(np.where(np.arange(WORLD.steps) < AT_SEVEN, 1.0, 0.3))
    late = timedelta(minutes=6)
    told = meter(came_w)[:AT_SEVEN]
    for minute in (1, 2, 3, 4, 5):
        at = WORLD.instant(AT_SEVEN) + timedelta(minutes=minute)
        clear_w = float(clear_sky_power_w(PLACE, ROOFS, [at - timedelta(seconds=30)])[0])
        told.append({"measured_at": format_rfc3339(at), "pv_power_w": 0.3 * clear_w})
    ours = issued(AT_SEVEN, late, came_w[AT_SEVEN : AT_SEVEN + 24])
    half = ours | {"q50_w": [1.5 * power_w for power_w in ours["q50_w"]]}
    known, unknown = skill(came_w, told, half), skill(came_w, told[:AT_SEVEN], half)
    assert known < unknown


def test_a_step_that_has_begun_is_not_judged() -> None:
    came_w = sky(np.linspace(0.9, 0.5, WORLD.steps))
    told = meter(came_w)
    q50_w = came_w[AT_SEVEN : AT_SEVEN + 25]
    wrong_now = [q50_w[0] + 5_000.0, *q50_w[1:]]
    assert skill(came_w, told, issued(AT_SEVEN, timedelta(minutes=1), wrong_now)) == 1.0
    assert skill(came_w, told, issued(AT_SEVEN, timedelta(0), wrong_now)) < 1.0


def test_six_hours_are_judged_and_no_more() -> None:
    came_w = sky(np.linspace(0.9, 0.5, WORLD.steps))
    told = meter(came_w)
    wrong_later = [
        power_w + (500.0 if step >= SCORED_STEPS else 0.0)
        for step, power_w in enumerate(came_w[AT_SEVEN : AT_SEVEN + 48])
    ]
    assert skill(came_w, told, issued(AT_SEVEN, timedelta(0), wrong_later)) == 1.0


def test_where_there_is_nothing_to_judge_there_is_no_figure() -> None:
    came_w = sky(1.0)
    assert skill(came_w, []) is None
    foreign = issued(AT_SEVEN, timedelta(0), came_w) | {"site_id": "elsewhere"}
    assert skill(came_w, [], foreign) is None
    after_the_end = issued(WORLD.steps - 1, timedelta(minutes=5), [1.0])
    assert skill(came_w, [], after_the_end) is None
    blind = [row | {"pv_power_w": None} for row in meter(came_w)]
    perfect = issued(AT_SEVEN, timedelta(0), came_w[AT_SEVEN : AT_SEVEN + 24])
    assert skill([0.9 * power_w for power_w in came_w], blind, perfect) == pytest.approx(
        0.0, abs=0.02
    )


def test_the_world_may_end_within_a_forecast() -> None:
    came_w = sky(np.linspace(0.9, 0.5, WORLD.steps))
    short = replace(truth_of(site_truth(came_w)), grid=replace(WORLD, steps=40))
    told = {SPEC.id: meter(came_w)}
    forecast = issued(AT_SEVEN, timedelta(0), came_w[AT_SEVEN:])
    assert forecast_skill(short, SCENARIO, [forecast], told) == 1.0
