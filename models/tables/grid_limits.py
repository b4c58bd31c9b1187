"""Limits that a grid operator sets for a while, and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Kept


class GridLimit(Kept, Base):
    """Less than usual may be drawn at a site, or through one of its circuits, for a while."""

    __tablename__ = "grid_limit"
    site_id: Mapped[str] = mapped_column(sa.ForeignKey("site.id", ondelete="CASCADE"))
    circuit_id: Mapped[str | None]
    """None: at the site's connection to the grid."""
    limit_w: Mapped[float]
    start: Mapped[datetime]
    end: Mapped[datetime]
    reason: Mapped[str]
    source: Mapped[str]
    """Who wants it."""
    begun_at: Mapped[datetime | None]
    """None: it has not begun."""
    ended_at: Mapped[datetime | None]
    """None: it is still to come, or in force."""
    ended_why: Mapped[str | None]
    """See `models.states.GridLimitEnd`."""
    kept: Mapped[bool | None]
    """Whether what was metered last is within it; None: not metered since it began."""
    measured_w: Mapped[float | None]
    """What was metered last, of that which the limit is about."""
    measured_at: Mapped[datetime | None]
    unable: Mapped[list[Any]] = mapped_column(default=list)
    """What can't be lowered: each `station`, `evse_id`, `why`, `power_w`."""
    plan_id: Mapped[str | None]
    """The first plan that goes by it."""
    bookings_at_risk: Mapped[list[Any]] = mapped_column(default=list)
    """Ids of the bookings at its site that this plan no longer serves."""
    __table_args__ = (sa.Index(None, "site_id"), sa.Index(None, "ended_at", "end"))
