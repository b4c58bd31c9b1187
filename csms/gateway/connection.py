"""What a connection promises, whatever carries it: the words between transports and the gateway.

A `Transport` is one connection. Before it is let in it is asked about at a `Door`, afterwards it
tells a `Listener` what arrives. Everything happens on the event loop, by plain calls. A socket is
one carrier (`csms.gateway.transport`), memory another (`csms.gateway.memory`); one contract suite
runs against both (tests/contract/gateway). Nothing here knows OCPP or does any I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

NORMAL_CLOSE = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED_DATA = 1003
ABNORMAL = 1006
POLICY_VIOLATION = 1008
TOO_BIG = 1009
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013


@dataclass(frozen=True, slots=True)
class Knock:
    """What a client says before it is let in."""

    target: str
    """The request target: path and query as they came."""
    subprotocols: tuple[str, ...]
    """As offered, most wanted first."""
    authorization: str | None
    """The header's value."""
    remote: str
    """Address without the port."""
    secure: bool = False
    """It came by TLS."""
    certificate: bytes | None = None
    """Of the client, DER; signed by somebody whom we trust, and not judged further."""


class Listener(Protocol):
    """Who is told what happens on a connection that was let in; called on the event loop."""

    def on_text(self, data: bytes) -> None:
        """Takes one whole text message."""
        ...

    def on_lost(self, code: int, reason: str) -> None:
        """Takes note that the connection is gone; called once, last."""
        ...


class Transport(Protocol):
    """One connection, as the gateway sees it."""

    @property
    def remote(self) -> str:
        """Address of the other side, without the port."""
        ...

    @property
    def heard(self) -> int:
        """Grows with everything that arrives: data, ping or pong."""
        ...

    def accept(self, subprotocol: str | None, listener: Listener, *, deflate: bool) -> None:
        """Lets the client in and tells `listener` what it says from now on."""
        ...

    def refuse(self, status: int) -> None:
        """Ends the handshake with an HTTP status."""
        ...

    def send(self, text: bytes) -> None:
        """Sends one text message; nothing happens on a connection that is closing."""
        ...

    def ping(self) -> None:
        """Asks for a sign of life, seen in `heard`."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Starts the closing handshake; it is cut short by the close time-out."""
        ...

    def abort(self) -> None:
        """Drops the connection at once."""
        ...

    def pause(self) -> None:
        """Stops reading until `resume`, so that the sender feels it."""
        ...

    def resume(self) -> None:
        """Reads on."""
        ...

    def limit_messages(self, size_bytes: int) -> None:
        """Sets the largest message that is taken from now on."""
        ...


class Door(Protocol):
    """Who decides about a knock; calls `accept` or `refuse` of the transport, now or later."""

    def knock(self, transport: Transport, knock: Knock) -> None:
        """Takes a well-formed handshake request."""
        ...
