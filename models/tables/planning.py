"""Plans, and the wish for a new one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class Plan(Base):
    """A plan that passed the referee and the gate, with what it was made from."""

    __tablename__ = "plan"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default")
    created_at: Mapped[datetime]
    start: Mapped[datetime]
    step_minutes: Mapped[int]
    steps: Mapped[int]
    status: Mapped[str]
    cost: Mapped[float]
    lower_bound: Mapped[float | None]
    trigger: Mapped[str]
    """What asked for it."""
    forecast_source: Mapped[str]
    site_ids: Mapped[list[Any]]
    problem: Mapped[str]
    """The planning problem of DESIGN 4.6, as JSON text."""
    document: Mapped[str]
    """The plan of DESIGN 4.6, as JSON text."""
    __table_args__ = (sa.Index(None, "tenant_id", "created_at"),)


class PlanRequest(Base):
    """A change that matters happened at a site: plan it anew. Coalesces by being one row."""

    __tablename__ = "plan_request"
    site_id: Mapped[str] = mapped_column(
        sa.ForeignKey("site.id", ondelete="CASCADE"), primary_key=True
    )
    reason: Mapped[str]
    requested_at: Mapped[datetime]
