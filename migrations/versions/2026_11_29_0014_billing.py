"""Tariffs, costs, payments at terminals; priority charging and limits that change as they run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import ExactDecimal, JsonDocument, UtcInstant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables and columns; nothing has a tariff yet."""
    _make_tariffs()
    _make_costs()
    _make_payments()
    _make_schedules()
    op.add_column("station", sa.Column("tariff_id", sa.Text(), nullable=True))
    op.add_column("site", sa.Column("master_pass", sa.Text(), nullable=True))
    op.add_column(
        "site",
        sa.Column("plug_and_charge", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    for column in (
        sa.Column("stopped_by", sa.Text(), nullable=True),
        sa.Column("tariff_id", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("cost", ExactDecimal(), nullable=True),
        sa.Column("priority_charging", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("charging_transaction", column)


def downgrade() -> None:
    """Drops them."""
    for name in ("priority_charging", "cost", "currency", "tariff_id", "stopped_by"):
        op.drop_column("charging_transaction", name)
    for name in ("plug_and_charge", "master_pass"):
        op.drop_column("site", name)
    op.drop_column("station", "tariff_id")
    op.drop_table("dynamic_schedule")
    for table in ("vat_check", "settlement", "station_tariff", "transaction_cost", "tariff"):
        op.drop_table(table)


def _make_tariffs() -> None:
    op.create_table(
        "tariff",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("energy_price_per_kwh", ExactDecimal(), nullable=False),
        sa.Column("charging_price_per_hour", ExactDecimal(), nullable=False),
        sa.Column("idle_price_per_hour", ExactDecimal(), nullable=False),
        sa.Column("fixed_fee", ExactDecimal(), nullable=False),
        sa.Column("min_cost", ExactDecimal(), nullable=True),
        sa.Column("max_cost", ExactDecimal(), nullable=True),
        sa.Column("valid_from", UtcInstant(), nullable=True),
        sa.Column("valid_until", UtcInstant(), nullable=True),
        sa.Column("elements", JsonDocument, nullable=False),
        sa.Column("tell_cost", sa.Text(), nullable=False),
        sa.Column("cost_step_wh", sa.Float(), nullable=False),
        sa.Column("cost_interval_s", _INTEGER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariff")),
    )
    op.create_index(op.f("ix_tariff_tenant_id"), "tariff", ["tenant_id"])
    op.create_index(op.f("ix_tariff_updated_at"), "tariff", ["updated_at"])


def _make_costs() -> None:
    op.create_table(
        "transaction_cost",
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("terms", JsonDocument, nullable=False),
        sa.Column("counted_until", UtcInstant(), nullable=False),
        sa.Column("counted_wh", sa.Float(), nullable=False),
        sa.Column("charging_s", sa.Float(), nullable=False),
        sa.Column("idle_s", sa.Float(), nullable=False),
        sa.Column("energy_cost", ExactDecimal(), nullable=False),
        sa.Column("charging_cost", ExactDecimal(), nullable=False),
        sa.Column("idle_cost", ExactDecimal(), nullable=False),
        sa.Column("told_at", UtcInstant(), nullable=False),
        sa.Column("told_wh", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_transaction_cost")),
    )
    op.create_table(
        "station_tariff",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("tariff_id", sa.Text(), nullable=False),
        sa.Column("evse_id", _INTEGER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("wished", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("id_tokens", JsonDocument, nullable=False),
        sa.Column("changed_at", UtcInstant(), nullable=False),
        _station_key("station_tariff"),
        sa.PrimaryKeyConstraint("station", "tariff_id", "evse_id", name=op.f("pk_station_tariff")),
    )


def _make_payments() -> None:
    op.create_table(
        "settlement",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("psp_ref", sa.Text(), nullable=False),
        sa.Column("ocpp_transaction_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("info", sa.Text(), nullable=True),
        sa.Column("amount", ExactDecimal(), nullable=False),
        sa.Column("settled_at", UtcInstant(), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=False),
        sa.Column("receipt_url", sa.Text(), nullable=True),
        sa.Column("vat_number", sa.Text(), nullable=True),
        sa.Column("company", JsonDocument, nullable=True),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement")),
        sa.UniqueConstraint("station", "psp_ref", name=op.f("uq_settlement_station_psp_ref")),
    )
    for columns in (["tenant_id"], ["received_at"], ["tenant_id", "vat_number"]):
        op.create_index(op.f(f"ix_settlement_{'_'.join(columns)}"), "settlement", columns)
    op.create_table(
        "vat_check",
        sa.Column("id", _INTEGER, autoincrement=True, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", _INTEGER, nullable=True),
        sa.Column("vat_number", sa.Text(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("company", JsonDocument, nullable=True),
        sa.Column("received_at", UtcInstant(), nullable=False),
        _station_key("vat_check"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vat_check")),
    )
    op.create_index(op.f("ix_vat_check_station_id"), "vat_check", ["station", "id"])


def _make_schedules() -> None:
    op.create_table(
        "dynamic_schedule",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("profile_id", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("evse_id", _INTEGER, nullable=True),
        sa.Column("told", JsonDocument, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("changed_at", UtcInstant(), nullable=False),
        _station_key("dynamic_schedule"),
        sa.PrimaryKeyConstraint("station", "profile_id", name=op.f("pk_dynamic_schedule")),
    )


def _station_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["station"],
        ["station.identity"],
        name=op.f(f"fk_{table}_station"),
        ondelete="CASCADE",
    )
