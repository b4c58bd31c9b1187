"""A small world's truth, for reports: one site, one car, a morning's trip and a day of sun."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from models.timeline import StepGrid, format_rfc3339
from simulators.scenario import Scenario, load_scenario
from simulators.scorecard import BookingTruth, CarTruth, PlugTruth, SiteTruth, TripTruth, Truth

SCENARIO: Scenario = load_scenario("confluence")
SPEC = SCENARIO.sites[0]
WORLD = StepGrid(SCENARIO.start, 15, 96)
NOTHING = (0.0,) * WORLD.steps


def at(hours: float) -> Any:
    """Returns the instant so long after the world's start."""
    return WORLD.start + timedelta(hours=hours)


def site_truth(
    pv_power_w: Sequence[float],
    *,
    load_power_w: Sequence[float] = NOTHING,
    charging_power_w: Sequence[float] = NOTHING,
    name: str = SPEC.name,
    import_limit_w: float = 36_000.0,
) -> SiteTruth:
    """Returns what happened at the scenario's first site."""
    return SiteTruth(
        id=SPEC.id,
        name=name,
        pv_power_w=tuple(pv_power_w),
        load_power_w=tuple(load_power_w),
        charging_power_w=tuple(charging_power_w),
        import_price_per_kwh=(0.2,) * WORLD.steps,
        export_price_per_kwh=(0.05,) * WORLD.steps,
        import_co2_g_per_kwh=(50.0,) * WORLD.steps,
        import_limit_w=import_limit_w,
        export_limit_w=import_limit_w,
    )


def truth_of(site: SiteTruth, **more: Any) -> Truth:
    """Returns a truth with this site, and nothing else but what is given."""
    fields: dict[str, Any] = {
        "scenario": "confluence",
        "seed": 1,
        "faults": (),
        "quirks": {},
        "currency": "EUR",
        "soc_value_per_kwh": 0.1,
        "grid": WORLD,
        "sites": (site,),
        "cars": (),
        "bookings": (),
        "limits": (),
        "outages": (),
        "circuits": (),
    }
    return Truth(**(fields | more))


def car_truth(name: str, energy_wh: Sequence[float]) -> CarTruth:
    """Returns a car that hangs at the site but for a trip from 8 to 10 hours after the start."""
    plug: dict[str, Any] = {
        "site_id": SPEC.id,
        "evse_id": "NAU-1/1",
        "current_type": "AC",
        "max_power_w": 3_700.0,
        "min_power_w": 1_380.0,
    }
    return CarTruth(
        id=name,
        vehicle_class="city",
        capacity_wh=16_000.0,
        min_soc_wh=1_600.0,
        max_soc_wh=16_000.0,
        soc_start_wh=8_000.0,
        soc_end_wh=9_000.0,
        charge_efficiency=0.9,
        max_ac_power_w=3_700.0,
        max_dc_power_w=0.0,
        plugs=(
            PlugTruth(from_at=at(0), to_at=at(8), **plug),
            PlugTruth(from_at=at(10), to_at=at(24), **plug),
        ),
        trips=(TripTruth("b-1", at(8), at(10), 20.0, 2_800.0),),
        energy_wh=tuple(energy_wh),
    )


def booking_truth(booking_id: str | None, outcome: Any, vehicle_id: str | None) -> BookingTruth:
    """Returns a request for the trip of `car_truth`, and what became of it."""
    return BookingTruth(
        booking_id=booking_id,
        wish_id=f"wish-{booking_id}",
        driver_id="driver-001",
        asked_at=at(1),
        start=at(8),
        end=at(10.5),
        pickup_site_id=SPEC.id,
        dropoff_site_id=SPEC.id,
        distance_km=20.0,
        alternative=False,
        outcome=outcome,
        vehicle_id=vehicle_id,
        reason="",
    )


def forecast(issued_hours: float, q50_w: Sequence[float], **more: Any) -> dict[str, Any]:
    """Returns a forecast of the site's sun as the service shows it, from its issue on."""
    instant = format_rfc3339(at(issued_hours))
    return {"site_id": SPEC.id, "issued_at": instant, "start": instant, "q50_w": q50_w} | more
