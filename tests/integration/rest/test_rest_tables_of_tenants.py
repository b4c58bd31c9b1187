"""Whoever asks for a table (CSV) gets what is its own, as the lists beside it show it."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import sqlalchemy as sa

from csms.web.identity import SCOPES
from models.timeline import format_rfc3339
from tests.builders.rest_house import START, RestHouse
from tests.integration.rest.test_rest_explanations import furnished

TABLES = {
    "/bookings.csv": "",
    "/messages/export": "?format=csv",
    "/plans/{plan_id}/timeline": "?format=csv",
    "/campaigns/{campaign_id}/report": "?format=csv",
}
"""Doors that tell tables, and how they are asked to."""
FIGURES = "/simulations/{simulation_id}/figures.csv"
"""Told of what was played: its tenants are tested beside it (`test_simulations_are_read.py`)."""


async def things(house: RestHouse) -> dict[str, str]:
    """Puts something into each table; returns the addresses of those that are there."""
    plan_id = await furnished(house)
    password = (await house.station("CP-1", "A"))["password"]
    link = await house.connect("CP-1", password)
    await link.send('[2, "a", "Authorize", {"idTag": "ADA"}]')
    await link.recv()
    await house.activity.quiet()
    campaign = {
        "name": "all",
        "stations": {"site_id": "A"},
        "firmware": {"location": "https://files.example/2.0", "firmware_version": "2.0"},
        "waves": {"size": 2, "pause": "PT10M"},
    }
    made = await house.post("/campaigns", campaign)
    await link.close()
    ids = {"plan_id": plan_id, "campaign_id": made["id"]}
    return {door: door.format(**ids) + query for door, query in TABLES.items()}


async def table(http: Any, address: str) -> list[dict[str, str]]:
    answer = await http.get(f"/api/v1{address}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


async def goes_over(house: RestHouse, role: str) -> None:
    """Lets the keys of a role be another tenant's."""
    async with house.db.write(house.clock, house.services.ids) as work:
        change = sa.text("UPDATE api_key SET tenant_id = 'other' WHERE role = :role")
        await work.session.execute(change, {"role": role})


async def test_no_other_door_tells_a_table(small_house: RestHouse) -> None:
    paths = (await small_house.get("/openapi.json"))["paths"]
    found = {
        path.removeprefix("/api/v1")
        for path, operations in paths.items()
        for each in operations.values()
        if "text/csv" in each["responses"].get("200", {}).get("content", {})
    }
    assert found == {*TABLES, FIGURES}


async def test_a_table_shows_nothing_of_another_tenant(stepped_house: RestHouse) -> None:
    house = stepped_house
    addresses = await things(house)
    key = await house.key("operator")
    async with house.client(key) as http:
        for address in addresses.values():
            assert await table(http, address)
        await goes_over(house, "operator")
        for door in ("/bookings.csv", "/messages/export"):
            assert await table(http, addresses[door]) == []
        for door in TABLES:
            if "{" not in door:
                continue
            answer = await http.get(f"/api/v1{addresses[door]}")
            unknown = await http.get(f"/api/v1{door.replace('{', '').replace('}', '')}")
            assert (answer.status_code, unknown.status_code) == (404, 404)
            told = addresses[door].split("/")[2]
            asked = unknown.json()["detail"].replace(door.split("/")[2].strip("{}"), told)
            assert answer.json()["detail"] == asked
        current = await http.get("/api/v1/plans/current/timeline?format=csv")
        assert (current.status_code, current.json()["detail"]) == (404, "there is no plan yet")


async def test_a_table_shows_a_role_what_lists_show_it_and_nothing_without_a_key(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    addresses = await things(house)
    for role in SCOPES:
        async with house.client(await house.key(role)) as http:
            (booking,) = (await http.get("/api/v1/bookings")).json()["items"]
            (row,) = await table(http, addresses["/bookings.csv"])
            assert (row["id"], row["driver_id"]) == (booking["id"], booking["driver_id"])
            (told,) = (await http.get("/api/v1/messages?action=Authorize")).json()["items"]
            (row,) = await table(http, f"{addresses['/messages/export']}&action=Authorize")
            assert msgspec.json.decode(row["payload"]) == told["payload"]
            assert ("ADA" in row["payload"]) is (role != "driver"), "which sees no people"
    async with house.client(None) as http:
        for address in addresses.values():
            answer = await http.get(f"/api/v1{address}")
            assert (answer.status_code, answer.json()["code"]) == (401, "no-key")


async def test_series_of_another_tenant_are_not_there(stepped_on_both: RestHouse) -> None:
    """As one that never was: nothing is told of its site either."""
    house = stepped_on_both
    await furnished(house)
    forecast = {
        "site_id": "A",
        "issued_at": format_rfc3339(START),
        "start": format_rfc3339(START),
        "step_minutes": 60,
        "q50_w": [1.0],
    }
    made = await house.post("/forecasts/pv", forecast)
    (prices,) = (await house.get("/prices"))["items"]
    key = await house.key("operator")
    await goes_over(house, "operator")
    async with house.client(key) as http:
        for method, address in (
            ("GET", f"/prices/{prices['id']}"),
            ("DELETE", f"/prices/{prices['id']}"),
            ("GET", f"/forecasts/pv/{made['id']}"),
        ):
            answer = await http.request(method, f"/api/v1{address}")
            head, _, name = address.rpartition("/")
            unknown = await http.request(method, f"/api/v1{head}/unknown")
            assert (answer.status_code, unknown.status_code) == (404, 404)
            assert answer.json()["detail"] == unknown.json()["detail"].replace("unknown", name)
    assert (await house.get("/prices"))["items"] == [prices]
