"""A simulated station on a real socket that lives by itself until a test has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from simulators.checks import Checks
from simulators.line import Line
from simulators.link import websocket_door
from simulators.logs import Upload
from simulators.station import Station


class PlayedLine(Line):
    """Its line to a door of this machine, and what was wrong about what came over it."""

    def __init__(
        self,
        box: Station,
        port: int,
        password: str,
        *,
        now: Callable[[], datetime],
        upload: Upload | None = None,
    ) -> None:
        self.checks = Checks()
        door = websocket_door(f"ws://127.0.0.1:{port}/ocpp")
        super().__init__(
            box, connect=door, password=password, now=now, checks=self.checks, upload=upload
        )

    @asynccontextmanager
    async def played(
        self, live: Callable[[], Coroutine[Any, Any, None]] | None = None
    ) -> AsyncIterator[None]:
        """Has the station live within the block; all that it heard must have been right.

        Args:
            live: how it lives, without end; by default it dials and speaks as its driver would.
        """
        living = asyncio.create_task((live or self._live)())
        try:
            yield
            assert self.checks.complaints == []
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)
            await self.hang_up()

    async def _live(self) -> None:
        while True:
            self.station.speak_up(self._now())
            if not self.connected:
                await self.dial()
            if self.due():
                await self.drain()
            await asyncio.sleep(0.005)
