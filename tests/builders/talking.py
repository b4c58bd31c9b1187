"""A house with REST and one simulated station on a real socket, which tells what tests want."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from simulators.notices import Notice
from simulators.station import Station as Box
from tests.builders.played_line import PlayedLine
from tests.builders.rest_house import RestHouse, rest_house
from tests.builders.stations import a_kind
from tests.builders.waiting import eventually

IDENTITY = "ST-1"


class Talking:
    """The house, the station and its line."""

    def __init__(self, house: RestHouse, box: Box, line: PlayedLine) -> None:
        self.house = house
        self.box = box
        self.line = line

    async def tell(self, *notices: Notice) -> None:
        """Has the station say something, and waits until it was said and answered."""
        self.box.outbox.extend(notices)
        await eventually(lambda: not (self.box.outbox or self.busy))
        await self.house.activity.quiet()

    busy = False

    async def live(self) -> None:
        """Plays the station, as its driver would."""
        while True:
            self.box.advance(self.house.clock.now())
            self.box.speak_up(self.house.clock.now())
            if not self.line.connected:
                await self.line.dial()
            if self.line.due():
                self.busy = True
                await self.line.drain()
                self.busy = False
            await asyncio.sleep(0.005)

    async def shown(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Returns the rows of a list about the station."""
        await self.house.activity.quiet()
        return (await self.house.get(f"/stations/{IDENTITY}/{path}", **query))["items"]

    async def online(self) -> bool:
        """Returns whether it is shown as connected, and can be asked since it has booted."""
        shown = await self.house.get(f"/stations/{IDENTITY}")
        return shown["online"] and self.house.gateway.online(IDENTITY)

    async def put(self, path: str, body: Any, status: int = 200) -> Any:
        """Puts something of the station."""
        return await self.house.put(f"/stations/{IDENTITY}/{path}", body, status)

    async def post(self, path: str, body: Any, status: int = 200) -> Any:
        """Posts something of the station."""
        return await self.house.post(f"/stations/{IDENTITY}/{path}", body, status)


@asynccontextmanager
async def talking(url: str, version: str, **settings: Any) -> AsyncIterator[Talking]:
    """Runs the house and the station, which has booted."""
    async with rest_house(url, settings=settings) as house:
        port = await house.gateway.start("127.0.0.1", 0)
        await house.site(id="A")
        made = await house.station(IDENTITY, "A", evses=[{"evse_id": 1}, {"evse_id": 2}])
        now = house.clock.now
        box = Box(IDENTITY, a_kind(subprotocol=version), now=now())
        line = PlayedLine(box, port, made["password"], now=now)
        it = Talking(house, box, line)
        box.boot("PowerUp", now())
        async with line.played(it.live):
            await eventually(it.online)
            yield it
