"""How stations prove who they are: their certificates, and changes of it that are under way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class StationCertificate(Base):
    """A station's own certificate: asked for, issued here, or issued elsewhere and seen.

    It outlives its station, so that what was revoked stays so when the name is taken anew.
    """

    __tablename__ = "station_certificate"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    station: Mapped[str] = mapped_column(index=True)
    state: Mapped[str]
    """`requested`, `refused`, `sent`, `installed`, `failed` or `seen`; whether it was used, is
    revoked or has ended is told by the instants."""
    why: Mapped[str | None]
    """Why it was refused or has failed."""
    request: Mapped[str | None]
    """As the station sent it (PKCS#10, PEM); null: issued elsewhere."""
    request_id: Mapped[int | None]
    """By which a 2.1 station knows its request again."""
    command_id: Mapped[str | None] = mapped_column(index=True)
    """Which took it to the station."""
    fingerprint: Mapped[str | None] = mapped_column(unique=True)
    """SHA-256 of the whole, hexadecimal."""
    serial: Mapped[str | None]
    issuer: Mapped[str | None]
    pem: Mapped[str | None]
    not_before: Mapped[datetime | None]
    not_after: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """When the station first logged in with it."""
    revoked_at: Mapped[datetime | None]
    renewal: Mapped[str | None]
    """`asked`, `failed`, `renewed` or `elsewhere`; null: it has time, or nobody looks after it."""
    renewal_tries: Mapped[int | None]
    """How often its station was asked to renew it."""
    renewal_at: Mapped[datetime | None]
    """Since when `renewal` is so."""
    renewal_why: Mapped[str | None]
    """Why the last try has failed."""
    renewal_command_id: Mapped[str | None]
    """Which asked last."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(index=True)


class SecurityChange(Base):
    """A change of how a station logs in, step by step: of its password, or of its profile."""

    __tablename__ = "security_change"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), index=True
    )
    kind: Mapped[str]
    """`password` or `profile`."""
    target_profile: Mapped[int | None]
    state: Mapped[str]
    """`running`, `done` or `failed`."""
    steps: Mapped[list[Any]]
    """All of them, in order (`csms.security.rules.Step`)."""
    step: Mapped[str]
    """What is waited for while it runs; the last one after that."""
    wishes: Mapped[dict[str, Any]]
    """What the operator has given for it: root, address and slot."""
    why: Mapped[str | None]
    """Why it has failed."""
    command_id: Mapped[str | None] = mapped_column(index=True)
    """The command whose answer is waited for."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(index=True)
