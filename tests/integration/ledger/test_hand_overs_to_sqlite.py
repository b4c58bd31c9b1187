"""How often a session on SQLite has its thread do something, which is what its statements cost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from csms.ledger.threaded import ThreadedConnection
from models.tables.ledger import HouseFact
from tests.builders.small_house import SmallHouse, small_house

_BY_NAME = sa.select(HouseFact.value).where(HouseFact.name == sa.bindparam("name"))


@asynccontextmanager
async def quiet_house(url: str) -> AsyncGenerator[SmallHouse]:
    """A house that looks for no events to tell, which it would whenever it gets to it."""
    async with small_house(url) as house:
        await house.relay.close()
        yield house


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was handed to a thread, by name, as it comes."""
    seen: list[str] = []
    execute = ThreadedConnection._execute  # pyright: ignore[reportPrivateUsage]

    async def noted(
        self: ThreadedConnection, fn: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        seen.append(fn.__name__)
        return await execute(self, fn, *args, **options)

    monkeypatch.setattr(ThreadedConnection, "_execute", noted)
    return seen


async def test_a_statement_is_one_hand_over_and_so_is_the_end(
    sqlite_url: str, handed_over: list[str]
) -> None:
    async with quiet_house(sqlite_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add_all([HouseFact(name=name, value={"a": 1}) for name in "xyz"])
        async with house.db.read():
            pass
        handed_over.clear()
        async with house.db.read() as session:
            found = (await session.scalars(sa.select(HouseFact.name))).all()
            assert set("xyz") <= set(found)
            assert await session.scalar(sa.select(sa.func.count()).select_from(HouseFact)) == len(
                found
            )
        assert handed_over == ["_begun", "_begun", "rollback"]


async def test_a_session_that_asks_nothing_hands_nothing_over(
    sqlite_url: str, handed_over: list[str]
) -> None:
    async with quiet_house(sqlite_url) as house:
        async with house.db.read():
            pass
        handed_over.clear()
        async with house.db.read():
            pass
        assert handed_over == []


async def test_a_unit_of_work_begins_with_its_first_statement(
    sqlite_url: str, handed_over: list[str]
) -> None:
    async with quiet_house(sqlite_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add(HouseFact(name="x", value={"a": 1}))
        handed_over.clear()
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add(HouseFact(name="y", value={"a": 1}))
        assert handed_over == ["_begun", "commit"]


async def test_a_glance_hands_nothing_over(sqlite_url: str, handed_over: list[str]) -> None:
    async with quiet_house(sqlite_url) as house:
        handed_over.clear()
        assert await house.db.glance(_BY_NAME, name="none") == []
        assert handed_over == []
