"""A house with REST over HTTP and stations on real sockets, whose logs come by real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from csms.diagnostics.reactions import UploadKeeper
from csms.diagnostics.store import UploadStore
from simulators.logs import by_http
from simulators.station import Station as Box
from tests.builders.played_line import PlayedLine
from tests.builders.rest_house import RestHouse, rest_house, served
from tests.builders.stations import a_kind
from tests.builders.waiting import eventually, until


class Uploading:
    """A house with a keeper of logs, one simulated station, and a client over HTTP."""

    def __init__(
        self,
        house: RestHouse,
        http: httpx.AsyncClient,
        box: Box,
        line: PlayedLine,
        keeper: UploadKeeper,
    ) -> None:
        self.house = house
        self.http = http
        self.box = box
        self.line = line
        self.keeper = keeper
        self.store = UploadStore(house.services.settings.upload_folder)

    async def ask(self, status: int = 201, **body: Any) -> Any:
        """Asks the station for a log."""
        return await self.house.post("/stations/ST-1/logs", body, status)

    async def until(self, log_id: str, condition: Callable[[Any], bool]) -> Any:
        """Returns the log once it is so."""
        return await until(lambda: self.house.get(f"/stations/ST-1/logs/{log_id}"), condition)

    async def upload(self, address: str, content: Any, **more: Any) -> httpx.Response:
        """Brings a file to an address, without any key, as a station does."""
        async with httpx.AsyncClient(timeout=10.0) as http:
            return await http.put(address, content=content, **more)


@asynccontextmanager
async def uploading(
    url: str, folder: Path, version: str, **settings: Any
) -> AsyncIterator[Uploading]:
    """Runs the house and the station, which has booted."""
    given = {"upload_directory": folder / "uploads", **settings}
    async with rest_house(url, settings=given) as house:
        port = await house.gateway.start("127.0.0.1", 0)
        keeper = UploadKeeper(
            db=house.db,
            clock=house.clock,
            ids=house.services.ids,
            activity=house.activity,
            store=UploadStore(house.services.settings.upload_folder),
            kept=None,
        )
        await keeper.start()
        house.services.bus.subscribe("logs", keeper.follows, keeper.heard)
        async with served(house) as http:
            house.set_public_url(str(http.base_url))
            await house.site(id="A")
            made = await house.station("ST-1", "A")
            now = house.clock.now
            box = Box("ST-1", a_kind(subprotocol=version), now=now())
            line = PlayedLine(box, port, made["password"], now=now, upload=by_http())
            it = Uploading(house, http, box, line, keeper)
            box.boot("PowerUp", now())
            try:
                async with line.played():
                    await until(lambda: house.get("/stations/ST-1"), lambda shown: shown["online"])
                    await eventually(lambda: house.gateway.online("ST-1"))
                    yield it
            finally:
                await keeper.stop()
