"""`Idempotency-Key`: done once, answered alike."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from models.tables.access import IdempotentAnswer
from tests.builders.rest_house import RestHouse, a_site

ONCE = {"Idempotency-Key": "k-1"}
AT_SEVEN = "2026-06-15T07:00:00Z"


async def test_the_same_post_is_done_once_and_answered_alike(house: RestHouse) -> None:
    first = await house.http.post("/api/v1/sites", json=a_site(), headers=ONCE)
    again = await house.http.post("/api/v1/sites", json=a_site(), headers=ONCE)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    for name in ("location", "etag", "content-type"):
        assert first.headers[name] == again.headers[name]
    assert len((await house.get("/sites"))["items"]) == 1


async def test_another_body_under_the_same_key_is_refused(house: RestHouse) -> None:
    await house.post("/sites", a_site(), headers=ONCE)
    await house.post("/sites", a_site(name="Other"), 422, headers=ONCE)
    await house.post("/drivers", {"name": "Ada"}, 422, headers=ONCE)
    assert len((await house.get("/sites"))["items"]) == 1


async def test_the_same_post_at_once_is_done_once(house: RestHouse) -> None:
    posts = [house.http.post("/api/v1/sites", json=a_site(), headers=ONCE) for _ in range(8)]
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {201}, [a.text for a in answers]
    assert len({answer.content for answer in answers}) == 1
    assert len((await house.get("/sites"))["items"]) == 1


async def test_a_decision_is_remembered_and_a_mistake_is_not(house: RestHouse) -> None:
    await house.post("/sites", a_site(id="A"))
    assert (await house.post("/sites", a_site(id="A"), 409, headers=ONCE))["code"]
    await house.delete("/sites/A")
    refused = await house.post("/sites", a_site(id="A"), 409, headers=ONCE)
    assert refused["code"] == "already-exists"
    other = {"Idempotency-Key": "k-2"}
    await house.post("/sites", {"name": 5}, 422, headers=other)
    await house.post("/sites", a_site(), 201, headers=other)


async def test_keys_of_two_callers_do_not_meet(house: RestHouse) -> None:
    await house.post("/sites", a_site(), headers=ONCE)
    async with house.client(await house.key("operator")) as http:
        other = await http.post("/api/v1/sites", json=a_site(name="B"), headers=ONCE)
    assert other.status_code == 201
    assert len((await house.get("/sites"))["items"]) == 2


async def test_a_key_is_free_again_after_a_day(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.post("/sites", a_site(), headers=ONCE)
    await house.post("/clock", {"advance_to": "2026-06-16T05:59:00Z"}, 200)
    await house.post("/sites", a_site(name="B"), 422, headers=ONCE)
    await house.post("/clock", {"advance_to": "2026-06-16T06:01:00Z"}, 200)
    await house.post("/sites", a_site(name="B"), 201, headers=ONCE)
    assert len((await house.get("/sites"))["items"]) == 2


async def test_secrets_are_not_remembered(house: RestHouse) -> None:
    site = await house.site()
    body = {"identity": "S", "site_id": site["id"]}
    made = await house.post("/stations", body, headers=ONCE)
    again = await house.post("/stations", body, headers=ONCE)
    assert again == made | {"password": None}
    async with house.db.read() as session:
        bodies = (await session.execute(sa.select(IdempotentAnswer.body))).scalars().all()
    assert not any(made["password"] in body for body in bodies)


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_a_key_has_a_sensible_length(small_house: RestHouse, key: str) -> None:
    told = await small_house.post("/sites", a_site(), 422, headers={"Idempotency-Key": key})
    assert "Idempotency-Key" in str(told)
    assert (await small_house.get("/sites"))["items"] == []


async def test_it_is_meant_for_posts_only(small_house: RestHouse) -> None:
    site = await small_house.site()
    for name in ("A", "B"):
        changed: Any = await small_house.patch(f"/sites/{site['id']}", {"name": name}, headers=ONCE)
        assert changed["name"] == name


async def test_the_clock_is_moved_once(stepped_house: RestHouse) -> None:
    first = await stepped_house.post("/clock", {"advance_to": AT_SEVEN}, 200, headers=ONCE)
    await stepped_house.post("/clock", {"advance_to": "2026-06-15T08:00:00Z"}, 200)
    again = await stepped_house.post("/clock", {"advance_to": AT_SEVEN}, 200, headers=ONCE)
    assert again == first == {"mode": "simulated", "now": AT_SEVEN}
    other = {"advance_to": "2026-06-15T09:00:00Z"}
    await stepped_house.post("/clock", other, 422, headers=ONCE)
