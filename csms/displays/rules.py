"""What follows for a message on a station's screen from wishes, answers and reports.

A wish and what the station says are kept apart, because a station may drop a message by itself (its
time is over, its transaction has ended, it needs the room) and others may put theirs.

Source: OCPP 2.0.1 part 2, O01 to O06.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from models.facts.displays import DisplayMessage

MessageState = Literal["asked", "refused", "shown", "differs", "foreign", "gone"]
"""Nothing said yet; it will not; it shows what we want; it shows something else; it shows what we
never asked for; it shows it no more."""


class MessageNow(msgspec.Struct, frozen=True):
    """A message; see `models.tables.displays.DisplayMessage`."""

    station: str
    message_id: int
    wish: dict[str, Any] | None
    wish_state: str | None
    why: str | None
    wished_at: datetime | None
    told: dict[str, Any] | None
    told_at: datetime | None
    gone: bool
    updated_at: datetime


def text_of(message: DisplayMessage) -> dict[str, Any]:
    """Returns a message as it is stored: JSON with the members of the REST form."""
    values: dict[str, Any] = msgspec.to_builtins(message)
    del values["message_id"]
    return values


def state_of(message: Any) -> MessageState:
    """Returns where a message stands; it takes the table's row and `MessageNow` alike."""
    if message.wish_state in {"asked", "refused"}:
        return message.wish_state
    if message.gone:
        return "gone"
    if message.wish is None:
        return "foreign"
    return "shown" if _same(message.wish, message.told) else "differs"


def shown(message: MessageNow, now: datetime) -> MessageNow:
    """Returns a message after the station has taken it."""
    return msgspec.structs.replace(
        message,
        wish_state="accepted",
        why=None,
        told=message.wish,
        told_at=now,
        gone=False,
        updated_at=now,
    )


def refused(message: MessageNow, why: str | None, now: datetime) -> MessageNow:
    """Returns a message after the station has refused it; what it showed before it shows still."""
    return msgspec.structs.replace(message, wish_state="refused", why=why, updated_at=now)


def cleared(message: MessageNow, now: datetime) -> MessageNow:
    """Returns a message after the station has taken it away, as we wanted."""
    return msgspec.structs.replace(
        message, wish=None, wish_state=None, why=None, gone=True, updated_at=now
    )


def reported(
    former: MessageNow | None, station: str, told: DisplayMessage, now: datetime
) -> MessageNow:
    """Returns a message after the station has said that it shows it."""
    text = text_of(told)
    if former is None:
        return MessageNow(
            station=station,
            message_id=told.message_id,
            wish=None,
            wish_state=None,
            why=None,
            wished_at=None,
            told=text,
            told_at=now,
            gone=False,
            updated_at=now,
        )
    # Nothing was heard of the wish, but there it is.
    arrived = former.wish_state == "asked" and _same(former.wish, text)
    return msgspec.structs.replace(
        former,
        wish_state="accepted" if arrived else former.wish_state,
        told=text,
        told_at=now,
        gone=False,
        updated_at=now,
    )


def missing(message: MessageNow, asked_at: datetime, now: datetime) -> MessageNow | None:
    """Returns a message that a whole report has not told, if that is news.

    Args:
        message: as it is known.
        asked_at: when the report was asked for; what was told later may have come later.
        now: the present.
    """
    known_at = message.told_at or message.wished_at
    if message.gone or known_at is None or known_at >= asked_at:
        return None
    state = message.wish_state
    return msgspec.structs.replace(
        message, gone=True, wish_state="accepted" if state == "asked" else state, updated_at=now
    )


def _same(wish: Mapping[str, Any] | None, told: Mapping[str, Any] | None) -> bool:
    """Stations may leave out, or fill in, when a message begins."""
    if wish is None or told is None:
        return wish is told
    names = ("priority", "state", "ocpp_transaction_id", "format", "language", "content")
    return all(wish.get(name) == told.get(name) for name in names)
