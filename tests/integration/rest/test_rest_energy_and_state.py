"""What is pushed: measurements, forecasts, prices and the state of cars."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from models.tables.ledger import Event
from tests.builders.rest_house import RestHouse


def at(hour: int, minute: int = 0) -> str:
    return f"2026-06-15T{hour:02}:{minute:02}:00Z"


async def test_measurements_come_one_by_one_or_in_lists(house: RestHouse) -> None:
    path = f"/sites/{(await house.site())['id']}/measurements"
    one = await house.post(path, {"measured_at": at(5), "pv_power_w": 1_000, "grid_power_w": -50})
    assert one["pv_power_w"] == 1_000
    assert one["load_power_w"] is None
    many = [{"measured_at": at(5, minute), "load_power_w": minute} for minute in (15, 30, 45)]
    assert [m["load_power_w"] for m in await house.post(path, many)] == [15, 30, 45]
    await house.post(path, {"measured_at": "2026-06-15T07:45:00+02:00", "load_power_w": 99})
    page = await house.get(path, limit=3)
    assert [m["measured_at"] for m in page["items"]] == [at(5), at(5, 15), at(5, 30)]
    rest = await house.get(path, limit=3, cursor=page["next_cursor"])
    assert [m["load_power_w"] for m in rest["items"]] == [99]
    part = await house.get(path, **{"from": at(5, 15), "to": at(5, 45)}, sort="-measured_at")
    assert [m["measured_at"] for m in part["items"]] == [at(5, 30), at(5, 15)]
    await house.post("/sites/none/measurements", {"measured_at": at(5), "pv_power_w": 1}, 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"measured_at": at(5)}, ""),
        ({"measured_at": at(5), "pv_power_w": "1"}, "/pv_power_w"),
        ([{"measured_at": at(5), "pv_power_w": 1}, {"pv_power_w": 1}], "/1/measured_at"),
        ([], ""),
        ({"measured_at": "2199-01-01T00:00:00Z", "pv_power_w": 1}, "/measured_at"),
        (5, ""),
    ],
)
async def test_a_wrong_measurement_is_named(small_house: RestHouse, body: Any, field: str) -> None:
    path = f"/sites/{(await small_house.site())['id']}/measurements"
    problem = await small_house.post(path, body, 422)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert (await small_house.get(path))["items"] == []


def prices(site_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "site_id": site_id,
        "issued_at": at(5),
        "start": at(6),
        "import_price_per_kwh": ["0.25", "0.300000001"],
        "export_price_per_kwh": ["0.08", "-0.01"],
        "import_co2_g_per_kwh": [50, 60.5],
    } | fields


async def test_prices_keep_every_digit(house: RestHouse) -> None:
    site = await house.site()
    made = await house.post("/prices", prices(site["id"]))
    assert made["import_price_per_kwh"] == ["0.25", "0.300000001"]
    assert made["export_price_per_kwh"] == ["0.08", "-0.01"]
    assert made["currency"] == "EUR"
    later = await house.post("/prices", prices(site["id"], issued_at=at(6), currency="CHF"))
    other = await house.site()
    await house.post("/prices", prices(other["id"]))
    assert (await house.get("/prices", site_id=site["id"]))["items"] == [later, made]
    assert (await house.get("/prices", to=at(6), site_id=site["id"]))["items"] == [made]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"import_price_per_kwh": [0.25, 0.3]}, "/import_price_per_kwh/0"),
        ({"import_price_per_kwh": ["0.25", "NaN"]}, "/import_price_per_kwh/1"),
        ({"import_price_per_kwh": ["0.25"]}, "/export_price_per_kwh"),
        ({"import_price_per_kwh": []}, "/import_price_per_kwh"),
        ({"currency": "euro"}, "/currency"),
        ({"step_minutes": 7}, "/step_minutes"),
        ({"issued_at": "2026-06-15T05:00:00"}, "/issued_at"),
        ({"issued_at": "2999-06-15T05:00:00Z"}, "/issued_at"),
    ],
)
async def test_wrong_prices_are_named(
    small_house: RestHouse, fields: dict[str, Any], field: str
) -> None:
    site = await small_house.site()
    problem = await small_house.post("/prices", prices(site["id"], **fields), 422)
    assert field in {error["field"] for error in problem["errors"]}


async def test_a_forecast_may_be_pushed_with_or_without_quantiles(house: RestHouse) -> None:
    site = await house.site()
    body = {"site_id": site["id"], "issued_at": at(5), "start": at(6), "q50_w": [5, 6]}
    plain = await house.post("/forecasts/pv", body)
    assert plain["q10_w"] == plain["q90_w"] == [5, 6]
    assert plain["source"] == "pushed"
    full = body | {"q10_w": [1, 2], "q90_w": [7, 8], "source": "solcast", "issued_at": at(6)}
    named = await house.post("/forecasts/pv", full)
    assert named["source"] == "pushed: solcast"
    assert (await house.get("/forecasts/pv", site_id=site["id"]))["items"] == [named, plain]
    assert (await house.get("/forecasts/load"))["items"] == []
    await house.get("/forecasts/wind", 422)
    await house.post("/forecasts/pv", full | {"q10_w": [6, 2]}, 422)
    await house.post("/forecasts/pv", full | {"q90_w": [7]}, 422)
    await house.post("/forecasts/pv", full | {"q50_w": [-1, 2]}, 422)


async def test_what_was_pushed_is_found_where_the_answer_says(house: RestHouse) -> None:
    site = await house.site()
    series = {"site_id": site["id"], "issued_at": at(5), "start": at(6), "q50_w": [5, 6]}
    early = await house.post("/forecasts/pv", series | {"issued_at": "2999-01-01T00:00:00Z"}, 422)
    assert early["errors"] == [{"field": "/issued_at", "detail": "lies in the future"}]
    for path, body in (
        ("/prices", prices(site["id"])),
        ("/forecasts/pv", series),
        ("/forecasts/load", series),
    ):
        answer = await house.http.post(f"/api/v1{path}", json=body)
        assert (await house.http.get(answer.headers["location"])).json() == answer.json()
        await house.get(f"{path}/none", 404)
    pv = (await house.get("/forecasts/pv"))["items"][0]
    await house.get(f"/forecasts/load/{pv['id']}", 404)
    measured = [{"measured_at": at(5, minute), "pv_power_w": 1} for minute in (30, 15)]
    path = f"/api/v1/sites/{site['id']}/measurements"
    await house.http.post(path, json={"measured_at": at(4), "pv_power_w": 1})
    answer = await house.http.post(path, json=measured)
    found = (await house.http.get(answer.headers["location"])).json()["items"]
    assert [each["measured_at"] for each in found] == [at(5, 15), at(5, 30)]


async def test_a_cars_state_is_what_was_said_last(stepped_house: RestHouse) -> None:
    house = stepped_house
    site = await house.site()
    other = await house.site()
    for identity, place in (("S1", site), ("S2", other)):
        await house.station(identity, place["id"], evses=[{"evse_id": 1}])
    car = await house.vehicle(site["id"])
    path = f"/vehicles/{car['id']}/state"
    assert car["at_site_id"] == site["id"]
    assert car["soc_pct"] is None
    state = await house.post(path, {"soc_pct": 55.5, "plugged_evse": "S2/1"}, 200)
    assert (state["soc_pct"], state["plugged_evse"]) == (55.5, "S2/1")
    assert (state["at_site_id"], state["source"]) == (other["id"], "manual")
    assert state["measured_at"] == "2026-06-15T06:00:00Z"
    state = await house.post(path, {"odometer_km": 1000, "measured_at": at(5)}, 200)
    assert state["odometer_km"] is None
    state = await house.post(path, {"plugged_evse": None, "source": "push"}, 200)
    assert (state["soc_pct"], state["plugged_evse"], state["source"]) == (55.5, None, "push")
    assert state["at_site_id"] == other["id"]
    on_the_road = await house.post(path, {"at_site_id": None}, 200)
    assert on_the_road["at_site_id"] is None
    assert await house.get(f"/vehicles/{car['id']}") == on_the_road
    async with house.db.read() as session:
        query = sa.select(Event.type).where(Event.subject == f"vehicle/{car['id']}")
        types = list((await session.execute(query)).scalars())
    assert types.count("vehicle.state_changed") == 3


async def test_two_cars_are_never_on_one_evse(house: RestHouse) -> None:
    site = await house.site()
    await house.station("S1", site["id"], evses=[{"evse_id": 1}])
    cars = [await house.vehicle(site["id"]) for _ in range(2)]
    for car in cars:
        await house.post(f"/vehicles/{car['id']}/state", {"plugged_evse": "S1/1"}, 200)
    shown = [await house.get(f"/vehicles/{car['id']}") for car in cars]
    assert [car["plugged_evse"] for car in shown] == [None, "S1/1"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"soc_pct": 101}, "/soc_pct"),
        ({"plugged_evse": "S9/1"}, "/plugged_evse"),
        ({"plugged_evse": "S1/9"}, "/plugged_evse"),
        ({"plugged_evse": "S1"}, "/plugged_evse"),
        ({"plugged_evse": "S1/1", "at_site_id": "OTHER"}, "/at_site_id"),
        ({"at_site_id": "none"}, "/at_site_id"),
        ({"measured_at": "2199-01-01T00:00:00Z"}, "/measured_at"),
        ({"source": "charger"}, "/source"),
        ({"speed": 5}, "/speed"),
    ],
)
async def test_a_wrong_state_is_named(
    small_house: RestHouse, body: dict[str, Any], field: str
) -> None:
    site = await small_house.site()
    await small_house.site(id="OTHER")
    await small_house.station("S1", site["id"], evses=[{"evse_id": 1}])
    car = await small_house.vehicle(site["id"])
    problem = await small_house.post(f"/vehicles/{car['id']}/state", body, 422)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert await small_house.get(f"/vehicles/{car['id']}") == car
