"""Several services on one PostgreSQL database: one leads, the others have doors and stand by."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from csms.app import House, real_times
from csms.duties import Duties
from csms.gateway.memory import MemoryLink, basic
from csms.ledger.relay import Relay
from models.errors import Unavailable
from models.tables.checks import StationCheck
from models.tables.simulations import Simulation
from models.tables.stations import Station
from tests.builders.postgres import PostgresServer
from tests.builders.rest_house import a_site
from tests.builders.waiting import until
from tests.builders.whole_house import whole_house

BOOT = {"chargePointVendor": "v", "chargePointModel": "m"}
Client = httpx.AsyncClient


def serving(
    url: str, name: str, *, controlled: bool = False
) -> AbstractAsyncContextManager[tuple[House, Client]]:
    """One service, as `serve` runs it; it ends with the block."""
    return whole_house(url, real_times(), controlled=controlled, node_name=name)


async def make(http: Client, path: str, body: dict[str, Any]) -> Any:
    answer = await http.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def site_with_stations(http: Client, *stations: str) -> dict[str, str]:
    """Returns the password of each."""
    await make(http, "/sites", a_site(id="A"))
    evses = [{"evse_id": 1}]
    return {
        name: (await make(http, "/stations", {"identity": name, "site_id": "A", "evses": evses}))[
            "password"
        ]
        for name in stations
    }


async def plug_in(house: House, name: str, password: str) -> MemoryLink:
    return await house.gateway.connect_memory(name, ("ocpp1.6",), basic(name, password))


async def what_is_under_way(house: House) -> None:
    """Writes rows as a service has them while it plays a simulation and checks a station."""
    now = house.times.clock.now()
    async with house.db.write(house.times.clock, house.times.ids) as work:
        work.session.add_all(
            (
                Simulation(
                    id="sim",
                    scenario="depot",
                    changes={},
                    days=1,
                    planner="plan",
                    state="running",
                    progress=0.5,
                    created_at=now,
                    updated_at=now,
                ),
                StationCheck(
                    id="check",
                    station="HERE",
                    evse_id=1,
                    apply=False,
                    state="running",
                    steps=[],
                    findings=[],
                    applied=[],
                    created_at=now,
                    updated_at=now,
                ),
            )
        )


async def states(house: House) -> tuple[str | None, str | None]:
    async with house.db.read() as session:
        return (
            await session.scalar(sa.select(Simulation.state)),
            await session.scalar(sa.select(StationCheck.state)),
        )


async def online(house: House) -> set[str]:
    async with house.db.read() as session:
        return set(await session.scalars(sa.select(Station.identity).where(Station.online)))


async def readiness(http: Client) -> str:
    answer = await http.get("http://house/readyz")
    assert answer.status_code == 200
    return answer.text


async def test_the_second_leaves_alone_what_the_first_does_and_takes_over_when_it_is_gone(
    postgres_url: str,
) -> None:
    async with AsyncExitStack() as second, AsyncExitStack() as first:
        a, http_a = await first.enter_async_context(serving(postgres_url, "a", controlled=True))
        words = await site_with_stations(http_a, "HERE", "THERE")
        await plug_in(a, "HERE", words["HERE"])
        for _ in range(3):  # which the other does not count
            link = await plug_in(a, "THERE", words["THERE"])
            await a.gateway.disconnect("THERE")
            del link
        await what_is_under_way(a)
        with capture_logs() as said:
            b, http_b = await second.enter_async_context(
                serving(postgres_url, "b", controlled=True)
            )
        (stands,) = (line for line in said if line["event"] == "standing_by")
        assert stands["leads"].startswith("heliofleet a (")
        assert await readiness(http_a) == "ready\n"
        assert await readiness(http_b) == "ready, standing by\n"
        assert "heliofleet_leads 0" in (await http_b.get("http://house/metrics")).text

        await plug_in(b, "THERE", words["THERE"])

        await until(lambda: online(b), lambda seen: seen == {"HERE", "THERE"})
        assert await states(b) == ("running", "running")
        assert not b.planner.solve_seconds

        await first.aclose()

        await until(lambda: states(b), lambda seen: seen == ("failed", "broken-off"))
        await until(lambda: online(b), lambda seen: seen == {"THERE"})
        assert await readiness(http_b) == "ready\n"
        assert "heliofleet_leads 1" in (await http_b.get("http://house/metrics")).text


async def test_who_can_not_read_the_outbox_when_it_takes_over_does_so_later(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Duties] = []
    tried: list[Relay] = []
    begin, take_over = Duties.begin, Relay.take_over

    async def begin_and_count(self: Duties) -> None:
        begun.append(self)
        await begin(self)

    async def fail_once(self: Relay) -> None:
        tried.append(self)
        if len(tried) == 1:
            raise Unavailable("away")
        await take_over(self)

    async def what_leads() -> bool:
        return bool(tried) and tried[0].leads

    async with AsyncExitStack() as first:
        await first.enter_async_context(serving(postgres_url, "a"))
        async with serving(postgres_url, "b"):
            monkeypatch.setattr(Duties, "begin", begin_and_count)
            monkeypatch.setattr(Relay, "take_over", fail_once)
            await first.aclose()
            await until(what_leads, lambda leads: leads)
    assert (len(begun), len(tried)) == (1, 2)


async def test_services_that_have_lost_their_sessions_find_out_who_leads_and_keep_their_stations(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    async with serving(postgres_url, "a") as (a, http_a), serving(postgres_url, "b") as (b, http_b):
        words = await site_with_stations(http_a, "HERE", "THERE")
        for house, name in ((a, "HERE"), (b, "THERE")):
            link = await plug_in(house, name, words[name])
            await link.send(json.dumps([2, "1", "BootNotification", BOOT]))

        async def heard() -> list[bool]:
            async with a.db.read() as session:
                rows = await session.scalars(sa.select(Station))
                return [row.booted_at is not None for row in rows]

        await until(heard, all)  # and so on the connection, after it has begun

        async def leaders_and_holders() -> tuple[int, set[int | None]]:
            async with a.db.read() as session:
                held_by = await session.scalars(sa.select(Station.held_by))
            told = [await readiness(http) for http in (http_a, http_b)]
            return told.count("ready\n"), set(held_by)

        before = {a.lead.number, b.lead.number}
        await until(leaders_and_holders, lambda seen: seen == (1, before))
        postgres_server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'heliofleet % (%'"
        )
        await until(
            leaders_and_holders,
            lambda seen: seen == (1, {a.lead.number, b.lead.number}) and not seen[1] & before,
        )
        assert await online(a) == {"HERE", "THERE"}
