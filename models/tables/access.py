"""Who may come in: tenants, API keys, identification tokens; and answers kept for idempotency."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Kept


class ApiKey(Base):
    """A key for integrators: shown once, kept as a keyed hash."""

    __tablename__ = "api_key"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    name: Mapped[str]
    role: Mapped[str]
    key_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class IdToken(Kept, Base):
    """A card, key or account that opens a charging transaction."""

    __tablename__ = "id_token"
    id_token: Mapped[str]
    """As it was given."""
    token_key: Mapped[str]
    """In lower case: OCPP 1.6 and 2.x compare without case."""
    type: Mapped[str]
    status: Mapped[str] = mapped_column(default="Accepted")
    """Accepted or Blocked; expiry is judged when it is used."""
    expires_at: Mapped[datetime | None]
    parent: Mapped[str | None]
    driver_id: Mapped[str | None] = mapped_column(sa.ForeignKey("driver.id", ondelete="CASCADE"))
    vehicle_id: Mapped[str | None] = mapped_column(sa.ForeignKey("vehicle.id", ondelete="CASCADE"))
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "token_key"),
        sa.Index(None, "driver_id"),
        sa.Index(None, "vehicle_id"),
    )


class LocalList(Base):
    """The list of tokens in a station, as far as we know what it holds."""

    __tablename__ = "local_list"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    state: Mapped[str] = mapped_column(default="pending")
    """See `models.states.LOCAL_LIST`."""
    why: Mapped[str | None]
    """Why it is not as it should be, in words."""
    version: Mapped[int] = mapped_column(default=0)
    """What the station has last been known to hold; 0: none."""
    sent_version: Mapped[int] = mapped_column(default=0)
    """The highest that was ever sent: a number never means two lists."""
    held: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What stands on the list of that version, by `IdToken.token_key`."""
    sending: Mapped[dict[str, Any] | None]
    """What has been sent and not been answered: `version`, `full`, `tokens` as `held`."""
    full_wanted: Mapped[bool] = mapped_column(default=False)
    """What is held is not known, or was refused: a change of it is no use."""
    failures: Mapped[int] = mapped_column(default=0)
    """Since it was last as it should be."""
    changed_at: Mapped[datetime]


class IdempotentAnswer(Base):
    """What a POST with an `Idempotency-Key` was answered, kept for 24 hours."""

    __tablename__ = "idempotent_answer"
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    """Method, path and body."""
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
