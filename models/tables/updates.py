"""Updates of stations: firmware that they are to install, what they tell of it, and campaigns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base

_OPEN = sa.text("state IN ('requested', 'running')")


class FirmwareUpdate(Base):
    """New firmware that a station was asked to install, and what became of it."""

    __tablename__ = "firmware_update"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    campaign_id: Mapped[str | None]
    request_id: Mapped[int]
    """What the station repeats in what it tells of it; counts the updates of the station."""
    command_id: Mapped[str]
    location: Mapped[str]
    retrieve_at: Mapped[datetime]
    install_at: Mapped[datetime | None]
    retries: Mapped[int | None]
    retry_interval_s: Mapped[int | None]
    signed: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(default="requested")
    """See `models.states.FIRMWARE_UPDATE`."""
    status: Mapped[str | None]
    """The last that the station has told of it, in the words of OCPP."""
    why: Mapped[str | None]
    firmware_before: Mapped[str | None]
    firmware_after: Mapped[str | None]
    """By the first Boot after it."""
    created_at: Mapped[datetime]
    heard_at: Mapped[datetime]
    """When there was last any news of it."""
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(index=True)
    __table_args__ = (
        sa.UniqueConstraint("station", "request_id"),
        sa.Index(
            "uq_firmware_update_open",
            "station",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        sa.Index(None, "state"),
    )


class FirmwareNotice(Base):
    """What a station has told of its firmware, whether we had asked for an update or not."""

    __tablename__ = "firmware_notice"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    status: Mapped[str]
    request_id: Mapped[int | None]
    received_at: Mapped[datetime]
    handled: Mapped[bool] = mapped_column(default=False)
    """Whether it has been seen which update it is about."""
    update_id: Mapped[str | None] = mapped_column(index=True)
    """Null where it is about none of ours."""
    __table_args__ = (sa.Index(None, "station", "id"), sa.Index(None, "handled", "station"))


class FirmwarePublication(Base):
    """Firmware that a local controller was asked to offer to the stations behind it (2.x)."""

    __tablename__ = "firmware_publication"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    request_id: Mapped[int]
    """Counts what the controller was asked to offer; it repeats it in what it tells."""
    command_id: Mapped[str]
    location: Mapped[str]
    checksum: Mapped[str]
    retries: Mapped[int | None]
    retry_interval_s: Mapped[int | None]
    state: Mapped[str] = mapped_column(default="requested")
    """See `models.states.PUBLICATION`."""
    status: Mapped[str | None]
    """The last that the controller has told of it, in the words of OCPP."""
    why: Mapped[str | None]
    locations: Mapped[list[Any]]
    """Where it is offered."""
    history: Mapped[list[Any]]
    """What the controller has told: `status`, `received_at`."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(index=True)
    __table_args__ = (
        sa.UniqueConstraint("station", "request_id"),
        sa.Index(None, "station", "checksum"),
    )


class Campaign(Base):
    """One change for many stations, wave after wave."""

    __tablename__ = "campaign"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    name: Mapped[str]
    kind: Mapped[str]
    """`firmware` or `configuration`."""
    change: Mapped[dict[str, Any]]
    """What is to be done at each station."""
    selection: Mapped[dict[str, Any]]
    """How the stations were chosen."""
    state: Mapped[str] = mapped_column(default="running")
    """See `models.states.CAMPAIGN`."""
    why: Mapped[str | None]
    wave: Mapped[int] = mapped_column(default=0)
    """How many have begun."""
    wave_size: Mapped[int]
    wave_pause_s: Mapped[int]
    next_wave_at: Mapped[datetime]
    """Not before this instant."""
    window: Mapped[dict[str, Any] | None]
    """Time of the day at which stations may begin: `from`, `until`, `timezone`."""
    max_failures: Mapped[int | None]
    while_charging: Mapped[bool] = mapped_column(default=False)
    ends_at: Mapped[datetime]
    """What has not begun by then is missed."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(index=True)
    __table_args__ = (sa.Index(None, "ended_at"),)


class CampaignStation(Base):
    """One station of a campaign."""

    __tablename__ = "campaign_station"
    campaign_id: Mapped[str] = mapped_column(
        sa.ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True
    )
    station: Mapped[str] = mapped_column(primary_key=True)
    """Its identity; it stays in the report when the station is deleted."""
    position: Mapped[int]
    state: Mapped[str] = mapped_column(default="waiting")
    """See `models.states.CAMPAIGN_STATION`."""
    why: Mapped[str | None]
    wave: Mapped[int | None]
    """In which it began."""
    update_id: Mapped[str | None]
    command_id: Mapped[str | None]
    """Of a configuration: what it was last told."""
    written: Mapped[int] = mapped_column(default=0)
    """Of a configuration: how many of the variables it has taken."""
    attempts: Mapped[int] = mapped_column(default=0)
    firmware_before: Mapped[str | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (sa.Index(None, "station"),)
