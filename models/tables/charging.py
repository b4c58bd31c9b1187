"""Charging: transactions, readings, the limits that hold cars back, and what did not add up."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class Transaction(Base):
    """One car's stay on a connector, from start to stop as the station told it."""

    __tablename__ = "charging_transaction"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default")
    station: Mapped[str]
    evse_id: Mapped[int]
    connector_id: Mapped[int | None]
    ocpp_transaction_id: Mapped[str]
    """The number we gave (1.6, as text) or the text the station chose (2.x)."""
    start_key: Mapped[str | None]
    """1.6: connector, timestamp, meterStart and idTag of the StartTransaction; finds replays."""
    start_digest: Mapped[str | None]
    """1.6: message id and payload of the Start; tells replays of suspect starts apart."""
    started_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    meter_start_wh: Mapped[float | None]
    meter_last_wh: Mapped[float | None]
    energy_wh: Mapped[float] = mapped_column(default=0.0)
    solar_wh: Mapped[float] = mapped_column(default=0.0)
    """What the site's roof gave of it, by the site's own measurements."""
    power_w: Mapped[float | None]
    soc_pct: Mapped[float | None]
    last_reading_at: Mapped[datetime | None]
    charging_state: Mapped[str | None]
    stop_reason: Mapped[str | None]
    id_token: Mapped[str | None]
    token_status: Mapped[str | None]
    vehicle_id: Mapped[str | None]
    driver_id: Mapped[str | None]
    command_id: Mapped[str | None]
    """The remote start that opened it."""
    seq_no: Mapped[int | None]
    suspect: Mapped[list[Any]] = mapped_column(default=list)
    """Why its data is doubted; empty when nothing is."""
    tariff_id: Mapped[str | None]
    """By which it is priced; null: it costs nothing here."""
    currency: Mapped[str | None]
    cost: Mapped[Decimal | None]
    """So far, in whole minor units; `TransactionCost` has the parts."""
    stopped_by: Mapped[str | None]
    """The token that ended it, where one was shown."""
    priority_charging: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether it may draw what its EVSE can give, whatever the plan (2.1)."""
    __table_args__ = (
        sa.UniqueConstraint("station", "ocpp_transaction_id"),
        sa.Index(None, "station", "start_key"),
        sa.Index(None, "station", "stopped_at"),
        sa.Index(None, "tenant_id", "stopped_at"),
        sa.Index(None, "vehicle_id", "started_at"),
        sa.Index(None, "started_at"),
    )


class SunShare(Base):
    """What a site's roof gave of a transaction's energy within one quarter of an hour."""

    __tablename__ = "sun_share"
    transaction_id: Mapped[str] = mapped_column(primary_key=True)
    quarter: Mapped[datetime] = mapped_column(primary_key=True)
    """When it begins."""
    solar_wh: Mapped[float]
    __table_args__ = (sa.Index(None, "quarter"),)


class TransactionMessage(Base):
    """A TransactionEvent (2.x) or StopTransaction (1.6) that was taken in: finds replays."""

    __tablename__ = "transaction_message"
    station: Mapped[str] = mapped_column(primary_key=True)
    ocpp_transaction_id: Mapped[str] = mapped_column(primary_key=True)
    seq_no: Mapped[int] = mapped_column(primary_key=True)
    """-1 for the StopTransaction of 1.6."""
    digest: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]


class TransactionCheck(Base):
    """What a station has last said of a transaction when it was asked (2.x)."""

    __tablename__ = "transaction_check"
    station: Mapped[str] = mapped_column(primary_key=True)
    ocpp_transaction_id: Mapped[str] = mapped_column(primary_key=True)
    ongoing: Mapped[bool | None]
    in_queue: Mapped[bool]
    checked_at: Mapped[datetime]


class Reading(Base):
    """What a station's meter said: one row per EVSE, instant, context and location."""

    __tablename__ = "reading"
    station: Mapped[str] = mapped_column(primary_key=True)
    evse_id: Mapped[int] = mapped_column(primary_key=True)
    ocpp_transaction_id: Mapped[str] = mapped_column(primary_key=True)
    """Empty outside transactions."""
    measured_at: Mapped[datetime] = mapped_column(primary_key=True)
    context: Mapped[str] = mapped_column(primary_key=True)
    location: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    energy_wh: Mapped[float | None]
    power_w: Mapped[float | None]
    current_a: Mapped[list[Any] | None]
    """Per phase."""
    voltage_v: Mapped[list[Any] | None]
    """Per phase."""
    soc_pct: Mapped[float | None]
    other: Mapped[dict[str, Any] | None]
    """Every other measurand, by name."""
    suspect: Mapped[list[Any] | None]
    __table_args__ = ({"sqlite_with_rowid": False},)


class Reconciliation(Base):
    """Something that did not add up, kept for a person to look at."""

    __tablename__ = "reconciliation"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    detail: Mapped[str]
    transaction_id: Mapped[str | None]
    raw: Mapped[str | None]
    digest: Mapped[str | None]
    """Of what did not add up: the same thing said twice is one row."""
    created_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    choice: Mapped[str | None]
    """What a person has chosen (`csms.reconciliation.rules.Choice`)."""
    note: Mapped[str | None]
    former: Mapped[dict[str, Any] | None]
    """What the transaction had before it was put right."""
    __table_args__ = (
        sa.UniqueConstraint("station", "kind", "digest"),
        sa.Index(None, "resolved_at", "id"),
    )


class ChargingLimit(Base):
    """A limit that a plan (or a rule) put on an EVSE, and what became of it."""

    __tablename__ = "charging_limit"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default")
    plan_id: Mapped[str | None] = mapped_column(index=True)
    site_id: Mapped[str]
    station: Mapped[str]
    evse_id: Mapped[int]
    ocpp_transaction_id: Mapped[str | None]
    purpose: Mapped[str]
    """`transaction`, `default` or `station`."""
    created_at: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    periods: Mapped[list[Any]]
    """Each: `from_at` (RFC 3339), `limit_w`, `reasons`."""
    state: Mapped[str]
    """queued, sent, accepted, rejected, obeyed, disobeyed, superseded, unknown."""
    command_id: Mapped[str | None] = mapped_column(index=True)
    sent_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    obeyed_at: Mapped[datetime | None]
    """When metering had shown that it was kept; stays when another one has taken its place."""
    detail: Mapped[str | None]
    __table_args__ = (
        sa.Index(None, "station", "evse_id", "created_at"),
        sa.Index(None, "station", "ocpp_transaction_id"),
        sa.Index(None, "tenant_id", "created_at"),
        sa.Index(None, "tenant_id", "state", "created_at"),
    )
