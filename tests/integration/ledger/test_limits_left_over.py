"""Limits that a box holds as defaults: which of them are cleared when transactions are over."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from csms.bus.base import EventNote
from csms.stations.reactions import StationHost
from models.answers import TransactionAnswer
from models.tables.charging import ChargingLimit
from models.tables.ledger import Command
from models.tables.stations import Station
from tests.builders.small_house import SmallHouse, small_house


async def began(house: SmallHouse, token: str) -> int:
    """Begins a transaction on A-1/1, and puts a limit of its own on it."""
    answer = await house.submit(house.start_16(token))
    assert isinstance(answer, TransactionAnswer)
    number = answer.transaction_id
    assert number is not None
    await house.add(
        ChargingLimit(
            id=f"limit-{number}",
            site_id="A",
            station="A-1",
            evse_id=1,
            ocpp_transaction_id=str(number),
            purpose="transaction",
            created_at=house.clock.now(),
            periods=[],
            state="accepted",
        )
    )
    return number


def over(house: SmallHouse, kind: str) -> EventNote:
    resource = msgspec.json.encode({"station": "A-1", "evse_id": 1})
    return EventNote(1, house.clock.now(), kind, "default", "A", "transaction/x", resource)


async def cleared(house: SmallHouse) -> int:
    rows: list[Any] = await house.rows(Command, kind="ClearLimit")
    return len(rows)


@pytest.mark.parametrize("kind", ["transaction.ended", "transaction.repaired"])
async def test_the_limit_of_the_next_transaction_is_not_cleared(
    database_url: str, kind: str
) -> None:
    async with small_house(database_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            quirky = sa.update(Station).values(quirks=["ignores-tx-profile"])
            await work.session.execute(quirky.where(Station.identity == "A-1"))
        host = StationHost(db=house.db, clock=house.clock, ids=house.ids)
        first = await began(house, "CAR-1")
        house.clock.later(hours=1)
        await house.submit(house.stop_16(first, 2000.0))
        await host.heard(over(house, "transaction.ended"))
        assert await cleared(house) == 1
        second = await began(house, "CAR-2")
        await host.heard(over(house, kind))
        assert await cleared(house) == 1
        house.clock.later(hours=1)
        await house.submit(house.stop_16(second, 3000.0))
        await host.heard(over(house, "transaction.ended"))
        assert await cleared(house) == 2
