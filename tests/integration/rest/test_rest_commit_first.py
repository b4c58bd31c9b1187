"""Nothing is answered before it is on disk, and no failure is answered as a success."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
import sqlalchemy as sa
from starlette.responses import Response

from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.work import Work
from models.tables.access import IdempotentAnswer
from tests.builders.rest_house import RestHouse, a_site

REFUSED_AT_COMMIT = {
    "sqlite": (
        "CREATE TABLE trap (x TEXT REFERENCES site(id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER spring AFTER INSERT ON site BEGIN INSERT INTO trap VALUES ('no'); END",
    ),
    "postgresql": (
        "CREATE TABLE trap (x TEXT REFERENCES site(id) DEFERRABLE INITIALLY DEFERRED)",
        (
            "CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO trap VALUES ('no'); RETURN NULL; END $$"
        ),
        "CREATE TRIGGER spring AFTER INSERT ON site EXECUTE FUNCTION spring()",
    ),
}
DIES_AT_COMMIT = (
    (
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    ),
    (
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON site DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION die()"
    ),
)


async def execute(house: RestHouse, *statements: str) -> None:
    async with house.db.write(house.clock, house.services.ids) as work:
        for statement in statements:
            await work.session.execute(sa.text(statement))


async def nothing_stored(house: RestHouse) -> bool:
    async with house.db.read() as session:
        kept = (await session.execute(sa.select(IdempotentAnswer))).first()
    return kept is None and (await house.get("/sites"))["items"] == []


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_a_commit_that_is_refused_is_no_success(
    house: RestHouse, headers: dict[str, str]
) -> None:
    await execute(house, *REFUSED_AT_COMMIT[house.db.dialect])
    answer = await house.http.post("/api/v1/sites", json=a_site(), headers=headers)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert await nothing_stored(house)
    on = " ON site" if house.db.dialect == "postgresql" else ""
    await execute(house, f"DROP TRIGGER spring{on}")
    await house.post("/sites", a_site(), headers=headers)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_a_database_that_dies_at_commit_is_no_success(
    postgres_house: RestHouse, headers: dict[str, str]
) -> None:
    house = postgres_house
    await execute(house, *DIES_AT_COMMIT)
    answer = await house.http.post("/api/v1/sites", json=a_site(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert await nothing_stored(house)
    await execute(house, "DROP TRIGGER die ON site")
    await house.post("/sites", a_site(), headers=headers)


async def test_a_locked_database_is_said_and_survived(small_house: RestHouse) -> None:
    other = sqlite3.connect(small_house.db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = await small_house.http.post("/api/v1/sites", json=a_site())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    other.execute("ROLLBACK")
    other.close()
    await small_house.post("/sites", a_site())


async def test_a_bug_of_ours_stores_nothing_and_shows_nothing(house: RestHouse) -> None:
    router = api_router("bugs")

    @router.post("/bug", dependencies=[may("admin")])
    async def bug(work: Work) -> Response:
        await work.session.execute(
            sa.text("INSERT INTO house_fact (name, value) VALUES ('bug', '{}')")
        )
        raise RuntimeError("the password is swordfish")

    house.app.include_router(router)
    await house.site()
    answer = await house.http.post("/api/v1/bug", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "swordfish" not in answer.text
    async with house.db.read() as session:
        assert (
            await session.execute(sa.text("SELECT name FROM house_fact WHERE name = 'bug'"))
        ).all() == []


async def test_the_answer_leaves_after_the_commit(house: RestHouse) -> None:
    """The row is there for another connection in the very moment of the answer."""
    router = api_router("watch")
    seen: list[bool] = []

    @router.post("/watched", dependencies=[may("admin")])
    async def watched(work: Work) -> Response:
        await work.session.execute(sa.text("UPDATE site SET name = 'after'"))
        return reply({})

    house.app.include_router(router)
    await house.site(name="before")
    inner = house.app

    async def watching(scope, receive, send):
        async def check(message):
            if message["type"] == "http.response.start":
                async with house.db.read() as session:
                    name = (await session.execute(sa.text("SELECT name FROM site"))).scalar()
                seen.append(name == "after")
            await send(message)

        await inner(scope, receive, check)

    async with house.client(None) as http:
        http._transport.app = watching
        http.headers = house.http.headers
        await asyncio.wait_for(http.post("/api/v1/watched"), 60)
    assert seen == [True]
