"""`comparison.json`: what the same days come to as a town is today, and with changes.

Beside all of `report.json` it holds what an owner of the buildings sees: energy bought and sold,
heat, batteries, the whole bill. Everything is computed from the truth of both worlds, in steps of
15 minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt

from csms.commands.report.figures import judge
from csms.commands.virtual_days import Played
from csms.readable.comparisons.facts import assumptions, taken, what_changes
from csms.readable.comparisons.words import headline, sentence, speech_of
from models.timeline import format_rfc3339
from simulators.changes import Changes
from simulators.scenario import Scenario
from simulators.scorecard import STEP_MINUTES, SiteTruth, Truth

_KWH = STEP_MINUTES / 60 / 1000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    scenario: Scenario
    planner: str
    played: Played


def compare_sides(changes: Changes, today: Side, other: Side, *, days: int) -> dict[str, Any]:
    """Returns the comparison of two runs of the same days.

    Args:
        changes: what makes the difference.
        today: as it is.
        other: as it would be.
        days: length of both.
    """
    truth = today.played.truth
    past = today.scenario.history
    told = {
        "what_changes": what_changes(today.scenario, changes),
        "taken": [] if past is None else taken(past),
        "assumptions": assumptions(today.scenario, other.scenario, seed=truth.seed, days=days),
    }
    in_english = {
        name: [sentence(each, speech_of("en")) for each in said] for name, said in told.items()
    }
    both = {"today": _told(today, days), "changed": _told(other, days)}
    comparison: dict[str, Any] = {
        "scenario": truth.scenario,
        "title": changes.title,
        "seed": truth.seed,
        "days": days,
        "start": format_rfc3339(truth.grid.start),
        "timezone": today.scenario.timezone,
        "currency": truth.currency,
        "changes": msgspec.to_builtins(changes),
        "what_changes": in_english["what_changes"],
        **both,
        "difference": _difference(both["today"], both["changed"]),
    }
    if past is not None:
        comparison["history"] = {
            "counts": past.counts,
            "taken": list(past.taken),
            "assumed": list(past.assumed),
        }
    comparison["headline"] = headline(comparison, speech_of("en"))
    comparison["assumptions"] = in_english["assumptions"]
    comparison["told"] = msgspec.to_builtins(told)
    return comparison


def _told(side: Side, days: int) -> dict[str, Any]:
    played = side.played
    outcome = judge(played.truth, side.scenario, played.service, days=days, planner=side.planner)
    return {
        "planner": side.planner,
        "figures": figures_of(played.truth),
        "sites": {site.id: _rounded(_site_figures(site)) for site in played.truth.sites},
        "report": outcome.report,
    }


def figures_of(truth: Truth) -> dict[str, Any]:
    """Returns what a run came to, all sites together; energies in kWh."""
    sites = [_site_figures(site) for site in truth.sites]
    whole = {name: sum(site[name] for site in sites) for name in sites[0]}
    whole["peak_import_kw"] = max(site["peak_import_kw"] for site in sites)
    cars_kwh = sum(car.soc_end_wh - car.soc_start_wh for car in truth.cars) / 1000
    whole["stored_kwh"] += cars_kwh
    whole["stored_value"] = whole["stored_kwh"] * truth.soc_value_per_kwh
    whole["moves_cost"] = sum(each.price for each in truth.moves)
    whole["cost"] = (
        whole["bought_cost"]
        + whole["fuel_cost"]
        + whole["moves_cost"]
        - whole["sold_revenue"]
        - whole["stored_value"]
    )
    outcomes = truth.outcomes()
    sun_kwh = whole["sun_kwh"]
    used_kwh = sum(whole[f"sun_to_{name}_kwh"] for name in ("buildings", "cars", "batteries"))
    return {
        **_rounded(whole),
        "sun_used_share": round(used_kwh / sun_kwh, 6) if sun_kwh > 0 else None,
        "cars_moved": sum(each.outcome == "made" for each in truth.moves),
        "wishes": len({booking.wish_id for booking in truth.bookings}),
        "bookings_served": outcomes["served"],
        "bookings_missed": outcomes["missed"],
        "wishes_refused": outcomes["refused"],
    }


def _site_figures(site: SiteTruth) -> dict[str, float]:
    pv_w, load_w, cars_w = (
        np.array(series) for series in (site.pv_power_w, site.load_power_w, site.charging_power_w)
    )
    battery_w = np.zeros(len(pv_w)) if site.battery is None else np.array(site.battery.power_w)
    stored_wh = 0.0 if site.battery is None else site.battery.stored_wh
    net_w = load_w + cars_w + battery_w - pv_w
    bought_w = np.maximum(0.0, net_w)
    sold_w = np.clip(-net_w, 0.0, site.export_limit_w)
    to_building_w = np.minimum(pv_w, load_w)
    # Cars that give back take no sun.
    to_cars_w = np.clip(cars_w, 0.0, pv_w - to_building_w)
    to_battery_w = np.clip(battery_w, 0.0, pv_w - to_building_w - to_cars_w)
    return {
        "sun_kwh": _kwh(pv_w),
        "sun_to_buildings_kwh": _kwh(to_building_w),
        "sun_to_cars_kwh": _kwh(to_cars_w),
        "sun_to_batteries_kwh": _kwh(to_battery_w),
        "from_batteries_kwh": _kwh(np.maximum(0.0, -battery_w)),
        "buildings_kwh": _kwh(load_w),
        "cars_kwh": _kwh(cars_w),
        "bought_kwh": _kwh(bought_w),
        "bought_cost": _kwh(bought_w * np.array(site.import_price_per_kwh)),
        "sold_kwh": _kwh(sold_w),
        "sold_revenue": _kwh(sold_w * np.array(site.export_price_per_kwh)),
        "peak_import_kw": float(bought_w.max(initial=0.0)) / 1000,
        "stored_kwh": stored_wh / 1000,
        **_heat_figures(site, _kwh(bought_w * np.array(site.import_co2_g_per_kwh)) / 1000),
    }


def _heat_figures(site: SiteTruth, electric_co2_kg: float) -> dict[str, float]:
    heat = site.heat
    fuel_kwh = 0.0 if heat is None else _kwh(np.array(heat.fuel_w))
    return {
        "heat_kwh": 0.0 if heat is None else _kwh(np.array(heat.heat_w)),
        "heat_pump_kwh": 0.0 if heat is None else _kwh(np.array(heat.electric_w)),
        "fuel_kwh": fuel_kwh,
        "fuel_cost": 0.0 if heat is None else fuel_kwh * heat.fuel_price_per_kwh,
        "co2_kg": electric_co2_kg
        + (0.0 if heat is None else fuel_kwh * heat.fuel_co2_g_per_kwh / 1000),
    }


def _kwh(power_w: Floats) -> float:
    return float(power_w.sum()) * _KWH


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in figures.items()}


def _difference(today: Any, other: Any) -> Any:
    """Returns other less today, for every number that both have; None where there is none."""
    if isinstance(today, Mapping) and isinstance(other, Mapping):
        pair = cast("tuple[Mapping[str, Any], Mapping[str, Any]]", (today, other))
        names = [name for name in pair[0] if name in pair[1]]
        inner = {name: _difference(pair[0][name], pair[1][name]) for name in names}
        return {name: value for name, value in inner.items() if value is not None} or None
    if isinstance(today, int | float) and isinstance(other, int | float):
        return round(other - today, 6)
    return None
