"""What stations have told of customers: personal data, forgotten with the question."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class CustomerPart(Base):
    """One part of what a station knows of a customer (2.x)."""

    __tablename__ = "customer_part"
    inquiry_id: Mapped[str] = mapped_column(
        sa.ForeignKey("inquiry.id", ondelete="CASCADE"), primary_key=True
    )
    seq_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[str]
    received_at: Mapped[datetime]
