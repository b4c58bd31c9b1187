"""Visits to fast chargers over REST: planned, ordered from staff, and made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.builders.equipped_house import EquippedHouse
from tests.builders.rest_house import a_trip

PAGE = Path(__file__).parents[2] / "fixtures" / "pages" / "status_page.js"
MOVES = "/sites/A/moves"
EVSES = [
    {"evse_id": 1, "max_power_w": 3_700.0},
    {"evse_id": 2, "max_power_w": 22_000.0, "current_type": "DC"},
]
PRICES = ["0.60"] * 9 + ["0.05"] + ["0.60"] * 62
"""It is Monday, six o'clock; energy is cheap from nine to ten."""


@pytest.fixture
async def house(house: EquippedHouse) -> EquippedHouse:
    await furnished(house)
    return house


@pytest.fixture
async def small(small: EquippedHouse) -> EquippedHouse:
    await furnished(small)
    return small


async def furnished(house: EquippedHouse) -> None:
    """Has a half empty car on its EVSE beside a fast charger, and a long trip in the afternoon."""
    await house.rest.site(id="A", timezone="UTC", move_price="0.25", import_limit_w=40_000)
    await house.furnish(EVSES, cars=1, model={"max_dc_power_w": 22_000.0})
    await house.prices(PRICES)
    await house.rest.post("/drivers", {"id": "ada", "name": "ada"})
    await house.rest.post("/bookings", a_trip(house.now + timedelta(hours=9), distance_km=75))


async def orders(house: EquippedHouse) -> list[dict[str, Any]]:
    return (await house.rest.get(MOVES, status="open"))["items"]


async def test_a_visit_is_ordered_with_its_times_made_and_not_asked_for_again(
    house: EquippedHouse,
) -> None:
    plan = await house.plan("A")
    assert [move["reasons"] for move in plan["moves"]] == [["FAST"]]
    (order,) = await orders(house)
    assert (order["from_evse"], order["to_evse"]) == ("CP-1/1", "CP-1/2")
    assert order["reasons"][0]["code"] == "FAST"
    assert order["reasons"][0]["sentence"].startswith("It visits the fast charger CP-1/2 until")
    assert "0.25 EUR" in order["reasons"][0]["sentence"]
    assert order["to_at"] == "2026-06-15T09:00:00Z"
    told = await house.rest.get("/plans/current/explanation", vehicle_id="car-1")
    assert [each["reasons"][0]["code"] for each in told["moves"]] == ["FAST"]
    # The next plans mean the same order, at the same time.
    await house.later(timedelta(minutes=30))
    await house.plan()
    assert [(each["id"], each["to_at"]) for each in await orders(house)] == [
        (order["id"], order["to_at"])
    ]
    await house.rest.post(f"{MOVES}/{order['id']}/done", {}, 200)
    plan = await house.plan("A")
    assert "moves" not in plan
    assert {each["evse"] for each in plan["charging"]} == {"CP-1/2"}
    assert await orders(house) == []


async def test_a_visit_saves_a_booking_whose_car_turns_out_empty(small: EquippedHouse) -> None:
    await small.rest.patch("/sites/A", {"move_price": None})
    empty = {"soc_pct": 12.0, "plugged_evse": "CP-1/1"}
    await small.later(timedelta(hours=7))
    await small.rest.post("/vehicles/car-1/state", empty, 200)
    assert len((await small.plan("A"))["unserved"]) == 1
    await small.rest.patch("/sites/A", {"move_price": "40.00"})
    plan = await small.plan("A")
    assert plan["unserved"] == []
    (order,) = await orders(small)
    assert order["to_evse"] == "CP-1/2"
    assert order["reasons"][0]["numbers"]["booking"] == plan["assignments"][0]["booking"]
    assert datetime.fromisoformat(order["to_at"]) < small.now + timedelta(hours=2)


async def test_no_visit_is_ordered_where_it_costs_more_than_it_saves(small: EquippedHouse) -> None:
    await small.rest.patch("/sites/A", {"move_price": "9.00"})
    assert "moves" not in await small.plan("A")
    assert await orders(small) == []


async def test_the_status_page_lists_what_staff_is_to_do(small: EquippedHouse) -> None:
    await small.plan()
    asked = ("/clock", "/sites", "/stations", "/vehicles", "/moves", "/plans/current/outlook")
    answers = {path: await small.rest.get(path) for path in asked}
    shown = page_shows(answers)
    assert not shown["hidden"]
    assert shown["tiles"][-1] == f"last plan: {answers['/plans/current/outlook']['status']}"
    assert "/plans/current" not in shown["asked"], "which is long"
    (line,) = shown["moves"]
    assert line[1:4] == ["car-1", "CP-1/1", "CP-1/2"]
    assert line[-1].startswith("It visits the fast charger CP-1/2")
    assert page_shows(answers | {"/moves": {"items": [], "next_cursor": None}})["hidden"]


def page_shows(answers: dict[str, Any]) -> dict[str, Any]:
    """Returns what the page's script shows with these answers, and what it asks for."""
    script = files("csms.web") / "static" / "status.js"
    done = subprocess.run(
        [shutil.which("node") or Path(sys.executable).with_name("node"), PAGE, str(script)],
        input=msgspec.json.encode(answers),
        capture_output=True,
        timeout=60,
        check=True,
    )
    return msgspec.json.decode(done.stdout)
