"""Reports that come in parts, and what stations show on their screens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables."""
    _make_inquiries()
    _make_displays()
    _make_held_limits()
    _make_outside_limits()
    _make_checks()
    _make_customer_parts()
    _make_publications()


def downgrade() -> None:
    """Drops them."""
    for table in (
        "firmware_publication",
        "transaction_check",
        "outside_limit",
        "held_limit",
        "display_message",
        "customer_part",
        "inquiry",
    ):
        op.drop_table(table)


def _station_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["station"],
        ["station.identity"],
        name=op.f(f"fk_{table}_station"),
        ondelete="CASCADE",
    )


def _make_inquiries() -> None:
    op.create_table(
        "inquiry",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("request_id", _INTEGER, nullable=False),
        sa.Column("asked", JsonDocument, nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("parts", _INTEGER, nullable=False),
        sa.Column("asked_at", UtcInstant(), nullable=False),
        sa.Column("heard_at", UtcInstant(), nullable=False),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        _station_key("inquiry"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inquiry")),
        sa.UniqueConstraint(
            "station", "subject", "request_id", name=op.f("uq_inquiry_station_subject_request_id")
        ),
    )
    op.create_index(op.f("ix_inquiry_tenant_id"), "inquiry", ["tenant_id"])
    op.create_index(op.f("ix_inquiry_asked_at"), "inquiry", ["asked_at"])


def _make_displays() -> None:
    op.create_table(
        "display_message",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("message_id", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("wish", JsonDocument, nullable=True),
        sa.Column("wish_state", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("wished_at", UtcInstant(), nullable=True),
        sa.Column("told", JsonDocument, nullable=True),
        sa.Column("told_at", UtcInstant(), nullable=True),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        _station_key("display_message"),
        sa.PrimaryKeyConstraint("station", "message_id", name=op.f("pk_display_message")),
    )


def _make_held_limits() -> None:
    op.create_table(
        "held_limit",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("profile_id", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("stack_level", _INTEGER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recurrence", sa.Text(), nullable=True),
        sa.Column("valid_from", UtcInstant(), nullable=True),
        sa.Column("valid_to", UtcInstant(), nullable=True),
        sa.Column("ocpp_transaction_id", sa.Text(), nullable=True),
        sa.Column("schedules", JsonDocument, nullable=False),
        sa.Column("told_at", UtcInstant(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        _station_key("held_limit"),
        sa.PrimaryKeyConstraint("station", "evse_id", "profile_id", name=op.f("pk_held_limit")),
    )


def _make_outside_limits() -> None:
    op.create_table(
        "outside_limit",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("grid_critical", sa.Boolean(), nullable=True),
        sa.Column("local_generation", sa.Boolean(), nullable=True),
        sa.Column("schedules", JsonDocument, nullable=False),
        sa.Column("told_at", UtcInstant(), nullable=False),
        sa.Column("cleared_at", UtcInstant(), nullable=True),
        _station_key("outside_limit"),
        sa.PrimaryKeyConstraint("station", "evse_id", "source", name=op.f("pk_outside_limit")),
    )


def _make_checks() -> None:
    op.create_table(
        "transaction_check",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("ocpp_transaction_id", sa.Text(), nullable=False),
        sa.Column("ongoing", sa.Boolean(), nullable=True),
        sa.Column("in_queue", sa.Boolean(), nullable=False),
        sa.Column("checked_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "station", "ocpp_transaction_id", name=op.f("pk_transaction_check")
        ),
    )


def _make_customer_parts() -> None:
    op.create_table(
        "customer_part",
        sa.Column("inquiry_id", sa.Text(), nullable=False),
        sa.Column("seq_no", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inquiry_id"],
            ["inquiry.id"],
            name=op.f("fk_customer_part_inquiry_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inquiry_id", "seq_no", name=op.f("pk_customer_part")),
    )


def _make_publications() -> None:
    op.create_table(
        "firmware_publication",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("request_id", _INTEGER, nullable=False),
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("retries", _INTEGER, nullable=True),
        sa.Column("retry_interval_s", _INTEGER, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("locations", JsonDocument, nullable=False),
        sa.Column("history", JsonDocument, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        _station_key("firmware_publication"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firmware_publication")),
        sa.UniqueConstraint(
            "station", "request_id", name=op.f("uq_firmware_publication_station_request_id")
        ),
    )
    table = "firmware_publication"
    op.create_index(op.f("ix_firmware_publication_tenant_id"), table, ["tenant_id"])
    op.create_index(op.f("ix_firmware_publication_updated_at"), table, ["updated_at"])
    op.create_index(
        op.f("ix_firmware_publication_station_checksum"), table, ["station", "checksum"]
    )
