"""Founding the town in a service: sites, stations, cars, drivers and prices over REST.

What is there already is changed to what the scenario says, so that a scenario can be played twice
against one service.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from models.quirks import SETTINGS
from models.timeline import format_rfc3339
from simulators.chance import stream
from simulators.people import driver_ids
from simulators.replayed import prices_at
from simulators.scenario import BatterySpec, SiteSpec, StationKind, StationSpec
from simulators.scorecard import STEP_MINUTES
from simulators.service import Service, decimals
from simulators.shifts import StaffSpec
from simulators.world import World

PRICE_HORIZON = timedelta(days=3)
_PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # noqa: S105
PASSWORD_LENGTH = 24


async def found(world: World, service: Service) -> dict[str, str | None]:
    """Sets the service up for the world and returns the stations' passwords.

    Raises:
        SetupFailed: if the service refuses any of it.
    """
    scenario = world.scenario
    passwords: dict[str, str | None] = {}
    for site in scenario.sites:
        await service.create("/sites", _site(site, scenario.timezone), known_as=site.id)
        for station in site.stations:
            body = _station(site, station, scenario.kind(station.kind), world.seed)
            quirks = world.stations[station.identity].quirks
            body["quirks"] = sorted(quirks.intersection(SETTINGS))
            passwords[station.identity] = await service.create_station(body)
    for model in scenario.models:
        body = {
            "id": model.id,
            "name": model.name,
            "vehicle_class": model.vehicle_class,
            "battery_capacity_wh": model.battery_capacity_wh,
            "max_ac_power_w": model.max_ac_power_w,
            "max_dc_power_w": model.max_dc_power_w,
            "consumption_wh_per_km": model.consumption_wh_per_km,
        }
        await service.create("/vehicle-models", body, known_as=model.id)
    for number, car in enumerate(world.cars.values(), start=1):
        body = {
            "id": car.id,
            "model_id": car.model_id,
            "site_id": car.site_id,
            "registration": f"HF-{number:03d}-EV",
            "id_tokens": [car.token],
        }
        await service.create("/vehicles", body, known_as=car.id)
    for number, driver_id in enumerate(driver_ids(scenario), start=1):
        body = {"id": driver_id, "name": f"Subscriber {number}"}
        await service.create("/drivers", body, known_as=driver_id)
    await push_prices(world, service)
    return passwords


async def push_prices(world: World, service: Service) -> None:
    """Pushes the prices of all sites from the day that has begun on, for three days."""
    scenario = world.scenario
    start = world.now
    steps = PRICE_HORIZON // timedelta(minutes=STEP_MINUTES)
    for site in scenario.sites:
        prices = prices_at(scenario, site, start, steps)
        body = {
            "site_id": site.id,
            "issued_at": format_rfc3339(start),
            "start": format_rfc3339(start),
            "step_minutes": STEP_MINUTES,
            "currency": scenario.currency,
            "import_price_per_kwh": decimals(prices.import_price_per_kwh),
            "export_price_per_kwh": decimals(prices.export_price_per_kwh),
            "import_co2_g_per_kwh": list(prices.import_co2_g_per_kwh),
        }
        await service.push("/prices", body, who=site.id)


def begins_day(world: World, instant: datetime) -> bool:
    """Returns whether a further day of the world begins now, so that new prices are out."""
    past = instant - world.start
    return past > timedelta(0) and past % timedelta(days=1) == timedelta(0)


def _site(site: SiteSpec, timezone: str) -> dict[str, Any]:
    return {
        "id": site.id,
        "name": site.name,
        "latitude": site.latitude,
        "longitude": site.longitude,
        "timezone": timezone,
        "follow_surplus": site.follow_surplus,
        "import_limit_w": site.import_limit_w,
        "export_limit_w": site.export_limit_w,
        "circuits": [
            {"id": each.id, "parent": each.parent, "limit_w": each.limit_w}
            for each in site.circuits
        ],
        "pv_plants": [
            {
                "peak_power_w": plant.peak_power_w,
                "tilt_deg": plant.tilt_deg,
                "azimuth_deg": plant.azimuth_deg,
            }
            for plant in site.pv_plants
        ],
        **_battery(site.battery),
        **_staff(site.staff),
    }


def _staff(staff: StaffSpec | None) -> dict[str, Any]:
    if staff is None:
        return {}
    hours = msgspec.to_builtins(staff.move_hours)
    return {"move_price": f"{staff.move_price:.5f}", "move_hours": hours}


def _battery(battery: BatterySpec | None) -> dict[str, Any]:
    if battery is None or battery.follows != "plan":
        return {}
    return {
        "battery": {
            "capacity_wh": battery.capacity_wh,
            "soc_wh": 0.0,
            "min_soc_wh": 0.0,
            "max_charge_w": battery.max_power_w,
            "max_discharge_w": battery.max_power_w,
            "efficiency": battery.efficiency,
        }
    }


def _station(site: SiteSpec, station: StationSpec, kind: StationKind, seed: int) -> dict[str, Any]:
    rng = stream(seed, f"password {station.identity}")
    letters = rng.integers(0, len(_PASSWORD_LETTERS), PASSWORD_LENGTH)
    return {
        "identity": station.identity,
        "site_id": site.id,
        "vendor": kind.vendor,
        "model": kind.model,
        "security_profile": 1,
        "password": "".join(_PASSWORD_LETTERS[int(letter)] for letter in letters),
        "safe_limit_w": kind.safe_limit_w,
        "evses": [
            {
                "evse_id": number,
                "max_power_w": kind.max_power_w,
                "min_power_w": kind.min_power_w,
                "current_type": kind.current_type,
                "phases": kind.phases,
                "circuit_id": station.circuit,
                "connectors": [{"connector_id": 1}],
            }
            for number in range(1, kind.evses + 1)
        ],
    }
