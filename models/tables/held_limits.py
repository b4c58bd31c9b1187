"""The limits that stations say they hold, and limits from elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class HeldLimit(Base):
    """One limit in a station's box, as it was last told (2.x)."""

    __tablename__ = "held_limit"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    evse_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    profile_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str]
    """Who has set it: `CSO` (us), `EMS`, `SO` and so on."""
    purpose: Mapped[str]
    stack_level: Mapped[int]
    kind: Mapped[str]
    recurrence: Mapped[str | None]
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    ocpp_transaction_id: Mapped[str | None]
    schedules: Mapped[list[Any]]
    """`models.facts.held_limits.HeldSchedule` as JSON."""
    told_at: Mapped[datetime]
    gone: Mapped[bool] = mapped_column(default=False)
    """Whether it is there no more."""


class OutsideLimit(Base):
    """What somebody else allows a station, as it tells (2.x)."""

    __tablename__ = "outside_limit"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    evse_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """0: the station as a whole."""
    source: Mapped[str] = mapped_column(primary_key=True)
    grid_critical: Mapped[bool | None]
    local_generation: Mapped[bool | None]
    schedules: Mapped[list[Any]]
    """`models.facts.held_limits.HeldSchedule` as JSON, the last one with `cut` where more was told
    than is kept; empty: how much it allows is not known."""
    told_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
