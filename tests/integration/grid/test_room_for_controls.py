"""A station's controls have room for so many, also where they come all at once."""

from __future__ import annotations

import asyncio

from csms.grid.intake import CONTROLS_MAX
from models.facts.grid import DerStartStopReported
from models.tables.grid import DerControl
from models.tables.ledger import Quarantine
from tests.builders.small_house import SmallHouse, small_house


def begun(house: SmallHouse, control_id: str) -> DerStartStopReported:
    now = house.clock.now()
    return DerStartStopReported(
        station="A-1", received_at=now, control_id=control_id, started=True, measured_at=now
    )


async def test_of_many_controls_no_more_are_kept_than_there_is_room_for(database_url: str) -> None:
    async with small_house(database_url) as house:
        many = [begun(house, f"theirs-{number}") for number in range(CONTROLS_MAX + 50)]
        await asyncio.gather(*(house.intake.submit(fact) for fact in many))
        await asyncio.gather(*(house.intake.submit(fact) for fact in many))
        assert len(await house.rows(DerControl)) == CONTROLS_MAX
        assert await house.rows(Quarantine) == []
