"""What the loop between plans did last at each EVSE, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class SurplusCorrection(Base):
    """The last limit by which an EVSE was led away from its plan by what was measured."""

    __tablename__ = "surplus_correction"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    evse_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site_id: Mapped[str] = mapped_column(sa.ForeignKey("site.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    until: Mapped[datetime]
    """When the plan's own limit holds again."""
    why: Mapped[str]
    """`more sun`, `less sun` or `circuit`."""
    circuit: Mapped[str | None]
    """What was above its limit; empty: the connection to the grid. None: the sun was why."""
    planned_w: Mapped[float | None]
    """What the plan gave; None: it was not looked at."""
    before_w: Mapped[float]
    limit_w: Mapped[float]
    spare_w: Mapped[float | None]
    """Sun that went to the grid and was not to; below 0 so much was bought. None: not the why."""
    limit_id: Mapped[str]
    corrections: Mapped[int]
    """How many there have been at this EVSE."""
    switched: Mapped[list[Any]]
    """When, within an hour before the last one, the sun let the car on or off: RFC 3339."""
    __table_args__ = (sa.Index(None, "site_id"),)
