"""What is kept for a time only, once that is over."""

from __future__ import annotations

from datetime import timedelta

from csms.messages.reactions import LogKeeper
from models.clocks import RealWireClock
from tests.builders.rest_house import RestHouse
from tests.builders.small_house import HandClock


async def look_a_year_later(house: RestHouse) -> None:
    """Makes a round of the keeper of the log when all is too old."""
    keeper = LogKeeper(
        db=house.db,
        clock=HandClock(house.clock.now() + timedelta(days=365)),
        ids=house.services.ids,
        activity=house.activity,
        wire=RealWireClock(),
        messages_kept=timedelta(days=90),
        events_kept=None,
        plans_kept=None,
    )
    await keeper.look()
