"""A small fleet with days behind it: what its meters said, what people booked, how trips went."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from models.tables.booking import Booking
from models.tables.charging import Transaction
from models.tables.energy import SiteMeasurement
from models.timeline import format_rfc3339
from tests.builders.rest_house import RestHouse, a_model, a_site

FIRST_DAY = datetime(2026, 6, 12, 22, 0, tzinfo=UTC)
"""Midnight in Paris."""
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
PLANT = {"peak_power_w": 8_000, "tilt_deg": 15, "azimuth_deg": 180}


def span(days: int = 1, start: datetime = FIRST_DAY) -> dict[str, str]:
    """Returns days as they are asked for."""
    return {"from": format_rfc3339(start), "to": format_rfc3339(start + days * DAY)}


def sun_w(at: datetime) -> float:
    """Returns what the roof gave in the quarter that ends at an instant."""
    hour = (at - QUARTER / 2 - FIRST_DAY) / timedelta(hours=1) % 24
    return round(max(0.0, 5_000 * math.sin(math.pi * (hour - 7) / 14)), 1) if hour > 7 else 0.0


async def equip(house: RestHouse) -> None:
    """Creates site A with a roof, a station and two cars, and people who book."""
    circuits = [{"id": "cars", "limit_w": 9_000, "unmanaged_load_w": 500}]
    await house.post("/sites", a_site(id="A", circuits=circuits, pv_plants=[PLANT]))
    await house.post("/vehicle-models", a_model(id="mia"))
    evses = [{"evse_id": number, "max_power_w": 3_700, "circuit_id": "cars"} for number in (1, 2)]
    more = {"vendor": "V", "model": "M", "safe_limit_w": 2_760, "evses": evses}
    await house.station("CP-A", "A", **more)
    for car in ("one", "two"):
        await house.post("/vehicles", {"id": car, "model_id": "mia", "site_id": "A"})
    for driver in ("Grace Hopper", "Ada Lovelace"):
        await house.post("/drivers", {"id": driver.split()[0].lower(), "name": driver})


async def push_prices(house: RestHouse, days: int = 1, **fields: Any) -> None:
    """Pushes prices of days: cheap until noon, dear afterwards."""
    body = {
        "site_id": "A",
        "issued_at": format_rfc3339(FIRST_DAY),
        "start": format_rfc3339(FIRST_DAY),
        "step_minutes": 60,
        "currency": "EUR",
        "import_price_per_kwh": ["0.125"] * 12 * days + ["0.375"] * 12 * days,
        "export_price_per_kwh": ["0.05"] * 24 * days,
    }
    await house.post("/prices", body | fields)


async def measure(
    house: RestHouse, days: int = 1, *, site: str = "A", without: tuple[int, ...] = ()
) -> None:
    """Stores what the meters of a site said, each quarter but for some."""
    async with house.db.write(house.clock, house.services.ids) as work:
        for quarter in range(1, days * 96 + 1):
            if quarter in without:
                continue
            at = FIRST_DAY + quarter * QUARTER
            work.session.add(
                SiteMeasurement(
                    site_id=site,
                    measured_at=at,
                    received_at=at,
                    pv_power_w=sun_w(at),
                    load_power_w=400.0 + quarter % 96,
                    grid_power_w=None,
                )
            )


def booking(name: str, hour: float, *, hours: float = 2.0, **fields: Any) -> Booking:
    """Returns a booking of grace that went as it was booked."""
    start = FIRST_DAY + timedelta(hours=hour)
    told: dict[str, Any] = {
        "id": name,
        "tenant_id": "default",
        "driver_id": "grace",
        "pickup_site_id": "A",
        "dropoff_site_id": "A",
        "start": start,
        "end": start + timedelta(hours=hours),
        "distance_km": 20.0,
        "status": "returned",
        "vehicle_id": "one",
        "started_at": start + 4 * MINUTE,
        "returned_at": start + timedelta(hours=hours) - 10 * MINUTE,
        "started_soc_pct": 70.0,
        "used_wh": 3_500.0,
        "created_at": start - timedelta(hours=3),
        "updated_at": start,
    }
    return Booking(**(told | fields))


async def book(house: RestHouse) -> None:
    """Stores what people booked on the first day, and when a car was plugged in afterwards."""
    ada: dict[str, Any] = {"driver_id": "ada", "vehicle_id": "two", "vehicle_class": "city"}
    unknown: dict[str, Any] = {"used_wh": None, "started_soc_pct": None}
    away: dict[str, Any] = {"started_at": None, "returned_at": None} | unknown
    noon = FIRST_DAY + timedelta(hours=12)
    rows = [
        booking("B1", 8),
        booking("B2", 12, **ada, **unknown),
        booking("B3", 15, status="cancelled", cancelled_at=noon + timedelta(hours=2), **away),
        booking("B4", 17, status="no_show", **(ada | away)),
        booking("B5", 1.5, created_at=FIRST_DAY - DAY, used_wh=2_800.0),
        booking("B6", -1, hours=3),
    ]
    back = FIRST_DAY + timedelta(hours=9, minutes=50)
    async with house.db.write(house.clock, house.services.ids) as work:
        work.session.add_all(rows)
        work.session.add(
            Transaction(
                id="T1",
                tenant_id="default",
                station="CP-A",
                evse_id=1,
                ocpp_transaction_id="1",
                started_at=back + 25 * MINUTE,
                received_at=back,
                updated_at=back,
                vehicle_id="one",
            )
        )


async def days_behind(house: RestHouse, days: int = 1) -> None:
    """Gives a fleet some days that can be played."""
    await equip(house)
    await push_prices(house, days)
    await measure(house, days)
    await book(house)
