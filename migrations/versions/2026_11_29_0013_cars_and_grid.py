"""Contracts and needs of cars (ISO 15118), controls of the grid, event streams and swaps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables."""
    _make_checks()
    _make_contracts()
    _make_needs()
    _make_schedules()
    _make_controls()
    _make_alarms()
    _make_streams()
    _make_values()
    _make_swaps()


def downgrade() -> None:
    """Drops them."""
    for table in (
        "battery_swap",
        "stream_value",
        "event_stream",
        "der_alarm",
        "der_control",
        "ev_schedule",
        "ev_needs",
        "contract_request",
        "certificate_check",
    ):
        op.drop_table(table)


def _station_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["station"],
        ["station.identity"],
        name=op.f(f"fk_{table}_station"),
        ondelete="CASCADE",
    )


def _numbered(table: str, *columns: sa.Column[object], at: str) -> None:
    """Makes a table of what stations have told, in order, each row with its number."""
    op.create_table(
        table,
        sa.Column("id", _INTEGER, autoincrement=True, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        *columns,
        _station_key(table),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f(f"ix_{table}_station_id"), table, ["station", "id"])
    op.create_index(op.f(f"ix_{table}_{at}"), table, [at])


def _text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, _INTEGER, nullable=nullable)


def _float(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.Float(), nullable=nullable)


def _flag(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), nullable=nullable)


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcInstant(), nullable=nullable)


def _json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, JsonDocument, nullable=nullable)


def _make_checks() -> None:
    _numbered(
        "certificate_check",
        _instant("asked_at"),
        _text("purpose"),
        _text("hash_algorithm"),
        _text("issuer_name_hash"),
        _text("issuer_key_hash"),
        _text("serial_number"),
        _text("responder", nullable=True),
        _text("status"),
        _text("why", nullable=True),
        _flag("verified"),
        _flag("cached"),
        _instant("next_update_at", nullable=True),
        at="asked_at",
    )


def _make_contracts() -> None:
    _numbered(
        "contract_request",
        _instant("asked_at"),
        _text("action"),
        _text("schema_version"),
        _text("exi_request"),
        _number("maximum_chains"),
        _json("prioritized", nullable=True),
        _text("status"),
        _text("why", nullable=True),
        _text("exi_response", nullable=True),
        _number("remaining_contracts"),
        at="asked_at",
    )


def _make_needs() -> None:
    _numbered(
        "ev_needs",
        _number("evse_id", nullable=False),
        _text("transaction_id", nullable=True),
        _instant("received_at"),
        _instant("measured_at"),
        _text("answer"),
        _text("transfer_mode"),
        _instant("departure_at", nullable=True),
        _float("energy_wh"),
        _float("soc_pct"),
        _float("target_soc_pct"),
        _float("capacity_wh"),
        _float("max_power_w"),
        _float("max_discharge_w"),
        _float("max_current_a"),
        _float("max_voltage_v"),
        _text("control_mode", nullable=True),
        _number("max_periods"),
        _json("parameters"),
        at="received_at",
    )
    op.create_index(op.f("ix_ev_needs_transaction_id"), "ev_needs", ["transaction_id"])


def _make_schedules() -> None:
    _numbered(
        "ev_schedule",
        _number("evse_id", nullable=False),
        _text("transaction_id", nullable=True),
        _instant("received_at"),
        _instant("base_at"),
        _text("answer"),
        _text("rate_unit"),
        _number("duration_s"),
        _number("schedule_id", nullable=False),
        _number("selected_id"),
        _json("periods"),
        _text("limit_id", nullable=True),
        _instant("exceeds_at", nullable=True),
        at="received_at",
    )
    op.create_index(op.f("ix_ev_schedule_transaction_id"), "ev_schedule", ["transaction_id"])


def _make_controls() -> None:
    op.create_table(
        "der_control",
        _text("station"),
        _text("control_id"),
        _text("control_type", nullable=True),
        _flag("is_default"),
        _text("state"),
        _text("detail", nullable=True),
        _json("wished", nullable=True),
        _instant("wished_at", nullable=True),
        _json("reported", nullable=True),
        _instant("reported_at", nullable=True),
        _flag("superseded"),
        _flag("started", nullable=True),
        _instant("started_at", nullable=True),
        _instant("updated_at"),
        _station_key("der_control"),
        sa.PrimaryKeyConstraint("station", "control_id", name=op.f("pk_der_control")),
    )


def _make_alarms() -> None:
    _numbered(
        "der_alarm",
        _text("control_type"),
        _text("grid_event", nullable=True),
        _flag("ended"),
        _instant("happened_at"),
        _instant("received_at"),
        _text("info", nullable=True),
        at="received_at",
    )


def _make_streams() -> None:
    op.create_table(
        "event_stream",
        _text("station"),
        _number("stream_id", nullable=False),
        _number("monitor_id"),
        _number("interval_s"),
        _number("values_max"),
        _instant("opened_at"),
        _instant("closed_at", nullable=True),
        _number("told", nullable=False),
        _number("pending", nullable=False),
        _instant("last_value_at", nullable=True),
        _instant("updated_at"),
        _station_key("event_stream"),
        sa.PrimaryKeyConstraint("station", "stream_id", name=op.f("pk_event_stream")),
    )


def _make_values() -> None:
    op.create_table(
        "stream_value",
        sa.Column("id", _INTEGER, autoincrement=True, nullable=False),
        _text("station"),
        _number("stream_id", nullable=False),
        _instant("measured_at"),
        _instant("received_at"),
        _text("value"),
        _station_key("stream_value"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stream_value")),
    )
    op.create_index(
        op.f("ix_stream_value_station_stream_id_id"), "stream_value", ["station", "stream_id", "id"]
    )
    op.create_index(op.f("ix_stream_value_received_at"), "stream_value", ["received_at"])


def _make_swaps() -> None:
    _numbered(
        "battery_swap",
        _number("request_id", nullable=False),
        _text("step"),
        _text("id_token"),
        _text("token_type"),
        _json("batteries"),
        _instant("received_at"),
        at="received_at",
    )
    op.create_index(
        op.f("ix_battery_swap_station_request_id"), "battery_swap", ["station", "request_id"]
    )
