"""What stations are to show on their screens, and what they say they show."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class DisplayMessage(Base):
    """One message of a station's screen (2.x)."""

    __tablename__ = "display_message"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    wish: Mapped[dict[str, Any] | None]
    """What we want shown; None: nothing."""
    wish_state: Mapped[str | None]
    """What the station has said to it: `asked` (nothing yet), `accepted` or `refused`."""
    why: Mapped[str | None]
    wished_at: Mapped[datetime | None]
    told: Mapped[dict[str, Any] | None]
    """What the station last said that it shows."""
    told_at: Mapped[datetime | None]
    gone: Mapped[bool] = mapped_column(default=False)
    """Whether it was told and is there no more."""
    updated_at: Mapped[datetime]
