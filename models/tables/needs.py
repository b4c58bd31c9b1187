"""What cars of ISO 15118 have asked for, and how they mean to charge."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class EvNeeds(Base):
    """What a car wanted, as its station told it."""

    __tablename__ = "ev_needs"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    evse_id: Mapped[int]
    transaction_id: Mapped[str | None] = mapped_column(index=True)
    """That which ran there."""
    received_at: Mapped[datetime]
    measured_at: Mapped[datetime]
    answer: Mapped[str]
    """What the car was told: `Processing` or `Rejected`."""
    transfer_mode: Mapped[str]
    departure_at: Mapped[datetime | None]
    energy_wh: Mapped[float | None]
    soc_pct: Mapped[float | None]
    target_soc_pct: Mapped[float | None]
    capacity_wh: Mapped[float | None]
    max_power_w: Mapped[float | None]
    max_discharge_w: Mapped[float | None]
    max_current_a: Mapped[float | None]
    max_voltage_v: Mapped[float | None]
    control_mode: Mapped[str | None]
    max_periods: Mapped[int | None]
    parameters: Mapped[dict[str, Any]]
    """All that it said, as OCPP spells it."""
    __table_args__ = (sa.Index(None, "station", "id"), sa.Index(None, "received_at"))


class EvSchedule(Base):
    """How a car meant to charge."""

    __tablename__ = "ev_schedule"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    evse_id: Mapped[int]
    transaction_id: Mapped[str | None] = mapped_column(index=True)
    received_at: Mapped[datetime]
    base_at: Mapped[datetime]
    answer: Mapped[str]
    """`Accepted`, or `Rejected` where it exceeds our limit."""
    rate_unit: Mapped[str]
    duration_s: Mapped[int | None]
    schedule_id: Mapped[int]
    selected_id: Mapped[int | None]
    periods: Mapped[list[Any]]
    """Each: `start_s`, `limit_w`."""
    limit_id: Mapped[str | None]
    """Of the limit that it was compared with; None: there was none."""
    exceeds_at: Mapped[datetime | None]
    """From when it exceeds that limit."""
    __table_args__ = (sa.Index(None, "station", "id"), sa.Index(None, "received_at"))
