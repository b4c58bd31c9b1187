"""Messages on the screens of stations: over REST and real sockets, in 2.0.1 and 2.1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulators.displays import Message
from tests.builders.uploading import Uploading, uploading
from tests.builders.waiting import until

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
ADDRESS = "/stations/ST-1/display-messages"


def a_message(**changes: Any) -> dict[str, Any]:
    return {"content": "Closed on Sunday", "language": "en", **changes}


async def put(it: Uploading, number: int, status: int = 200, /, **changes: Any) -> Any:
    answer = await it.house.http.put(f"/api/v1{ADDRESS}/{number}", json=a_message(**changes))
    assert answer.status_code == status, answer.text
    return answer.json()


async def states(it: Uploading) -> dict[int, str]:
    return {each["id"]: each["state"] for each in (await it.house.get(ADDRESS))["items"]}


async def refresh(it: Uploading) -> Any:
    """Has the station tell all that it shows; returns the question once it is answered."""
    asked = await it.house.post(f"{ADDRESS}/report", {})
    path = f"/stations/ST-1/inquiries/{asked['id']}"
    return await until(lambda: it.house.get(path), lambda shown: shown["ended_at"] is not None)


@ON_2X
async def test_a_message_is_shown_changed_and_taken_away(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        shown = await put(it, 7, state="Idle", end_at="2099-01-01T00:00:00Z")
        assert (shown["state"], shown["why"]) == ("shown", None)
        assert shown["told"] == shown["wish"]
        (message,) = it.box.outfit.displays.found(
            None, None, None, evses=(), at=it.house.clock.now()
        )
        assert (message.content, message.state) == ("Closed on Sunday", "Idle")
        await put(it, 7, content="Geschlossen", language="de")
        assert (await it.house.get(f"{ADDRESS}/7"))["told"]["content"] == "Geschlossen"
        await it.house.delete(f"{ADDRESS}/7")
        assert await states(it) == {7: "gone"}
        await it.house.delete(f"{ADDRESS}/8", 404)
        assert (await it.house.events("station/ST-1")).count("display_message.changed") == 3


@ON_2X
async def test_a_refusal_is_kept_with_its_reason(
    tmp_path: Path, sqlite_url: str, version: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:
        await put(it, 1)
        refused = await put(it, 1, content="<b>Closed</b>", format="HTML")
        assert (refused["state"], refused["why"]) == ("refused", "NotSupportedMessageFormat")
        assert refused["told"]["content"] == "Closed on Sunday"
        wrong = await put(it, 2, 422, transaction_id="nobody-s")
        assert wrong["errors"][0]["field"] == "/transaction_id"
        for field, value in (("format", "QRCODE"), ("state", "Suspended"), ("content", "x" * 600)):
            if version == "ocpp2.0.1":
                refused = await put(it, 2, 422, **{field: value})
                assert refused["errors"][0]["field"] == f"/{field}"
            else:
                await put(it, 2, **{field: value})


@ON_2X
async def test_a_report_tells_what_is_there_and_what_the_station_has_dropped(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        assert (await refresh(it))["state"] == "empty"
        for number in (1, 2, 3):
            await put(it, number)
        displays = it.box.outfit.displays
        displays.clear(2)  # as the station may by itself
        displays.show(Message(3, "InFront", "UTF8", "Other words", "en"), ())
        displays.show(Message(9, "NormalCycle", "UTF8", "By hand"), ())
        inquiry = await refresh(it)
        assert (inquiry["state"], inquiry["parts"], inquiry["subject"]) == (
            "complete",
            3,
            "displays",
        )
        assert await states(it) == {1: "shown", 2: "gone", 3: "differs", 9: "foreign"}
        for number in (1, 3, 9):
            displays.clear(number)
        assert (await refresh(it))["state"] == "empty"
        assert set((await states(it)).values()) == {"gone"}
        asked = (await it.house.get("/stations/ST-1/inquiries", subject="displays"))["items"]
        assert [each["state"] for each in asked] == ["empty", "complete", "empty"]


async def test_all_stations_of_a_site_show_a_message_that_can(
    tmp_path: Path, database_url: str
) -> None:
    async with uploading(database_url, tmp_path, "ocpp2.0.1") as it:
        await it.house.station("ST-2", "A")
        path = "/api/v1/sites/A/display-messages/5"
        told = (await it.house.http.put(path, json=a_message())).json()
        assert [(each["station"], each["state"]) for each in told["items"]] == [("ST-1", "shown")]
        assert told["skipped"] == [{"station": "ST-2", "why": "the station is not connected"}]
        assert await states(it) == {5: "shown"}
        beyond = (await it.house.http.put(path, json=a_message(format="QRCODE"))).json()
        assert beyond["items"] == []
        assert beyond["skipped"][0] == {"station": "ST-1", "why": "OCPP 2.0.1 knows no QRCODE"}
        wrong = await it.house.http.put(path, json=a_message(transaction_id="t"))
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "/transaction_id")
        nowhere = await it.house.http.put("/api/v1/sites/B/display-messages/5", json=a_message())
        assert nowhere.status_code == 404


async def test_16_has_no_screen_and_who_is_away_can_not_be_asked(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp1.6") as it:
        assert (await put(it, 1, 409))["code"] == "not-in-version"
        await it.house.station("ST-2", "A")
        refused = await it.house.post("/stations/ST-2/display-messages/report", {}, 409)
        assert refused["code"] == "station-offline"
        await it.house.get("/stations/nobody/display-messages", 404)
        await it.house.get(f"{ADDRESS}/1", 404)
        await it.house.get(f"{ADDRESS}/{2**63}", 422)
        viewer = it.house.client(await it.house.key("viewer"))
        path = f"/api/v1{ADDRESS}/1"
        assert (await viewer.put(path, json=a_message())).status_code == 403
