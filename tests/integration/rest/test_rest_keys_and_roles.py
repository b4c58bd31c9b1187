"""Who may come in, and who may do what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from csms.ledger.database import Database
from models.clocks import RealClock
from models.tables.access import ApiKey
from models.timeline import format_rfc3339
from tests.builders.rest_house import BOOTSTRAP, RestHouse, a_model, a_site


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", f"Basic {BOOTSTRAP}", BOOTSTRAP, "Bearer é"]
)
async def test_nobody_comes_in_without_a_good_key(
    small_house: RestHouse, header: str | None
) -> None:
    del small_house.http.headers["Authorization"]
    headers = {} if header is None else {"Authorization": header.encode()}
    for method in ("GET", "POST"):
        answer = await small_house.http.request(method, "/api/v1/sites", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "no-key")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/", "/api/docs"])
async def test_probes_and_pages_need_no_key(small_house: RestHouse, path: str) -> None:
    async with small_house.client(None) as http:
        assert (await http.get(path)).status_code == 200


async def test_the_bootstrap_key_ends_with_the_first_admin_key(house: RestHouse) -> None:
    await house.key("operator")
    await house.get("/api-keys")
    async with house.client(BOOTSTRAP) as bootstrap:
        await house.key("admin")
        assert (await bootstrap.get("/api/v1/api-keys")).status_code == 401
    await house.get("/api-keys")


async def test_a_key_is_shown_once_and_ends_when_revoked(house: RestHouse) -> None:
    made = await house.post("/api-keys", {"role": "viewer", "name": "map"})
    key, key_id = made.pop("key"), made["id"]
    assert await house.get(f"/api-keys/{key_id}") == made
    async with house.client(key) as http:
        assert (await http.get("/api/v1/sites")).status_code == 200
        await house.delete(f"/api-keys/{key_id}")
        assert (await http.get("/api/v1/sites")).status_code == 401
    (shown,) = (await house.get("/api-keys"))["items"]
    assert shown["revoked_at"] is not None


async def test_a_key_that_another_service_revokes_ends_at_once(house: RestHouse) -> None:
    made = await house.post("/api-keys", {"role": "viewer"})
    other = Database.open(house.db.url_elsewhere)
    async with house.client(made["key"]) as http:
        for _ in range(3):
            assert (await http.get("/api/v1/sites")).status_code == 200
        async with other.write(RealClock(), house.services.ids) as work:
            row = await work.session.get_one(ApiKey, made["id"])
            row.revoked_at = work.now
        assert (await http.get("/api/v1/sites")).status_code == 401
    await other.close()


async def test_a_key_ends_when_it_expires(small_house: RestHouse) -> None:
    later = format_rfc3339(RealClock().now() + timedelta(hours=1))
    made = await small_house.post("/api-keys", {"role": "viewer", "expires_at": later})
    async with small_house.client(made["key"]) as http:
        assert (await http.get("/api/v1/sites")).status_code == 200
    soon = RealClock().now() + timedelta(milliseconds=300)
    ending = {"role": "viewer", "expires_at": format_rfc3339(soon)}
    made = await small_house.post("/api-keys", ending)
    async with small_house.client(made["key"]) as http:
        await RealClock().sleep_until(soon)
        assert (await http.get("/api/v1/sites")).status_code == 401
    past = {"role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}
    await small_house.post("/api-keys", past, 422)


ALLOWED = {
    ("POST", "/sites"): {"operator"},
    ("POST", "/vehicle-models"): {"fleet-manager"},
    ("GET", "/drivers"): {"operator", "fleet-manager", "viewer"},
    ("GET", "/id-tokens"): {"operator", "fleet-manager", "viewer"},
    ("GET", "/sites"): {"operator", "fleet-manager", "driver", "viewer"},
    ("GET", "/transactions"): {"operator", "fleet-manager", "driver", "viewer"},
    ("POST", "/stations/none/commands"): {"operator"},
    ("POST", "/sites/none/measurements"): {"operator", "fleet-manager"},
    ("GET", "/api-keys"): set[str](),
    ("POST", "/api-keys"): set[str](),
    ("POST", "/clock"): set[str](),
}
BODIES = {"/sites": a_site(), "/vehicle-models": a_model()}


@pytest.mark.parametrize("role", ["operator", "fleet-manager", "driver", "viewer"])
async def test_each_role_may_do_its_own(small_house: RestHouse, role: str) -> None:
    async with small_house.client(await small_house.key(role)) as http:
        for (method, path), roles in ALLOWED.items():
            answer = await http.request(method, f"/api/v1{path}", json=BODIES.get(path, {}))
            refused = answer.status_code == 403
            assert refused == (role not in roles), (method, path, answer.text)
            if refused:
                assert answer.json()["code"] == "not-allowed"


async def test_a_bad_body_is_not_judged_before_the_role(small_house: RestHouse) -> None:
    async with small_house.client(await small_house.key("viewer")) as http:
        answer = await http.post(
            "/api/v1/sites", content=b"{", headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 403
