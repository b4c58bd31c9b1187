"""`/stations/{identity}/local-list`: what is shown of a station's list of tokens, and asked for."""

from __future__ import annotations

from tests.builders.rest_house import RestHouse


async def test_a_station_has_no_list_unless_it_is_to_have_one(house: RestHouse) -> None:
    site = await house.site()
    made = await house.station("CP-1", site["id"])
    assert made["local_list"] is False
    shown = await house.get("/stations/CP-1/local-list")
    assert shown == {
        "station": "CP-1",
        "enabled": False,
        "state": "off",
        "version": 0,
        "entries": 0,
        "changed_at": None,
        "why": None,
    }
    refused = await house.post("/stations/CP-1/local-list/sync", None, 409)
    assert refused["code"] == "local-list-off"


async def test_a_list_waits_for_its_station_and_can_be_asked_for_whole(house: RestHouse) -> None:
    site = await house.site()
    await house.station("CP-1", site["id"])
    changed = await house.patch("/stations/CP-1", {"local_list": True})
    assert changed["local_list"] is True
    shown = await house.get("/stations/CP-1/local-list")
    assert (shown["enabled"], shown["state"], shown["version"]) == (True, "pending", 0)
    assert shown["why"] == "waits for the station to come"
    for _ in range(2):
        asked = await house.post("/stations/CP-1/local-list/sync", None, 202)
        assert asked["state"] == "pending"
        assert asked["why"] == "the whole list was asked for"
        assert asked == await house.get("/stations/CP-1/local-list")
    assert await house.events("local_list/CP-1") == ["local_list.requested"] * 2


async def test_lists_of_nobody_are_not_there_and_viewers_only_look(house: RestHouse) -> None:
    await house.get("/stations/NONE/local-list", 404)
    await house.post("/stations/NONE/local-list/sync", None, 404)
    site = await house.site()
    await house.station("CP-1", site["id"], local_list=True)
    async with house.client(await house.key("viewer")) as viewer:
        address = "/api/v1/stations/CP-1/local-list"
        assert (await viewer.get(address)).status_code == 200
        assert (await viewer.post(f"{address}/sync")).status_code == 403
