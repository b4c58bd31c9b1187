"""What a station told of its firmware is looked at, also if the database was away just then."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.updates.reactions.firmware import RETRY, UpdateKeeper
from models.errors import Unavailable
from models.tables.updates import FirmwareNotice, FirmwareUpdate
from tests.builders.failing_database import FailingDatabase
from tests.builders.small_house import NOON, small_house


async def test_a_last_word_that_could_not_be_looked_at_is_looked_at_later(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        db = FailingDatabase(house.db, 0)
        keeper = UpdateKeeper(
            db=cast("Database", db), clock=house.clock, ids=house.ids, activity=house.activity
        )
        await keeper.start()
        update = FirmwareUpdate(
            id="u-1",
            tenant_id="default",
            station="A-1",
            request_id=1,
            command_id="c-1",
            location="https://example.org/fw.bin",
            retrieve_at=NOON,
            signed=False,
            state="running",
            created_at=NOON,
            heard_at=NOON,
            updated_at=NOON,
            version=1,
        )
        await house.add(update)
        await house.add(
            FirmwareNotice(station="A-1", status="Installed", received_at=NOON, handled=False)
        )
        db.failures = 1
        note = EventNote(1, NOON, "firmware.reported", "default", "A", "station/A-1", b"{}")
        try:
            with pytest.raises(Unavailable):
                await keeper.heard(note)
            async with asyncio.timeout(60):
                while True:
                    if (await house.one(FirmwareUpdate)).state == "installed":
                        break
                    await asyncio.sleep(0.01)
        finally:
            await keeper.stop()
        assert house.clock.now() == NOON + RETRY
