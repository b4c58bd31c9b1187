"""Values that 2.1 stations send all the time: over REST and real sockets."""

from __future__ import annotations

from datetime import timedelta

from csms.messages.reactions import LogKeeper
from models.timeline import format_rfc3339
from tests.builders.talking import talking
from tests.builders.waiting import eventually

VERSION = "ocpp2.1"


async def test_a_stream_is_opened_read_and_closed(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        streams, base = it.box.outfit.event_streams, it.house.clock.now().replace(microsecond=0)
        await it.tell(streams.begin(7, monitor_id=2, interval_s=30, values=100))
        assert streams.answers == ["Accepted"]
        (shown,) = await it.shown("event-streams")
        assert (shown["id"], shown["monitor_id"], shown["open"]) == (7, 2, True)
        assert (shown["interval_s"], shown["values_max"], shown["told"]) == (30, 100, 0)
        assert shown["rate_per_minute"] is None
        many = [(number / 10, f"{number}.5") for number in range(500)]
        await it.tell(streams.send(7, base, many, pending=3))
        await it.tell(streams.send(7, base, [(-1.0, "early"), (1e300, "never")]))
        # Nobody answers a SEND: the line is free, and all of it is here once a call was answered.
        await it.tell(streams.begin(8, monitor_id=3))

        async def came() -> bool:
            return (await it.shown("event-streams"))[0]["told"] == 502

        await eventually(came)
        shown, other = await it.shown("event-streams")
        assert (shown["pending"], other["told"]) == (0, 0)
        page = await it.house.get("/stations/ST-1/event-streams/7/values", limit=200, sort="id")
        assert [each["value"] for each in page["items"]] == [value for _, value in many[:200]]
        assert page["items"][15]["measured_at"] == format_rfc3339(base + timedelta(seconds=1.5))
        assert page["next_cursor"] is not None
        window = {
            "since": format_rfc3339(base + timedelta(seconds=2)),
            "until": format_rfc3339(base + timedelta(seconds=3)),
        }
        assert len(await it.shown("event-streams/7/values", **window)) == 10
        await it.tell(streams.end(7))
        first, second = await it.shown("event-streams")
        assert (first["open"], second["open"]) == (False, True)
        assert first["closed_at"] is not None
        assert [each["id"] for each in await it.shown("event-streams", open="true")] == [8]
        assert len(await it.shown("event-streams/7/values", limit=1)) == 1
        events = await it.house.events("station/ST-1")
        assert [each for each in events if each.startswith("event_stream")] == [
            "event_stream.opened",
            "event_stream.opened",
            "event_stream.closed",
        ]


async def test_its_pace_is_changed_and_what_is_open_is_told(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        streams = it.box.outfit.event_streams
        await it.tell(streams.begin(1, monitor_id=2, interval_s=30), streams.begin(2, monitor_id=3))
        told = await it.put("event-streams/1", {"interval_s": 5})
        assert told["response"]["status"] == "Accepted"
        assert streams.open[1]["params"] == {"values": 10, "interval": 5}
        first = (await it.shown("event-streams"))[0]
        assert (first["interval_s"], first["values_max"]) == (5, 10)
        streams.open[1]["params"]["values"] = 20  # as somebody beside the box may
        streams.open[9] = {"id": 9, "params": {}, "variableMonitoringId": 4}
        del streams.open[2]
        assert (await it.put("event-streams/2", {"values_max": 5}))["response"] == {
            "status": "Rejected"
        }
        await it.post("event-streams/report", {})
        one, two, nine = await it.shown("event-streams")
        assert (one["values_max"], one["interval_s"], one["open"]) == (20, 5, True)
        assert (two["open"], nine["open"], nine["monitor_id"]) == (False, True, 4)
        streams.open.clear()
        await it.post("event-streams/report", {})
        assert not any(each["open"] for each in await it.shown("event-streams"))
        await it.put("event-streams/77", {"values_max": 5}, 404)
        refused = await it.put("event-streams/1", {}, 422)
        assert refused["errors"][0]["field"] == "/interval_s"
        await it.house.get("/stations/ST-1/event-streams/77/values", 404)
        await it.house.get("/stations/nobody/event-streams", 404)


async def test_values_of_a_stream_that_was_never_opened_are_kept(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        streams, base = it.box.outfit.event_streams, it.house.clock.now()
        await it.tell(streams.send(4, base, [(0.0, "1")]), streams.begin(5, monitor_id=2))

        async def came() -> bool:
            return len(await it.shown("event-streams")) == 2

        await eventually(came)
        first = (await it.shown("event-streams"))[0]
        assert (first["id"], first["monitor_id"], first["told"]) == (4, None, 1)


async def test_values_are_forgotten_in_time(sqlite_url: str) -> None:
    async with talking(sqlite_url, VERSION) as it:
        streams, base = it.box.outfit.event_streams, it.house.clock.now()
        for _ in range(3):
            await it.tell(streams.send(4, base, [(0.0, "1"), (1.0, "2")]))
        await it.tell(streams.begin(5, monitor_id=2))

        async def came() -> bool:
            return len(await it.shown("event-streams/4/values")) == 6

        await eventually(came)
        keeper = LogKeeper(
            db=it.house.db,
            clock=it.house.clock,
            ids=it.house.services.ids,
            activity=it.house.activity,
            wire=it.house.services.wire,
            messages_kept=None,
            events_kept=timedelta(0),
            plans_kept=None,
        )
        await keeper.look()
        left = await it.shown("event-streams/4/values")
        assert len(left) == 1, "the newest stays, as the newest event does"


async def test_older_stations_have_no_streams(sqlite_url: str) -> None:
    async with talking(sqlite_url, "ocpp2.0.1") as it:
        assert (await it.post("event-streams/report", {}, 409))["code"] == "not-in-version"
        assert await it.shown("event-streams") == []
