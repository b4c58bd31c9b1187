"""Links: how the text frames of a station travel, over a real websocket or what does as one.

A link has `send(text)`, `recv() -> str` and `close()`; the first two raise `LinkClosed`, or any
other `FleetError`, once the other side is gone. What the frames mean is for `simulators.voice`.
"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from models.errors import FleetError


class LinkClosed(FleetError):
    """The link is gone; what was sent last may or may not have arrived."""

    code = "link-closed"

    def __init__(self, detail: str = "the link is closed") -> None:
        super().__init__(detail)


class LinkRefused(LinkClosed):
    """The link was never there: wrong address, wrong password, nobody listening."""

    code = "link-refused"


class Link(Protocol):
    """A two-way line of text frames."""

    async def send(self, message: str, /) -> None:
        """Sends one frame."""
        ...

    async def recv(self) -> str:
        """Returns the next frame."""
        ...

    async def close(self) -> None:
        """Ends the link; harmless when it is gone already."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """How a station names itself."""

    path: str
    """The end of the address; not encoded."""
    user: str
    """By which it logs in."""


class Connect(Protocol):
    """Opens the link of a station; raises `LinkRefused` when it can't be had."""

    async def __call__(
        self, caller: Caller, subprotocols: tuple[str, ...], password: str | None
    ) -> Link:
        """Returns an open link for `caller`, with the first of `subprotocols` that is known."""
        ...


class WebSocketLink:
    """A real websocket, by the `websockets` client."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @property
    def subprotocol(self) -> str | None:
        """What the server has chosen of what was offered."""
        return self._connection.subprotocol

    async def send(self, message: str) -> None:
        """Sends one text frame.

        Raises:
            LinkClosed: if the connection is gone.
        """
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise LinkClosed(str(error)) from error

    async def recv(self) -> str:
        """Returns the next text frame.

        Raises:
            LinkClosed: if the connection is gone.
        """
        try:
            return await self._connection.recv(decode=True)
        except ConnectionClosed as error:
            raise LinkClosed(str(error)) from error

    async def close(self) -> None:
        """Closes the connection with the closing handshake."""
        await self._connection.close()

    async def abort(self) -> None:
        """Cuts the connection without a word, as a pulled plug does."""
        self._connection.transport.abort()


def websocket_door(base_url: str, tls: ssl.SSLContext | None = None) -> Connect:
    """Returns what opens websockets under `base_url`, for example `ws://127.0.0.1:9000/ocpp`.

    Args:
        base_url: `wss` wants `tls`.
        tls: what handshakes are made with.
    """

    async def dial(caller: Caller, subprotocols: tuple[str, ...], password: str | None) -> Link:
        headers: dict[str, str] = {}
        if password is not None:
            credentials = base64.b64encode(f"{caller.user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {credentials}"
        try:
            connection = await connect_websocket(
                f"{base_url.rstrip('/')}/{quote(caller.path, safe='/')}",
                subprotocols=[Subprotocol(name) for name in subprotocols] or None,
                additional_headers=headers,
                compression=None,
                ping_interval=None,
                max_size=4 * 2**20,
                ssl=tls,
            )
        except (OSError, EOFError, InvalidHandshake, TimeoutError) as error:
            raise LinkRefused(f"{caller.path}: {error}") from error
        return WebSocketLink(connection)

    return dial
