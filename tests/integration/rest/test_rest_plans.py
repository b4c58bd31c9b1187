"""Lists of plans stay small, tell their currency, and what is asked of them is one thing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from csms.planning.api import plans
from models.timeline import format_rfc3339
from tests.builders.rest_house import START, RestHouse, a_trip
from tests.integration.rest.test_rest_explanations import furnished, plan_made


async def priced(house: RestHouse, site_id: str, currency: str) -> None:
    await house.post(
        "/prices",
        {
            "site_id": site_id,
            "issued_at": format_rfc3339(house.clock.now()),
            "start": format_rfc3339(START),
            "step_minutes": 60,
            "currency": currency,
            "import_price_per_kwh": ["0.30"] * 2 + ["0.20"] * 46,
            "export_price_per_kwh": ["0.05"] * 48,
        },
    )


def sentences(explanation: dict[str, Any]) -> str:
    return " ".join(
        reason["sentence"] for entry in explanation["charging"] for reason in entry["reasons"]
    )


async def test_a_plan_is_told_in_the_currency_of_its_prices(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await furnished(house)
    assert (await house.get("/plans/current"))["currency"] == "EUR"
    await priced(house, "A", "CHF")
    await house.site(id="B")
    plan_id = await plan_made(house)
    for path in ("/plans/current", f"/plans/{plan_id}", "/plans/current/explanation"):
        assert (await house.get(path))["currency"] == "CHF", "B has no prices, and goes with A"
    told = sentences(await house.get("/plans/current/explanation"))
    assert "CHF/kWh" in told
    assert "EUR" not in told
    await priced(house, "B", "EUR")
    await plan_made(house)
    assert (await house.get("/plans/current"))["currency"] == "XXX", "for two there is no name"


async def test_an_outline_of_plans_leaves_out_what_is_long(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    plan_id = await furnished(house)
    (whole,) = (await house.get("/plans"))["items"]
    (outline,) = (await house.get("/plans", outline=True))["items"]
    assert outline.items() <= whole.items()
    assert outline["id"] == plan_id
    assert {"currency", "cost", "lower_bound", "status", "gap", "trigger"} <= outline.keys()
    assert not {"stays", "charging", "sites", "assignments"} & outline.keys()


async def test_a_page_of_plans_ends_before_it_is_too_large(
    stepped_on_both: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = stepped_on_both
    made = [await furnished(house)]
    for _ in range(4):
        await house.post("/clock", {"advance_to": format_rfc3339(later(house))}, 200)
        made.append(await plan_made(house))
    size = len((await house.http.get(f"/api/v1/plans/{made[0]}")).content)
    monkeypatch.setattr(plans, "PAGE_BYTES_MAX", 2 * size)
    assert await pages(house, "created_at") == [made[:2], made[2:4], made[4:]]
    assert await pages(house, "-created_at") == [made[:2:-1], made[2:0:-1], made[:1]]
    monkeypatch.setattr(plans, "PAGE_BYTES_MAX", 1)
    assert await pages(house, "created_at") == [[each] for each in made], "one at least"


def later(house: RestHouse) -> Any:
    return house.clock.now() + timedelta(minutes=1)


async def pages(house: RestHouse, sort: str) -> list[list[str]]:
    found, more = [], dict[str, str]()
    while True:
        page = await house.get("/plans", sort=sort, **more)
        found.append([each["id"] for each in page["items"]])
        if page["next_cursor"] is None:
            return found
        more = {"cursor": page["next_cursor"]}


async def test_one_site_of_a_plan_has_only_its_own_bookings_without_a_car(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await furnished(house)
    await house.site(id="B")
    await house.post("/vehicles", {"id": "car-b", "model_id": "mia", "site_id": "B"})
    state = {"soc_pct": 90.0, "at_site_id": "B"}
    await house.post("/vehicles/car-b/state", state, 200)
    trip = a_trip(START + timedelta(hours=2), pickup_site_id="B", dropoff_site_id="B")
    booking = await house.post("/bookings", trip)
    await house.post("/vehicles/car-b/state", {"soc_pct": 1.0, "at_site_id": "B"}, 200)
    await plan_made(house)
    assert [each["booking"] for each in await unserved(house)] == [booking["id"]]
    assert [each["booking"] for each in await unserved(house, site_id="B")] == [booking["id"]]
    assert await unserved(house, site_id="A") == []


async def unserved(house: RestHouse, **query: str) -> list[dict[str, Any]]:
    return (await house.get("/plans/current", **query))["unserved"]


async def test_explanations_are_asked_for_by_site_and_by_booking(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    plan_id = await furnished(house)
    await house.site(id="B")
    (booking,) = (await house.get("/bookings"))["items"]
    at_a = await house.get(f"/plans/{plan_id}/explanation", site_id="A")
    whole = await house.get(f"/plans/{plan_id}/explanation")
    assert at_a == whole
    missing = await house.get(f"/plans/{plan_id}/explanation", 404, site_id="B")
    assert missing["detail"] == "the plan has no site B"
    await plan_made(house)
    at_b = await house.get("/plans/current/explanation", site_id="B")
    assert not any(at_b[name] for name in ("vehicles", "charging", "assignments", "unserved"))
    path = f"/bookings/{booking['id']}/explanation"
    told = await house.get(path, language="fr")
    assert (told["booking"], told["vehicle"]) == (booking["id"], booking["vehicle_id"])
    assert told["reasons"][0]["sentence"].startswith("La voiture a ")
    assert told["charging"]
    assert all(each["vehicle"] == told["vehicle"] for each in told["charging"])
    assert all(each["to_at"] <= told["start_at"] for each in told["charging"])
    await house.get("/bookings/none/explanation", 404)
    far = await house.post("/bookings", a_trip(START + timedelta(days=10)))
    nothing = await house.get(f"/bookings/{far['id']}/explanation", 404)
    assert nothing["detail"].startswith("the plan in force, which looks until 2026-06-17T06:00:00Z")


async def test_limits_are_found_by_site_plan_and_several_states(house: RestHouse) -> None:
    for query in ("site_id=A", "plan_id=1", "state=accepted&state=obeyed", "station=B"):
        answer = await house.http.get(f"/api/v1/limits?{query}")
        assert answer.json() == {"items": [], "next_cursor": None}, answer.text
