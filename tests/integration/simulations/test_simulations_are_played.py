"""The simulator, on both kinds of database: what can't be played has failed, with the reason."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from csms.simulations import reactions
from csms.simulations.reactions import Simulator
from models.clocks import RealWireClock
from models.tables.simulations import Simulation
from tests.builders.renovating import CHANGES, block
from tests.builders.rest_house import RestHouse, rest_house

WISH: dict[str, Any] = {"scenario": block(), "changes": CHANGES, "days": 1}


@asynccontextmanager
async def playing(house: RestHouse) -> AsyncIterator[None]:
    simulator = Simulator(
        db=house.db, clock=house.clock, ids=house.services.ids, wire=RealWireClock()
    )
    await simulator.start()
    try:
        yield
    finally:
        await simulator.stop()


async def change(house: RestHouse, simulation: str, **values: Any) -> None:
    async with house.db.write(house.clock, house.services.ids) as work:
        query = sa.update(Simulation).where(Simulation.id == simulation).values(**values)
        await work.session.execute(query)


async def test_what_can_no_longer_be_played_says_why(database_url: str) -> None:
    async with rest_house(database_url) as house:
        left = await house.post("/simulations", WISH, 202)
        await change(house, left["id"], state="running")
        asked = await house.post("/simulations", WISH, 202)
        # As a scenario of a former release may be, of which much has changed.
        await change(house, asked["id"], document=block(seed="one"))
        async with playing(house):
            told = await house.get(f"/simulations/{left['id']}")
            assert (told["state"], told["why"]) == ("failed", "the service was restarted")
            deadline = time.monotonic() + 600
            while told["id"] != asked["id"] or told["state"] != "failed":
                assert time.monotonic() < deadline, told
                await asyncio.sleep(0.1)
                told = await house.get(f"/simulations/{asked['id']}")
        assert "/seed: Expected `int`, got `str`" in told["why"]
        assert told["started_at"] is not None
        assert await house.events(f"simulation/{asked['id']}") == [
            "simulation.requested",
            "simulation.started",
            "simulation.failed",
        ]


async def test_a_process_that_is_killed_leaves_nothing_behind(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    async with rest_house(sqlite_url) as house:
        await house.post("/simulations", {**WISH, "days": 31}, 202)
        async with playing(house):
            deadline = time.monotonic() + 600
            while not list(tmp_path.glob("heliofleet-simulation-*/heliofleet-*/replay.db")):
                assert time.monotonic() < deadline, list(tmp_path.rglob("*"))
                await asyncio.sleep(0.1)
    assert not list(tmp_path.glob("heliofleet-*"))


async def test_one_that_takes_for_ever_makes_room_for_others(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions, "LONGEST_S", 0.5)
    async with rest_house(sqlite_url) as house:
        asked = await house.post("/simulations", {**WISH, "days": 31}, 202)
        async with playing(house):
            deadline = time.monotonic() + 600
            while (told := await house.get(f"/simulations/{asked['id']}"))["state"] != "failed":
                assert time.monotonic() < deadline, told
                await asyncio.sleep(0.1)
    assert told["why"] == "it took longer than 0.000138889 hours"
    assert told["changes"] == CHANGES
