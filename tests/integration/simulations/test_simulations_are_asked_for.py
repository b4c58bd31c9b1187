"""Simulations over REST: what is refused, who may ask, and what waits (nobody plays here)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tests.builders.renovating import CHANGES, block
from tests.builders.rest_house import rest_house

WISH: dict[str, Any] = {"scenario": "ydeal", "changes": CHANGES}


async def test_what_waits_is_listed_cancelled_and_forgotten(database_url: str) -> None:
    async with rest_house(database_url) as house:
        first = await house.post("/simulations", WISH, 202)
        second = await house.post("/simulations", {**WISH, "scenario": block(), "seed": 7}, 202)
        assert (first["scenario"], first["days"], first["planner"]) == ("ydeal", 7, "plan")
        assert first["title"] == CHANGES["title"]
        assert (second["scenario"], second["seed"], second["changes"]) == ("block", 7, CHANGES)
        page = await house.get("/simulations", limit=1)
        assert [(each["id"], each["title"]) for each in page["items"]] == [
            (second["id"], CHANGES["title"])
        ]
        page = await house.get("/simulations", limit=1, cursor=page["next_cursor"])
        assert ([each["id"] for each in page["items"]], page["next_cursor"]) == (
            [first["id"]],
            None,
        )
        where = f"/simulations/{first['id']}"
        assert await house.get(where) == first
        await house.delete(where, 409)
        done = await house.post(f"{where}/cancel", {}, 200)
        assert (done["state"], done["ended_at"] is not None) == ("cancelled", True)
        assert (await house.post(f"{where}/cancel", {}, 409))["code"] == "simulation-over"
        assert (await house.get(f"{where}/report", 409))["code"] == "simulation-not-done"
        queued = await house.get("/simulations", state="queued")
        assert [each["id"] for each in queued["items"]] == [second["id"]]
        await house.delete(where)
        await house.get(where, 404)
        assert await house.events(f"simulation/{first['id']}") == [
            "simulation.requested",
            "simulation.cancelled",
            "simulation.deleted",
        ]


async def test_ten_may_wait(sqlite_url: str) -> None:
    async with rest_house(sqlite_url) as house:
        told = [await house.post("/simulations", WISH, 202) for _ in range(10)]
        assert [each["place"] for each in told] == list(range(1, 11))
        refused = await house.post("/simulations", WISH, 409)
        assert refused["code"] == "too-many-simulations"
        gone = await house.post(f"/simulations/{told[0]['id']}/cancel", {}, 200)
        assert gone["place"] is None
        assert (await house.get(f"/simulations/{told[1]['id']}"))["place"] == 1
        listed = await house.get("/simulations")
        assert [each["place"] for each in listed["items"]] == [*range(9, 0, -1), None]
        await house.post("/simulations", WISH, 202)


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"scenario": "atlantis"}, "/scenario", "no shipped scenario 'atlantis'"),
    ({"scenario": "/etc/passwd"}, "/scenario", "no shipped scenario"),
    ({"scenario": 5}, "/scenario", "valid string"),
    ({"scenario": {}}, "/scenario/name", "missing required field"),
    ({"scenario": block(seed="x")}, "/scenario/seed", "Expected `int`"),
    ({"scenario": block(timezone="Mars/Base")}, "/scenario/timezone", "unknown time zone"),
    ({"changes": {}}, "/changes", "change nothing"),
    ({"changes": {"sun": 1}}, "/changes/sun", "unknown field `sun`"),
    ({"changes": {"pv": [{"site": "block"}]}}, "/changes", "all is said to be as it is"),
    ({"changes": {"pv": [{"sight": "x"}]}}, "/changes/pv/0/sight", "unknown field `sight`"),
    ({"changes": {"remove_stations": ["X"]}}, "/changes/remove_stations/0", "unknown station"),
    (
        {"changes": {"add_cars": [{"site": "block", "model": "city-145", "count": 999}]}},
        "/changes/add_cars",
        "make 1003 cars, allowed are 300",
    ),
    ({"days": 32}, "/days", "less than or equal to 31"),
    ({"days": 0}, "/days", "greater than or equal to 1"),
    ({"seed": -1}, "/seed", "greater than or equal to 0"),
    ({"start": "2026-02-30"}, "/start", "is no day"),
    ({"start": "soon"}, "/start", "pattern"),
    ({"planner": "perfect"}, "/planner", "Input should be"),
    ({"shadow": True}, "/shadow", "is not known here"),
]


async def test_a_mistake_is_named_with_its_place(sqlite_url: str) -> None:
    async with rest_house(sqlite_url) as house:
        for fields, field, word in MISTAKES:
            told = await house.post("/simulations", WISH | fields, 422)
            error = told["errors"][0]
            assert (error["field"], word in error["detail"]) == (field, True), told
        assert (await house.get("/simulations"))["items"] == []


async def test_viewers_look_and_operators_ask(sqlite_url: str) -> None:
    async with rest_house(sqlite_url) as house:
        await house.key("admin")
        operator = house.client(await house.key("operator"))
        viewer = house.client(await house.key("viewer"))
        async with operator, viewer:
            asked = await operator.post("/api/v1/simulations", json=WISH)
            where = f"/api/v1/simulations/{asked.json()['id']}"
            answers = [
                await viewer.post("/api/v1/simulations", json=WISH),
                await viewer.get(where),
                await viewer.post(f"{where}/cancel", json={}),
                await operator.post(f"{where}/cancel", json={}),
                await viewer.delete(where),
                await operator.delete(where),
            ]
        assert asked.status_code == 202
        assert [each.status_code for each in answers] == [403, 200, 403, 200, 403, 204]


async def test_what_another_tenant_asks_is_not_there(sqlite_url: str) -> None:
    async with rest_house(sqlite_url) as house:
        asked = await house.post("/simulations", WISH, 202)
        async with house.db.write(house.clock, house.services.ids) as work:
            await work.session.execute(sa.text("UPDATE simulation SET tenant_id = 'other'"))
        where = f"/simulations/{asked['id']}"
        assert (await house.get("/simulations"))["items"] == []
        for path in (where, f"{where}/report"):
            await house.get(path, 404)
        await house.post(f"{where}/cancel", {}, 404)
        await house.delete(where, 404)
