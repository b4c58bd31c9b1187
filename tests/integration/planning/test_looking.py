"""Who looks at the house for the planner: another process, so that nobody waits for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from csms.planning import looking
from csms.planning.looking import Look, NotSeen, look, look_apart
from csms.planning.snapshot import snapshot_of
from models.timeline import format_rfc3339
from scheduler.pool import ProcessPool, WorkerLost
from scheduler.problem import read_problem
from tests.builders.rest_house import START, a_model, a_site, a_trip, rest_house
from tests.builders.whole_house import whole_house


async def furnish(http: httpx.AsyncClient) -> None:
    """Puts one car at one site, and a booking on it."""
    for path, body in (
        ("/sites", a_site(id="A")),
        ("/vehicle-models", a_model(id="mia")),
        ("/drivers", {"id": "ada", "name": "Ada"}),
        ("/stations", {"identity": "CP-A", "site_id": "A", "evses": [{"evse_id": 1}]}),
        ("/vehicles", {"id": "car-1", "model_id": "mia", "site_id": "A"}),
        ("/vehicles/car-1/state", {"soc_pct": 80, "plugged_evse": "CP-A/1"}),
        ("/bookings", a_trip(START + timedelta(hours=3), id="b1", distance_km=30)),
    ):
        (await http.post(path, json=body)).raise_for_status()


async def plans(http: httpx.AsyncClient) -> list[Any]:
    """Lets a quarter of an hour pass, and returns the plans that are stored then."""
    until = format_rfc3339(START + timedelta(minutes=16))
    (await http.post("/clock", json={"advance_to": until})).raise_for_status()
    items: list[Any] = (await http.get("/plans")).raise_for_status().json()["items"]
    return items


class Built:
    """Counts the problems that are built in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0

        def build(*given: Any) -> Any:
            self.count += 1
            return snapshot_of(*given)

        monkeypatch.setattr(looking, "snapshot_of", build)


async def test_no_problem_is_built_where_people_and_stations_are_answered(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = Built(monkeypatch)
    async with whole_house(sqlite_url) as (house, http):
        await furnish(http)
        made = await plans(http)
        assert house.planner.violations == 0
    assert made
    assert "b1" in {each["booking"] for each in made[-1]["assignments"]}
    assert built.count == 0


async def test_a_worker_that_dies_as_it_looks_costs_no_plan(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = Built(monkeypatch)

    def lost(*_: Any) -> Future[Any]:
        never: Future[Any] = Future()
        never.set_exception(WorkerLost())
        return never

    monkeypatch.setattr(ProcessPool, "call", lost)
    async with whole_house(sqlite_url) as (_, http):
        await furnish(http)
        made = await plans(http)
    assert made
    assert built.count >= len(made)


async def test_what_another_process_sees_is_what_is_seen_here(database_url: str) -> None:
    """Its problem, and what a publisher asks of its rows."""
    async with rest_house(database_url, stepped=True) as house:
        await house.fleet("car-1", "car-2")
        await house.post("/bookings", a_trip(START + timedelta(hours=3), id="b1"))
        now = house.clock.now()
        async with house.db.read() as session:
            here = await look(session, tenant="default", now=now, known=None)
        url = house.db.url_elsewhere
        pool = ProcessPool()
        try:
            job = partial(look_apart, url, "default", now, None)
            there = await asyncio.wrap_future(pool.call(job))
            nowhere = partial(look_apart, "sqlite:////nowhere/at/all.db", "default", now, None)
            lost = await asyncio.wrap_future(pool.call(nowhere))
        finally:
            pool.close()
    assert isinstance(here, Look)
    assert isinstance(there, Look)
    assert there.snapshot.problem == here.snapshot.problem
    assert there.snapshot.document == here.snapshot.document
    assert read_problem(there.snapshot.document.encode()) == there.snapshot.problem
    assert told(there) == told(here)
    assert there.former is here.former is None
    assert isinstance(lost, NotSeen)
    assert "unable to open" in lost.why


def told(seen: Look) -> list[tuple[str, int, datetime]]:
    """Returns what is asked of the bookings when a plan is published."""
    return [(row.id, row.version, row.start) for row in seen.snapshot.rows.bookings]


async def test_a_plan_that_is_at_hand_is_not_read_again(sqlite_url: str) -> None:
    async with whole_house(sqlite_url) as (house, http):
        await furnish(http)
        newest = (await plans(http))[-1]["id"]
        for known in (newest, None):
            async with house.db.read() as session:
                seen = await look(
                    session, tenant="default", now=house.times.clock.now(), known=known
                )
            assert seen is not None
            assert seen.former is not None
            assert seen.former.id == newest
            assert (seen.former.plan is None) is (known is not None)


async def test_prices_are_kept_for_who_is_asked_for_money_later(sqlite_url: str) -> None:
    """Moves are paid in what the site pays its energy in."""
    async with rest_house(sqlite_url, stepped=True) as house:
        await house.fleet("car-1")
        await house.patch("/sites/A", {"move_price": "3.50"})
        prices = {
            "site_id": "A",
            "issued_at": format_rfc3339(START),
            "start": format_rfc3339(START),
            "step_minutes": 60,
            "currency": "CHF",
            "import_price_per_kwh": ["0.30"] * 24,
            "export_price_per_kwh": ["0.02"] * 24,
        }
        await house.post("/prices", prices)
        async with house.db.read() as session:
            seen = await look(session, tenant="default", now=house.clock.now(), known=None)
    assert seen is not None
    assert [each.currency for each in seen.snapshot.rows.prices] == ["CHF"]
