"""What is looked up by a glance is what the database holds now, wherever it was changed."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from csms.ledger.database import Database
from models.tables.ledger import Command, HouseFact
from tests.builders.small_house import NOON, small_house

_FACT = sa.select(HouseFact.name, HouseFact.value).where(HouseFact.name == sa.bindparam("name"))
_SINCE = (
    sa.select(Command.id, Command.created_at, Command.detail)
    .where(Command.state == "queued", Command.created_at >= sa.bindparam("since"))
    .order_by(Command.id)
    .limit(2)
)


async def test_a_glance_sees_what_another_service_committed_a_moment_ago(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        other = Database.open(house.db.url_elsewhere)
        assert await house.db.glance(_FACT, name="x") == []
        for number in range(3):
            async with other.write(house.clock, house.ids) as work:
                await work.session.merge(HouseFact(name="x", value={"n": number}))
            (row,) = await house.db.glance(_FACT, name="x")
            assert (row.name, row.value) == ("x", {"n": number})
        await other.close()


async def test_values_are_converted_as_a_session_converts_them(database_url: str) -> None:
    async with small_house(database_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add_all(
                Command(
                    id=f"c-{number}",
                    station="A",
                    kind="Reset",
                    body="{}",
                    origin="api",
                    state="queued",
                    created_at=NOON + timedelta(seconds=number),
                    expires_at=NOON,
                )
                for number in range(4)
            )
        found = await house.db.glance(_SINCE, since=NOON + timedelta(seconds=1))
        async with house.db.read() as session:
            told = await session.execute(_SINCE, {"since": NOON + timedelta(seconds=1)})
            assert [tuple(row) for row in found] == [tuple(row) for row in told]
        assert [row.created_at - NOON for row in found] == [
            timedelta(seconds=1),
            timedelta(seconds=2),
        ]


async def test_what_can_not_be_had_at_once_is_waited_for(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_house(sqlite_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add(HouseFact(name="x", value={}))

        def locked(_: Database) -> sqlite3.Connection:
            raise sqlite3.OperationalError("database is locked")

        monkeypatch.setattr(Database, "_connect_to_glance", locked)
        db = Database.open(house.db.url_elsewhere)
        assert [row.name for row in await db.glance(_FACT, name="x")] == ["x"]
        await db.close()


async def test_a_parameter_that_is_missing_or_misspelt_is_no_null(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        for given in ({}, {"nam": "x"}, {"name": "x", "more": 1}):
            with pytest.raises(AssertionError):
                await house.db.glance(_FACT, **given)


async def test_what_could_not_begin_writes_nothing_outside_of_a_transaction(
    sqlite_url: str,
) -> None:
    async with small_house(sqlite_url) as house:
        other = house.db.connect_sqlite()
        async with house.db.write_engine.connect() as connection:
            await connection.execute(sa.text("PRAGMA busy_timeout = 0"))
            await connection.rollback()
            other.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                with pytest.raises(OperationalError, match="locked"):
                    await connection.execute(sa.insert(HouseFact).values(name="x", value={}))
            other.execute("ROLLBACK")
        assert await house.db.glance(_FACT, name="x") == []
        other.close()
