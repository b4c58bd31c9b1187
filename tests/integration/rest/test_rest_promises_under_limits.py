"""What is promised while the grid allows less than usual counts on less than usual."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from models.timeline import format_rfc3339
from tests.builders.rest_house import START, RestHouse, a_trip


def limited(hours: float = 3.0, **fields: Any) -> dict[str, Any]:
    """A limit from now on."""
    return {
        "site_id": "A",
        "limit_w": 1_000,
        "start": format_rfc3339(START),
        "end": format_rfc3339(START + timedelta(hours=hours)),
        "reason": "the transformer is hot",
        "source": "dso",
    } | fields


def in_hours(hours: float) -> dict[str, Any]:
    """A trip that takes three hours of charging."""
    return a_trip(START + timedelta(hours=hours), distance_km=40)


async def offered(house: RestHouse, hours: float) -> dict[str, Any]:
    return await house.post("/booking-quotes", in_hours(hours), 200)


async def test_a_limit_of_a_site_is_shared_by_its_cars(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1", "car-2", soc_pct=10)
    before = await offered(house, 4)
    assert before["bookable"]
    limit = await house.post("/grid-limits", limited())
    under = await offered(house, 4)
    assert not under["bookable"]
    assert under["reasons"] == ["ENERGY_BEFORE: 2 free, but not charged enough by the start"]
    await house.post("/bookings", in_hours(4), 409)
    later = await offered(house, 8)
    assert later["bookable"], "once the limit is over there is time enough"
    await house.delete(f"/grid-limits/{limit['id']}")
    assert await offered(house, 4) == before


async def test_a_limit_that_is_to_come_lowers_what_lies_after_its_begin(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1", soc_pct=10)
    begins = format_rfc3339(START + timedelta(hours=1))
    await house.post("/grid-limits", limited(start=begins, hours=6))
    assert not (await offered(house, 4))["bookable"]
    answer = await offered(house, 5)
    assert not answer["bookable"]
    assert answer["alternatives"], "a later time is offered"
    for each in answer["alternatives"]:
        taken = {name: each[name] for name in ("start", "end", "distance_km")}
        assert (await house.post("/booking-quotes", in_hours(5) | taken, 200))["bookable"]


async def test_a_limit_of_a_circuit_is_about_the_cars_below_it(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1", "car-2", soc_pct=10)
    await house.patch("/sites/A", {"circuits": [{"id": "C", "limit_w": 9_000}]})
    evses = [{"evse_id": 1, "circuit_id": "C"}, {"evse_id": 2, "circuit_id": None}]
    await house.patch("/stations/CP-A", {"evses": evses})
    await house.post("/grid-limits", limited(circuit_id="C"))
    first = await house.post("/bookings", in_hours(4))
    assert first["vehicle_id"] == "car-2", "the other one is below the circuit"
    await house.post("/bookings", in_hours(4), 409)
