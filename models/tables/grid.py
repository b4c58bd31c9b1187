"""How stations behave towards the grid (DER control)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class DerControl(Base):
    """A control of a station: as it was set, and as it was reported."""

    __tablename__ = "der_control"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    control_id: Mapped[str] = mapped_column(primary_key=True)
    control_type: Mapped[str | None]
    """None: the station has told of its start alone."""
    is_default: Mapped[bool]
    state: Mapped[str]
    """`accepted`, `rejected`, `cleared`, or `gone` where a report does not have it."""
    detail: Mapped[str | None]
    """The station's own words."""
    wished: Mapped[dict[str, Any] | None]
    """Its values as they were set last."""
    wished_at: Mapped[datetime | None]
    reported: Mapped[dict[str, Any] | None]
    """Its values as the station has told them last."""
    reported_at: Mapped[datetime | None]
    superseded: Mapped[bool]
    """Another one is in its place."""
    started: Mapped[bool | None]
    """Whether it is in force; None: the station has not told."""
    started_at: Mapped[datetime | None]
    """When that began or ended."""
    updated_at: Mapped[datetime]


class DerAlarm(Base):
    """Something about the grid that a control watches for."""

    __tablename__ = "der_alarm"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    control_type: Mapped[str]
    grid_event: Mapped[str | None]
    ended: Mapped[bool]
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime]
    info: Mapped[str | None]
    __table_args__ = (sa.Index(None, "station", "id"), sa.Index(None, "received_at"))
