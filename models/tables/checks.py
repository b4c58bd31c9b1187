"""Checks of stations: what a new box was tried for, step by step, and the verdict."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base

_OPEN = sa.text("state = 'running'")


class StationCheck(Base):
    """One check of a station."""

    __tablename__ = "station_check"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    evse_id: Mapped[int]
    limit_w: Mapped[float | None]
    """As somebody wants it; null: one is chosen."""
    apply: Mapped[bool]
    """Whether quirks that are found go on the station's record."""
    state: Mapped[str]
    """See `models.states.STATION_CHECK`."""
    verdict: Mapped[str | None]
    why: Mapped[str | None]
    """Why it was broken off."""
    steps: Mapped[list[Any]]
    """Each as `csms.checks.rules.steps.Step` says."""
    findings: Mapped[list[Any]]
    """Each as `csms.checks.rules.steps.Finding` says."""
    reaction_s: Mapped[float | None]
    """How long after its answer the station was seen to keep the limit."""
    applied: Mapped[list[Any]]
    """Quirks that were put on the station's record."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(index=True)
    __table_args__ = (
        sa.Index(
            "uq_station_check_running",
            "station",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        sa.Index(None, "station", "created_at"),
    )
