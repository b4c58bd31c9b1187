"""The clock over HTTP, and live events over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from csms.web import streams
from tests.builders.rest_house import START, RestHouse, served


async def test_a_real_clock_is_read_and_not_moved(small_house: RestHouse) -> None:
    shown = await small_house.get("/clock")
    assert shown["mode"] == "real"
    body = {"advance_to": "2999-01-01T00:00:00Z"}
    assert (await small_house.post("/clock", body, 409))["code"] == "real-clock"


async def test_a_stepped_clock_answers_when_all_that_was_due_has_happened(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    assert await house.get("/clock") == {"mode": "simulated", "now": "2026-06-15T06:00:00Z"}
    rung: list[str] = []

    async def ring() -> None:
        await house.clock.sleep_until(START + timedelta(minutes=5))
        with house.activity.busy():
            await asyncio.sleep(0.05)
            rung.append("rung")

    task = asyncio.create_task(ring())
    await asyncio.sleep(0)
    after = await house.post("/clock", {"advance_to": "2026-06-15T08:10:00+02:00"}, 200)
    assert after == {"mode": "simulated", "now": "2026-06-15T06:10:00Z"}
    assert rung == ["rung"]
    await task
    back = await house.post("/clock", {"advance_to": "2026-06-15T06:09:59Z"}, 422)
    assert back["errors"][0]["field"] == "/advance_to"
    await house.post("/clock", {"advance_to": "soon"}, 422)


class Listener:
    """A client of the event stream."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def event(self) -> dict[str, str]:
        """Returns the next event (or comment, under an empty name)."""
        found: dict[str, str] = {}
        async with asyncio.timeout(60):
            async for line in self._lines:
                if not line:
                    return found
                name, _, value = line.partition(":")
                found[name] = value.strip()
        raise AssertionError("the stream has ended")


@asynccontextmanager
async def listening(
    http: httpx.AsyncClient, last_event_id: str | None = None, **query: Any
) -> AsyncIterator[Listener]:
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with http.stream("GET", "/api/v1/events", params=query, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        listener = Listener(answer.aiter_lines())
        assert await listener.event() == {"": "welcome"}
        yield listener


async def test_events_arrive_as_they_happen_and_can_be_resumed(house: RestHouse) -> None:
    before = await house.site(name="before")
    async with served(house) as http:
        async with listening(http) as listener:
            after = await house.site(name="after")
            event = await listener.event()
            assert event["event"] == "site.created"
            envelope = msgspec.json.decode(event["data"])
            assert envelope["id"] == event["id"]
            assert envelope["subject"] == f"site/{after['id']}"
            assert envelope["resource"] == after
            assert set(envelope) == {
                "id", "time", "type", "tenant", "site_id", "subject", "resource"
            }  # fmt: skip
        await house.site(name="missed")
        async with listening(http, event["id"]) as listener:
            resumed = msgspec.json.decode((await listener.event())["data"])
            assert resumed["resource"]["name"] == "missed"
        async with listening(http, "0") as listener:
            first = msgspec.json.decode((await listener.event())["data"])
            assert first["resource"] == before


@pytest.mark.parametrize("subject", ["settlement/s", "driver/d", "id_token/t"])
async def test_a_stream_has_nothing_of_people_for_those_who_may_not_see_them(
    house: RestHouse, subject: str
) -> None:
    async with house.db.write(house.clock, house.services.ids) as work:
        work.emit("it.happened", subject=subject, resource={"amount": "12.34", "psp_ref": "P"})
    made = await house.site(name="after")
    async with served(house) as http:
        async with listening(http, "0") as listener:
            assert (await listener.event())["event"] == "it.happened"
        http.headers["Authorization"] = f"Bearer {await house.key('driver')}"
        async with listening(http, "0") as listener:
            first = msgspec.json.decode((await listener.event())["data"])
            assert first["subject"] == f"site/{made['id']}"


async def test_a_stream_is_filtered_by_type_and_site(house: RestHouse) -> None:
    one, two = await house.site(), await house.site()
    async with (
        served(house) as http,
        listening(http, type="site.updated") as by_type,
        listening(http, site_id=two["id"], type=["site.updated", "x"]) as by_site,
    ):
        await house.patch(f"/sites/{one['id']}", {"name": "first"})
        await house.patch(f"/sites/{two['id']}", {"name": "second"})
        for listener, name in ((by_type, "first"), (by_type, "second"), (by_site, "second")):
            envelope = msgspec.json.decode((await listener.event())["data"])
            assert envelope["resource"]["name"] == name


async def test_a_quiet_stream_shows_that_it_lives(
    small_house: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.05)
    async with served(small_house) as http, listening(http) as listener:
        assert await listener.event() == {"": "still here"}


async def test_streams_end_when_the_house_drains(small_house: RestHouse) -> None:
    async with served(small_house) as http, listening(http) as listener:
        assert small_house.app.state.streams.count == 1
        small_house.app.state.streams.close()
        with pytest.raises(AssertionError, match="ended"):
            await listener.event()
    assert small_house.app.state.streams.count == 0


async def test_one_stream_too_many_is_told_when_to_come_back(
    small_house: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)
    async with served(small_house) as http, listening(http):
        refused = await http.get("/api/v1/events")
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
        assert refused.headers["retry-after"] == "30"


@pytest.mark.parametrize("last", ["x", "-1", "99999999999999999999", "1.5", 5000 * "9"])
async def test_a_strange_last_event_id_is_refused(small_house: RestHouse, last: str) -> None:
    answer = await small_house.http.get("/api/v1/events", headers={"Last-Event-ID": last})
    assert answer.status_code == 422


async def test_the_stream_needs_a_key(small_house: RestHouse) -> None:
    async with small_house.client("wrong") as http:
        assert (await http.get("/api/v1/events")).status_code == 401


async def test_what_is_in_no_event_is_personal(house: RestHouse) -> None:
    """Everybody who may read may follow events, so drivers appear in them by their id only."""
    async with served(house) as http, listening(http, type="driver.created") as listener:
        driver = await house.post("/drivers", {"name": "Ada", "email": "ada@example.org"})
        event = await listener.event()
    assert msgspec.json.decode(event["data"])["resource"] == {"id": driver["id"]}
