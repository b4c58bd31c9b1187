"""Forecasts that lie: those that show it are left out at once, the others by their record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from csms.energy.reactions import Forecaster
from models.timeline import format_rfc3339
from scheduler.forecast.sun import Location, Plant, clear_sky_power_w
from tests.builders.rest_house import START, RestHouse, a_trip

ROOF = {"peak_power_w": 20_000.0, "tilt_deg": 20.0, "azimuth_deg": 180.0}
PLACE, PLANT = Location(45.74, 4.82), Plant(20_000.0, 20.0, 180.0)
QUARTER = timedelta(minutes=15)


def sky_w(hours: float, steps: int, share: float = 0.7, moved: float = 0.0) -> list[float]:
    """The sun of so many quarters from `hours` after the start, `moved` hours too early."""
    middle = START + timedelta(hours=hours + moved) + QUARTER / 2
    instants = [middle + step * QUARTER for step in range(steps)]
    return [round(w, 1) for w in (share * clear_sky_power_w(PLACE, [PLANT], instants)).tolist()]


async def push(
    house: RestHouse, power_w: list[float], hours: float = 0.0, source: str = "city"
) -> Any:
    at = format_rfc3339(START + timedelta(hours=hours))
    body = {"site_id": "A", "issued_at": at, "start": at, "q50_w": power_w, "source": source}
    return await house.post("/forecasts/pv", body)


async def expected_sun(house: RestHouse) -> float | None:
    """The share of sun that a trip is promised; None where no forecast of it counts."""
    made = await house.post("/booking-quotes", a_trip(START + timedelta(hours=30)), 200)
    return made["solar_share"]


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"moved": -2.0}, "NIGHT"),
        ({"moved": 1.0}, "NIGHT"),
        ({"share": 900.0}, "BEYOND_CLEAR_SKY"),
    ],
)
async def test_a_forecast_that_can_not_be_is_kept_with_the_doubt_and_left_out(
    stepped_house: RestHouse, lie: dict[str, float], code: str
) -> None:
    house = stepped_house
    await house.fleet("car-1", soc_pct=10)
    await house.patch("/sites/A", {"pv_plants": [ROOF]})
    pushed = await push(house, sky_w(0, 192, **lie))
    assert code in [each["code"] for each in pushed["doubts"]]
    shown = await house.get(f"/forecasts/pv/{pushed['id']}")
    assert shown["doubts"] == pushed["doubts"]
    assert await expected_sun(house) is None
    # The next one is right, and counts; that it differs so much from the lie is held against it
    # until another says the same.
    await push(house, sky_w(0, 192))
    again = await push(house, sky_w(0, 192))
    assert again["doubts"] == []
    assert await expected_sun(house)


async def test_who_was_far_off_is_not_believed_until_the_record_is_better(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1", soc_pct=10)
    await house.patch("/sites/A", {"pv_plants": [ROOF]})
    began = START - timedelta(hours=60)
    measured = [
        {"measured_at": format_rfc3339(began + (step + 1) * QUARTER), "pv_power_w": power_w}
        for step, power_w in enumerate(sky_w(-60, 60 * 4, 0.3))
    ]
    await house.post("/sites/A/measurements", measured)
    for hour in range(-60, 0):
        await push(house, sky_w(hour, 96, 0.9), hour, "liar")
        await push(house, sky_w(hour, 96, 0.32), hour, "city")
    await push(house, sky_w(0, 192, 0.9), 0, "liar")
    assert await expected_sun(house)
    parts = {"db": house.db, "clock": house.clock, "ids": house.services.ids}
    await Forecaster(**parts, tenant="default").refresh(START)
    found = {
        each["source"]: each
        for each in (await house.get("/forecast-sources", site_id="A", kind="pv"))["items"]
    }
    liar, city = found["pushed: liar"], found["pushed: city"]
    assert [each["code"] for each in liar["doubts"]] == ["UNSKILLED", "BIASED"]
    assert liar["skill"] < 0 < liar["bias_w"]
    assert (city["doubts"], liar["hours"]) == ([], city["hours"])
    assert abs(city["bias_w"]) < 0.1 * liar["bias_w"]
    assert "forecast_source.doubted" in await house.events("site/A")
    # Its newest word is left out, and what we expect ourselves takes its place.
    assert await expected_sun(house) is not None
    page = await house.get("/forecast-sources", limit=1)
    assert len(page["items"]) == 1
    assert page["next_cursor"]


async def test_holidays_need_a_region_that_is_known(stepped_house: RestHouse) -> None:
    house = stepped_house
    made = await house.site(id="B", holiday_region="DE-BY")
    assert made["holiday_region"] == "DE-BY"
    assert (await house.patch("/sites/B", {"holiday_region": None}))["holiday_region"] is None
    for wrong in ("XX", "DE-XX", "Bavaria"):
        problem = await house.patch("/sites/B", {"holiday_region": wrong}, 422)
        assert problem["errors"][0]["field"] == "/holiday_region"
