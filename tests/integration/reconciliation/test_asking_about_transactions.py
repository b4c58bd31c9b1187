"""Asking stations whether a transaction goes on: over REST and real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.builders.stations import a_car
from tests.builders.uploading import Uploading, uploading
from tests.builders.waiting import until

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])


async def charging(it: Uploading) -> str:
    """Has a car charge; returns the id of its transaction."""
    await it.house.post("/id-tokens", {"id_token": "CARD-1", "type": "ISO14443"})
    it.box.plug(1, a_car(), it.house.clock.now())
    it.box.present(1, "CARD-1", it.house.clock.now())

    async def found() -> Any:
        return (await it.house.get("/transactions"))["items"]

    rows = await until(found, lambda rows: bool(rows) and rows[0]["id_token"] is not None)
    return rows[0]["id"]


@ON_2X
async def test_a_station_tells_whether_a_transaction_goes_on(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        number = await charging(it)
        path = f"/transactions/{number}/status-check"
        await it.house.get(path, 404)
        told = await it.house.post(path, {}, 200)
        assert (told["ongoing"], told["messages_in_queue"]) == (True, False)
        assert (told["stopped_at"], told["suspect"]) == (None, [])
        assert await it.house.get(path) == told


@ON_2X
async def test_what_a_station_has_forgotten_is_ended_and_listed(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        number = await charging(it)
        it.box.evses[1].transaction = None  # as a box that has lost its memory
        path = f"/transactions/{number}/status-check"
        told = await it.house.post(path, {}, 200)
        assert (told["ongoing"], told["messages_in_queue"]) == (False, False)
        assert told["stopped_at"] is not None
        assert told["suspect"] == ["stop-missing"]
        listed = (await it.house.get("/reconciliation", transaction_id=number))["items"]
        (oddity,) = [each for each in listed if each["kind"] == "stop-missing"]
        assert "its station says that it is over" in oddity["detail"]
        again = await it.house.post(path, {}, 200)
        assert again["stopped_at"] == told["stopped_at"]


async def test_who_can_not_be_asked(tmp_path: Path, sqlite_url: str) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp1.6") as it:
        number = await charging(it)
        path = f"/transactions/{number}/status-check"
        assert (await it.house.post(path, {}, 409))["code"] == "not-in-version"
        await it.house.post("/transactions/none/status-check", {}, 404)
        viewer = it.house.client(await it.house.key("viewer"))
        assert (await viewer.post(f"/api/v1{path}", json={})).status_code == 403
