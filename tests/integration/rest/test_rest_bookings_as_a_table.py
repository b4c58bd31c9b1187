"""Bookings go into a spreadsheet: all that the filters select, by their start, and no formulas."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from csms.booking import api
from tests.builders.rest_house import START, RestHouse, a_trip


async def table(house: RestHouse, query: str = "") -> list[dict[str, str]]:
    answer = await house.http.get(f"/api/v1/bookings.csv{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_bookings_are_downloaded_as_a_table(
    stepped_on_both: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = stepped_on_both
    monkeypatch.setattr(api, "LIMIT_MAX", 2)
    await house.fleet("car-1")
    assert await table(house) == []
    made = [
        await house.post("/bookings", a_trip(START + timedelta(hours=h), external_id="=1+1"))
        for h in (30, 1, 12, 50, 21)
    ]
    await house.post(f"/bookings/{made[0]['id']}/cancel", {}, 200)
    rows = await table(house)
    by_start = sorted(made, key=lambda each: each["start"])
    assert [row["id"] for row in rows] == [each["id"] for each in by_start]
    told = made[0].keys() - {"assigned_evse", "explanation"}
    assert list(rows[0]) == [name for name in made[0] if name in told]
    first = rows[0]
    assert (first["start"], first["vehicle_id"]) == ("2026-06-15T07:00:00Z", "car-1")
    assert (first["distance_km"], first["vehicle_class"]) == ("20.0", "")
    assert first["external_id"] == "'=1+1"
    cancelled = await table(house, "?status=cancelled&status=no_show")
    assert [row["id"] for row in cancelled] == [made[0]["id"]]
    morning = await table(house, "?from=2026-06-15T06:00:00Z&to=2026-06-15T12:00:00Z")
    assert [row["id"] for row in morning] == [made[1]["id"]]


async def test_a_table_has_no_pages(small_house: RestHouse) -> None:
    for query, field in (("limit=5", "/limit"), ("to=x", "/to"), ("status=open", "/status/0")):
        answer = await small_house.http.get(f"/api/v1/bookings.csv?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
