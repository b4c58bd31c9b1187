"""Lists come in pages that neither lose nor repeat."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.rest_house import RestHouse, a_site


async def names(house: RestHouse, **query: Any) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await house.get("/sites", **query, **cursor)
        found += [site["name"] for site in page["items"]]
        if page["next_cursor"] is None:
            return found
        assert len(page["items"]) == query["limit"]
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-name", "created_at", "-updated_at"])
async def test_pages_hold_everything_once_and_in_order(house: RestHouse, sort: str) -> None:
    letters = ["B", "A", "A", "Ä", "C", "b", "A"]
    for letter in letters:
        await house.site(name=letter)
    found = await names(house, limit=2, sort=sort)
    assert sorted(found) == sorted(letters)
    whole = [site["name"] for site in (await house.get("/sites", sort=sort))["items"]]
    assert found == whole
    if sort == "created_at":
        assert found == letters


async def test_a_page_stands_while_rows_come_and_go(house: RestHouse) -> None:
    for name in "ABCD":
        await house.site(id=name, name=name)
    first = await house.get("/sites", limit=2, sort="id")
    await house.delete("/sites/A")
    await house.site(id="AA", name="AA")
    second = await house.get("/sites", limit=2, sort="id", cursor=first["next_cursor"])
    assert [site["id"] for site in second["items"]] == ["C", "D"]
    assert second["next_cursor"] is None


async def test_a_cursor_belongs_to_its_sort(small_house: RestHouse) -> None:
    for _ in range(3):
        await small_house.site()
    cursor = (await small_house.get("/sites", limit=1, sort="id"))["next_cursor"]
    await small_house.get("/sites", 422, limit=1, sort="name", cursor=cursor)
    await small_house.get("/sites", 422, limit=1, sort="-id", cursor=cursor)
    await small_house.get("/vehicles", 200, limit=1, sort="id", cursor=cursor)


async def test_updated_since_finds_what_was_changed(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.site(id="A")
    await house.site(id="B")
    await house.post("/clock", {"advance_to": "2026-06-15T07:00:00Z"}, 200)
    await house.patch("/sites/B", {"name": "new"})
    found = await house.get("/sites", updated_since="2026-06-15T09:00:00+02:00")
    assert [site["id"] for site in found["items"]] == ["B"]


async def test_filters_narrow_a_list(house: RestHouse) -> None:
    one, two = await house.site(name="One"), await house.site(name="Two")
    await house.station("S1", one["id"])
    await house.station("S2", two["id"])
    found = await house.get("/stations", site_id=two["id"])
    assert [station["identity"] for station in found["items"]] == ["S2"]
    assert (await house.get("/stations", online=True))["items"] == []
    assert len((await house.get("/stations", approval="accepted"))["items"]) == 2
    assert [site["id"] for site in (await house.get("/sites", name="One"))["items"]] == [one["id"]]


async def test_a_site_posted_by_two_at_once_is_there_once(house: RestHouse) -> None:
    import asyncio

    posts = [house.http.post("/api/v1/sites", json=a_site(id="A")) for _ in range(4)]
    codes = sorted(answer.status_code for answer in await asyncio.gather(*posts))
    assert codes == [201, 409, 409, 409]
