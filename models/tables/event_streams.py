"""Values that stations send all the time."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class EventStream(Base):
    """A stream that a station has opened."""

    __tablename__ = "event_stream"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    stream_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    monitor_id: Mapped[int | None]
    """None: the station has never said of which monitor."""
    interval_s: Mapped[int | None]
    values_max: Mapped[int | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    """None: it is open."""
    told: Mapped[int]
    """How many values have come since it was opened."""
    pending: Mapped[int]
    """How many more the station had by then."""
    last_value_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class StreamValue(Base):
    """One value of a stream."""

    __tablename__ = "stream_value"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    stream_id: Mapped[int]
    measured_at: Mapped[datetime]
    received_at: Mapped[datetime]
    value: Mapped[str]
    __table_args__ = (
        sa.Index(None, "station", "stream_id", "id"),
        sa.Index(None, "received_at"),
    )
