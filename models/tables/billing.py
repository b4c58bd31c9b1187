"""What charging costs: tariffs, the cost of each transaction, and what payment terminals tell."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Kept


class Tariff(Kept, Base):
    """What charging costs, where a site or a station has it."""

    __tablename__ = "tariff"
    name: Mapped[str]
    currency: Mapped[str]
    """ISO 4217."""
    energy_price_per_kwh: Mapped[Decimal]
    charging_price_per_hour: Mapped[Decimal]
    idle_price_per_hour: Mapped[Decimal]
    fixed_fee: Mapped[Decimal]
    min_cost: Mapped[Decimal | None]
    max_cost: Mapped[Decimal | None]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    elements: Mapped[list[Any]] = mapped_column(default=list)
    """Other prices at some times: each as `csms.billing.rules.prices.Element`."""
    tell_cost: Mapped[str]
    """`never`, `end` or `running`: what stations are told of it by themselves."""
    cost_step_wh: Mapped[float]
    cost_interval_s: Mapped[int]


class TransactionCost(Base):
    """What a transaction has cost so far, in parts; the sum stands in the transaction."""

    __tablename__ = "transaction_cost"
    transaction_id: Mapped[str] = mapped_column(primary_key=True)
    terms: Mapped[dict[str, Any]]
    """The tariff as it was when the transaction began, or when it was changed."""
    counted_until: Mapped[datetime]
    counted_wh: Mapped[float]
    charging_s: Mapped[float]
    idle_s: Mapped[float]
    energy_cost: Mapped[Decimal]
    charging_cost: Mapped[Decimal]
    idle_cost: Mapped[Decimal]
    told_at: Mapped[datetime]
    """Up to when, and up to which energy, the station was last told."""
    told_wh: Mapped[float]
    held_s: Mapped[float] = mapped_column(default=0.0, server_default=sa.text("0"))
    """In which the station held the car back; it costs nothing."""
    seen: Mapped[str | None]
    """`charging` or `held`: what was told within the piece that is not over yet."""
    runs: Mapped[list[Any]] = mapped_column(default=list, server_default=sa.text("'[]'"))
    """Its time: each run of one sort, as `csms.billing.rules.costs.Run`."""
    suspect: Mapped[list[Any]] = mapped_column(default=list, server_default=sa.text("'[]'"))
    """Why it is doubted: `time-gap`, `cut-by-share`; empty when nothing is."""


class StationTariff(Base):
    """A tariff that a 2.1 station is to have, or has told that it has."""

    __tablename__ = "station_tariff"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    tariff_id: Mapped[str] = mapped_column(primary_key=True)
    evse_id: Mapped[int] = mapped_column(primary_key=True)
    """0: all of them."""
    kind: Mapped[str]
    """`DefaultTariff` or `DriverTariff`."""
    wished: Mapped[bool]
    """Whether we have put it there."""
    state: Mapped[str]
    """`held`, `refused`, `cleared`, or `missing`: a report did not name it."""
    why: Mapped[str | None]
    """The station's word where it refused."""
    id_tokens: Mapped[list[Any]] = mapped_column(default=list)
    """Whose it is, of a driver's."""
    changed_at: Mapped[datetime]


class Settlement(Base):
    """What a payment terminal has made of a payment; it is money, so it is never forgotten."""

    __tablename__ = "settlement"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    station: Mapped[str]
    psp_ref: Mapped[str]
    """Of the payment service provider; each once at a station."""
    ocpp_transaction_id: Mapped[str | None]
    status: Mapped[str]
    """`Settled`, `Canceled`, `Rejected` or `Failed`."""
    info: Mapped[str | None]
    amount: Mapped[Decimal]
    settled_at: Mapped[datetime]
    receipt_id: Mapped[str]
    """The station's, or ours where it gave none."""
    receipt_url: Mapped[str | None]
    vat_number: Mapped[str | None]
    company: Mapped[dict[str, Any] | None]
    """Whom the receipt is for."""
    received_at: Mapped[datetime] = mapped_column(index=True)
    __table_args__ = (
        sa.UniqueConstraint("station", "psp_ref"),
        sa.Index(None, "tenant_id", "vat_number"),
    )


class VatCheck(Base):
    """A VAT number that a station has asked about; it is forgotten with the messages."""

    __tablename__ = "vat_check"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    evse_id: Mapped[int | None]
    vat_number: Mapped[str]
    accepted: Mapped[bool]
    why: Mapped[str | None]
    """What is wrong with it."""
    company: Mapped[dict[str, Any] | None]
    received_at: Mapped[datetime]
    __table_args__ = (sa.Index(None, "station", "id"),)
