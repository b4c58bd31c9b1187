"""Pictures of a run, as SVG: each site's days, the cars over the sun, the policies side by side."""
# matplotlib comes without complete types: this module is the only one to touch it.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from csms.commands.report.words import SUNMOOV_MEAN, SUNMOOV_SUMMER, sunmoov
from csms.readable.speech import Speech
from models.timeline import StepGrid
from scheduler.baselines import Figures
from simulators.scorecard import CarTruth, SiteTruth, Truth

SUN = "#e8a317"
DARK_SUN = "#8a5a00"
CARS = "#1f6fb2"
PLAN = "#7a3fa0"
BUILDING = "#6b6b6b"
LIMIT = "#b02a30"
TRIP = "#3c3c3c"
POLICY_COLOURS = {
    "plan": CARS,
    "uncontrolled": "#b02a30",
    "surplus": "#3a8f5c",
    "perfect_foresight": "#7a3fa0",
    "pv_maximum": SUN,
}
WIDTH = 10.0
"""Inches; pages scale it to their own width."""
CHARGES_FROM_KW = 0.05
"""Below this a box only idles."""


@dataclass(frozen=True, slots=True)
class SiteSeries:
    """What the service thought of a site, step by step; None where it said nothing."""

    forecast_w: Sequence[float | None]
    """The sun, as forecast up to an hour before."""
    planned_w: Sequence[float | None]
    """What the plan in force let the cars draw."""


def site_picture(
    truth: Truth, site: SiteTruth, series: SiteSeries, zone: ZoneInfo, speech: Speech
) -> str:
    """Returns one site's days: above sun and building, below the cars against plan and limit.

    Args:
        truth: of the run.
        site: which site.
        series: what the service thought.
        zone: of the place, for the hours shown.
        speech: of the language.
    """
    say = speech.say
    instants = _instants(truth.grid)
    figure = Figure(figsize=(WIDTH, 5.0), layout="constrained")
    sky, cars = figure.subplots(2, 1, sharex=True)
    sky.fill_between(instants, _kw(site.pv_power_w), step="post", color=SUN, alpha=0.4, lw=0)
    sky.step(
        instants, _kw(site.pv_power_w), where="post", color=SUN, lw=1.4, label=say("picture.sun")
    )
    sky.step(
        instants,
        _kw(series.forecast_w),
        where="post",
        color=DARK_SUN,
        lw=1.3,
        ls=(0, (2, 1.5)),
        label=say("picture.forecast"),
    )
    sky.step(
        instants,
        _kw(site.load_power_w),
        where="post",
        color=BUILDING,
        label=say("picture.building"),
    )
    left_kw = np.maximum(0.0, np.subtract(site.pv_power_w, site.load_power_w)) / 1000
    cars.fill_between(
        instants, left_kw, step="post", color=SUN, alpha=0.3, lw=0, label=say("picture.left")
    )
    cars.step(
        instants,
        _kw(site.charging_power_w),
        where="post",
        color=CARS,
        lw=1.6,
        label=say("picture.cars"),
    )
    cars.step(
        instants,
        _kw(series.planned_w),
        where="post",
        color=PLAN,
        lw=1.2,
        ls=(0, (3, 1.5)),
        label=say("picture.planned"),
    )
    _limit_line(cars, site.import_limit_w / 1000, speech)
    for axes, label in ((sky, say("picture.sky_kw")), (cars, say("picture.cars_kw"))):
        axes.set_ylabel(label, fontsize=9)
        axes.set_ylim(bottom=0)
        _time_axis(axes, truth.grid, zone, speech)
        _legend(axes)
    return _svg(figure, say("picture.site", name=site.name))


def timeline_picture(truth: Truth, zone: ZoneInfo, speech: Speech) -> str:
    """Returns the timeline of all cars: bookings, trips and charging, over the sun of all sites."""
    figure = Figure(figsize=(WIDTH, 1.3 + 0.22 * len(truth.cars)), layout="constrained")
    sky = figure.add_subplot()
    total_kw = np.sum([_kw(site.pv_power_w) for site in truth.sites], axis=0)
    sky.fill_between(_instants(truth.grid), total_kw, step="post", color=SUN, alpha=0.22, lw=0)
    sky.set_ylim(0, max(1.0, float(total_kw.max())) * 1.05)
    axes = sky.twinx()
    sky.yaxis.tick_right()
    sky.yaxis.set_label_position("right")
    sky.set_ylabel(speech.say("picture.all_sun"), fontsize=9)
    sky.tick_params(labelsize=8)
    axes.yaxis.tick_left()
    sun_share = _sun_shares(truth)
    for row, car in enumerate(truth.cars):
        _car_row(axes, truth, car, row, sun_share)
    axes.set_yticks(range(len(truth.cars)), [car.id for car in truth.cars], fontsize=8)
    axes.set_ylim(len(truth.cars) - 0.4, -0.6)
    _time_axis(axes, truth.grid, zone, speech)
    figure.legend(
        handles=[
            Patch(facecolor="none", edgecolor=TRIP, label=speech.say("picture.booked")),
            Patch(color=TRIP, label=speech.say("picture.trip")),
            Patch(color=SUN, label=speech.say("picture.by_sun")),
            Patch(color=CARS, label=speech.say("picture.by_grid")),
        ],
        loc="outside upper center",
        ncols=4,
        fontsize=8,
        frameon=False,
    )
    return _svg(figure, speech.say("picture.timeline"))


def policy_picture(
    policies: Mapping[str, Figures],
    names_shown: Mapping[str, str],
    currency: str,
    speech: Speech,
) -> str:
    """Returns the policies side by side: sun in cars, cost, highest import of a site."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    names, money = list(policies), speech.currency(currency)
    panels = figure.subplots(1, 3)
    for place, (axes, (field, title, factor, digits, unit)) in enumerate(
        zip(
            panels,
            (
                (
                    "pv_to_cars_utilisation",
                    speech.say("picture.share"),
                    100.0,
                    1,
                    " %",
                ),
                ("energy_cost", speech.say("picture.cost", currency=money), 1.0, 2, ""),
                ("peak_import_w", speech.say("picture.peak"), 1e-3, 1, " kW"),
            ),
            strict=True,
        )
    ):
        values = [float(getattr(policies[name], field) or 0.0) * factor for name in names]
        bars = axes.barh(
            [names_shown[name] for name in names],
            values,
            color=[POLICY_COLOURS[name] for name in names],
        )
        labels = [f"{speech.number(value, digits)}{unit}" for value in values]
        axes.bar_label(bars, labels, fontsize=8, padding=3)
        axes.set_title(title, fontsize=9)
        axes.invert_yaxis()
        axes.tick_params(labelsize=8.5, labelleft=place == 0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.25)
    _yardstick(panels[0], speech)
    return _svg(figure, speech.say("picture.policies"))


def _yardstick(axes: Axes, speech: Speech) -> None:
    """Marks what Sunmoov' published."""
    for share in (SUNMOOV_MEAN, SUNMOOV_SUMMER):
        axes.axvline(100 * share, color="black", lw=0.9, ls=(0, (3, 2)))
    axes.set_xlabel(
        speech.say("picture.yardstick", **sunmoov(speech)),
        fontsize=7.5,
    )


def _limit_line(axes: Axes, limit_kw: float, speech: Speech) -> None:
    """Draws the grid limit where it is near; else says where it would be."""
    limit = speech.measure(limit_kw, "kW")
    if limit_kw < 1.6 * axes.get_ylim()[1]:
        near = speech.say("picture.limit", limit=limit)
        axes.axhline(limit_kw, color=LIMIT, lw=1.2, label=near)
        return
    axes.annotate(
        speech.say("picture.limit_far", limit=limit),
        (1.0, 1.0),
        xycoords="axes fraction",
        xytext=(-4, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
        color=LIMIT,
    )


def _car_row(
    axes: Axes, truth: Truth, car: CarTruth, row: int, sun_share: Mapping[str, Sequence[float]]
) -> None:
    booked = [
        (dates.date2num(each.start), dates.date2num(each.end) - dates.date2num(each.start))
        for each in truth.bookings
        if each.vehicle_id == car.id and each.booking_id is not None
    ]
    axes.broken_barh(booked, (row - 0.42, 0.84), facecolors="none", edgecolors=TRIP, lw=0.7)
    trips = [
        (dates.date2num(trip.start), dates.date2num(trip.end) - dates.date2num(trip.start))
        for trip in car.trips
    ]
    axes.broken_barh(trips, (row - 0.3, 0.6), facecolors=TRIP, lw=0)
    step_days = truth.grid.step_minutes / 1440
    power_kw = np.asarray(car.energy_wh) / 1000 / (truth.grid.step_minutes / 60)
    steps = [int(step) for step in np.flatnonzero(power_kw > CHARGES_FROM_KW)]
    axes.broken_barh(
        [(dates.date2num(truth.grid.instant(step)), step_days) for step in steps],
        (row - 0.3, 0.6),
        facecolors=[_charging_colour(truth.grid, car, step, sun_share) for step in steps],
        alpha=[float(min(1.0, 0.35 + power_kw[step] / 5)) for step in steps] or None,
        lw=0,
    )


def _charging_colour(
    grid: StepGrid, car: CarTruth, step: int, sun_share: Mapping[str, Sequence[float]]
) -> str:
    start, end = grid.instant(step), grid.instant(step + 1)
    site_id = next(
        (plug.site_id for plug in car.plugs if plug.from_at < end and plug.to_at > start), None
    )
    return SUN if site_id is not None and sun_share[site_id][step] >= 0.5 else CARS


def _sun_shares(truth: Truth) -> dict[str, list[float]]:
    """By site and step, the share of the cars' power that the sun less the building covers."""
    return {
        site.id: [
            min(1.0, max(0.0, sun_w - load_w) / cars_w) if cars_w > 0 else 0.0
            for sun_w, load_w, cars_w in zip(
                site.pv_power_w, site.load_power_w, site.charging_power_w, strict=True
            )
        ]
        for site in truth.sites
    }


def _instants(grid: StepGrid) -> list[datetime]:
    return [grid.instant(step) for step in range(grid.steps)]


def _kw(series_w: Sequence[float | None]) -> list[float]:
    return [float("nan") if power_w is None else power_w / 1000 for power_w in series_w]


def _time_axis(axes: Axes, grid: StepGrid, zone: ZoneInfo, speech: Speech) -> None:
    axes.set_xlim(float(dates.date2num(grid.start)), float(dates.date2num(grid.end)))
    days = (grid.end - grid.start).total_seconds() / 86_400
    hours = (0, 6, 12, 18) if days <= 3 else (0,)
    day = speech.say("picture.day")
    axes.xaxis.set_major_locator(dates.HourLocator(byhour=hours, tz=zone))
    axes.xaxis.set_major_formatter(
        dates.DateFormatter(f"%H:%M\n{day}" if days <= 3 else day, tz=zone)
    )
    axes.tick_params(labelsize=8)
    axes.grid(axis="x", color="#00000018", lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(axes: Axes) -> None:
    """Puts the legend above the picture, where it hides nothing."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, fontsize=8, frameon=False, borderpad=0
    )


def _svg(figure: Figure, title: str) -> str:
    settings: dict[str, Any] = {"svg.hashsalt": "heliofleet", "svg.fonttype": "none"}
    with mpl.rc_context(settings), io.StringIO() as out:
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
        return out.getvalue()
