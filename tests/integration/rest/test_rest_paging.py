"""Lists come in pages that neither lose nor repeat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.tables.charging import ChargingLimit, Reading, Reconciliation, Transaction
from models.tables.ledger import Message
from models.tables.planning import Plan
from models.tables.stations import SecurityEvent, StationVariable
from tests.builders.rest_house import RestHouse, a_site, a_trip

PAST = "2026-06-15T05:00:00Z"


async def names(house: RestHouse, **query: Any) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await house.get("/sites", **query, **cursor)
        found += [site["name"] for site in page["items"]]
        if page["next_cursor"] is None:
            return found
        assert len(page["items"]) == query["limit"]
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-name", "created_at", "-updated_at"])
async def test_pages_hold_everything_once_and_in_order(house: RestHouse, sort: str) -> None:
    letters = ["B", "A", "A", "Ä", "C", "b", "A"]
    for letter in letters:
        await house.site(name=letter)
    found = await names(house, limit=2, sort=sort)
    assert sorted(found) == sorted(letters)
    whole = [site["name"] for site in (await house.get("/sites", sort=sort))["items"]]
    assert found == whole
    if sort == "created_at":
        assert found == letters


async def test_a_page_stands_while_rows_come_and_go(house: RestHouse) -> None:
    for name in "ABCD":
        await house.site(id=name, name=name)
    first = await house.get("/sites", limit=2, sort="id")
    await house.delete("/sites/A")
    await house.site(id="AA", name="AA")
    second = await house.get("/sites", limit=2, sort="id", cursor=first["next_cursor"])
    assert [site["id"] for site in second["items"]] == ["C", "D"]
    assert second["next_cursor"] is None


async def test_a_cursor_belongs_to_its_sort(small_house: RestHouse) -> None:
    for _ in range(3):
        await small_house.site()
    cursor = (await small_house.get("/sites", limit=1, sort="id"))["next_cursor"]
    for other in ("name", "-id"):
        told = await small_house.get("/sites", 422, limit=1, sort=other, cursor=cursor)
        assert "cursor" in str(told["errors"])
    found = await small_house.get("/vehicles", 200, limit=1, sort="id", cursor=cursor)
    assert found["items"] == []


async def test_updated_since_finds_what_was_changed(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.site(id="A")
    await house.site(id="B")
    await house.post("/clock", {"advance_to": "2026-06-15T07:00:00Z"}, 200)
    await house.patch("/sites/B", {"name": "new"})
    found = await house.get("/sites", updated_since="2026-06-15T09:00:00+02:00")
    assert [site["id"] for site in found["items"]] == ["B"]


LISTS = (
    "/sites",
    "/sites/A/measurements",
    "/stations",
    "/stations/S/messages",
    "/stations/S/security-events",
    "/stations/S/reconciliation",
    "/reconciliation",
    "/messages",
    "/stations/S/variables",
    "/id-tokens",
    "/vehicle-models",
    "/vehicles",
    "/drivers",
    "/transactions",
    "/transactions/T/meter-values",
    "/bookings",
    "/plans",
    "/limits",
    "/forecasts/pv",
    "/forecasts/load",
    "/prices",
    "/api-keys",
)


@pytest.mark.parametrize("path", LISTS)
async def test_every_list_can_be_followed_by_what_is_new(house: RestHouse, path: str) -> None:
    await furnish(house)
    some = await house.get(path, updated_since="2020-01-01T00:00:00Z", limit=1)
    assert len(some["items"]) == 1, "nothing to be found is no test"
    assert await house.get(path, updated_since="2199-01-01T00:00:00Z") == {
        "items": [],
        "next_cursor": None,
    }
    await house.get(path, 422, updated_since="now")


async def furnish(house: RestHouse) -> None:
    """Puts something into every list."""
    vehicle = await house.vehicle((await house.site(id="A"))["id"], id_tokens=["T"])
    await house.key("viewer")
    await house.post("/drivers", {"id": "ada", "name": "Ada"})
    await house.station("S", "A")
    await house.post("/sites/A/measurements", {"measured_at": PAST, "pv_power_w": 1})
    series = {"site_id": "A", "issued_at": PAST, "start": PAST}
    prices = {"import_price_per_kwh": ["0.2"], "export_price_per_kwh": ["0.1"]}
    await house.post("/prices", series | prices)
    for kind in ("pv", "load"):
        await house.post(f"/forecasts/{kind}", series | {"q50_w": [1]})
    await house.post("/vehicles/" + vehicle["id"] + "/state", {"soc_pct": 90}, 200)
    now = house.clock.now()
    await house.post("/bookings", a_trip(now + timedelta(hours=1)))
    seen: dict[str, Any] = {"station": "S", "received_at": now}
    plan = {"start": now, "step_minutes": 15, "steps": 1, "status": "optimal", "cost": 0.0}
    async with house.db.write(house.clock, house.services.ids) as work:
        work.session.add_all(
            [
                Message(
                    direction="in",
                    action="Heartbeat",
                    message_id="1",
                    payload="{}",
                    outcome="result",
                    **seen,
                ),
                SecurityEvent(type="X", source="gateway", happened_at=now, **seen),
                Reconciliation(station="S", kind="k", detail="d", created_at=now),
                StationVariable(
                    station="S", component="", variable="V", attribute="Actual", reported_at=now
                ),
                Transaction(
                    id="T",
                    station="S",
                    evse_id=1,
                    ocpp_transaction_id="1",
                    started_at=now,
                    received_at=now,
                    updated_at=now,
                ),
                Reading(
                    evse_id=1,
                    ocpp_transaction_id="1",
                    measured_at=now,
                    context="Sample.Periodic",
                    location="Outlet",
                    **seen,
                ),
                Plan(
                    id="P",
                    created_at=now,
                    trigger="clock",
                    forecast_source="none",
                    site_ids=["A"],
                    problem="{}",
                    document="{}",
                    **plan,
                ),
                ChargingLimit(
                    id="L",
                    site_id="A",
                    station="S",
                    evse_id=1,
                    purpose="transaction",
                    created_at=now,
                    periods=[],
                    state="queued",
                ),
            ]
        )


async def test_filters_narrow_a_list(house: RestHouse) -> None:
    one, two = await house.site(name="One"), await house.site(name="Two")
    await house.station("S1", one["id"])
    await house.station("S2", two["id"])
    found = await house.get("/stations", site_id=two["id"])
    assert [station["identity"] for station in found["items"]] == ["S2"]
    assert (await house.get("/stations", online=True))["items"] == []
    assert len((await house.get("/stations", approval="accepted"))["items"]) == 2
    assert [site["id"] for site in (await house.get("/sites", name="One"))["items"]] == [one["id"]]


async def test_a_site_posted_by_two_at_once_is_there_once(house: RestHouse) -> None:
    import asyncio

    posts = [house.http.post("/api/v1/sites", json=a_site(id="A")) for _ in range(4)]
    codes = sorted(answer.status_code for answer in await asyncio.gather(*posts))
    assert codes == [201, 409, 409, 409]
