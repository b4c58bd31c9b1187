"""A house with the teller of costs, and a simulated station with a car on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from csms.billing.reactions import CostTeller
from simulators.station import Station as Box
from tests.builders.played_line import PlayedLine
from tests.builders.rest_house import RestHouse, rest_house
from tests.builders.stations import a_car, a_kind
from tests.builders.waiting import until

TOKEN = "04AABBCC"


class Paying:
    """The house, and the station ST-1 at the site A."""

    def __init__(self, house: RestHouse, box: Box, line: PlayedLine) -> None:
        self.house = house
        self.box = box
        self.line = line

    @property
    def till(self) -> Any:
        """What the station knows of money."""
        return self.box.outfit.till

    async def charge(self, evse_id: int = 1) -> Any:
        """Plugs a car in and presents its card; returns the transaction once it is accepted."""
        now = self.house.clock.now()
        self.box.plug(evse_id, a_car(id=f"car-{evse_id}", token=TOKEN), now)
        self.box.present(evse_id, TOKEN, now)
        return await self.until(
            "/transactions",
            lambda page: next((t for t in page["items"] if t["token_status"] == "Accepted"), None),
            station="ST-1",
            open="true",
        )

    def draw(self, energy_wh: float, evse_id: int = 1) -> None:
        """Lets energy flow, and the meter tell of it."""
        evse = self.box.evses[evse_id]
        evse.register_wh += energy_wh
        self.box.sample_now(evse, self.house.clock.now(), asked=True)

    async def until(self, path: str, found: Callable[[Any], Any], **query: Any) -> Any:
        """Returns what `found` finds at a path of REST, once it finds something."""
        shown = await until(
            lambda: self.house.get(path, **query), lambda seen: found(seen) not in (None, False)
        )
        return found(shown)

    async def soon(self, condition: Callable[[], Any]) -> Any:
        """Returns what a condition gives, once it gives something."""
        async with asyncio.timeout(60):
            while (result := condition()) in (None, False, [], {}):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return result


def a_tariff(**fields: Any) -> dict[str, Any]:
    """Returns a tariff as it is created."""
    return {
        "id": "day",
        "name": "Day",
        "currency": "EUR",
        "energy_price_per_kwh": "0.40",
        "fixed_fee": "0.50",
    } | fields


@asynccontextmanager
async def paying(url: str, version: str, **station: Any) -> AsyncIterator[Paying]:
    """Runs the house and the station, which has booted."""
    async with rest_house(url) as house:
        teller = CostTeller(
            db=house.db, clock=house.clock, ids=house.services.ids, activity=house.activity
        )
        await teller.start()
        house.services.bus.subscribe("costs", teller.follows, teller.heard)
        port = await house.gateway.start("127.0.0.1", 0)
        await house.site(id="A")
        await house.post("/id-tokens", {"id_token": TOKEN, "type": "ISO14443"})
        made = await house.station("ST-1", "A", **station)
        now = house.clock.now
        box = Box("ST-1", a_kind(subprotocol=version), now=now())
        line = PlayedLine(box, port, made["password"], now=now)
        it = Paying(house, box, line)
        box.boot("PowerUp", now())
        try:
            async with line.played():
                await it.until("/stations/ST-1", lambda shown: shown["online"])
                await it.soon(lambda: house.gateway.online("ST-1"))
                yield it
        finally:
            await teller.stop()
