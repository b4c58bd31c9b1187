"""Peaks and CO2 over REST: what the meter has seen so far is in the plan, and what it costs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from models.timeline import format_rfc3339
from tests.builders.equipped_house import EquippedHouse, powers_w
from tests.builders.rest_house import a_trip

FULL_W = 3_700.0
OUTLETS = [{"evse_id": number, "max_power_w": FULL_W} for number in (1, 2)]


async def measured(house: EquippedHouse, *said: tuple[datetime, float | None]) -> None:
    """Pushes what the meter of A said of its grid connection."""
    body = [
        {"measured_at": format_rfc3339(at), "grid_power_w": power_w, "load_power_w": 0.0}
        for at, power_w in said
    ]
    await house.rest.post("/sites/A/measurements", body)


async def peaks(house: EquippedHouse) -> list[tuple[str, float, str]]:
    page = await house.rest.get("/sites/A/peaks")
    return [(each["month"], each["import_w"], each["start"]) for each in page["items"]]


async def test_the_peak_of_each_month_is_the_mean_of_its_fullest_quarter(
    house: EquippedHouse,
) -> None:
    await house.rest.site(id="A")
    six = house.now
    minutes = lambda count: six - timedelta(minutes=count)  # noqa: E731
    await measured(house, (minutes(25), 9_000.0), (minutes(20), 1_000.0))
    assert await peaks(house) == []  # the quarter is not over
    await measured(house, (minutes(15), 2_000.0), (minutes(10), -5_000.0))
    assert await peaks(house) == [("2026-06", 4_000.0, "2026-06-15T05:30:00Z")]
    await measured(house, (minutes(0), 9_500.0))
    assert await peaks(house) == [("2026-06", 4_000.0, "2026-06-15T05:30:00Z")]
    # One said again, and the peak is another quarter's.
    await measured(house, (minutes(25), 0.0), (minutes(5), 2_500.0))
    assert await peaks(house) == [("2026-06", 7_000.0 / 3, "2026-06-15T05:45:00Z")]
    # By the clocks of Paris May ends at 22:00Z, and that quarter is the first of June.
    late = datetime.fromisoformat("2026-05-31T22:00:00Z")
    await measured(house, (late, 8_000.0), (late + timedelta(minutes=15), 3_000.0))
    assert await peaks(house) == [
        ("2026-06", 3_000.0, "2026-05-31T22:00:00Z"),
        ("2026-05", 8_000.0, "2026-05-31T21:45:00Z"),
    ]
    await house.rest.delete("/sites/A")


async def booked(house: EquippedHouse, **site: Any) -> None:
    """Has a car that must charge some 9 kWh until the afternoon, cheapest now."""
    await house.rest.site(id="A", **site)
    await house.furnish(OUTLETS, cars=1)
    await house.prices(["0.40"] * 6 + ["0.20"] + ["0.30"] * 60)
    await house.rest.post("/drivers", {"id": "ada", "name": "Ada"})
    trip = a_trip(house.now + timedelta(hours=9), distance_km=75)
    await house.rest.post("/bookings", trip)


async def test_cars_do_not_raise_a_peak_that_is_paid_for(house: EquippedHouse) -> None:
    await booked(house)
    plan = await house.plan()
    assert max(powers_w(plan, "car-1")) == pytest.approx(FULL_W, abs=1)
    assert plan["kpis"]["peak_cost"] == 0
    await house.rest.patch("/sites/A", {"peak_price_per_kw": "12.50"})
    plan = await house.plan()
    highest_w = max(powers_w(plan, "car-1"))
    assert highest_w < 1_500
    assert plan["kpis"]["peak_cost"] == pytest.approx(12.5 * highest_w / 1000, rel=1e-3)
    assert any("PEAK" in entry["reasons"] for entry in plan["charging"])
    await measured(house, (house.now, 2_500.0))
    plan = await house.plan()
    assert max(powers_w(plan, "car-1")) == pytest.approx(2_500, abs=1)
    assert plan["kpis"]["peak_cost"] == 0
    assert plan["cost"] < plan["kpis"]["energy_cost"]  # less what is left in the car


async def test_cars_wait_for_clean_energy_where_co2_has_a_price(small: EquippedHouse) -> None:
    await booked(small)
    grams = [300.0] * 9 + [20.0] * 3 + [300.0] * 55
    await small.prices(["0.40"] * 6 + ["0.28"] + ["0.30"] * 60, import_co2_g_per_kwh=grams)
    found = powers_w(await small.plan(), "car-1")
    assert sum(found[:4]) > 0
    assert (await small.plan())["kpis"]["co2_cost"] == 0
    await small.rest.patch("/sites/A", {"co2_price_per_kg": "0.20"})
    plan = await small.plan()
    found = powers_w(plan, "car-1")
    assert sum(found[:12]) == 0 < sum(found[12:24])
    assert plan["kpis"]["co2_cost"] == pytest.approx(plan["kpis"]["co2_g"] / 1000 * 0.20)
    told = await small.rest.get("/sites/A")
    assert (told["co2_price_per_kg"], told["peak_price_per_kw"]) == ("0.20", "0")


async def test_prices_that_can_not_be_are_named(small: EquippedHouse) -> None:
    await small.rest.site(id="A")
    for name in ("peak_price_per_kw", "co2_price_per_kg"):
        for value in ("-1", 1, "much"):
            problem = await small.rest.patch("/sites/A", {name: value}, 422)
            assert problem["errors"][0]["field"] == f"/{name}"
    await small.rest.get("/sites/B/peaks", 404)
