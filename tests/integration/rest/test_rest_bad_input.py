"""Bad input gets a clear problem document, and the house goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.builders.rest_house import RestHouse, a_model, a_site

JSON = {"Content-Type": "application/json"}


def a_site_with(custom: bytes) -> bytes:
    return msgspec.json.encode(a_site())[:-1] + b',"custom":' + custom + b"}"


HORRORS: dict[str, bytes] = {
    "no JSON": b"{",
    "empty": b"",
    "a list": b"[]",
    "text": b'"site"',
    "null": b"null",
    "NaN": a_site_with(b'{"a": NaN}'),
    "infinity": a_site_with(b'{"a": Infinity}'),
    "a number beyond floats": a_site_with(b'{"a": 1e999}'),
    "an integer beyond 64 bits": a_site_with(b'{"a": 9223372036854775808}'),
    "NUL": a_site_with(b'{"a": "x\\u0000y"}'),
    "NUL in a name": a_site_with(b'{"x\\u0000y": 1}'),
    "a lone surrogate": a_site_with(b'{"a": "\\ud800"}'),
    "broken UTF-8": a_site_with(b'{"a": "\xff"}'),
    "a bomb": b"[" * 100_000,
    "33 levels": a_site_with(b'{"a":' + b"[" * 33 + b"]" * 33 + b"}"),
    "too many items": a_site_with(b'{"a": [' + b"0," * 20_000 + b"0]}"),
    "trailing rubbish": msgspec.json.encode(a_site()) + b"}",
    "a fat custom": a_site_with(b'{"a": "' + b"x" * 20_000 + b'"}'),
}


@pytest.mark.parametrize("horror", HORRORS)
async def test_horrible_json_is_refused_and_nothing_is_stored(
    small_house: RestHouse, horror: str
) -> None:
    answer = await small_house.http.post("/api/v1/sites", content=HORRORS[horror], headers=JSON)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert problem["code"] == "bad-input"
    assert problem["errors"]
    assert (await small_house.get("/sites"))["items"] == []


async def test_a_body_over_the_limit_is_refused(small_house: RestHouse) -> None:
    body = b'{"name": "' + b"x" * 5_000_000 + b'"}'
    answer = await small_house.http.post("/api/v1/sites", content=body, headers=JSON)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_of_another_kind_is_explained(small_house: RestHouse) -> None:
    answer = await small_house.http.post("/api/v1/sites", data={"name": "x"})
    assert answer.status_code == 422
    assert "application/json" in answer.json()["detail"]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("/sites", a_site(import_limit_w="90000"), "/import_limit_w"),
    ("/sites", a_site(import_limit_w=True), "/import_limit_w"),
    ("/sites", a_site(import_limit_w=None), "/import_limit_w"),
    ("/sites", a_site(import_limit_w=-1), "/import_limit_w"),
    ("/sites", a_site(latitude=91), "/latitude"),
    ("/sites", a_site(timezone="Europe/Nowhere"), "/timezone"),
    ("/sites", a_site(timezone="../../etc/passwd"), "/timezone"),
    ("/sites", a_site(name=""), "/name"),
    ("/sites", a_site(id="a/b"), "/id"),
    ("/sites", a_site(id=""), "/id"),
    ("/sites", a_site(custom=[]), "/custom"),
    ("/sites", a_site(circuits=[{"id": "a"}]), "/circuits/0/limit_w"),
    ("/sites", a_site(circuits=[{"id": "a", "limit_w": 1, "parent": "b"}]), "/circuits/0/parent"),
    ("/sites", a_site(circuits=[{"id": "a", "limit_w": 1}] * 2), "/circuits/1/id"),
    ("/sites", a_site(circuits=[{"id": "a", "limit_w": 1, "parent": "a"}]), "/circuits/0/parent"),
    (
        "/sites",
        a_site(
            circuits=[
                {"id": "a", "limit_w": 1, "parent": "b"},
                {"id": "b", "limit_w": 1, "parent": "a"},
            ]
        ),
        "/circuits/0/parent",
    ),
    ("/sites", a_site(pv_plants=[{"peak_power_w": 1, "tilt_deg": 30}]), "/pv_plants/0/azimuth_deg"),
    ("/vehicle-models", a_model(battery_capacity_wh=0), "/battery_capacity_wh"),
    ("/vehicle-models", a_model(charge_efficiency=1.1), "/charge_efficiency"),
    ("/drivers", {"name": "A", "email": "nobody"}, "/email"),
    ("/id-tokens", {"id_token": "", "type": "Local"}, "/id_token"),
    ("/id-tokens", {"id_token": "a", "type": "Local", "status": "Maybe"}, "/status"),
    ("/id-tokens", {"id_token": "a", "type": "Local", "expires_at": 5}, "/expires_at"),
    ("/id-tokens", {"id_token": "a", "type": "L", "expires_at": "2026-01-01"}, "/expires_at"),
    (
        "/id-tokens",
        {"id_token": "a", "type": "L", "expires_at": "2026-01-01T00:00:00"},
        "/expires_at",
    ),
    (
        "/id-tokens",
        {"id_token": "a", "type": "L", "expires_at": "0001-01-01T00:00:00+10:00"},
        "/expires_at",
    ),
    ("/api-keys", {"role": "king"}, "/role"),
]


@pytest.mark.parametrize(("path", "body", "field"), WRONG)
async def test_a_wrong_field_is_named_by_its_pointer(
    small_house: RestHouse, path: str, body: dict[str, Any], field: str
) -> None:
    problem = await small_house.post(path, body, 422)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["type"] == "urn:heliofleet:problem:bad-input"
    assert set(problem) == {"type", "title", "status", "detail", "code", "errors"}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=nonsense",
        "cursor=%00",
        "cursor=" + "A" * 1001,
        "sort=password_hash",
        "sort=--id",
        "updated_since=yesterday",
        "updated_since=2026-01-01T00:00:00",
        "colour=red",
        "name=%00",
    ],
)
async def test_a_wrong_query_is_refused(small_house: RestHouse, query: str) -> None:
    answer = await small_house.http.get(f"/api/v1/sites?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "/" + query.split("=", maxsplit=1)[0]


@pytest.mark.parametrize("path", ["/sites/%00", "/sites/x%00y", "/stations/a%2Fb", "/nothing"])
async def test_a_strange_address_is_not_found(small_house: RestHouse, path: str) -> None:
    answer = await small_house.http.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/sites", "GET, POST"),
        ("/api/v1/sites/A", "DELETE, GET, PATCH"),
        ("/api/v1/bookings/b", "DELETE, GET, PATCH"),
        ("/livez", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_there_is_a_problem_that_names_those_that_are(
    small_house: RestHouse, path: str, methods: str
) -> None:
    answer = await small_house.http.put(path, json={})
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == methods
    assert methods in answer.json()["detail"]


@pytest.mark.parametrize("patch", [[], 5, None, {"name": None}, {"circuits": {"a": 1}}, {"x": 1}])
async def test_a_wrong_patch_changes_nothing(small_house: RestHouse, patch: Any) -> None:
    site = await small_house.site()
    await small_house.patch(f"/sites/{site['id']}", patch, 422)
    assert await small_house.get(f"/sites/{site['id']}") == site
