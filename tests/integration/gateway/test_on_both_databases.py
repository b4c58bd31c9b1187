"""The door's own dealings with the database, on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from models.commands import Reset
from models.tables.charging import Transaction
from models.tables.ledger import Command
from models.tables.stations import SecurityEvent, Station
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import answer, boot, call, closed, encode, rig

START = {"connectorId": 1, "idTag": "c", "meterStart": 0, "timestamp": "2024-05-01T10:00:00Z"}


async def test_a_station_logs_in_charges_and_takes_a_command(
    tmp_path: Path, database_url: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password)
        assert (await boot(link))[2]["status"] == "Accepted"
        settings = await answer(link)
        await link.send(encode([3, settings[1], {"unknownKey": ["a \x01 b"]}]))
        number = (await call(link, "StartTransaction", START))[2]["transactionId"]
        stop = {"transactionId": number, "meterStop": 10, "timestamp": "2024-05-01T11:00:00Z"}
        assert (await call(link, "StopTransaction", stop))[0] == 3
        await link.send("broken \x00 frame")
        command_id = await house.order("CP-1", Reset())
        frame = await answer(link)
        await link.send(encode([3, frame[1], {"status": "Accepted"}]))
        assert (await house.gateway.courier.settled(command_id, 60)).state == "answered"
        (transaction,) = await house.rows(sa.select(Transaction))
        assert transaction.energy_wh == 10
        outcomes = [message.outcome for message in await house.messages("CP-1")]
        assert outcomes.count("malformed") == 1
        second = await house.dial("CP-1", password)
        assert (await closed(second))[0] == 1008
        assert len(await house.rows(sa.select(SecurityEvent))) == 1
        await link.close()
        await eventually(lambda: not house.gateway.connections())
        assert not (await house.station("CP-1")).online


async def test_a_stranger_waits_and_is_not_enrolled_twice(
    tmp_path: Path, database_url: str
) -> None:
    async with rig(tmp_path, onboarding="pending", url=database_url) as house:
        for _ in range(2):
            link = await house.dial("new")
            assert (await boot(link))[2]["status"] == "Pending"
            await link.close()
            await eventually(lambda: not house.gateway.connections())
        (station,) = await house.rows(sa.select(Station))
        assert (station.approval, station.epoch) == ("pending", 2)


async def test_commands_that_waited_too_long_are_failed_on_the_way(
    tmp_path: Path, database_url: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        password = await house.add_station("CP-1", booted_at=house.clock.now())
        await house.order("CP-1", Reset(), expires_in_s=-1)
        await house.dial("CP-1", password)
        await eventually(lambda: house.gateway.online("CP-1"))
        (row,) = await house.rows(sa.select(Command))
        assert (row.state, row.error_code) == ("failed", "Expired")
