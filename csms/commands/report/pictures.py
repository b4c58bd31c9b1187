"""Pictures of a run, as SVG: each site's day, the cars over the sun, the policies side by side."""
# matplotlib comes without complete types: this module is the only one to touch it.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scheduler.baselines import Figures
from simulators.scorecard import SiteTruth, Truth

SUN = "#e8a317"
CARS = "#1f6fb2"
PLAN = "#7a3fa0"
BUILDING = "#8a8a8a"
LIMIT = "#b02a30"
POLICY_COLOURS = {
    "plan": CARS,
    "uncontrolled": "#b02a30",
    "surplus": "#3a8f5c",
    "perfect_foresight": "#7a3fa0",
    "pv_maximum": SUN,
}


def site_picture(
    truth: Truth,
    site: SiteTruth,
    *,
    forecast_w: Sequence[float | None],
    planned_w: Sequence[float | None],
) -> str:
    """Returns one site's days: sun as forecast and as it was, building, cars, plan and limit.

    Args:
        truth: of the run.
        site: which site.
        forecast_w: what was forecast for each step, six hours before or at the start, in W.
        planned_w: what the plan in force at each step let the cars draw, in W.
    """
    instants = _instants(truth)
    figure = _figure(10, 3.4)
    axes = figure.add_subplot()
    axes.fill_between(instants, _kw(site.pv_power_w), step="post", color=SUN, alpha=0.35, lw=0)
    axes.step(instants, _kw(site.pv_power_w), where="post", color=SUN, label="sun, as it was")
    axes.step(instants, _kw(forecast_w), where="post", color=SUN, ls=":", label="sun, forecast")
    axes.step(instants, _kw(site.load_power_w), where="post", color=BUILDING, label="building")
    axes.step(instants, _kw(site.charging_power_w), where="post", color=CARS, label="cars")
    axes.step(instants, _kw(planned_w), where="post", color=PLAN, ls="--", label="cars, planned")
    highest_kw = max(1.0, *_kw(site.pv_power_w), *_kw(site.charging_power_w))
    if site.import_limit_w / 1000 < 1.5 * highest_kw:
        axes.axhline(site.import_limit_w / 1000, color=LIMIT, lw=1, label="grid limit")
    axes.set_ylabel("kW")
    _time_axis(axes, truth)
    axes.legend(loc="upper left", ncols=3, fontsize=8, frameon=False)
    return _svg(figure, f"{site.name}: sun, building and cars")


def timeline_picture(truth: Truth) -> str:
    """Returns the timeline of all cars: trips and charging, over the sun of all sites."""
    instants = _instants(truth)
    figure = _figure(10, 0.9 + 0.22 * len(truth.cars))
    sky = figure.add_subplot()
    total_kw = np.sum([_kw(site.pv_power_w) for site in truth.sites], axis=0)
    sky.fill_between(instants, total_kw, step="post", color=SUN, alpha=0.25, lw=0)
    sky.set_ylim(0, max(1.0, float(total_kw.max())) * 1.05)
    sky.set_ylabel("sun, all sites, kW")
    sky.yaxis.tick_right()
    sky.yaxis.set_label_position("right")
    axes = sky.twinx()
    axes.yaxis.tick_left()
    for row, car in enumerate(truth.cars):
        power_kw = np.asarray(car.energy_wh) / 1000 / (truth.grid.step_minutes / 60)
        for step in np.flatnonzero(power_kw > 0.05):
            start = dates.date2num(truth.grid.instant(int(step)))
            width = truth.grid.step_minutes / 1440
            strength = min(1.0, 0.25 + power_kw[step] / 4)
            axes.broken_barh([(start, width)], (row - 0.35, 0.7), color=CARS, alpha=strength)
        for trip in car.trips:
            start, end = dates.date2num(trip.start), dates.date2num(trip.end)
            axes.broken_barh([(start, end - start)], (row - 0.35, 0.7), color="#444444")
    axes.set_yticks(range(len(truth.cars)), [car.id for car in truth.cars], fontsize=7)
    axes.set_ylim(len(truth.cars), -1)
    _time_axis(axes, truth)
    return _svg(figure, "Cars: trips (dark) and charging (blue) over the sun")


def policy_picture(policies: Mapping[str, Figures]) -> str:
    """Returns the policies side by side: sun used by cars, cost, peak."""
    figure = _figure(10, 3.0)
    names = list(policies)
    for place, (field, title, factor) in enumerate(
        (
            ("pv_to_cars_utilisation", "share of the sun's surplus in cars", 1.0),
            ("energy_cost", "energy cost", 1.0),
            ("peak_import_w", "highest import of a site, kW", 1e-3),
        ),
        start=1,
    ):
        axes = figure.add_subplot(1, 3, place)
        values = [float(getattr(policies[name], field) or 0.0) * factor for name in names]
        bars = axes.barh(names, values, color=[POLICY_COLOURS[name] for name in names])
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
        axes.set_title(title, fontsize=9)
        axes.invert_yaxis()
        axes.tick_params(labelsize=8, labelleft=place == 1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.18)
    return _svg(figure, "Policies on the same days")


def _instants(truth: Truth) -> list[datetime]:
    return [truth.grid.instant(step) for step in range(truth.grid.steps)]


def _kw(series_w: Sequence[float | None]) -> list[float]:
    return [float("nan") if power_w is None else power_w / 1000 for power_w in series_w]


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def _time_axis(axes: Axes, truth: Truth) -> None:
    axes.set_xlim(float(dates.date2num(truth.grid.start)), float(dates.date2num(truth.grid.end)))
    axes.xaxis.set_major_locator(dates.HourLocator(byhour=(0, 6, 12, 18)))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M\n%d %b"))
    axes.tick_params(labelsize=8)
    axes.spines[["top"]].set_visible(False)


def _svg(figure: Figure, title: str) -> str:
    settings: dict[str, Any] = {"svg.hashsalt": "heliofleet", "svg.fonttype": "none"}
    with mpl.rc_context(settings), io.StringIO() as out:
        figure.savefig(out, format="svg", metadata={"Date": None, "Title": title})
        return out.getvalue()
