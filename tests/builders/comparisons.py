"""Comparisons of two runs of a small world, without playing anything."""

from __future__ import annotations

from functools import cache
from typing import Any

from csms.commands.report.comparing import Side, compare_sides
from csms.commands.report.figures import ServiceView
from csms.commands.virtual_days import Played
from simulators.changes import changed, changes_of
from simulators.scorecard import BatteryTruth, SiteTruth, Truth
from tests.builders.truths import SCENARIO, SPEC, WORLD, booking_truth, car_truth, truth_of

STEPS = WORLD.steps
NOON = tuple(8_000.0 if 40 <= step < 60 else 0.0 for step in range(STEPS))
LOAD = (1_000.0,) * STEPS
CARS = tuple(3_000.0 if 40 <= step < 48 else 0.0 for step in range(STEPS))


def site(**more: Any) -> SiteTruth:
    """Returns what happened at a place in a day with sun, a building and cars."""
    fields: dict[str, Any] = {
        "id": SPEC.id,
        "name": SPEC.name,
        "pv_power_w": NOON,
        "load_power_w": LOAD,
        "charging_power_w": CARS,
        "import_price_per_kwh": (0.2,) * STEPS,
        "export_price_per_kwh": (0.05,) * STEPS,
        "import_co2_g_per_kwh": (50.0,) * STEPS,
        "import_limit_w": 36_000.0,
        "export_limit_w": 36_000.0,
    }
    return SiteTruth(**{**fields, **more})


def lived(place: SiteTruth, *more: Any) -> Truth:
    """Returns the truth of a day there, with a booking that was served."""
    return truth_of(
        place,
        cars=(car_truth("car-01", [power_w / 4 for power_w in place.charging_power_w]),),
        bookings=(booking_truth("b-1", "served", "car-01"), *more),
    )


def compared(today: SiteTruth, other: SiteTruth, *more: Any, **changes: Any) -> dict[str, Any]:
    """Returns the comparison of two such days; `more` are bookings of the changed one."""
    asked = changes_of(changes, source="c")
    service = ServiceView(forecasts=(), limits=(), measured={})
    sides = [
        Side(scenario, "plan", Played(truth, service, [], []))
        for scenario, truth in (
            (SCENARIO, lived(today)),
            (changed(SCENARIO, asked, source="c"), lived(other, *more)),
        )
    ]
    return compare_sides(asked, *sides, days=1)


def battery() -> BatteryTruth:
    """Returns a battery that takes sun at noon and gives it back in the evening."""
    power_w = tuple(
        2_000.0 if 48 <= step < 56 else -1_000.0 if 80 <= step < 92 else 0.0
        for step in range(STEPS)
    )
    return BatteryTruth(power_w, 500.0)


@cache
def renovated() -> dict[str, Any]:
    """Returns what a battery of 5 kWh comes to."""
    put_up = [{"site": SPEC.id, "capacity_wh": 5000, "max_power_w": 2000}]
    return compared(site(), site(battery=battery()), batteries=put_up)
