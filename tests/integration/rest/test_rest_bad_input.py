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


async def test_a_query_says_each_thing_once_and_forwards(small_house: RestHouse) -> None:
    house = small_house
    later, earlier = "2026-06-16T00:00:00Z", "2026-06-15T00:00:00Z"
    for path, query, field in (
        ("bookings", "driver_id=a&driver_id=b", "/driver_id"),
        ("bookings", f"from={later}&to={earlier}", "/to"),
        ("plans", f"from={later}&to={earlier}", "/to"),
        ("limits", f"from={later}&to={earlier}", "/to"),
        ("prices", f"from={later}&to={earlier}", "/to"),
        ("transactions", f"from={later}&to={earlier}", "/to"),
        ("plans", "limit=1&limit=2", "/limit"),
    ):
        answer = await house.http.get(f"/api/v1/{path}?{query}")
        assert answer.status_code == 422, (path, query)
        assert answer.json()["errors"][0]["field"] == field
    for query in (f"from={later}&to={later}", "status=confirmed&status=at_risk"):
        assert (await house.http.get(f"/api/v1/bookings?{query}")).status_code == 200


async def test_a_filter_that_is_not_there_is_told_which_are(small_house: RestHouse) -> None:
    answer = await small_house.http.get("/api/v1/sites/A/moves?car=1")
    (error,) = answer.json()["errors"]
    allowed = "cursor, language, limit, sort, status, updated_since, vehicle_id"
    assert error == {"field": "/car", "detail": f"is not known here; allowed: {allowed}"}
    red = a_site(colour="red")
    assert (await small_house.post("/sites", red, 422))["errors"][0]["detail"] == (
        "is not known here"
    )


async def test_the_plus_of_an_offset_needs_no_escape_in_an_address(small_house: RestHouse) -> None:
    instants = ("2026-06-15T08:00:00+02:00", "2026-06-15T08%3A00%3A00.5+02%3A00")
    for text in (*instants, "2026-06-15T08:00:00%2B02:00"):
        answer = await small_house.http.get(f"/api/v1/bookings?from={text}&limit=1")
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("prices", {"export_price_per_kwh": ["0.1"] * 23}, "/export_price_per_kwh"),
        ("prices", {"import_co2_g_per_kwh": [1.0] * 25}, "/import_co2_g_per_kwh"),
        ("forecasts/pv", {"q50_w": [5.0, 5.0], "q90_w": [9.0]}, "/q90_w"),
        ("forecasts/pv", {"q50_w": [5.0, 5.0], "q10_w": [0.0, 6.0]}, "/q10_w/1"),
        ("forecasts/pv", {"q50_w": [5.0, 5.0], "q90_w": [4.0, 6.0]}, "/q90_w/0"),
    ],
)
async def test_a_series_that_does_not_fit_is_named(
    small_house: RestHouse, path: str, body: dict[str, Any], field: str
) -> None:
    start = "2026-06-15T00:00:00Z"
    head = {"site_id": "A", "issued_at": start, "start": start, "step_minutes": 60}
    prices = {"import_price_per_kwh": ["0.3"] * 24, "export_price_per_kwh": ["0.1"] * 24}
    whole = head | (prices if path == "prices" else {}) | body
    problem = await small_house.post(f"/{path}", whole, 422)
    assert [each["field"] for each in problem["errors"]] == [field]


async def test_fields_that_contradict_each_other_are_named(small_house: RestHouse) -> None:
    full = {"capacity_wh": 10.0, "soc_wh": 11.0, "min_soc_wh": 0.0, "max_charge_w": 1.0}
    battery = full | {"max_discharge_w": 1.0, "efficiency": 0.9}
    night = [{"start": "18:00", "end": "08:00"}]
    wrong = a_site(battery=battery, move_hours=night)
    problem = await small_house.post("/sites", wrong, 422)
    assert [each["field"] for each in problem["errors"]] == ["/battery/soc_wh", "/move_hours/0/end"]


async def test_a_number_that_json_lacks_is_pointed_at(small_house: RestHouse) -> None:
    body = b'{"measurements": [], "pv_power_w": [1.5, 2, NaN]}'
    answer = await small_house.http.post("/api/v1/sites", content=body, headers=JSON)
    assert answer.json()["detail"].endswith("; NaN in 'pv_power_w' is no number there")
