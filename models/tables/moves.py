"""Moves: orders to staff to move a car between EVSEs."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class MoveOrder(Base):
    """A car that staff is to move, as the newest plan wants it."""

    __tablename__ = "move_order"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default")
    site_id: Mapped[str] = mapped_column(sa.ForeignKey("site.id", ondelete="CASCADE"))
    vehicle_id: Mapped[str] = mapped_column(sa.ForeignKey("vehicle.id", ondelete="CASCADE"))
    from_evse: Mapped[str | None]
    """`IDENTITY/EVSE`; null: it is parked without one."""
    to_evse: Mapped[str | None]
    """Likewise."""
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    """Until when it is to be done."""
    status: Mapped[str]
    """See `models.states.MoveStatus`."""
    price: Mapped[Decimal]
    currency: Mapped[str]
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    """Each: `code`, `numbers` and `says`, as `scheduler.explaining` has them."""
    note: Mapped[str | None]
    """What staff says of it."""
    plan_id: Mapped[str]
    """The newest plan that wants it."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    """When it was done, refused or withdrawn."""
    version: Mapped[int] = mapped_column(default=1)
    __table_args__ = (
        sa.Index(None, "site_id", "status", "from_at"),
        sa.Index(None, "vehicle_id", "settled_at"),
    )
