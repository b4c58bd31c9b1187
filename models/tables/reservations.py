"""Reservations: EVSEs that are kept free for a token."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Kept


class Reservation(Kept, Base):
    """An EVSE that a station keeps free for a token until an instant."""

    __tablename__ = "reservation"
    reservation_id: Mapped[int] = mapped_column(unique=True)
    """What stations know it by; given out once, never again."""
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    evse_id: Mapped[int | None]
    """None: whichever of the station."""
    connector_type: Mapped[str | None]
    id_token: Mapped[str]
    """As it was given; compared without case."""
    token_type: Mapped[str]
    group_token: Mapped[str | None]
    """The parent that the token had when it reserved: its family may use it too."""
    expires_at: Mapped[datetime]
    state: Mapped[str]
    """See `models.states.RESERVATION`."""
    answer: Mapped[str | None]
    """What the station last said to being asked to keep it, in small letters."""
    why: Mapped[str | None]
    """Why it is as it is, in words."""
    ended_at: Mapped[datetime | None]
    transaction_id: Mapped[str | None]
    """The transaction that used it."""
    command_id: Mapped[str | None]
    """The last time that the station was asked to keep it."""
    to_release: Mapped[bool] = mapped_column(default=False)
    """It is over, and the station may still keep it: it is to be told."""
    __table_args__ = (
        sa.Index(None, "station", "state"),
        sa.Index(None, "state", "expires_at"),
        sa.Index(None, "to_release"),
    )
