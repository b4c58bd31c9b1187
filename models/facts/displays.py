"""What stations show on their screens (2.x)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from models.facts import Fact


class DisplayMessage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One message for whoever stands before the station."""

    message_id: int
    priority: str
    """AlwaysFront, InFront or NormalCycle."""
    state: str | None = None
    """Shown only while the station is Charging, Faulted, Idle and so on; None: in every state."""
    start_at: datetime | None = None
    """None: at once."""
    end_at: datetime | None = None
    """None: until it is taken away."""
    ocpp_transaction_id: str | None = None
    """Shown until this transaction ends."""
    format: str
    """ASCII, HTML, URI, UTF8 or QRCODE (2.1)."""
    language: str | None = None
    """RFC 5646."""
    content: str


class DisplaysReported(Fact, frozen=True, gc=False, kw_only=True):
    """One part of what a station shows."""

    request_id: int
    last: bool
    messages: tuple[DisplayMessage, ...]


class DisplayAnswered(Fact, frozen=True, gc=False, kw_only=True):
    """What a station has said to a message that it was to show, or to take away."""

    message_id: int
    wish: Literal["show", "clear"]
    accepted: bool
    detail: str | None = None
    """The station's own words."""
