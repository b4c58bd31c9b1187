"""Moves by staff over REST: ordered by a plan, made or refused, and planned around."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.builders.equipped_house import EquippedHouse, equipped_house
from tests.builders.rest_house import a_trip

MOVES = "/sites/A/moves"


@pytest.fixture
async def house(house: EquippedHouse) -> EquippedHouse:
    await furnished(house)
    return house


@pytest.fixture
async def small(small: EquippedHouse) -> EquippedHouse:
    await furnished(small)
    return small


async def furnished(house: EquippedHouse, **site: Any) -> None:
    """Has two half empty cars at one EVSE, and a long trip booked for each in the afternoon."""
    base: dict[str, Any] = {"id": "A", "timezone": "UTC", "move_price": "3.50"}
    await house.rest.site(**(base | site))
    await house.furnish([{"evse_id": 1, "max_power_w": 3_700.0}], cars=1)
    await house.rest.post("/vehicles", {"id": "car-2", "model_id": "mia", "site_id": "A"})
    await house.rest.post("/vehicles/car-2/state", {"soc_pct": 50.0}, 200)
    await house.prices(["0.30"] * 72)
    for name in ("ada", "bob"):
        await house.rest.post("/drivers", {"id": name, "name": name})
        trip = a_trip(house.now + timedelta(hours=9), distance_km=75, driver_id=name)
        await house.rest.post("/bookings", trip)


async def listed(house: EquippedHouse, **query: Any) -> dict[str, Any]:
    """Returns the moves of the site, by car."""
    page = await house.rest.get(MOVES, **query)
    return {each["vehicle_id"]: each for each in page["items"]}


async def test_a_plan_orders_moves_and_staff_makes_them(house: EquippedHouse) -> None:
    plan = await house.plan("A")
    assert {move["vehicle"] for move in plan["moves"]} == {"car-1", "car-2"}
    assert not plan["unserved"]
    orders = await listed(house, status="open")
    room, turn = orders["car-1"], orders["car-2"]
    assert (room["from_evse"], room["to_evse"]) == ("CP-1/1", None)
    assert (turn["from_evse"], turn["to_evse"]) == (None, "CP-1/1")
    assert (room["price"], room["currency"]) == ("3.50", "EUR")
    assert room["reasons"][0]["code"] == "ROOM"
    assert "3.50 EUR" in room["reasons"][0]["sentence"]
    assert house.now < datetime.fromisoformat(room["from_at"])
    assert datetime.fromisoformat(room["from_at"]) < datetime.fromisoformat(room["to_at"])
    answer = await house.rest.http.get(
        f"/api/v1{MOVES}/{turn['id']}", headers={"Accept-Language": "fr"}
    )
    assert "un déplacement coûte 3,50 EUR" in answer.json()["reasons"][0]["sentence"]
    headers = answer.headers
    assert (headers["content-language"], headers["vary"]) == ("fr", "Accept-Language")
    german = await house.rest.get(MOVES, language="de")
    assert "ein Umstellen kostet 3,50 EUR" in str(german["items"])
    told = await house.rest.get("/plans/current/explanation", vehicle_id="car-2")
    assert [each["reasons"][0]["code"] for each in told["moves"]] == ["TURN"]
    # The next plan means the same orders, whatever their time.
    await house.later(timedelta(minutes=15))
    await house.plan()
    again = await listed(house, status="open")
    assert {car: each["id"] for car, each in again.items()} == {
        car: each["id"] for car, each in orders.items()
    }
    # The first car has what it needs, and no plan puts off what was told to staff.
    may_be_made = datetime.fromisoformat(again["car-1"]["from_at"])
    await house.later(may_be_made - house.now - timedelta(minutes=15))
    for _ in range(2):
        await house.rest.post("/vehicles/car-1/state", {"soc_pct": 100.0}, 200)
        await house.plan()
        due = await listed(house, status="open")
        assert due["car-1"]["id"] == room["id"]
        assert due["car-1"]["from_at"] == again["car-1"]["from_at"]
        await house.later(timedelta(minutes=15))
    await house.rest.post("/vehicles/car-1/state", {"soc_pct": 50.0}, 200)
    # Staff comes while the first car still wants some: what counts is where cars stand.
    for order in (room, turn):
        done = await house.rest.post(f"{MOVES}/{order['id']}/done", {"note": "by Eve"}, 200)
        assert (done["status"], done["note"]) == ("done", "by Eve")
    assert (await house.rest.get("/vehicles/car-2"))["plugged_evse"] == "CP-1/1"
    assert (await house.rest.get("/vehicles/car-1"))["plugged_evse"] is None
    over = await house.rest.post(f"{MOVES}/{room['id']}/refused", {}, 409)
    assert over["code"] == "move-over"
    # Now it is the other car that waits, with staff to bring it back.
    plan = await house.plan("A")
    assert not plan["unserved"]
    back = await listed(house, status="open")
    assert (back["car-1"]["from_evse"], back["car-1"]["to_evse"]) == (None, "CP-1/1")


async def test_what_staff_refuses_is_planned_around(house: EquippedHouse) -> None:
    await house.plan()
    orders = await listed(house)
    refused = await house.rest.post(f"{MOVES}/{orders['car-1']['id']}/refused", {}, 200)
    assert refused["status"] == "refused"
    plan = await house.plan("A")
    assert "moves" not in plan
    assert len(plan["unserved"]) == 1
    after = await listed(house)
    assert {car: each["status"] for car, each in after.items()} == {
        "car-1": "refused",
        "car-2": "withdrawn",
    }
    # A day later nobody remembers.
    await house.later(timedelta(hours=25))
    await house.rest.post("/vehicles/car-2/state", {"soc_pct": 50.0}, 200)
    found = await house.rest.get(MOVES, status="open")
    assert found["items"] == []


async def test_a_car_that_came_by_itself_has_its_order_done(small: EquippedHouse) -> None:
    await small.plan()
    state = {"plugged_evse": "CP-1/1", "soc_pct": 50.0}
    await small.rest.post("/vehicles/car-2/state", state, 200)
    await small.plan()
    moves = (await small.rest.get(MOVES, vehicle_id="car-2"))["items"]
    assert [each["status"] for each in moves if each["to_evse"] == "CP-1/1"][:1] == ["done"]


async def test_a_car_that_has_left_is_not_plugged_in_by_its_order(small: EquippedHouse) -> None:
    await small.plan()
    order = next(each for each in (await listed(small)).values() if each["to_evse"])
    await small.rest.site(id="B")
    gone = {"at_site_id": "B", "plugged_evse": None}
    await small.rest.post(f"/vehicles/{order['vehicle_id']}/state", gone, 200)
    told = await small.rest.post(f"{MOVES}/{order['id']}/done", {}, 409)
    assert (told["code"], order["vehicle_id"] in told["detail"]) == ("not-there", True)
    assert (await small.rest.get(f"{MOVES}/{order['id']}"))["status"] == "open"
    assert (await small.rest.get("/vehicles/car-1"))["plugged_evse"] == "CP-1/1"


async def test_moves_keep_to_the_hours_of_staff(sqlite_url: str) -> None:
    """It is Monday, six o'clock."""
    hours = [
        {"days": ["mon"], "start": "11:30", "end": "12:00"},
        {"days": ["tue", "wed"], "start": "00:00", "end": "24:00"},
    ]
    async with equipped_house(sqlite_url) as house:
        await furnished(house, move_hours=hours, timezone="Europe/Paris")
        await house.plan()
        orders = await listed(house)
        assert {each["from_at"] for each in orders.values()} <= {
            "2026-06-15T09:30:00Z",
            "2026-06-15T09:45:00Z",
        }
        assert all(each["to_at"] <= "2026-06-15T10:00:00Z" for each in orders.values())
        site = await house.rest.get("/sites/A")
        assert site["move_hours"] == hours
        await house.rest.patch("/sites/A", {"move_price": None})
        assert (await house.rest.get("/sites/A"))["move_price"] is None
        assert "moves" not in await house.plan()
        assert {each["status"] for each in (await listed(house)).values()} == {"withdrawn"}


async def test_nothing_is_ordered_in_the_shadow(small: EquippedHouse) -> None:
    await small.rest.patch("/sites/A", {"shadow": True})
    assert (await small.plan())["moves"]
    assert not await listed(small)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"move_price": "-1"}, "/move_price"),
    ({"move_price": 3.5}, "/move_price"),
    ({"move_hours": [{"start": "8:00", "end": "12:00"}]}, "/move_hours/0/start"),
    ({"move_hours": [{"start": "08:00", "end": "25:00"}]}, "/move_hours/0/end"),
    ({"move_hours": [{"start": "12:00", "end": "08:00"}]}, "/move_hours/0/end"),
    ({"move_hours": [{"days": [], "start": "08:00", "end": "09:00"}]}, "/move_hours/0/days"),
]


async def test_moves_are_for_operators_of_their_site_and_wrong_prices_are_named(
    small: EquippedHouse,
) -> None:
    await small.plan()
    order = (await listed(small))["car-1"]
    async with small.rest.client(await small.rest.key("viewer")) as viewer:
        assert (await viewer.get(f"/api/v1{MOVES}")).status_code == 200
        answer = await viewer.post(f"/api/v1{MOVES}/{order['id']}/done", json={})
        assert answer.status_code == 403
    await small.rest.site(id="B")
    await small.rest.get(f"/sites/B/moves/{order['id']}", 404)
    await small.rest.post(f"/sites/B/moves/{order['id']}/done", {}, 404)
    await small.rest.get("/sites/C/moves", 404)
    assert await small.rest.get("/moves", site_id="A") == await small.rest.get(MOVES)
    assert await small.rest.get("/moves", status="open") == await small.rest.get("/moves")
    assert (await small.rest.get("/moves", site_id="B"))["items"] == []
    assert (await small.rest.get("/moves", vehicle_id="car-1"))["items"] == [order]
    assert await small.rest.events(f"move/{order['id']}") == ["move.ordered"]
    for changes, field in WRONG:
        told = await small.rest.patch("/sites/A", changes, 422)
        assert [error["field"] for error in told["errors"]] == [field]
