"""A connection without a socket: how `replay` plays stations in one process on virtual time.

`MemoryTransport` is the gateway's side, `MemoryLink` the station's. What is sent is handed over
within the call, so that the order of all that happens depends on nothing but the order of calls.
There are no pings on the wire, because there is no wire that could break; a link that is `cut`
looks to the gateway like a station that has fallen silent.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Sequence

from csms.gateway.connection import (
    ABNORMAL,
    NORMAL_CLOSE,
    TOO_BIG,
    UNSUPPORTED_DATA,
    Door,
    Knock,
    Listener,
)
from csms.gateway.limits import Limits
from models.errors import FleetError


class HandshakeRefused(FleetError):
    """The gateway did not let the station in."""

    code = "handshake-refused"

    def __init__(self, status: int) -> None:
        super().__init__(f"handshake refused with HTTP status {status}")
        self.status = status


class LinkClosed(FleetError):
    """The connection is closed."""

    code = "link-closed"

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(f"closed with {close_code}: {reason}")
        self.close_code = close_code
        self.reason = reason


class MemoryTransport:
    """The gateway's side of a connection in memory."""

    remote = "memory"

    def __init__(self, limits: Limits) -> None:
        self.heard = 0
        self.max_bytes = limits.message_before_boot_bytes
        self.link = MemoryLink(self)
        self.subprotocol: str | None = None
        self.answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.readable = asyncio.Event()
        self.readable.set()
        self._listener: Listener | None = None

    def accept(self, subprotocol: str | None, listener: Listener, *, deflate: bool) -> None:  # noqa: ARG002
        """Lets the client in and tells `listener` what it says from now on."""
        self.subprotocol = subprotocol
        self._listener = listener
        if not self.answered.done():
            self.answered.set_result(101)

    def refuse(self, status: int) -> None:
        """Ends the handshake with an HTTP status."""
        if not self.answered.done():
            self.answered.set_result(status)

    def send(self, text: bytes) -> None:
        """Sends one text message; nothing happens on a connection that is closed."""
        self.link.deliver(text)

    def ping(self) -> None:
        """Asks for a sign of life, which a link that is not cut gives at once."""
        if self._listener is not None and not self.link.is_cut:
            self.heard += 1

    def close(self, code: int, reason: str = "") -> None:
        """Closes both sides at once."""
        self.end(code, reason)

    def abort(self) -> None:
        """Closes both sides at once."""
        self.end(ABNORMAL, "aborted")

    def pause(self) -> None:
        """Holds the sender up in its next `send` until `resume`."""
        self.readable.clear()

    def resume(self) -> None:
        """Lets the sender go on."""
        self.readable.set()

    def limit_messages(self, size_bytes: int) -> None:
        """Sets the largest message that is taken from now on."""
        self.max_bytes = size_bytes

    def take(self, text: str | bytes) -> None:
        """Takes one message from the station."""
        self.heard += 1
        if self._listener is None:
            return
        if isinstance(text, bytes):
            self.end(UNSUPPORTED_DATA, "OCPP is text")
            return
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > self.max_bytes:
            self.end(TOO_BIG, f"more than {self.max_bytes} bytes")
        else:
            self._listener.on_text(data)

    def end(self, code: int, reason: str) -> None:
        """Ends the connection, whoever wanted it, and tells both sides once."""
        self.link.shut(code, reason)
        self.readable.set()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.on_lost(code, reason)


class MemoryLink:
    """The station's side of a connection in memory."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.is_cut = False
        self._transport = transport
        self._messages: deque[str] = deque()
        self._arrived = asyncio.Event()
        self._closed: LinkClosed | None = None

    @property
    def subprotocol(self) -> str | None:
        """What the gateway has chosen."""
        return self._transport.subprotocol

    async def send(self, text: str | bytes) -> None:
        """Sends a message; waits while the gateway does not read.

        Raises:
            LinkClosed: if the connection is closed.
        """
        if not self._transport.readable.is_set():
            await self._transport.readable.wait()
        if self._closed is not None:
            raise self._closed
        if not self.is_cut:
            self._transport.take(text)

    async def recv(self) -> str:
        """Returns the next message.

        Raises:
            LinkClosed: if the connection is closed and all messages have been returned.
        """
        while not self._messages:
            if self._closed is not None:
                raise self._closed
            self._arrived.clear()
            await self._arrived.wait()
        return self._messages.popleft()

    async def close(self) -> None:
        """Closes the connection in an orderly way."""
        if self.is_cut:
            self.shut(ABNORMAL, "cut")
        else:
            self._transport.end(NORMAL_CLOSE, "")

    def cut(self) -> None:
        """Breaks the wire: from now on nothing passes, and neither side is told."""
        self.is_cut = True

    def deliver(self, text: bytes) -> None:
        """Takes a message from the gateway."""
        if self._closed is None and not self.is_cut:
            self._messages.append(text.decode())
            self._arrived.set()

    def shut(self, code: int, reason: str) -> None:
        """Takes note that the connection is closed."""
        if self._closed is None:
            self._closed = LinkClosed(code, reason)
            self._arrived.set()


def basic(identity: str, password: str) -> str:
    """Returns the Authorization header of a station (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{identity}:{password}".encode()).decode("ascii")


async def connect(
    door: Door,
    limits: Limits,
    *,
    target: str,
    subprotocols: Sequence[str],
    authorization: str | None,
) -> MemoryLink:
    """Returns the station's side of a new connection through `door`.

    Raises:
        HandshakeRefused: if the door does not let it in.
    """
    transport = MemoryTransport(limits)
    door.knock(
        transport,
        Knock(
            target=target,
            subprotocols=tuple(subprotocols),
            authorization=authorization,
            remote=transport.remote,
        ),
    )
    status = await transport.answered
    if status != 101:
        raise HandshakeRefused(status)
    return transport.link
