"""Firmware updates, what stations tell of their firmware, and campaigns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = sa.text("state IN ('requested', 'running')")


def upgrade() -> None:
    """Makes the tables."""
    _make_updates()
    _make_notices()
    _make_campaigns()
    _make_campaign_stations()


def downgrade() -> None:
    """Drops them; what stations have installed stays in them."""
    for table in ("campaign_station", "campaign", "firmware_notice", "firmware_update"):
        op.drop_table(table)


def _make_updates() -> None:
    op.create_table(
        "firmware_update",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=True),
        sa.Column("request_id", _INTEGER, nullable=False),
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("retrieve_at", UtcInstant(), nullable=False),
        sa.Column("install_at", UtcInstant(), nullable=True),
        sa.Column("retries", _INTEGER, nullable=True),
        sa.Column("retry_interval_s", _INTEGER, nullable=True),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("firmware_before", sa.Text(), nullable=True),
        sa.Column("firmware_after", sa.Text(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("heard_at", UtcInstant(), nullable=False),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station"],
            ["station.identity"],
            name=op.f("fk_firmware_update_station"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firmware_update")),
        sa.UniqueConstraint(
            "station", "request_id", name=op.f("uq_firmware_update_station_request_id")
        ),
    )
    op.create_index(
        "uq_firmware_update_open",
        "firmware_update",
        ["station"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    for column in ("tenant_id", "state", "updated_at"):
        op.create_index(op.f(f"ix_firmware_update_{column}"), "firmware_update", [column])


def _make_notices() -> None:
    op.create_table(
        "firmware_notice",
        sa.Column("id", _INTEGER, autoincrement=True, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("request_id", _INTEGER, nullable=True),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("handled", sa.Boolean(), nullable=False),
        sa.Column("update_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["station"],
            ["station.identity"],
            name=op.f("fk_firmware_notice_station"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firmware_notice")),
    )
    op.create_index(op.f("ix_firmware_notice_update_id"), "firmware_notice", ["update_id"])
    op.create_index(op.f("ix_firmware_notice_station_id"), "firmware_notice", ["station", "id"])
    op.create_index(
        op.f("ix_firmware_notice_handled_station"), "firmware_notice", ["handled", "station"]
    )


def _make_campaigns() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("change", JsonDocument, nullable=False),
        sa.Column("selection", JsonDocument, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("wave", _INTEGER, nullable=False),
        sa.Column("wave_size", _INTEGER, nullable=False),
        sa.Column("wave_pause_s", _INTEGER, nullable=False),
        sa.Column("next_wave_at", UtcInstant(), nullable=False),
        sa.Column("window", JsonDocument, nullable=True),
        sa.Column("max_failures", _INTEGER, nullable=True),
        sa.Column("while_charging", sa.Boolean(), nullable=False),
        sa.Column("ends_at", UtcInstant(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
    )
    for column in ("tenant_id", "ended_at", "updated_at"):
        op.create_index(op.f(f"ix_campaign_{column}"), "campaign", [column])


def _make_campaign_stations() -> None:
    op.create_table(
        "campaign_station",
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("position", _INTEGER, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("wave", _INTEGER, nullable=True),
        sa.Column("update_id", sa.Text(), nullable=True),
        sa.Column("command_id", sa.Text(), nullable=True),
        sa.Column("written", _INTEGER, nullable=False),
        sa.Column("attempts", _INTEGER, nullable=False),
        sa.Column("firmware_before", sa.Text(), nullable=True),
        sa.Column("started_at", UtcInstant(), nullable=True),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_campaign_station_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "station", name=op.f("pk_campaign_station")),
    )
    op.create_index(op.f("ix_campaign_station_station"), "campaign_station", ["station"])
