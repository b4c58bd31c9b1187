"""Many who want the same car at the same moment, over real sockets: nothing is promised twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest

from csms.booking.desk import Desk
from scheduler.admit import Calendar
from tests.builders.rest_house import RestHouse, a_trip, served

RIVALS = 20


async def post_all(
    house: RestHouse, requests: list[tuple[str, Any]], **headers: str
) -> list[httpx.Response]:
    """Posts all at the same moment, each on a connection of its own."""
    limits = httpx.Limits(max_connections=len(requests))
    async with served(house) as plain:
        async with httpx.AsyncClient(
            base_url=plain.base_url, headers=house.http.headers, limits=limits, timeout=60
        ) as http:
            sent = [
                http.post(f"/api/v1{path}", json=body, headers=headers) for path, body in requests
            ]
            return list(await asyncio.gather(*sent))


async def calendar_of(house: RestHouse) -> Calendar:
    async with house.db.read() as session:
        return await Desk().calendar(session, tenant="default", now=house.clock.now())


async def test_the_last_car_goes_to_exactly_one_of_twenty(house: RestHouse) -> None:
    await house.fleet("car-1")
    wish = a_trip(house.clock.now() + timedelta(hours=1))
    answers = await post_all(house, [("/bookings", wish)] * RIVALS)
    counts = Counter(answer.status_code for answer in answers)
    assert counts == {201: 1, 409: RIVALS - 1}, [answer.text for answer in answers]
    refusals = [answer.json() for answer in answers if answer.status_code == 409]
    assert {refusal["code"] for refusal in refusals} == {"no-vehicle"}
    assert all(refusal["alternatives"] for refusal in refusals)
    assert len((await house.get("/bookings"))["items"]) == 1
    assert await house.events("site/A") == ["site.created"]
    assert [len(chain) for chain in (await calendar_of(house)).chains] == [1]


async def test_twenty_drivers_get_twenty_cars_and_none_is_told_to_try_again(
    house: RestHouse,
) -> None:
    await house.fleet(*(f"car-{number:02}" for number in range(RIVALS)))
    wish = a_trip(house.clock.now() + timedelta(hours=1))
    answers = await post_all(house, [("/bookings", wish)] * RIVALS)
    assert {answer.status_code for answer in answers} == {201}, [a.text for a in answers]
    assert len({answer.json()["vehicle_id"] for answer in answers}) == RIVALS


async def test_the_same_key_from_twenty_at_once_books_once(house: RestHouse) -> None:
    await house.fleet(*(f"car-{number:02}" for number in range(RIVALS)))
    wish = a_trip(house.clock.now() + timedelta(hours=1))
    answers = await post_all(house, [("/bookings", wish)] * RIVALS, **{"Idempotency-Key": "once"})
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len((await house.get("/bookings"))["items"]) == 1


async def test_the_same_name_is_given_to_one_booking_only(house: RestHouse) -> None:
    await house.fleet("car-1", "car-2", "car-3")
    wish = a_trip(house.clock.now() + timedelta(hours=1), id="mine")
    answers = await post_all(house, [("/bookings", wish)] * 3)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    codes = {answer.json().get("code") for answer in answers if answer.status_code == 409}
    assert codes == {"already-exists"}


@pytest.mark.parametrize("attempt", range(3))
async def test_a_car_that_two_reach_from_two_sites_is_not_promised_beyond_its_battery(
    house: RestHouse, attempt: int
) -> None:
    """The car goes to B by a promise, so that rivals ask for it at A and at B."""
    await house.fleet("car-1", soc_pct=100, power_w=0)
    await house.site(id="B")
    soon = house.clock.now() + timedelta(hours=1, seconds=attempt)
    await house.post("/bookings", a_trip(soon + timedelta(hours=5), 1, dropoff_site_id="B"))
    before = a_trip(soon, 1, distance_km=45)
    after = a_trip(soon + timedelta(hours=10), 1, distance_km=45, pickup_site_id="B")
    answers = await post_all(house, [("/bookings", before), ("/bookings", after)])
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert (await calendar_of(house)).broken() == ()


async def test_a_booking_is_begun_or_cancelled_and_never_both(house: RestHouse) -> None:
    await house.fleet(*(f"car-{number}" for number in range(6)))
    soon = house.clock.now() + timedelta(hours=1)
    made = [await house.post("/bookings", a_trip(soon)) for _ in range(6)]
    requests = [
        (f"/bookings/{each['id']}/{act}", None) for each in made for act in ("start", "cancel")
    ]
    answers = await post_all(house, requests)
    for place, each in enumerate(made):
        codes = [answer.status_code for answer in answers[2 * place : 2 * place + 2]]
        assert sorted(codes) == [200, 409]
        shown = await house.get(f"/bookings/{each['id']}")
        assert shown["status"] == ("active" if codes[0] == 200 else "cancelled")
        assert (shown["started_at"] is None) == (codes[0] == 409)


async def test_two_trips_never_begin_with_the_same_car(house: RestHouse) -> None:
    """Both promised cars are gone, and one substitute stands there."""
    await house.fleet("car-1", "car-2", "car-3")
    soon = house.clock.now() + timedelta(hours=1)
    made = [await house.post("/bookings", a_trip(soon)) for _ in range(2)]
    for each in made:
        await house.post(f"/vehicles/{each['vehicle_id']}/state", {"at_site_id": None}, 200)
    answers = await post_all(house, [(f"/bookings/{each['id']}/start", None) for each in made])
    assert sorted(answer.status_code for answer in answers) == [200, 409]
