"""Charging stations: what they are, what they report of themselves, and who knocked at the door."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class Station(Base):
    """A charging station; its identity is the vendor's or the operator's text, unique over all."""

    __tablename__ = "station"
    identity: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    site_id: Mapped[str | None] = mapped_column(sa.ForeignKey("site.id"), index=True)
    """Null while pending."""
    approval: Mapped[str] = mapped_column(default="accepted")
    """`accepted`, `pending` or `rejected`: the registration status its Boot is answered with."""
    vendor: Mapped[str | None]
    model: Mapped[str | None]
    serial_number: Mapped[str | None]
    firmware_version: Mapped[str | None]
    security_profile: Mapped[int] = mapped_column(default=1)
    password_hash: Mapped[str | None]
    next_password_hash: Mapped[str | None]
    """Of a password that it may have taken; as long as that is not known, both are good."""
    ocpp_versions: Mapped[list[Any] | None]
    """Subprotocols that it may speak; null: all."""
    strict: Mapped[bool] = mapped_column(default=False)
    quirks: Mapped[list[Any]] = mapped_column(default=list)
    safe_limit_w: Mapped[float | None]
    """The default limit kept in the box for when we are away."""
    local_list: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether it keeps a copy of the tokens, to judge by while we are away."""
    cache_stale_at: Mapped[datetime | None]
    """Since when what it remembers of tokens may be wrong; null once it has been told to forget."""
    boot_interval_s: Mapped[int] = mapped_column(default=300)
    tariff_id: Mapped[str | None]
    """Null: that of its site."""
    online: Mapped[bool] = mapped_column(default=False)
    ocpp_version: Mapped[str | None]
    """The subprotocol of its last connection."""
    last_seen: Mapped[datetime | None]
    booted_at: Mapped[datetime | None]
    epoch: Mapped[int] = mapped_column(default=0)
    """Grows with each connection; commands of older epochs are read back, not repeated."""
    held_by: Mapped[int | None] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    )
    """While it is connected, the number of the service that it is connected to."""
    held_since: Mapped[datetime | None]
    """When that connection began."""
    external_id: Mapped[str | None]
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(index=True)


class Evse(Base):
    """One independently controlled outlet group of a station; serves one vehicle at a time."""

    __tablename__ = "evse"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    evse_id: Mapped[int] = mapped_column(primary_key=True)
    max_power_w: Mapped[float | None]
    min_power_w: Mapped[float | None]
    """Least power at which it charges at all (6 A on its phases)."""
    current_type: Mapped[str] = mapped_column(default="AC")
    phases: Mapped[int] = mapped_column(default=1)
    wired_to: Mapped[list[Any] | None]
    """Which of L1, L2 and L3 its phases are, in its own order; null: not known."""
    circuit_id: Mapped[str | None]


class Connector(Base):
    """A plug or socket of an EVSE, with the status it last reported."""

    __tablename__ = "connector"
    station: Mapped[str] = mapped_column(primary_key=True)
    evse_id: Mapped[int] = mapped_column(primary_key=True)
    connector_id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(default="Unknown")
    error_code: Mapped[str | None]
    info: Mapped[str | None]
    status_at: Mapped[datetime | None]
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["station", "evse_id"], ["evse.station", "evse.evse_id"], ondelete="CASCADE"
        ),
    )


class StationVariable(Base):
    """A configuration key (1.6) or variable (2.x) as the station last reported it."""

    __tablename__ = "station_variable"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    component: Mapped[str] = mapped_column(primary_key=True)
    """Empty for 1.6. Instance and EVSE of the component follow it, as `Name[instance]@evse`."""
    variable: Mapped[str] = mapped_column(primary_key=True)
    """With its instance, as `Name[instance]`."""
    attribute: Mapped[str] = mapped_column(primary_key=True, default="Actual")
    value: Mapped[str | None]
    mutability: Mapped[str | None]
    characteristics: Mapped[dict[str, Any] | None]
    reported_at: Mapped[datetime]


class SecurityEvent(Base):
    """Something about a station's security: reported by it, or seen at our door."""

    __tablename__ = "security_event"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(index=True)
    """The identity that was claimed; there may be no such station."""
    type: Mapped[str]
    source: Mapped[str]
    """`station` or `gateway`."""
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime]
    detail: Mapped[str | None]
    __table_args__ = (sa.UniqueConstraint("station", "type", "source", "happened_at"),)
