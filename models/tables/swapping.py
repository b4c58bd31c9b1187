"""Batteries that were swapped at stations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class BatterySwap(Base):
    """One step of a swap, as the station told it."""

    __tablename__ = "battery_swap"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    request_id: Mapped[int]
    """What the steps of a swap have in common."""
    step: Mapped[str]
    """`BatteryIn`, `BatteryOut` or `BatteryOutTimeout`."""
    id_token: Mapped[str]
    token_type: Mapped[str]
    batteries: Mapped[list[Any]]
    received_at: Mapped[datetime]
    __table_args__ = (
        sa.Index(None, "station", "id"),
        sa.Index(None, "station", "request_id"),
        sa.Index(None, "received_at"),
    )
