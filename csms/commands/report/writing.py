"""Puts a run's report into its folder: `report.json`, `report.html` and the pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from csms.commands.options import unwritable
from csms.commands.report.figures import Outcome, ServiceView, judge, write_json
from csms.commands.report.page import Picture, page
from csms.commands.report.pictures import (
    SiteSeries,
    policy_picture,
    site_picture,
    timeline_picture,
)
from csms.commands.report.words import policy_row, site_caption, speech_of
from models.timeline import StepGrid, parse_rfc3339
from scheduler.explaining.words import Language
from simulators.scenario import Scenario
from simulators.scorecard import SiteTruth, Truth


def make_directory(directory: Path) -> None:
    """Makes the folder of a report, and sees before a long run that it can be written to.

    Raises:
        BadInput: if there it can't be.
        FleetError: if the disk fails.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise unwritable("--out", directory, error) from None


def write_report(
    directory: Path,
    truth: Truth,
    scenario: Scenario,
    service: ServiceView,
    *,
    days: int,
    planner: str = "plan",
    plans: Sequence[dict[str, Any]] = (),
    language: Language = "en",
) -> Outcome:
    """Judges a run and writes everything but the timings.

    Args:
        directory: an existing folder.
        truth: what happened.
        scenario: what was played.
        service: what the service knows.
        days: length of the run.
        planner: who planned.
        plans: the plans that were in force, for the pictures.
        language: of the page and the pictures.
    """
    speech = speech_of(language)
    outcome = judge(truth, scenario, service, days=days, planner=planner)
    (directory / "report.json").write_bytes(write_json(outcome.report))
    names = {name: policy_row(outcome.report, name, speech)[0] for name in outcome.policies}
    zone = ZoneInfo(scenario.timezone)
    hours = truth.grid.step_minutes / 60
    pictures = [
        Picture(
            speech.say("heading.policies"),
            "",
            policy_picture(outcome.policies, names, truth.currency, speech),
        ),
        Picture(
            speech.say("heading.cars"),
            speech.say("caption.cars"),
            timeline_picture(truth, zone, speech),
        ),
    ]
    for site in truth.sites:
        series = SiteSeries(
            forecast_w=_forecast_w(truth.grid, site, service),
            planned_w=_planned_w(truth.grid, site, plans),
        )
        svg = site_picture(truth, site, series, zone, speech)
        pictures.append(Picture(site.name, site_caption(site, hours, speech), svg))
    for number, picture in enumerate(pictures):
        (directory / f"picture-{number:02}.svg").write_text(picture.svg, encoding="utf-8")
    shown = page(outcome.report, pictures, zone, service.why, speech)
    (directory / "report.html").write_text(shown, encoding="utf-8")
    return outcome


def _forecast_w(grid: StepGrid, site: SiteTruth, service: ServiceView) -> list[float | None]:
    """What was forecast for each step at the beginning of its hour."""
    series: list[float | None] = [None] * grid.steps
    issued = [each for each in service.forecasts if each["site_id"] == site.id]
    for forecast in sorted(issued, key=lambda each: parse_rfc3339(each["issued_at"])):
        first = grid.floor(parse_rfc3339(forecast["start"]))
        for step, power_w in enumerate(forecast["q50_w"], start=first):
            if 0 <= step < grid.steps:
                series[step] = power_w
    return series


def _planned_w(
    grid: StepGrid, site: SiteTruth, plans: Sequence[dict[str, Any]]
) -> list[float | None]:
    """What the newest plan at each step let the cars of a site draw."""
    series: list[float | None] = [None] * grid.steps
    for plan in sorted(plans, key=lambda each: parse_rfc3339(each["created_at"])):
        start = parse_rfc3339(plan["start"])
        first = grid.floor(start)
        for step in range(max(0, first), min(grid.steps, first + plan["steps"])):
            series[step] = 0.0
        evses = {stay["evse"] for stay in plan["stays"] if stay["site"] == site.id}
        for entry in plan["charging"]:
            if entry["evse"] not in evses:
                continue
            for step in range(first + entry["from_step"], first + entry["to_step"]):
                if 0 <= step < grid.steps:
                    series[step] = (series[step] or 0.0) + entry["power_w"]
    return series
