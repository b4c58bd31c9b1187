"""Who leads of several services on one PostgreSQL database, and who lives: by sessions alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from csms.ledger import lead as lead_module
from csms.ledger.database import Database
from csms.ledger.lead import Lead
from models.clocks import RealWireClock
from models.errors import Unavailable
from tests.builders.postgres import PostgresServer
from tests.builders.waiting import until


@asynccontextmanager
async def service(url: str, name: str) -> AsyncGenerator[Lead]:
    """The place of one service, that has said that it lives."""
    db = Database.open(url)
    lead = Lead(db, node=name, wire=RealWireClock())
    await lead.claim()
    try:
        yield lead
    finally:
        await lead.close()
        await db.close()


async def test_who_has_come_since_lives_and_who_is_missed_is_dead_after_a_while_only(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_module, "GONE_S", 0.2)
    async with service(postgres_url, "a") as a:
        async with service(postgres_url, "b") as b:
            gone = b.number
            assert gone not in a.alive
            assert await a.dead({a.number, gone}) == set()
        assert await a.dead({a.number, gone}) == set()
        await asyncio.sleep(0.2)
        assert await a.dead({a.number, gone}) == {gone}


async def test_who_has_lost_its_session_for_good_leads_no_more(
    postgres_url: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_module, "LOOK_S", 0.02)
    async with service(postgres_url, "a") as a, service(postgres_url, "b") as b:
        told: asyncio.Queue[bool] = asyncio.Queue()

        async def changed() -> None:
            await told.put(a.held)

        async def renamed(_number: int) -> None:
            pytest.fail("it has no new session")

        a.watch(changed=changed, renamed=renamed)
        database = urlsplit(postgres_url).path[1:]
        postgres_server.run(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        postgres_server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'heliofleet a (%'"
        )
        while await asyncio.wait_for(told.get(), 60):
            pass
        await b.claim()
        assert b.held
        assert not a.held


async def test_who_rests_keeps_its_session_and_with_it_the_lead(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_module, "LOOK_S", 0.0)

    async def nothing(*_: object) -> None:
        pass

    async with service(postgres_url, "a") as a, service(postgres_url, "b") as b:
        number = a.number
        for turns in range(40):  # a look is under way at most of them
            a.watch(changed=nothing, renamed=nothing)
            for _ in range(turns):
                await asyncio.sleep(0)
            await a.rest()
        await b.claim()
        assert (a.held, b.held, number in b.alive) == (True, False, True)


def watched_in_vain(lead: Lead, tried: list[bool]) -> None:
    """Has it watch with parts that can't begin; what it has tried is noted."""

    async def changed() -> None:
        tried.append(lead.held)
        if lead.held:
            raise Unavailable("a part can't begin")

    async def renamed(_number: int) -> None:
        pytest.fail("it has not lost its session")

    lead.watch(changed=changed, renamed=renamed)


async def test_who_can_not_lead_lets_another_try_and_lives_on(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_module, "LOOK_S", 0.01)
    tried: list[bool] = []
    async with service(postgres_url, "a") as a, service(postgres_url, "b") as b:
        number = a.number

        async def leads() -> bool:
            return a.held

        watched_in_vain(a, tried)
        await until(leads, lambda held: not held)
        await b.claim()
        await until(leads, lambda held: not held)
        assert (b.held, number in b.alive, tried[-1]) == (True, True, False)
        assert tried.count(True) == lead_module.TRIES


async def test_who_loses_the_lead_while_it_begins_is_told_so(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_module, "LOOK_S", 0.01)
    tried: list[bool] = []
    # One that leads and is not among the living, so that only the lead changes.
    leader = await asyncpg.connect(postgres_url)
    await leader.execute(f"SELECT pg_advisory_lock({lead_module.LEAD_LOCK}, 0)")
    async with service(postgres_url, "a") as a:

        async def told() -> list[bool]:
            return tried

        watched_in_vain(a, tried)
        await asyncio.sleep(0.1)
        await leader.close()
        await until(told, lambda calls: True in calls and not calls[-1])
        assert not a.held


async def test_who_loses_its_session_before_it_watches_hears_its_new_number(
    postgres_url: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_module, "LOOK_S", 0.01)
    heard: asyncio.Queue[int] = asyncio.Queue()

    async def changed() -> None:
        pass

    async with service(postgres_url, "a") as a:
        number = a.number
        postgres_server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'heliofleet a (%'"
        )
        with pytest.raises(Unavailable):
            await a.dead({number})
        await a.dead({number})  # which opens a new one
        a.watch(changed=changed, renamed=heard.put)
        assert await asyncio.wait_for(heard.get(), 60) == a.number != number


async def test_who_asks_for_one_that_may_be_dead_is_called_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_module, "GONE_S", 0.2)
    monkeypatch.setattr(lead_module, "LOOK_S", 0.02)
    buried = asyncio.Event()
    async with service(postgres_url, "a") as a:

        async def changed() -> None:
            if await a.dead({a.number + 1}):
                buried.set()

        async def renamed(_number: int) -> None:
            pytest.fail("it has not lost its session")

        assert not await a.dead({a.number + 1})
        a.watch(changed=changed, renamed=renamed)
        await asyncio.wait_for(buried.wait(), 60)
