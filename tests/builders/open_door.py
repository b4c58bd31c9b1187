"""A door that lets everybody in, on a port of its own or in memory: for tests of transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from csms.gateway.connection import Knock, Transport
from csms.gateway.limits import Limits
from csms.gateway.transport import SocketTransport
from models.clocks import RealWireClock


class Ear:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.lost: list[tuple[int, str]] = []
        self.on_each: Callable[[bytes], None] = lambda _: None

    def on_text(self, data: bytes) -> None:
        self.texts.append(data)
        self.on_each(data)

    def on_lost(self, code: int, reason: str) -> None:
        self.lost.append((code, reason))


class OpenDoor:
    """A door that lets everyone in with the first subprotocol, save those called `nobody`.

    Messages are compressed where it says `deflate` and the station wants it.
    """

    def __init__(self, *, deflate: bool = False) -> None:
        self.deflate = deflate
        self.knocks: list[Knock] = []
        self.transports: list[Transport] = []
        self.ears: list[Ear] = []

    def knock(self, transport: Transport, knock: Knock) -> None:
        self.knocks.append(knock)
        if knock.target.endswith("nobody"):
            transport.refuse(401)
            return
        ear = Ear()
        self.transports.append(transport)
        self.ears.append(ear)
        transport.accept(next(iter(knock.subprotocols), None), ear, deflate=self.deflate)


class SocketPlace:
    """An open door on a port of its own."""

    def __init__(self, door: OpenDoor, port: int, transports: set[SocketTransport]) -> None:
        self.door = door
        self.port = port
        self.transports = transports

    @property
    def url(self) -> str:
        """Of the station CP-1."""
        return f"ws://127.0.0.1:{self.port}/ocpp/CP-1"

    @property
    def transport(self) -> Any:
        """That of the newest connection."""
        return self.door.transports[-1]

    @property
    def ear(self) -> Ear:
        """That of the newest connection."""
        return self.door.ears[-1]


@asynccontextmanager
async def open_place(limits: Limits, *, deflate: bool = False) -> AsyncIterator[SocketPlace]:
    """Opens it for transports with these limits."""
    door, wire, transports = OpenDoor(deflate=deflate), RealWireClock(), set[SocketTransport]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SocketTransport(door, limits, wire, transports), "127.0.0.1", 0
    )

    async def sweep() -> None:
        while True:
            await asyncio.sleep(limits.sweep_s)
            for transport in tuple(transports):
                transport.tick(wire.monotonic())

    sweeper = asyncio.create_task(sweep())
    try:
        yield SocketPlace(door, server.sockets[0].getsockname()[1], transports)
    finally:
        for transport in tuple(transports):
            transport.abort()
        server.close()
        sweeper.cancel()
        await asyncio.gather(sweeper, return_exceptions=True)
        await asyncio.sleep(0.01)
