"""What stations log, watch and notice by themselves."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base

_OPEN = sa.text("state IN ('requested', 'uploading')")


class StationLog(Base):
    """A log that a station was asked for; its file lies outside the database."""

    __tablename__ = "station_log"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    kind: Mapped[str]
    """`diagnostics` or `security`."""
    request_id: Mapped[int]
    """Counts the logs of the station; it repeats it in what it tells, where OCPP lets it."""
    command_id: Mapped[str]
    location: Mapped[str | None]
    """Where it is to go, as the operator says; None: to us."""
    token_hash: Mapped[str | None] = mapped_column(unique=True)
    """Of the address that is good for one upload to us."""
    from_at: Mapped[datetime | None]
    until_at: Mapped[datetime | None]
    retries: Mapped[int | None]
    retry_interval_s: Mapped[int | None]
    state: Mapped[str] = mapped_column(default="requested")
    """See `models.states.STATION_LOG`."""
    status: Mapped[str | None]
    """The last that the station has told of it, in the words of OCPP."""
    why: Mapped[str | None]
    file_name: Mapped[str | None]
    """What it is called when it is downloaded; None: no file is here."""
    size_bytes: Mapped[int | None]
    sha256: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    """Until when its file may come; without any it has failed by then."""
    received_at: Mapped[datetime | None]
    """When its file was here."""
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(index=True)
    __table_args__ = (
        sa.UniqueConstraint("station", "request_id"),
        sa.Index(
            "uq_station_log_open",
            "station",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        sa.Index(None, "created_at"),
    )


class LogNotice(Base):
    """What a station has told of the upload of a log, whether we had asked for one or not."""

    __tablename__ = "log_notice"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    status: Mapped[str]
    request_id: Mapped[int | None]
    received_at: Mapped[datetime]
    handled: Mapped[bool] = mapped_column(default=False)
    """Whether it has been seen which log it is about."""
    log_id: Mapped[str | None] = mapped_column(index=True)
    """None where it is about none of ours."""
    __table_args__ = (sa.Index(None, "station", "id"), sa.Index(None, "handled", "station"))


class StationMonitor(Base):
    """What a station watches by itself, as it was last told (2.x)."""

    __tablename__ = "station_monitor"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    monitor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    component: Mapped[str]
    """`Name[instance]@evse`, as of `station_variable`."""
    variable: Mapped[str]
    kind: Mapped[str]
    value: Mapped[float]
    severity: Mapped[int]
    tx_only: Mapped[bool]
    """While a transaction runs only."""
    gone: Mapped[bool] = mapped_column(default=False)
    """Whether it is there no more."""
    reported_at: Mapped[datetime]


class StationEvent(Base):
    """Something that a station has noticed by itself (2.x)."""

    __tablename__ = "station_event"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    event_id: Mapped[int]
    """The station's own number, which repeats after a restart of some."""
    happened_at: Mapped[datetime]
    """By the station's clock."""
    received_at: Mapped[datetime]
    component: Mapped[str]
    variable: Mapped[str]
    value: Mapped[str | None]
    trigger: Mapped[str]
    notification: Mapped[str]
    severity: Mapped[int | None]
    """0 (danger) to 9 (debug); None: not known."""
    monitor_id: Mapped[int | None]
    cause: Mapped[int | None]
    cleared: Mapped[bool]
    ocpp_transaction_id: Mapped[str | None]
    tech_code: Mapped[str | None]
    tech_info: Mapped[str | None]
    __table_args__ = (
        sa.UniqueConstraint("station", "event_id", "happened_at"),
        sa.Index(None, "station", "id"),
        sa.Index(None, "received_at"),
    )
