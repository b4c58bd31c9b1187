"""Reports that stations were asked for: each comes in parts, and may never be whole."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class Inquiry(Base):
    """One question to a station whose answer comes in parts (2.x)."""

    __tablename__ = "inquiry"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    subject: Mapped[str]
    """`variables`, `displays`, `limits` or `customer`."""
    request_id: Mapped[int]
    """Counts the questions to the station about this subject; each part repeats it."""
    asked: Mapped[dict[str, Any]]
    """What it was asked, as the caller put it."""
    whole: Mapped[bool]
    """Whether it was asked for all: what was told before and is missing now is gone."""
    command_id: Mapped[str]
    state: Mapped[str] = mapped_column(default="asked")
    """See `models.states.INQUIRY`."""
    why: Mapped[str | None]
    parts: Mapped[int] = mapped_column(default=0)
    """How many have come."""
    asked_at: Mapped[datetime]
    heard_at: Mapped[datetime]
    """When there was last any news of it."""
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        sa.UniqueConstraint("station", "subject", "request_id"),
        sa.Index(None, "asked_at"),
    )
