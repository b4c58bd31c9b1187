"""The message log over REST: searched, followed live, exported, and forgotten in time."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from csms.gateway.memory import MemoryLink
from csms.messages.reactions import LogKeeper
from models.clocks import RealWireClock
from models.tables.base import Base
from models.tables.charging import ChargingLimit
from models.tables.grid_limits import GridLimit
from models.tables.ledger import Command, Event, FormerStation, Message
from models.tables.moves import MoveOrder
from models.tables.planning import Override, Plan
from models.tables.simulations import Simulation
from tests.builders.rest_house import RestHouse, served


def frame(*parts: Any) -> str:
    return msgspec.json.encode(parts).decode()


async def answered(link: MemoryLink, *parts: Any) -> Any:
    await link.send(frame(*parts))
    while (answer := msgspec.json.decode(await link.recv()))[1] != parts[1]:
        pass
    return answer


@pytest.fixture
async def talking(house: RestHouse) -> AsyncIterator[MemoryLink]:
    """Station CP-1 at site A has booted and asked for ADA; CP-2 at site B has booted."""
    await house.site(id="A")
    await house.site(id="B")
    one = (await house.station("CP-1", "A"))["password"]
    two = (await house.station("CP-2", "B"))["password"]
    link = await house.connect("CP-1", one)
    other = await house.connect("CP-2", two)
    await answered(link, 2, "a", "Authorize", {"idTag": "ADA"})
    await house.activity.quiet()
    yield link
    await link.close()
    await other.close()


async def found(house: RestHouse, **query: Any) -> list[tuple[str, str]]:
    page = await house.get("/messages", **query)
    assert page["next_cursor"] is None
    return [(each["station"], each["action"]) for each in page["items"]]


async def test_all_stations_are_searched_at_once(house: RestHouse, talking: MemoryLink) -> None:
    boots = [("CP-2", "BootNotification"), ("CP-1", "BootNotification")]
    assert await found(house) == [("CP-1", "Authorize"), *boots]
    assert await found(house, sort="id") == [*reversed(boots), ("CP-1", "Authorize")]
    assert await found(house, action="BootNotification") == boots
    assert await found(house, action=["Authorize", "Reset"]) == [("CP-1", "Authorize")]
    assert await found(house, station=["CP-2", "CP-1"], action="BootNotification") == boots
    assert await found(house, site_id="B") == boots[:1]
    assert await found(house, site_id="B", station="CP-1") == []
    assert await found(house, text="ada") == [("CP-1", "Authorize")]
    assert await found(house, text='"vendor"') == []
    assert await found(house, direction="out") == []
    assert await found(house, outcome="malformed") == []
    assert await found(house, **{"from": "2199-01-01T00:00:00Z"}) == []
    assert await found(house, to="2199-01-01T00:00:00Z", limit=3) == [
        ("CP-1", "Authorize"),
        *boots,
    ]
    assert len((await house.get("/stations/CP-1/messages", text="ADA"))["items"]) == 1
    await talking.close()


async def test_a_search_goes_on_where_it_stopped(house: RestHouse, talking: MemoryLink) -> None:
    numbers: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await house.get("/messages", limit=1, **cursor)
        numbers += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert numbers == [each["id"] for each in (await house.get("/messages"))["items"]]
    assert len(numbers) == 3
    for wrong in (
        {"cursor": "nonsense"},
        {**cursor, "sort": "id"},
        {"cursor": "x" * 2000},
    ):
        assert (await house.get("/messages", 422, **wrong))["errors"][0]["field"] == "/cursor"
    await talking.close()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"text": "a"}, "/text"),
        ({"text": "a\0b"}, "/text"),
        ({"direction": "sideways"}, "/direction"),
        ({"from": "yesterday"}, "/from"),
        ({"sort": "action"}, "/sort"),
        ({"limit": 0}, "/limit"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_what_makes_no_sense_is_named(
    small_house: RestHouse, query: dict[str, Any], field: str
) -> None:
    for path in ("/messages", "/messages/export", "/messages/stream"):
        if field in {"/sort", "/limit"} and path != "/messages":
            continue
        told = await small_house.get(path, 422, **query)
        assert [each["field"].split("/")[1] for each in told["errors"]] == [field[1:]], told


async def test_what_is_not_there_is_said(small_house: RestHouse) -> None:
    for path in ("/messages", "/messages/export", "/messages/stream"):
        await small_house.get(path, 404, station="NONE")
        await small_house.get(path, 404, site_id="NONE")


async def test_who_may_not_see_people_sees_no_tokens(house: RestHouse, talking: MemoryLink) -> None:
    await talking.send("[2,broken ADA")
    await answered(talking, 2, "h", "Heartbeat", {})
    await house.activity.quiet()
    async with house.client(await house.key("driver")) as driver:
        shown = await driver.get("/api/v1/messages")
        assert shown.status_code == 200
        assert "ADA" not in shown.text
        said = {each["action"]: each["payload"] for each in shown.json()["items"]}
        assert said["Authorize"] == {"idTag": "********"}
        assert said[""] == "********"
        for path in ("/messages", "/stations/CP-1/messages", "/messages/export"):
            told = await driver.get(f"/api/v1{path}", params={"text": "ADA"})
            assert told.status_code == 403
        for kind in ("csv", "ndjson"):
            file = await driver.get("/api/v1/messages/export", params={"format": kind})
            assert "Authorize" in file.text
            assert "ADA" not in file.text
    async with house.client(await house.key("viewer")) as viewer:
        assert "ADA" in (await viewer.get("/api/v1/messages")).text


async def test_messages_are_exported_oldest_first(house: RestHouse, talking: MemoryLink) -> None:
    await talking.send("=cmd|' /C calc'!A0")
    await answered(talking, 2, "h", "Heartbeat", {})
    await house.activity.quiet()
    shown = (await house.get("/messages", sort="id"))["items"]
    assert len(shown) == 4
    answer = await house.http.get("/api/v1/messages/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="messages.ndjson"'
    assert [msgspec.json.decode(line) for line in answer.text.splitlines()] == shown
    answer = await house.http.get("/api/v1/messages/export", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["id"] for row in rows] == [each["id"] for each in shown]
    assert [row["received_at"] for row in rows] == [each["received_at"] for each in shown]
    assert msgspec.json.decode(rows[2]["payload"]) == {"idTag": "ADA"}
    assert rows[3]["payload"] == "'=cmd|' /C calc'!A0"
    answer = await house.http.get("/api/v1/messages/export", params={"action": "Authorize"})
    assert len(answer.text.splitlines()) == 1


async def test_messages_are_followed_as_they_come(house: RestHouse, talking: MemoryLink) -> None:
    (newest, *_) = (await house.get("/messages"))["items"]
    query = {"action": "DataTransfer", "station": "CP-1"}

    async def next_message(http: Any, headers: dict[str, str]) -> tuple[str, Any]:
        stream = http.stream("GET", "/api/v1/messages/stream", params=query, headers=headers)
        async with stream as answer:
            number = ""
            async for line in answer.aiter_lines():
                if line == ": welcome":
                    await answered(talking, 2, "d", "DataTransfer", {"vendorId": "V"})
                    await answered(talking, 2, "b", "Authorize", {"idTag": "BOB"})
                if line.startswith("id: "):
                    number = line[4:]
                if line.startswith("data: "):
                    return number, msgspec.json.decode(line[6:])
        raise AssertionError("the stream has ended")

    async with served(house) as http:
        number, first = await next_message(http, {})
        assert (first["action"], first["message_id"], first["id"]) == ("DataTransfer", "d", number)
        assert int(number) > int(newest["id"])
        again, same = await next_message(http, {"Last-Event-ID": newest["id"]})
        assert (again, same) == (number, first)


def keeper(
    house: RestHouse,
    *,
    messages: int | None = None,
    events: int | None = None,
    plans: int | None = None,
) -> LogKeeper:
    def kept(days: int | None) -> timedelta | None:
        return None if days is None else timedelta(days=days)

    return LogKeeper(
        db=house.db,
        clock=house.clock,
        ids=house.services.ids,
        activity=house.activity,
        wire=RealWireClock(),
        messages_kept=kept(messages),
        events_kept=kept(events),
        plans_kept=kept(plans),
    )


async def test_what_is_too_old_is_forgotten_in_steps(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.site(id="A")
    now = house.clock.now()
    rows = [
        {
            "station": "CP-1",
            "direction": "in",
            "action": "Heartbeat",
            "message_id": str(n),
            "received_at": now - timedelta(days=90 if n < 2500 else 89),
            "payload": "{}",
            "outcome": "result",
            "answer": None,
        }
        for n in range(2510)
    ]
    async with house.db.write(house.clock, house.services.ids) as work:
        await work.session.execute(sa.insert(Message), rows)
    await keeper(house).look()
    assert await count(house, Message) == 2510
    await keeper(house, messages=90, events=90).look()
    assert await count(house, Message) == 10
    assert await count(house, Event) == 1


async def test_former_stations_are_forgotten_with_the_last_of_their_messages(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.site(id="A")
    await house.station("BACK", "A")

    async def said(station: str, days: int) -> None:
        async with house.db.write(house.clock, house.services.ids) as work:
            received_at = house.clock.now() - timedelta(days=days)
            row = Message(station=station, direction="in", action="Heartbeat", payload="{}")
            row.message_id, row.outcome, row.received_at = "m", "result", received_at
            work.session.add(row)

    for name in ("GONE", "BACK", "LATE", "LAST"):
        await said(name, 0 if name == "LAST" else 91)
    async with house.db.write(house.clock, house.services.ids) as work:
        work.session.add_all(
            FormerStation(identity=name, last_message=number, tenant_id="default")
            for name, number in (("GONE", 1), ("BACK", 2), ("LATE", 3), ("LAST", 4))
        )
    await said("BACK", 0)  # of who has the name now
    await said("LATE", 0)  # was still on its way

    async def known() -> set[str]:
        async with house.db.read() as session:
            return set(await session.scalars(sa.select(FormerStation.identity)))

    await keeper(house, events=90).look()
    assert await known() == {"GONE", "BACK", "LATE", "LAST"}
    await keeper(house, messages=90).look()
    assert await known() == {"LATE", "LAST"}
    await house.post("/clock", {"advance_to": "2026-09-30T06:00:00Z"}, 200)
    await said("BACK", 0)
    await keeper(house, messages=90).look()
    assert await known() == set()


async def test_the_newest_event_is_kept_so_that_numbers_go_on(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.site(id="A")
    await house.site(id="B")
    async with house.db.read() as session:
        newest = await session.scalar(sa.select(sa.func.max(Event.id)))
    await house.post("/clock", {"advance_to": "2026-06-18T06:00:00Z"}, 200)
    await keeper(house, messages=1, events=1).look()
    assert await count(house, Event) == 1
    await house.site(id="C")
    async with house.db.read() as session:
        assert await session.scalar(sa.select(sa.func.max(Event.id))) == newest + 1


async def count(house: RestHouse, table: type[Message] | type[Event]) -> int:
    async with house.db.read() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def planned(house: RestHouse, days: float) -> list[Base]:
    """A plan and one of all that comes of plans, each over for so many days."""
    then = house.clock.now() - timedelta(days=days)
    name = f"{days:g}-days-old"
    kept: dict[str, Any] = {"created_at": then, "updated_at": then}
    plan = Plan(
        id=name,
        created_at=then,
        start=then,
        step_minutes=15,
        steps=0,
        status="optimal",
        cost=0.0,
        trigger="clock",
        forecast_source="own",
        site_ids=["A"],
        problem="{}",
        document="{}",
    )
    limit = ChargingLimit(
        id=name,
        site_id="A",
        station="CP-1",
        evse_id=1,
        purpose="transaction",
        created_at=then,
        valid_to=then,
        periods=[],
        state="obeyed",
    )
    command = Command(
        id=name,
        station="CP-1",
        kind="Reset",
        body="{}",
        origin="api",
        state="answered",
        created_at=then,
        expires_at=then,
    )
    grid_limit = GridLimit(
        id=name,
        site_id="A",
        limit_w=1.0,
        start=then,
        end=then,
        reason="",
        source="dso",
        ended_at=then,
        **kept,
    )
    simulation = Simulation(
        id=name,
        scenario="s",
        changes={},
        days=1,
        planner="quick",
        state="done",
        progress=1.0,
        ended_at=then,
        **kept,
    )
    move = MoveOrder(
        id=name,
        site_id="A",
        vehicle_id="car-1",
        from_evse="CP-1/1",
        from_at=then,
        to_at=then,
        status="done",
        price=Decimal(1),
        currency="EUR",
        reasons=[],
        plan_id=name,
        settled_at=then,
        **kept,
    )
    override = Override(
        id=name,
        vehicle_id="car-1",
        site_id="A",
        kind="hold",
        until=then,
        ended_at=then,
        ended_why="over",
        **kept,
    )
    return [plan, limit, command, grid_limit, simulation, move, override]


async def test_plans_and_what_came_of_them_are_forgotten_in_time(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    now = house.clock.now()
    open_limit = {"site_id": "A", "limit_w": 1000.0, "reason": "heat", "source": "dso"}
    running = await house.post("/grid-limits", {**open_limit, "duration": "PT1H"}, 201)
    safe = ChargingLimit(
        id="safe",
        site_id="A",
        station="CP-1",
        evse_id=0,
        purpose="station",
        created_at=now - timedelta(days=900),
        periods=[],
        state="accepted",
    )
    async with house.db.write(house.clock, house.services.ids) as work:
        work.session.add_all([safe, *planned(house, 120), *planned(house, 95), *planned(house, 91)])
    await keeper(house).look()
    assert await names(house, Plan) == {"120-days-old", "95-days-old", "91-days-old"}
    await keeper(house, plans=92).look()
    assert await names(house, Plan) == {"91-days-old"}
    assert await names(house, ChargingLimit) == {"safe", "91-days-old"}
    assert await names(house, Command) == {"91-days-old"}
    assert await names(house, GridLimit) == {"91-days-old", running["id"]}
    for table in (Simulation, MoveOrder, Override):
        assert await names(house, table) == {"91-days-old"}
    await keeper(house, plans=1).look()
    assert await names(house, Plan) == {"91-days-old"}, "the plan in force stays"
    assert await names(house, ChargingLimit) == {"safe"}
    assert await names(house, GridLimit) == {running["id"]}


async def names(house: RestHouse, table: Any) -> set[str]:
    async with house.db.read() as session:
        return set(await session.scalars(sa.select(table.id)))


async def test_a_tenant_sees_its_own_messages_only_also_of_a_station_that_is_deleted(
    house: RestHouse, talking: MemoryLink
) -> None:
    async def messages_of(tenant: str) -> set[tuple[str, str]]:
        async with house.db.write(house.clock, house.services.ids) as work:
            await work.session.execute(sa.text(f"UPDATE api_key SET tenant_id = '{tenant}'"))
        async with house.client(key) as http:
            items = (await http.get("/api/v1/messages")).json()["items"]
        return {(each["station"], each["action"]) for each in items}

    key = await house.key("viewer")
    await talking.close()
    await house.activity.quiet()
    mine = {("CP-1", "BootNotification"), ("CP-1", "Authorize"), ("CP-2", "BootNotification")}
    assert mine <= await messages_of("default")
    await house.delete("/stations/CP-1")
    assert mine <= await messages_of("default")
    assert await messages_of("other") == set()
    password = (await house.station("CP-1", "A"))["password"]
    async with house.db.write(house.clock, house.services.ids) as work:
        await work.session.execute(
            sa.text("UPDATE station SET tenant_id = 'other' WHERE identity = 'CP-1'")
        )
    link = await house.connect("CP-1", password)
    await house.activity.quiet()
    theirs = await messages_of("other")
    assert ("CP-1", "BootNotification") in theirs
    assert ("CP-1", "Authorize") not in theirs
    assert ("CP-1", "Authorize") in await messages_of("default")
    await link.close()
