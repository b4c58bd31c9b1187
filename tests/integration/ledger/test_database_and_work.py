from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from csms.ledger.database import Database, UnsafeDatabase
from csms.ledger.work import Committed
from models.commands import Reset, decode_command
from models.errors import BadInput, Unavailable
from models.tables.energy import Site
from models.tables.ledger import Command, Event, HouseFact
from models.tables.planning import PlanRequest
from models.tables.stations import Station
from tests.builders.small_house import NOON, SmallHouse, small_house


async def test_a_unit_of_work_commits_rows_events_commands_and_wishes_together(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        seen: list[Committed] = []
        house.db.on_commit(seen.append)
        async with house.db.write(house.clock, house.ids, actor="api", tenant="t-1") as work:
            work.session.add(HouseFact(name="x", value={"a": 1}))
            work.emit(
                "site.limit_changed",
                subject="site/A",
                resource={"at": work.now, "n": 1},
                site_id="A",
            )
            work.emit("site.overloaded", subject="site/A", resource={})
            command_id = work.order(Reset(kind="immediate"), station="A-1", origin="api")
            work.request_plan("A", "first")
            work.request_plan("A", "second")
            assert (work.now, work.actor, work.tenant) == (NOON, "api", "t-1")
        first, second = await house.rows(Event)
        assert (first.id, second.id) == (1, 2)
        assert (first.tenant_id, first.site_id, first.subject) == ("t-1", "A", "site/A")
        assert msgspec.json.decode(first.resource) == {"at": "2026-06-15T12:00:00Z", "n": 1}
        command = await house.one(Command)
        assert (command.id, command.state, command.origin) == (command_id, "queued", "api")
        assert decode_command(command.body) == Reset(kind="immediate")
        assert (await house.one(PlanRequest)).reason == "second"
        (outcome,) = seen
        assert [note.id for note in outcome.events] == [1, 2]
        assert outcome.stations == (("t-1", "A-1"),)
        assert outcome.sites == (("t-1", "A"),)


async def test_a_unit_of_work_that_fails_leaves_nothing(database_url: str) -> None:
    async with small_house(database_url) as house:
        seen: list[Committed] = []
        house.db.on_commit(seen.append)
        with pytest.raises(ZeroDivisionError):
            async with house.db.write(house.clock, house.ids) as work:
                work.session.add(HouseFact(name="x", value={}))
                work.emit("site.overloaded", subject="site/A", resource={})
                await work.session.flush()
                raise ZeroDivisionError
        with pytest.raises(IntegrityError):
            async with house.db.write(house.clock, house.ids) as work:
                work.session.add(Command(id="x"))
        assert await house.rows(Event) == []
        assert await house.rows(HouseFact, name="x") == []
        assert seen == []
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add(HouseFact(name="x", value={}))
        assert len(await house.rows(HouseFact, name="x")) == 1


async def test_what_is_changed_in_a_read_session_is_not_kept(database_url: str) -> None:
    async with small_house(database_url) as house:
        try:
            async with house.db.read() as session:
                await session.execute(sa.update(Site).values(name="changed"))
                await session.commit()
        except Exception as error:
            assert "read" in str(error).lower()
        assert (await house.one(Site)).name == "Arc"


async def test_a_read_session_sees_one_instant(database_url: str) -> None:
    async with small_house(database_url) as house:
        async with house.db.read() as session:
            before = await session.scalar(sa.select(Site.name))
            async with house.db.write(house.clock, house.ids) as work:
                await work.session.execute(sa.update(Site).values(name="changed"))
            assert await session.scalar(sa.select(Site.name)) == before
        assert (await house.one(Site)).name == "changed"


async def test_writers_wait_for_each_other_and_see_what_the_others_did(database_url: str) -> None:
    async with small_house(database_url) as house:

        async def grow() -> None:
            async with house.db.write(house.clock, house.ids) as work:
                site = await work.session.get(Site, "A", with_for_update=True)
                assert site is not None
                version = site.version
                await asyncio.sleep(0.005)
                site.version = version + 1
                work.emit("site.limit_changed", subject="site/A", resource={})

        await asyncio.gather(*(grow() for _ in range(10)))
        assert (await house.one(Site)).version == 11
        assert [row.id for row in await house.rows(Event)] == list(range(1, 11))


async def test_those_who_take_turns_decide_on_what_the_one_before_has_written(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:

        async def grow(what: str) -> None:
            async with house.db.write(house.clock, house.ids) as work:
                await work.take_turn(what)
                seen = await work.session.scalar(sa.select(Site.version))
                await asyncio.sleep(0.005)
                await work.session.execute(sa.update(Site).values(version=seen + 1))

        await asyncio.gather(*(grow("sites") for _ in range(10)))
        assert (await house.one(Site)).version == 11


async def test_stations_and_people_write_side_by_side_without_a_hole_in_the_events(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:

        async def people() -> None:
            for _ in range(15):
                async with house.db.write(house.clock, house.ids) as work:
                    work.emit("site.limit_changed", subject="site/A", resource={})

        async def stations() -> None:
            for _ in range(15):
                await house.submit(house.boot())

        await asyncio.gather(people(), stations(), people())
        await house.told()
        assert [note.id for note in house.heard] == list(range(1, 46))


async def test_a_foreign_key_is_checked_on_both_databases(database_url: str) -> None:
    async with small_house(database_url) as house:
        with pytest.raises(IntegrityError):
            async with house.db.write(house.clock, house.ids) as work:
                work.request_plan("nowhere", "x")


async def test_a_database_that_forgets_is_refused(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weak(self: Database, connection: Any, *, writing: bool) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    monkeypatch.setattr(Database, "_set_pragmas", weak)
    db = Database.open(sqlite_url)
    with pytest.raises(UnsafeDatabase, match="synchronous = 1"):
        await db.start()
    await db.close()


async def test_a_forgetful_postgresql_is_refused(postgres_url: str) -> None:
    async with small_house(postgres_url) as house:
        async with house.db.write_engine.connect() as connection:
            database = await connection.scalar(sa.text("SELECT current_database()"))
            await connection.execute(
                sa.text(f"ALTER DATABASE {database} SET synchronous_commit = off")
            )
            await connection.commit()
    other = Database.open(postgres_url)
    with pytest.raises(UnsafeDatabase, match="synchronous_commit = off"):
        await other.start()
    await other.close()


@pytest.mark.parametrize("inline", [False, True])
async def test_sqlite_syncs_each_commit_and_keeps_foreign_keys(
    sqlite_url: str, inline: bool
) -> None:
    db = Database.open(sqlite_url, inline=inline)
    await db.start()
    connection = db.connect_sqlite()
    found = [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    ]
    assert found == ["wal", 2, 1]
    connection.close()
    await db.close()


@pytest.mark.parametrize("inline", [False, True])
async def test_what_was_read_outlives_its_session(sqlite_url: str, inline: bool) -> None:
    async with small_house(sqlite_url, inline=inline) as house:
        async with house.db.read() as session:
            sites = await session.scalars(sa.select(Site).order_by(Site.id))
            names = await session.execute(sa.select(Site.id).order_by(Site.id))
        assert [site.id for site in sites] == [name for (name,) in names] != []


@pytest.mark.parametrize("inline", [False, True])
async def test_a_commit_that_fails_costs_no_later_one(sqlite_url: str, inline: bool) -> None:
    async with small_house(sqlite_url, inline=inline) as house:
        nowhere = {"site_id": "nowhere", "reason": "x", "requested_at": NOON}

        async def written(**row: Any) -> None:
            async with house.db.write(house.clock, house.ids) as work:
                # So a row is looked at when all are to be kept, and no earlier.
                await work.session.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
                await work.session.execute(sa.insert(PlanRequest).values(**row))

        for _ in range(2):
            with pytest.raises(IntegrityError):
                await written(**nowhere)
        await written(**(nowhere | {"site_id": "A"}))
        assert [row.site_id for row in await house.rows(PlanRequest)] == ["A"]


async def test_a_private_database_goes_when_it_is_closed() -> None:
    house = SmallHouse("sqlite://")
    path = Path(house.db.path)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    assert path.exists()
    await house.db.start()
    await house.db.close()
    assert not path.exists()


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:relative", "", "postgresql://h:no-port/db"])
def test_an_url_of_no_known_kind_is_bad_input(url: str) -> None:
    with pytest.raises(BadInput):
        Database.open(url)


async def test_json_is_read_as_it_was_stored(database_url: str) -> None:
    kept: dict[str, Any] = {"n": [1, 2.5, 0.1, 2**70, None, True], "text": "\u00e9\U0001f600"}
    if database_url.startswith("sqlite"):
        kept |= {"half": "\ud800", "most": float("inf")}  # which PostgreSQL does not take
    async with small_house(database_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add(HouseFact(name="x", value=kept))
        async with house.db.read() as session:
            assert (await session.get_one(HouseFact, "x")).value == kept


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all.db", "postgresql://postgres@/x?host=/nowhere"]
)
async def test_a_database_out_of_reach_is_unavailable(url: str) -> None:
    db = Database.open(url)
    with pytest.raises(Unavailable):
        await db.start()
    await db.close()


async def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(postgres_url: str) -> None:
    async with small_house(postgres_url) as house:
        both_hold = asyncio.Barrier(2)

        async def change(first: str, second: str) -> None:
            async with house.db.write(house.clock, house.ids) as work:
                await work.session.get(Station, first, with_for_update=True)
                await both_hold.wait()
                await work.session.get(Station, second, with_for_update=True)

        ends = await asyncio.gather(
            change("A-1", "A-2"), change("A-2", "A-1"), return_exceptions=True
        )
        (refused,) = [each for each in ends if each is not None]
        assert isinstance(refused, Unavailable)
        assert refused.detail == "another change was made at the same time: try again"


async def test_who_is_cancelled_in_the_middle_of_a_write_leaves_nothing_locked(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:

        async def write() -> None:
            async with house.db.write(house.clock, house.ids) as work:
                await work.session.get(Station, "A-1", with_for_update=True)
                work.emit("station.updated", subject="station/A-1", resource={})

        random = Random(1)
        for _ in range(100):
            writing = asyncio.create_task(write())
            await asyncio.sleep(random.random() * 0.006)
            writing.cancel()
            # The task stays, and with it the traceback of where it was.
            await asyncio.gather(writing, return_exceptions=True)
            await write()
