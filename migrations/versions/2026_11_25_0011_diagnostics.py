"""What stations log, watch and notice by themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import UtcInstant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = sa.text("state IN ('requested', 'uploading')")


def upgrade() -> None:
    """Makes the tables."""
    _make_logs()
    _make_notices()
    _make_monitors()
    _make_events()


def downgrade() -> None:
    """Drops them; files that have come stay where they are, and nothing knows them."""
    for table in ("station_event", "station_monitor", "log_notice", "station_log"):
        op.drop_table(table)


def _station_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["station"],
        ["station.identity"],
        name=op.f(f"fk_{table}_station"),
        ondelete="CASCADE",
    )


def _make_logs() -> None:
    op.create_table(
        "station_log",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("request_id", _INTEGER, nullable=False),
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("token_hash", sa.Text(), nullable=True),
        sa.Column("from_at", UtcInstant(), nullable=True),
        sa.Column("until_at", UtcInstant(), nullable=True),
        sa.Column("retries", _INTEGER, nullable=True),
        sa.Column("retry_interval_s", _INTEGER, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("size_bytes", _INTEGER, nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=True),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        _station_key("station_log"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station_log")),
        sa.UniqueConstraint(
            "station", "request_id", name=op.f("uq_station_log_station_request_id")
        ),
        sa.UniqueConstraint("token_hash", name=op.f("uq_station_log_token_hash")),
    )
    op.create_index(
        "uq_station_log_open",
        "station_log",
        ["station"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    for column in ("tenant_id", "created_at", "updated_at"):
        op.create_index(op.f(f"ix_station_log_{column}"), "station_log", [column])


def _make_notices() -> None:
    op.create_table(
        "log_notice",
        sa.Column("id", _INTEGER, autoincrement=True, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("request_id", _INTEGER, nullable=True),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("handled", sa.Boolean(), nullable=False),
        sa.Column("log_id", sa.Text(), nullable=True),
        _station_key("log_notice"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_notice")),
    )
    op.create_index(op.f("ix_log_notice_log_id"), "log_notice", ["log_id"])
    op.create_index(op.f("ix_log_notice_station_id"), "log_notice", ["station", "id"])
    op.create_index(op.f("ix_log_notice_handled_station"), "log_notice", ["handled", "station"])


def _make_monitors() -> None:
    op.create_table(
        "station_monitor",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("monitor_id", _INTEGER, nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("variable", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("severity", _INTEGER, nullable=False),
        sa.Column("tx_only", sa.Boolean(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("reported_at", UtcInstant(), nullable=False),
        _station_key("station_monitor"),
        sa.PrimaryKeyConstraint("station", "monitor_id", name=op.f("pk_station_monitor")),
    )


def _make_events() -> None:
    op.create_table(
        "station_event",
        sa.Column("id", _INTEGER, autoincrement=True, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("event_id", _INTEGER, nullable=False),
        sa.Column("happened_at", UtcInstant(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("variable", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("notification", sa.Text(), nullable=False),
        sa.Column("severity", _INTEGER, nullable=True),
        sa.Column("monitor_id", _INTEGER, nullable=True),
        sa.Column("cause", _INTEGER, nullable=True),
        sa.Column("cleared", sa.Boolean(), nullable=False),
        sa.Column("ocpp_transaction_id", sa.Text(), nullable=True),
        sa.Column("tech_code", sa.Text(), nullable=True),
        sa.Column("tech_info", sa.Text(), nullable=True),
        _station_key("station_event"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station_event")),
        sa.UniqueConstraint(
            "station",
            "event_id",
            "happened_at",
            name=op.f("uq_station_event_station_event_id_happened_at"),
        ),
    )
    op.create_index(op.f("ix_station_event_station_id"), "station_event", ["station", "id"])
    op.create_index(op.f("ix_station_event_received_at"), "station_event", ["received_at"])
