"""How good the service's forecasts of the sun were: against smart persistence that knew as much.

A forecast is judged by what could be known when it was issued. It is issued within a step, after a
meter has spoken, so that the step which has begun is half known: judging starts with the next one.
The forecast to beat is made of the same readings that the service had, also those of the last
minutes, and takes each as the mean of the time before it, as the service does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.timeline import StepGrid, parse_rfc3339
from scheduler.forecast import Reading
from scheduler.forecast.skill import Scored, skill_vs_persistence
from scheduler.forecast.sun import Location, Plant, persistence_pv
from simulators.scenario import Scenario, SiteSpec
from simulators.scorecard import Truth

SCORED_STEPS = 24
"""Forecasts are scored over their first six hours."""


def forecast_skill(
    truth: Truth,
    scenario: Scenario,
    forecasts: Sequence[Mapping[str, Any]],
    measured: Mapping[str, Sequence[Mapping[str, Any]]],
) -> float | None:
    """Returns 1 - MAE / MAE of persistence; None where there is nothing to judge.

    Args:
        truth: what the sun gave.
        scenario: where the roofs lie.
        forecasts: of sun, as `/forecasts/pv` shows them.
        measured: what the service had measured, by site, as `/sites/{id}/measurements` shows it.
    """
    specs = {spec.id: spec for spec in scenario.sites}
    came_w = {site.id: site.pv_power_w for site in truth.sites}
    readings = {
        site_id: [
            Reading(parse_rfc3339(each["measured_at"]), float(each["pv_power_w"]))
            for each in rows
            if each["pv_power_w"] is not None
        ]
        for site_id, rows in measured.items()
    }
    scored: list[Scored] = []
    for forecast in forecasts:
        site_id = forecast["site_id"]
        if site_id in specs and site_id in came_w:
            scored += _scored(
                truth.grid, specs[site_id], forecast, readings.get(site_id, ()), came_w[site_id]
            )
    skill = skill_vs_persistence(scored)
    return None if skill is None else round(skill, 4)


def _scored(
    world: StepGrid,
    spec: SiteSpec,
    forecast: Mapping[str, Any],
    readings: Sequence[Reading],
    came_w: Sequence[float],
) -> list[Scored]:
    issued_at, start = parse_rfc3339(forecast["issued_at"]), parse_rfc3339(forecast["start"])
    first = max(world.ceil(issued_at), world.floor(start))
    skipped = first - world.floor(start)
    median_w = forecast["q50_w"][skipped : skipped + SCORED_STEPS]
    steps = min(len(median_w), world.steps - first)
    if first < 0 or steps <= 0:
        return []
    persistence_w = persistence_pv(
        Location(spec.latitude, spec.longitude),
        [Plant(p.peak_power_w, p.tilt_deg, p.azimuth_deg) for p in spec.pv_plants],
        StepGrid(world.instant(first), world.step_minutes, steps),
        readings,
        issued_at=issued_at,
    )
    return [Scored(median_w[:steps], persistence_w, came_w[first : first + steps])]
