"""Reservations as they are shown, and how they are found."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from csms.reservations.rules import ReservationState
from csms.web.documents import KeptShown
from models.states import RESERVATION_OPEN, ReservationStatus
from models.tables.reservations import Reservation

_SHOWN = (
    "id",
    "reservation_id",
    "station",
    "evse_id",
    "connector_type",
    "id_token",
    "group_token",
    "expires_at",
    "state",
    "answer",
    "why",
    "ended_at",
    "transaction_id",
    "to_release",
    "external_id",
    "custom",
    "created_at",
    "updated_at",
)
_values = attrgetter(*_SHOWN)


class ReservationShown(KeptShown):
    """An EVSE that a station keeps free for a token."""

    reservation_id: int
    """What the station knows it by."""
    station: str
    evse_id: int | None
    """Null: whichever of the station."""
    connector_type: str | None
    id_token: str
    group_token: str | None
    """The `parent` that the token had; tokens of this group may use it too."""
    expires_at: AwareDatetime
    state: ReservationStatus
    answer: str | None
    """The station's own: `accepted`, `occupied`, `faulted`, `unavailable` or `rejected`."""
    why: str | None
    """Why it is as it is."""
    ended_at: AwareDatetime | None
    transaction_id: str | None
    """The transaction that used it."""
    to_release: bool
    """It is over, and the station is still to be told."""


def reservation_resource(row: Reservation | ReservationState) -> dict[str, Any]:
    """Returns a reservation as the REST door and the events show it."""
    return dict(zip(_SHOWN, _values(row), strict=True))


def reservation_state(row: Reservation) -> ReservationState:
    """Returns what is known of a reservation, for the rules."""
    return msgspec.convert(row, ReservationState, from_attributes=True)


async def open_reservations(
    session: AsyncSession, station: str, now: datetime
) -> list[ReservationState]:
    """Returns the reservations that speak for an EVSE of a station, the oldest first."""
    query = (
        sa.select(Reservation)
        .where(
            Reservation.station == station,
            Reservation.state.in_(RESERVATION_OPEN),
            Reservation.expires_at > now,
        )
        .order_by(Reservation.reservation_id)
    )
    return [reservation_state(row) for row in await session.scalars(query)]


async def next_expiry(session: AsyncSession) -> datetime | None:
    """Returns when the next reservation expires; None: there is none."""
    query = sa.select(sa.func.min(Reservation.expires_at)).where(
        Reservation.state.in_(RESERVATION_OPEN)
    )
    return await session.scalar(query)
