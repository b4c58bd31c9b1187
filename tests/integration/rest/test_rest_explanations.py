"""Why a plan is so, and why a car charges now or does not, over REST."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest

from csms.planning import explaining
from models.tables.stations import Station
from models.timeline import format_rfc3339
from tests.builders.planners import a_planner
from tests.builders.rest_house import START, RestHouse, a_trip


async def plan_made(house: RestHouse) -> str:
    """Publishes a plan of what is in the house, as the planner does; returns its id."""
    plan_id = await a_planner(house).plan_now("test")
    assert plan_id is not None
    return plan_id


async def furnished(house: RestHouse) -> str:
    """Puts two cars on EVSEs where energy is dear for an hour, then cheap, and plans a trip."""
    await house.fleet("car-1", "car-2", soc_pct=15.0)
    async with house.db.write(house.clock, house.services.ids) as work:
        station = await work.session.get_one(Station, "CP-A")
        station.online, station.last_seen = True, house.clock.now()
    prices = ["0.50"] * 4 + ["0.10"] * 188
    await house.post(
        "/prices",
        {
            "site_id": "A",
            "issued_at": format_rfc3339(START),
            "start": format_rfc3339(START),
            "step_minutes": 15,
            "import_price_per_kwh": prices,
            "export_price_per_kwh": ["0.05"] * len(prices),
        },
    )
    await house.post("/bookings", a_trip(START + timedelta(hours=6)))
    return await plan_made(house)


def reasons(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {reason["code"]: reason for entry in entries for reason in entry["reasons"]}


async def test_a_plan_says_why_it_is_so(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    plan_id = await furnished(house)
    found = await house.get(f"/plans/{plan_id}/explanation")
    assert (found["plan_id"], found["language"], found["currency"]) == (plan_id, "en", "EUR")
    codes = [[each["code"] for each in entry["reasons"]] for entry in found["charging"]]
    assert codes == [entry["reasons"] for entry in (await house.get("/plans/current"))["charging"]]
    price = reasons(found["charging"])["PRICE"]
    assert price["numbers"]["dearest_price_per_kwh"] == 0.5
    assert "0.100 EUR/kWh now" in price["sentence"]
    (served,) = found["assignments"]
    assert {each["code"] for each in served["reasons"]} > {"READY"}
    assert await house.get("/plans/current/explanation") == found


async def test_a_car_says_why_it_does_not_charge_now(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    plan_id = await furnished(house)
    whole = await house.get("/plans/current/explanation")
    served = whole["assignments"][0]["vehicle"]
    found = await house.get(f"/vehicles/{served}/explanation", language="de")
    assert found["plan_id"] == plan_id
    assert found["now"]["state"] == "waiting"
    (why,) = found["now"]["reasons"]
    assert why["code"] == "CHEAPER_LATER"
    assert why["sentence"].startswith("Energie kostet jetzt 0,500 EUR/kWh und ab 15.06.")
    assert {entry["vehicle"] for entry in found["charging"]} == {served}
    assert [entry["vehicle"] for entry in found["assignments"]] == [served]
    begins = datetime.fromisoformat(found["charging"][0]["from_at"])
    await house.post("/clock", {"advance_to": format_rfc3339(begins)}, 200)
    later = await house.get(f"/vehicles/{served}/explanation")
    assert later["now"]["state"] == "charging"
    assert later["now"]["reasons"] == later["charging"][0]["reasons"]
    states = [
        {each["vehicle"]: each["state"] for each in (await house.get(path))["vehicles"]}[served]
        for path in ("/plans/current/explanation", f"/plans/{plan_id}/explanation")
    ]
    assert states == ["charging", "waiting"], "now, and when the plan was made"


async def test_the_language_is_that_of_the_query_then_of_the_header(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await furnished(house)
    path = "/api/v1/plans/current/explanation"
    heard = await house.http.get(path, headers={"Accept-Language": "fr-CH, en;q=0.5"})
    assert (heard.json()["language"], heard.headers["Content-Language"]) == ("fr", "fr")
    asked = await house.http.get(f"{path}?language=de", headers={"Accept-Language": "fr"})
    assert asked.json()["language"] == "de"
    for where in (path, "/api/v1/vehicles/car-1/explanation"):
        wrong = await house.http.get(f"{where}?language=it")
        assert wrong.status_code == 422
        assert wrong.json()["errors"][0]["field"] == "/language"


async def test_what_is_not_there_is_not_explained(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.get("/plans/current/explanation", 404)
    await house.get("/plans/nothing/explanation", 404)
    plan_id = await furnished(house)
    await house.get("/vehicles/nobody/explanation", 404)
    await house.post("/vehicles", {"id": "new", "model_id": "mia", "site_id": "A"})
    missing = await house.get("/vehicles/new/explanation", 404)
    assert missing["detail"] == "the plan has no vehicle new"
    await house.get(f"/plans/{plan_id}/explanation", 404, vehicle_id="new")
    one = await house.get(f"/plans/{plan_id}/explanation", vehicle_id="car-1")
    assert [each["vehicle"] for each in one["vehicles"]] == ["car-1"]
    await house.post("/clock", {"advance_to": format_rfc3339(START + timedelta(days=3))}, 200)
    over = await house.get("/vehicles/car-1/explanation", 404)
    assert over["detail"] == "no plan says anything about now"


async def test_explanations_leave_the_readers_to_others(stepped_house: RestHouse) -> None:
    """To tell takes seconds in a thread; a request that waits for it held one of eight readers."""
    house = stepped_house
    await furnished(house)
    free = threading.Event()
    held = asyncio.wrap_future(explaining._THREAD.submit(free.wait))
    asked = [
        asyncio.create_task(house.get(path))
        for path in ("/plans/current/explanation", "/vehicles/car-1/explanation") * 8
    ]
    try:
        await asyncio.sleep(0.5)
        async with asyncio.timeout(60):
            await house.get("/vehicles/car-1")
        assert not any(each.done() for each in asked)
    finally:
        free.set()
        await asyncio.gather(held, *asked)


async def test_who_may_not_read_gets_no_explanation(stepped_house: RestHouse) -> None:
    async with stepped_house.client(None) as nobody:
        answer = await nobody.get("/api/v1/plans/current/explanation")
    assert answer.status_code == 401


async def test_a_quote_tells_its_reasons_in_the_callers_language(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.fleet("car-1", "car-2")
    path, trip = "/api/v1/booking-quotes", a_trip(START + timedelta(hours=1))
    yes = await house.http.post(path, json=trip, headers={"Accept-Language": "de"})
    said = {each["code"]: each for each in yes.json()["explanation"]}
    assert said["READY"]["sentence"].startswith("car-1 kann am Start 98 % haben, 10,4 kWh mehr")
    assert said["CHOICE"]["numbers"] == {"others": 1}
    assert [why.partition(":")[0] for why in yes.json()["reasons"]] == list(said)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "Cars not free at that time (on the road, resting or due elsewhere): 1."),
        ("fr", "Voitures pas libres à cette heure (en route, au repos"),
        ("de", "Autos zu der Zeit nicht frei (unterwegs, in Pause oder woanders verplant): 1."),
    ],
)
async def test_a_refusal_is_told_with_numbers_in_the_callers_language(
    stepped_house: RestHouse, language: str, sentence: str
) -> None:
    house = stepped_house
    await house.fleet("car-1")
    trip = a_trip(START + timedelta(hours=1))
    await house.post("/bookings", trip)
    for path in ("bookings", "booking-quotes"):
        answer = await house.http.post(
            f"/api/v1/{path}", json=trip, headers={"Accept-Language": language}
        )
        (why,) = answer.json()["explanation"]
        assert (why["code"], why["numbers"]) == ("TIME", {"cars": 1})
        assert why["sentence"].startswith(sentence)


async def test_a_trip_too_far_ahead_or_of_no_class_is_told_so(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.fleet("car-1")
    ahead = a_trip(START + timedelta(days=365))
    far = (await house.post("/booking-quotes", ahead, 200))["explanation"]
    assert (
        far[0]["sentence"] == f"Bookings open {far[0]['numbers']['days']} days before they begin."
    )
    van = a_trip(START + timedelta(hours=1), vehicle_class="van")
    none = (await house.post("/booking-quotes", van, 200))["explanation"]
    assert none[0]["sentence"] == "Cars of another class: 1."


async def test_a_refused_extension_is_told_too(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.fleet("car-1")
    first = await house.post("/bookings", a_trip(START + timedelta(hours=1)))
    await house.post("/bookings", a_trip(START + timedelta(hours=6)))
    longer = {"end": format_rfc3339(START + timedelta(hours=7))}
    path = f"/api/v1/bookings/{first['id']}/extend"
    answer = await house.http.post(path, json=longer, headers={"Accept-Language": "de"})
    (why,) = answer.json()["explanation"]
    assert why["sentence"] == "Die nächste Fahrt des Autos beginnt am 15.06. 12:00 UTC."
