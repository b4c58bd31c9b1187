"""A search finds what reading the whole log would, over any gaps and jumps of the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from csms.ledger import migrate
from csms.ledger.database import Database
from csms.messages import queries
from csms.messages.queries import Wanted, find
from models.clocks import RealClock
from models.ids import UlidMaker
from models.tables.ledger import MESSAGE_BLOCK, Message
from models.tables.stations import Station

START = datetime(2026, 6, 15, tzinfo=UTC)
STATIONS = tuple(f"CP-{n}" for n in range(60))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    migrate.upgrade(database_url)
    opened = Database.open(database_url)
    await opened.start()
    yield opened
    await opened.close()


def a_log(random: Random) -> list[dict[str, Any]]:
    """Numbers with holes over many blocks; most messages of a few stations, one seldom heard."""
    rows: list[dict[str, Any]] = []
    number, time = random.randrange(3 * MESSAGE_BLOCK), START
    while len(rows) < 250:
        number += random.choice((1, 1, 1, 7, 300, MESSAGE_BLOCK))
        if len(rows) == 100:
            number += 90 * MESSAGE_BLOCK
        time += timedelta(seconds=random.choice((0, 1, 20, 900)))
        if random.random() < 0.005:
            time -= timedelta(minutes=random.choice((5, 50)))
        station = "CP-59" if random.random() < 0.01 else STATIONS[random.randrange(5)]
        rows.append(
            {
                "id": number,
                "station": station,
                "direction": random.choice(("in", "out")),
                "action": random.choice(("Heartbeat", "MeterValues", "Reset")),
                "message_id": str(number),
                "received_at": time,
                "payload": random.choice(("{}", '{"idTag":"Ada_1"}', "{broken %")),
                "outcome": random.choice(("result", "error")),
                "answer": random.choice((None, "{}", '{"status":"Accepted"}')),
            }
        )
    return rows


async def kept(db: Database, rows: list[dict[str, Any]]) -> None:
    async with db.write(RealClock(), UlidMaker(RealClock(), Random(1))) as work:
        await work.session.execute(sa.insert(Message), rows)


async def all_found(db: Database, wanted: Wanted, limit: int, *, newest_first: bool) -> list[int]:
    found: list[int] = []
    beyond: int | None = None
    for _ in range(2000):
        async with db.read() as session:
            page, beyond = await find(
                session, wanted, limit=limit, beyond=beyond, newest_first=newest_first
            )
        assert len(page) <= limit
        found += [row.id for row in page]
        if beyond is None:
            return found
    raise AssertionError("the search does not end")


def some_wanted(random: Random) -> Wanted:
    maybe: Callable[[Any], Any] = lambda value: value if random.random() < 0.4 else None  # noqa: E731
    since = maybe(START + timedelta(hours=random.randrange(-5, 40)))
    return Wanted(
        tenant="default",
        stations=maybe(random.choice((("CP-1",), ("CP-59",), ("CP-2", "CP-59"), STATIONS, ()))),
        direction=maybe("in"),
        actions=maybe(("Heartbeat", "Reset")) or (),
        outcome=maybe("error"),
        text=maybe(random.choice(("ada_1", "accepted", "{broken %", "a%1"))),
        since=since,
        until=maybe((since or START) + timedelta(minutes=random.randrange(3000))),
    )


def fits(row: dict[str, Any], wanted: Wanted) -> bool:
    said = f"{row['payload']}\n{row['answer'] or ''}".lower()
    return all(
        (
            wanted.stations is None or row["station"] in wanted.stations,
            wanted.direction in (None, row["direction"]),
            not wanted.actions or row["action"] in wanted.actions,
            wanted.outcome in (None, row["outcome"]),
            wanted.text is None or wanted.text.lower() in said,
            wanted.since is None or row["received_at"] >= wanted.since,
            wanted.until is None or row["received_at"] < wanted.until,
        )
    )


@pytest.mark.parametrize("seed", range(12))
async def test_a_search_finds_what_reading_all_would(db: Database, seed: int) -> None:
    random = Random(seed)
    rows = a_log(random)
    await kept(db, rows)
    hits = 0
    for _ in range(20):
        wanted = some_wanted(random)
        expected = [row["id"] for row in rows if fits(row, wanted)]
        hits += bool(expected)
        limit, newest_first = random.choice((20, 500)), random.random() < 0.5
        found = await all_found(db, wanted, limit, newest_first=newest_first)
        assert found == (expected[::-1] if newest_first else expected), wanted
    assert hits > 6


async def test_a_search_that_finds_little_ends_early_and_goes_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_LOOKS", 2)
    rows = a_log(Random(9))
    rows[0]["action"] = "BootNotification"
    await kept(db, rows)
    wanted = Wanted(tenant="default", actions=("BootNotification",))
    async with db.read() as session:
        page, beyond = await find(session, wanted, limit=50)
    assert page == []
    assert beyond is not None
    assert await all_found(db, wanted, 50, newest_first=True) == [rows[0]["id"]]


async def test_messages_of_a_deleted_station_are_found_those_of_another_tenant_not(
    db: Database,
) -> None:
    rows = a_log(Random(3))[:20]
    for row, station in zip(rows, ["GONE", "THEIRS"] * 10, strict=True):
        row["station"] = station
    await kept(db, rows)
    async with db.write(RealClock(), UlidMaker(RealClock(), Random(1)), tenant="x") as work:
        work.session.add(a_station("THEIRS"))
    found = await all_found(db, Wanted(tenant="default"), 50, newest_first=False)
    assert found == [row["id"] for row in rows if row["station"] == "GONE"]


def a_station(identity: str) -> Station:
    values: dict[str, Any] = {
        column.name: None for column in Station.__table__.columns if column.nullable
    }
    return Station(
        **values
        | {
            "identity": identity,
            "tenant_id": "x",
            "approval": "accepted",
            "quirks": [],
            "custom": {},
            "created_at": START,
            "updated_at": START,
        }
    )


async def test_the_messages_of_a_station_are_found_by_the_index(sqlite_url: str) -> None:
    """On SQLite only: PostgreSQL reads a table as small as this whole."""
    migrate.upgrade(sqlite_url)
    db = Database.open(sqlite_url)
    await db.start()
    await kept(db, a_log(Random(2)))
    said: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    async with db.read() as session:
        connection = await session.connection()
        sa.event.listen(connection.sync_connection, "before_cursor_execute", note)
        await find(session, Wanted(tenant="default", stations=("CP-1",)), limit=5)
        statement, parameters = said[-1]
        plan = (
            await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ).all()
    assert "USING INDEX ix_message_block_station" in str(plan)
    await db.close()
