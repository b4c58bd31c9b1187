"""Every kept resource: created, found, changed, guarded by its version, removed, and announced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from models.tables.ledger import Event
from models.tables.planning import PlanRequest
from tests.builders.rest_house import RestHouse, a_model, a_site

Make = Callable[[RestHouse], Awaitable[dict[str, Any]]]


async def new_site(_: RestHouse) -> dict[str, Any]:
    return a_site(
        circuits=[
            {"id": "main", "limit_w": 60_000},
            {"id": "garage", "parent": "main", "limit_w": 20_000, "unmanaged_load_w": 500},
        ],
        pv_plants=[{"peak_power_w": 30_000, "tilt_deg": 30, "azimuth_deg": 180}],
        battery={
            "capacity_wh": 200_000,
            "soc_wh": 1_000,
            "min_soc_wh": 0,
            "max_charge_w": 50_000,
            "max_discharge_w": 50_000,
            "efficiency": 0.95,
        },
    )


async def new_station(house: RestHouse) -> dict[str, Any]:
    site = await house.site(circuits=[{"id": "c", "limit_w": 10_000}])
    return {
        "identity": "CP-1+a",
        "site_id": site["id"],
        "vendor": "V",
        "safe_limit_w": 4_000,
        "ocpp_versions": ["ocpp1.6"],
        "evses": [
            {"evse_id": 1, "circuit_id": "c", "connectors": [{"connector_id": 1}]},
            {"evse_id": 2, "max_power_w": 50_000, "current_type": "DC"},
        ],
    }


async def new_token(_: RestHouse) -> dict[str, Any]:
    return {"id_token": "AbC", "type": "ISO14443", "expires_at": "2030-01-01T00:00:00+01:00"}


async def new_model(_: RestHouse) -> dict[str, Any]:
    return a_model()


async def new_vehicle(house: RestHouse) -> dict[str, Any]:
    site = await house.site()
    model = await house.post("/vehicle-models", a_model())
    return {
        "model_id": model["id"],
        "site_id": site["id"],
        "registration": "AB-123-CD",
        "id_tokens": ["CAR-1"],
    }


async def new_driver(_: RestHouse) -> dict[str, Any]:
    return {"name": "Ada", "email": "ada@example.org", "id_tokens": ["ADA", "ADA-2"]}


KEPT: dict[str, tuple[Make, dict[str, Any]]] = {
    "/sites": (new_site, {"name": "Other", "battery": None}),
    "/stations": (new_station, {"vendor": "W", "safe_limit_w": None}),
    "/id-tokens": (new_token, {"status": "Blocked", "expires_at": None}),
    "/vehicle-models": (new_model, {"max_dc_power_w": 50_000.0}),
    "/vehicles": (new_vehicle, {"registration": None, "id_tokens": ["CAR-2"]}),
    "/drivers": (new_driver, {"email": None, "id_tokens": ["ADA"]}),
}


def name_of(resource: dict[str, Any]) -> str:
    return resource.get("id") or resource["identity"]


@pytest.mark.parametrize("path", KEPT)
async def test_a_resource_lives_from_creation_to_deletion(house: RestHouse, path: str) -> None:
    make, change = KEPT[path]
    body = await make(house) | {"external_id": "x-1", "custom": {"a": [1, {"b": None}]}}
    answer = await house.http.post(f"/api/v1{path}", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    password = made.pop("password", None)
    assert (password is not None) == (path == "/stations")
    assert made["external_id"] == "x-1"
    assert made["custom"] == {"a": [1, {"b": None}]}

    address = answer.headers["location"]
    shown = await house.http.get(address)
    assert shown.status_code == 200, address
    assert shown.json() == made
    listed = await house.get(path, external_id="x-1", updated_since="2020-01-01T00:00:00Z")
    assert listed == {"items": [made], "next_cursor": None}
    assert (await house.get(path, external_id="x-2"))["items"] == []

    stale = {"If-Match": '"7"'}
    refused = await house.http.patch(address, json=change, headers=stale)
    assert (refused.status_code, refused.json()["code"]) == (412, "stale-version")
    same = {"If-Match": shown.headers["etag"]}
    changed = await house.http.patch(address, json=change, headers=same)
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] != shown.headers["etag"]
    after = changed.json()
    assert {name: after[name] for name in change} == change
    untouched = set(made) - set(change) - {"updated_at", "version"}
    assert {name: after[name] for name in untouched} == {name: made[name] for name in untouched}
    assert (await house.http.get(address)).json() == after

    assert (await house.http.delete(address, headers=stale)).status_code == 412
    assert (await house.http.delete(address)).status_code == 204
    gone = await house.http.get(address)
    assert (gone.status_code, gone.json()["code"]) == (404, "not-found")
    assert (await house.http.delete(address)).status_code == 404
    assert (await house.http.patch(address, json={})).status_code == 404


@pytest.mark.parametrize("path", KEPT)
async def test_the_same_resource_twice_already_exists(house: RestHouse, path: str) -> None:
    body = await KEPT[path][0](house)
    if path != "/stations":
        body["id"] = "mine"
    await house.post(path, body)
    if "id_tokens" in body:
        body["id_tokens"] = []
    refused = await house.post(path, body, 409)
    assert refused["code"] == "already-exists"


@pytest.mark.parametrize("path", KEPT)
async def test_the_name_of_a_resource_can_not_be_changed(house: RestHouse, path: str) -> None:
    made = await house.post(path, await KEPT[path][0](house))
    field = "identity" if path == "/stations" else "id"
    name = name_of(made).replace("+", "%2B")
    refused = await house.patch(f"{path}/{name}", {field: "another"}, 422)
    assert refused["errors"][0]["field"] == f"/{field}"
    assert (await house.patch(f"{path}/{name}", {field: name_of(made)}))[field] == name_of(made)


@pytest.mark.parametrize("path", KEPT)
async def test_unknown_and_wrong_fields_are_named(small_house: RestHouse, path: str) -> None:
    body = await KEPT[path][0](small_house)
    body |= {"colour": "red", "custom": 5}
    errors = (await small_house.post(path, body, 422))["errors"]
    assert {error["field"] for error in errors} == {"/colour", "/custom"}


async def test_each_change_is_announced_with_the_whole_resource(house: RestHouse) -> None:
    vehicle = await house.vehicle((await house.site())["id"])
    await house.patch(f"/vehicles/{vehicle['id']}", {"registration": "Z"})
    await house.delete(f"/vehicles/{vehicle['id']}")
    async with house.db.read() as session:
        query = sa.select(Event).where(Event.subject == f"vehicle/{vehicle['id']}")
        events = list((await session.execute(query.order_by(Event.id))).scalars())
    assert [event.type for event in events] == [
        "vehicle.created",
        "vehicle.updated",
        "vehicle.deleted",
    ]
    assert msgspec.json.decode(events[0].resource) == vehicle
    assert msgspec.json.decode(events[1].resource)["registration"] == "Z"
    assert {event.site_id for event in events} == {vehicle["site_id"]}


async def test_a_change_that_matters_asks_for_a_plan(house: RestHouse) -> None:
    site = await house.site()
    await house.patch(f"/sites/{site['id']}", {"import_limit_w": 10})
    async with house.db.read() as session:
        wish = await session.get(PlanRequest, site["id"])
    assert wish is not None
    assert wish.reason == "site changed"


async def test_what_is_referred_to_stays(house: RestHouse) -> None:
    vehicle = await house.vehicle((await house.site())["id"])
    for path in (f"/sites/{vehicle['site_id']}", f"/vehicle-models/{vehicle['model_id']}"):
        refused = await house.http.delete(f"/api/v1{path}")
        assert (refused.status_code, refused.json()["code"]) == (409, "still-referenced")
        car = {"kind": "vehicle", "count": 1, "ids": [vehicle["id"]]}
        assert refused.json()["references"] == [car]
        assert refused.json()["detail"].startswith(f"1 vehicle ({vehicle['id']}) still refers to")
        await house.get(path)


async def test_of_many_things_that_refer_the_first_are_told_and_how_many(house: RestHouse) -> None:
    site = await house.site(id="A")
    for number in range(12):
        await house.station(f"ST-{number:02}", site["id"])
    refused = (await house.http.delete("/api/v1/sites/A")).json()
    (stations,) = refused["references"]
    assert (stations["kind"], stations["count"]) == ("station", 12)
    assert stations["ids"] == [f"ST-{number:02}" for number in range(10)]
    assert "12 stations (ST-00, " in refused["detail"]
    assert refused["detail"].endswith("ST-09, ...) still refer to this site")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/stations", {"identity": "S", "site_id": "none"}, "/site_id"),
        ("/vehicles", {"model_id": "none", "site_id": "none"}, "/model_id"),
        ("/id-tokens", {"id_token": "T", "type": "Local", "driver_id": "none"}, "/driver_id"),
        ("/id-tokens", {"id_token": "T", "type": "Local", "vehicle_id": "none"}, "/vehicle_id"),
        ("/sites", a_site(tariff_id="none"), "/tariff_id"),
        (
            "/prices",
            {
                "site_id": "none",
                "issued_at": "2026-06-15T00:00:00Z",
                "start": "2026-06-15T00:00:00Z",
                "import_price_per_kwh": ["0.2"],
                "export_price_per_kwh": ["0.1"],
            },
            "/site_id",
        ),
    ],
)
async def test_a_reference_to_nothing_is_named(
    small_house: RestHouse, path: str, body: dict[str, Any], field: str
) -> None:
    refused = await small_house.post(path, body, 422)
    assert [error["field"] for error in refused["errors"]] == [field]


async def test_another_tenants_things_are_not_there(small_house: RestHouse) -> None:
    site = await small_house.site(id="A")
    async with small_house.db.write(small_house.clock, small_house.services.ids) as work:
        await work.session.execute(sa.text("UPDATE site SET tenant_id = 'other'"))
    await small_house.get(f"/sites/{site['id']}", 404)
    assert (await small_house.get("/sites"))["items"] == []
    await small_house.patch(f"/sites/{site['id']}", {"name": "Mine"}, 404)
    await small_house.delete(f"/sites/{site['id']}", 404)
    await small_house.get(f"/sites/{site['id']}/measurements", 404)
    await small_house.post("/stations", {"identity": "S", "site_id": "A"}, 422)


async def test_tokens_follow_their_owner(house: RestHouse) -> None:
    driver = await house.post("/drivers", {"name": "Ada", "id_tokens": ["ADA"]})
    other = await house.post("/drivers", {"name": "Bob", "id_tokens": []})
    refused = await house.patch(f"/drivers/{other['id']}", {"id_tokens": ["ada"]}, 409)
    assert refused["code"] == "token-taken"
    await house.patch(f"/drivers/{driver['id']}", {"id_tokens": []})
    assert (await house.patch(f"/drivers/{other['id']}", {"id_tokens": ["ada"]}))["id_tokens"] == [
        "ADA"
    ]
    (token,) = (await house.get("/id-tokens", id_token="aDa"))["items"]
    assert token["driver_id"] == other["id"]
    twice = await house.patch(f"/drivers/{other['id']}", {"id_tokens": ["x", "X"]}, 422)
    assert twice["errors"][0]["field"] == "/id_tokens/1"
    await house.delete(f"/drivers/{other['id']}")
    assert (await house.get("/id-tokens"))["items"] == []


async def test_a_token_is_the_same_in_both_cases(house: RestHouse) -> None:
    await house.post("/id-tokens", {"id_token": "DEADBEEF", "type": "ISO14443"})
    refused = await house.post("/id-tokens", {"id_token": "deadbeef", "type": "Local"}, 409)
    assert refused["code"] == "already-exists"
    second = await house.post("/id-tokens", {"id_token": "CAFE", "type": "Local"})
    await house.patch(f"/id-tokens/{second['id']}", {"id_token": "DeadBeef"}, 409)
