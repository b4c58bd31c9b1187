"""A promise is a probability: sites say which, answers name it, and trips that are over teach."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.timeline import format_rfc3339
from tests.builders.rest_house import START, RestHouse, a_site, a_trip


def later(hours: float) -> str:
    return format_rfc3339(START + timedelta(hours=hours))


def wish(hours: float, length: float = 2.0, **fields: Any) -> dict[str, Any]:
    return a_trip(START + timedelta(hours=hours), length, **fields)


async def sure(house: RestHouse, probability: float) -> None:
    """Lets promises of site A be kept with a probability."""
    answer = await house.patch("/sites/A", {"promise_probability": probability})
    assert answer["promise_probability"] == probability


async def driven(house: RestHouse, hours: float, *, from_pct: float, to_pct: float) -> Any:
    """Books half an hour and 20 km, and drives them; the car is back when it said."""
    made = await house.post("/bookings", wish(hours, 0.5, distance_km=20))
    path = f"/bookings/{made['id']}"
    await house.post("/clock", {"advance_to": later(hours)}, 200)
    await house.post(f"{path}/start", {"soc_pct": from_pct}, 200)
    await house.post("/clock", {"advance_to": later(hours + 0.5)}, 200)
    return await house.post(f"{path}/return", {"soc_pct": to_pct, "plugged_evse": "CP-A/1"}, 200)


async def test_the_same_wish_is_granted_at_nine_of_ten_and_refused_at_a_thousand(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1", soc_pct=60)
    # At once: 9.6 kWh, of which 1.6 stay; 45 km take 6.3 kWh, and 8.0 are 27 % more.
    await sure(house, 0.999)
    quote = await house.post("/booking-quotes", wish(0, distance_km=45), 200)
    assert (quote["bookable"], quote["promise_probability"]) == (False, 0.999)
    assert (quote["probability"], quote["bound_by"]) == (None, None)
    refused = await house.post("/bookings", wish(0, distance_km=45), 409)
    assert refused["detail"] == "no car can be promised for this trip with a probability of 0.999"
    assert refused["reasons"] == ["ENERGY_BEFORE: 1 free, but not charged enough by the start"]
    assert any(other["distance_km"] < 45 for other in refused["alternatives"])
    await sure(house, 0.9)
    quote = await house.post("/booking-quotes", wish(0, distance_km=45), 200)
    assert (quote["bookable"], quote["promise_probability"]) == (True, 0.9)
    made = await house.post("/bookings", wish(0, distance_km=45))
    assert 0.95 < made["probability"] < 0.999
    assert made["bound_by"] == "energy"
    assert (quote["probability"], quote["bound_by"]) == (made["probability"], "energy")
    assert made["probability"] == made["probability_ready"]


async def test_a_surer_promise_goes_to_a_car_that_nobody_brings_back_before(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1", "car-2", soc_pct=100)
    await house.post("/vehicles/car-1/state", {"soc_pct": 60}, 200)
    await sure(house, 0.9)
    assert (await house.post("/bookings", wish(1, 2)))["vehicle_id"] == "car-1"
    # car-1 is back half an hour before; car-2 stands there.
    after = wish(3.5, 1, distance_km=5)
    offers = (await house.post("/booking-quotes", after, 200))["offers"]
    assert {each["vehicle_id"]: each["bound_by"] for each in offers} == {
        "car-1": "return", "car-2": None,
    }  # fmt: skip
    await sure(house, 0.99)
    offers = (await house.post("/booking-quotes", after, 200))["offers"]
    assert [each["vehicle_id"] for each in offers] == ["car-2"]
    assert (await house.post("/bookings", after))["probability"] > 0.9999


async def test_trips_that_are_over_teach_what_a_car_takes(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1", soc_pct=80)
    before = await house.post("/booking-quotes", wish(30, distance_km=75), 200)
    for number in range(4):
        # 20 km should take 2.8 kWh, and take 4.0.
        back = await driven(house, 1 + 5 * number, from_pct=80, to_pct=55)
        assert back["used_wh"] == pytest.approx(4_000)
    after = await house.post("/booking-quotes", wish(30, distance_km=75), 200)
    assert (before["bookable"], after["bookable"]) == (True, False)
    shorter = [each["distance_km"] for each in after["alternatives"]]
    assert 50 < min(shorter) < 75


async def test_what_a_trip_took_is_not_known_where_nobody_told_it(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1", soc_pct=80)
    path = f"/bookings/{(await house.post('/bookings', wish(1, 1)))['id']}"
    await house.post("/clock", {"advance_to": later(1)}, 200)
    await house.post(f"{path}/start", {"soc_pct": 80}, 200)
    await house.post("/clock", {"advance_to": later(2)}, 200)
    assert (await house.post(f"{path}/return", None, 200))["used_wh"] is None


async def used_wh(house: RestHouse, told_at: str, soc_pct: float) -> float | None:
    """Drives 20 km in an hour, of which the car tells once; returns what that took."""
    await house.fleet("car-1", soc_pct=80)
    made = await house.post("/bookings", wish(1, 1, distance_km=20))
    path = f"/bookings/{made['id']}"
    await house.post("/clock", {"advance_to": later(1)}, 200)
    await house.post(f"{path}/start", {"soc_pct": 80}, 200)
    await house.post("/clock", {"advance_to": told_at}, 200)
    await house.post("/vehicles/car-1/state", {"soc_pct": soc_pct, "source": "push"}, 200)
    await house.post("/clock", {"advance_to": later(2)}, 200)
    found: float | None = (await house.post(f"{path}/return", None, 200))["used_wh"]
    return found


async def test_what_a_car_tells_on_the_way_is_not_what_its_trip_took(
    stepped_house: RestHouse,
) -> None:
    assert await used_wh(stepped_house, later(1.25), 76) is None
    # 20 km take 2.8 of 16 kWh: three quarters of them were still to be driven.
    state = await stepped_house.get("/vehicles/car-1")
    assert (state["soc_pct"], state["source"]) == (pytest.approx(76 - 0.75 * 17.5), "estimate")


async def test_what_a_car_tells_as_it_comes_back_is_what_its_trip_took(
    stepped_house: RestHouse,
) -> None:
    assert await used_wh(stepped_house, later(1.96), 60) == pytest.approx(3_200)


async def test_punctual_returns_teach_that_shorter_pauses_will_do(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1", soc_pct=100)
    await sure(house, 0.95)
    await house.post("/bookings", wish(200, 1))
    half_an_hour_later = wish(201.5, 1, distance_km=5)
    assert (await house.post("/booking-quotes", half_an_hour_later, 200))["bookable"] is False
    for number in range(10):
        await driven(house, 1 + 1.5 * number, from_pct=90, to_pct=72.5)
    quote = await house.post("/booking-quotes", half_an_hour_later, 200)
    assert quote["bookable"] is True
    assert quote["bound_by"] == "return"


@pytest.mark.parametrize("probability", [0.499, 1.0, -1, "0.9", None])
async def test_a_probability_that_makes_no_sense_is_refused(
    stepped_house: RestHouse, probability: Any
) -> None:
    body = a_site(id="A", promise_probability=probability)
    problem = await stepped_house.post("/sites", body, 422)
    assert [each["field"] for each in problem["errors"]] == ["/promise_probability"]


async def test_a_site_promises_with_ninety_nine_percent_unless_it_says_otherwise(
    stepped_house: RestHouse,
) -> None:
    assert (await stepped_house.post("/sites", a_site(id="A")))["promise_probability"] == 0.99


async def test_a_car_counts_on_no_charge_where_all_evses_have_others(
    stepped_on_both: RestHouse,
) -> None:
    """It would be promised what nobody brings it; where staff moves cars it gets its turn."""
    house = stepped_on_both
    await house.fleet("car-1", soc_pct=20)
    await house.post("/vehicles", {"id": "car-2", "model_id": "mia", "site_id": "A"})
    await house.post("/vehicles/car-2/state", {"soc_pct": 20}, 200)
    far = wish(8, distance_km=60)

    async def can() -> list[str]:
        quote = await house.post("/booking-quotes", far, 200)
        return sorted(each["vehicle_id"] for each in quote["offers"])

    assert await can() == ["car-1"]
    await house.patch("/sites/A", {"move_price": "1.00"})
    assert await can() == ["car-1", "car-2"]
    await house.patch("/sites/A", {"move_price": None})
    assert await can() == ["car-1"]
    await house.post("/vehicles/car-1/state", {"plugged_evse": None}, 200)
    assert await can() == ["car-1", "car-2"]
    # Nor is a site full where it is an EVSE out of service that is taken.
    faulty = {"evse_id": 2, "connectors": [{"connector_id": 1, "status": "Faulted"}]}
    await house.patch("/stations/CP-A", {"evses": [{"evse_id": 1}, faulty]})
    await house.post("/vehicles/car-1/state", {"plugged_evse": "CP-A/2"}, 200)
    assert await can() == ["car-2"]
