"""`report.json`: what a run came to, policy by policy, on the same days.

Everything is computed from the world's own truth; from the service come only the forecasts that it
issued and the limits that it noticed to be broken. What each figure means is in
`docs/reference/report.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from csms.commands.report.forecasts import forecast_skill
from models.timeline import format_rfc3339
from scheduler.baselines import (
    CarRecord,
    Figures,
    PlugRecord,
    Record,
    SiteRecord,
    TripRecord,
    compare,
)
from simulators.scenario import Scenario
from simulators.scorecard import SiteTruth, Truth


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What only the service knows of a run."""

    forecasts: Sequence[dict[str, Any]]
    """Forecasts of sun, as `/forecasts/pv` shows them."""
    limits: Sequence[dict[str, Any]]
    """As `/limits` shows them."""
    measured: Mapping[str, Sequence[dict[str, Any]]]
    """What meters told, by site, as `/sites/{id}/measurements` shows it."""
    why: Mapping[str, Any] | None = None
    """Why one of the plans was so, as `/plans/{plan_id}/explanation` shows it."""
    planned: Mapping[str, int] | None = None
    """How many plans each level of the chain has made; None: not known outside of its process."""
    violations: int = 0
    """What the referee has found in them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run, judged."""

    report: dict[str, Any]
    policies: Mapping[str, Figures]
    record: Record


def record_of(truth: Truth) -> Record:
    """Returns the truth of a run as the record that policies are judged on."""
    return Record(
        start=truth.grid.start,
        step_minutes=truth.grid.step_minutes,
        steps=truth.grid.steps,
        sites=tuple(
            SiteRecord(
                id=site.id,
                pv_power_w=site.pv_power_w,
                load_power_w=_with_battery(site),
                import_price_per_kwh=site.import_price_per_kwh,
                export_price_per_kwh=site.export_price_per_kwh,
                import_limit_w=site.import_limit_w,
                export_limit_w=site.export_limit_w,
                co2_g_per_kwh=site.import_co2_g_per_kwh,
            )
            for site in truth.sites
        ),
        cars=tuple(
            CarRecord(
                id=car.id,
                capacity_wh=car.capacity_wh,
                min_soc_wh=car.min_soc_wh,
                max_soc_wh=car.max_soc_wh,
                soc_start_wh=car.soc_start_wh,
                charge_efficiency=car.charge_efficiency,
                plugs=tuple(
                    PlugRecord(
                        site_id=plug.site_id,
                        evse_id=plug.evse_id,
                        from_at=plug.from_at,
                        to_at=plug.to_at,
                        max_power_w=plug.max_power_w,
                        min_power_w=plug.min_power_w,
                    )
                    for plug in car.plugs
                ),
                trips=tuple(
                    TripRecord(
                        booking_id=trip.booking_id,
                        start=trip.start,
                        end=trip.end,
                        energy_wh=trip.energy_wh,
                        priority=trip.priority,
                    )
                    for trip in car.trips
                ),
            )
            for car in truth.cars
        ),
        soc_value_per_kwh=truth.soc_value_per_kwh,
    )


def _with_battery(site: SiteTruth) -> tuple[float, ...]:
    if site.battery is None:
        return site.load_power_w
    both = zip(site.load_power_w, site.battery.power_w, strict=True)
    return tuple(load_w + battery_w for load_w, battery_w in both)


def judge(
    truth: Truth, scenario: Scenario, service: ServiceView, *, days: int, planner: str
) -> Outcome:
    """Returns the report of a run, with the runs of all policies behind it."""
    record = record_of(truth)
    energy_wh = {car.id: car.energy_wh for car in truth.cars}
    outcomes = truth.outcomes()
    policies = compare(record, energy_wh, bookings_missed=outcomes["missed"])
    shown = {name: _figures(figures) for name, figures in policies.items()}
    report: dict[str, Any] = {
        "scenario": truth.scenario,
        "seed": truth.seed,
        "days": days,
        "start": format_rfc3339(truth.grid.start),
        "planner": planner,
        "faults": list(truth.faults),
        "quirks": {name: list(quirks) for name, quirks in truth.quirks.items()},
        "currency": truth.currency,
        "bookings": {
            "requested": len({booking.wish_id for booking in truth.bookings}),
            "accepted": sum(outcomes[kind] for kind in ("served", "missed", "cancelled", "open")),
            **{
                kind: outcomes[kind]
                for kind in ("refused", "served", "missed", "cancelled", "open")
            },
            "avoidable_misses": sum(
                1 for b in truth.bookings if b.outcome == "missed" and b.could_have
            ),
        },
        "misses": _misses(truth),
        "moves": _moves(truth),
        "messages": dict(sorted(truth.messages.items())),
        "limits": _limits(truth, service),
        "circuits": _circuits(truth),
        "forecast": {
            "skill_vs_persistence": forecast_skill(
                truth, scenario, service.forecasts, service.measured
            )
        },
        "policies": shown,
        "complaints": list(truth.complaints),
    }
    if service.planned is not None:
        report["plans"] = {
            "made": sum(service.planned.values()),
            "by_level": dict(service.planned),
            "violations": service.violations,
        }
    return Outcome(report, policies, record)


def _misses(truth: Truth) -> list[dict[str, Any]]:
    """Returns each missed booking, with the quirks of the stations at which its car had hung."""
    cars = {car.id: car for car in truth.cars}
    misses: list[dict[str, Any]] = []
    for booking in truth.bookings:
        if booking.outcome != "missed":
            continue
        car = cars.get(booking.vehicle_id or "")
        hung_at = {
            plug.evse_id.rpartition("/")[0]
            for plug in (car.plugs if car else ())
            if plug.from_at < booking.start
        }
        misses.append(
            {
                "booking_id": booking.booking_id,
                "start": format_rfc3339(booking.start),
                "vehicle_id": booking.vehicle_id,
                "reason": booking.reason,
                "quirks": {
                    name: list(truth.quirks[name])
                    for name in sorted(hung_at)
                    if name in truth.quirks
                },
            }
        )
    return misses


def _moves(truth: Truth) -> dict[str, float]:
    """What staff was asked to do, and what that cost."""
    made = sum(each.outcome == "made" for each in truth.moves)
    return {
        "made": made,
        "refused": len(truth.moves) - made,
        "cost": round(sum(each.price for each in truth.moves), 6),
    }


def _figures(figures: Figures) -> dict[str, Any]:
    shown = {
        name: getattr(figures, name)
        for name in (
            "pv_to_cars_utilisation",
            "pv_utilisation",
            "energy_cost",
            "co2_g",
            "peak_import_w",
            "energy_to_cars_wh",
            "bookings_missed",
        )
    }
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in shown.items()
    }


def _limits(truth: Truth, service: ServiceView) -> dict[str, int]:
    sent = [each for each in service.limits if each["state"] != "queued"]
    return {
        "sent": len(sent),
        "accepted": sum(1 for each in truth.limits if each.status == "accepted"),
        "rejected": sum(1 for each in truth.limits if each.status == "rejected"),
        "disobeyed": sum(1 for each in truth.limits if each.disobeyed_at is not None),
        "disobeyed_noticed": sum(1 for each in service.limits if each["state"] == "disobeyed"),
    }


def _circuits(truth: Truth) -> dict[str, float]:
    """What the fuses had to bear; limits travel, so that only what outlasts that is a mistake."""
    return {
        "over_limit_minutes": round(sum(each.over_limit_s for each in truth.circuits) / 60, 2),
        "over_limit_beyond_reaction_minutes": round(
            sum(each.beyond_reaction_s for each in truth.circuits) / 60, 2
        ),
        "highest_load_share": round(
            max((each.peak_w / max(1.0, each.limit_w) for each in truth.circuits), default=0.0), 4
        ),
    }


def write_json(document: Any) -> bytes:
    """Returns a document as indented JSON, the same bytes for the same content."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
