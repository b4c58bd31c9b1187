"""The foundation: every table of the first release.

Revision 0001, the first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:  # noqa: PLR0915 - one table after the other
    """Makes every table."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=True),
        sa.Column("revoked_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
    )
    op.create_index(op.f("ix_api_key_tenant_id"), "api_key", ["tenant_id"], unique=False)
    op.create_table(
        "charging_limit",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=True),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", Whole, nullable=False),
        sa.Column("ocpp_transaction_id", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("valid_to", UtcInstant(), nullable=True),
        sa.Column("periods", JsonDocument, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("command_id", sa.Text(), nullable=True),
        sa.Column("sent_at", UtcInstant(), nullable=True),
        sa.Column("settled_at", UtcInstant(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charging_limit")),
    )
    op.create_index(
        op.f("ix_charging_limit_command_id"), "charging_limit", ["command_id"], unique=False
    )
    op.create_index(op.f("ix_charging_limit_plan_id"), "charging_limit", ["plan_id"], unique=False)
    op.create_index(op.f("ix_charging_limit_state"), "charging_limit", ["state"], unique=False)
    op.create_index(
        op.f("ix_charging_limit_station_evse_id_created_at"),
        "charging_limit",
        ["station", "evse_id", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_charging_limit_tenant_id"), "charging_limit", ["tenant_id"], unique=False
    )
    op.create_table(
        "charging_transaction",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", Whole, nullable=False),
        sa.Column("connector_id", Whole, nullable=True),
        sa.Column("ocpp_transaction_id", sa.Text(), nullable=False),
        sa.Column("start_key", sa.Text(), nullable=True),
        sa.Column("start_digest", sa.Text(), nullable=True),
        sa.Column("started_at", UtcInstant(), nullable=False),
        sa.Column("stopped_at", UtcInstant(), nullable=True),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.Column("meter_start_wh", sa.Float(), nullable=True),
        sa.Column("meter_last_wh", sa.Float(), nullable=True),
        sa.Column("energy_wh", sa.Float(), nullable=False),
        sa.Column("solar_wh", sa.Float(), nullable=False),
        sa.Column("power_w", sa.Float(), nullable=True),
        sa.Column("soc_pct", sa.Float(), nullable=True),
        sa.Column("last_reading_at", UtcInstant(), nullable=True),
        sa.Column("charging_state", sa.Text(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("id_token", sa.Text(), nullable=True),
        sa.Column("token_status", sa.Text(), nullable=True),
        sa.Column("vehicle_id", sa.Text(), nullable=True),
        sa.Column("driver_id", sa.Text(), nullable=True),
        sa.Column("command_id", sa.Text(), nullable=True),
        sa.Column("seq_no", Whole, nullable=True),
        sa.Column("suspect", JsonDocument, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charging_transaction")),
        sa.UniqueConstraint(
            "station",
            "ocpp_transaction_id",
            name=op.f("uq_charging_transaction_station_ocpp_transaction_id"),
        ),
    )
    op.create_index(
        op.f("ix_charging_transaction_started_at"),
        "charging_transaction",
        ["started_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_charging_transaction_station_start_key"),
        "charging_transaction",
        ["station", "start_key"],
        unique=False,
    )
    op.create_index(
        op.f("ix_charging_transaction_station_stopped_at"),
        "charging_transaction",
        ["station", "stopped_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_charging_transaction_tenant_id"),
        "charging_transaction",
        ["tenant_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_charging_transaction_vehicle_id_started_at"),
        "charging_transaction",
        ["vehicle_id", "started_at"],
        unique=False,
    )
    op.create_table(
        "command",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("epoch", Whole, nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.Column("sent_at", UtcInstant(), nullable=True),
        sa.Column("settled_at", UtcInstant(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_command")),
    )
    op.create_index(
        op.f("ix_command_kind_station_created_at"),
        "command",
        ["kind", "station", "created_at"],
        unique=False,
    )
    op.create_index(op.f("ix_command_state_station"), "command", ["state", "station"], unique=False)
    op.create_index(
        op.f("ix_command_station_created_at"), "command", ["station", "created_at"], unique=False
    )
    op.create_table(
        "driver",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", Whole, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_driver")),
    )
    op.create_index(op.f("ix_driver_tenant_id"), "driver", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_driver_updated_at"), "driver", ["updated_at"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", Whole, autoincrement=True, nullable=False),
        sa.Column("time", UtcInstant(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_table(
        "house_fact",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", JsonDocument, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_house_fact")),
    )
    op.create_table(
        "idempotent_answer",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", Whole, nullable=False),
        sa.Column("headers", JsonDocument, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_idempotent_answer")),
    )
    op.create_index(
        op.f("ix_idempotent_answer_created_at"), "idempotent_answer", ["created_at"], unique=False
    )
    op.create_table(
        "message",
        sa.Column("id", Whole, autoincrement=True, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index(op.f("ix_message_station_id"), "message", ["station", "id"], unique=False)
    op.create_table(
        "plan",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("start", UtcInstant(), nullable=False),
        sa.Column("step_minutes", Whole, nullable=False),
        sa.Column("steps", Whole, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.Column("lower_bound", sa.Float(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("forecast_source", sa.Text(), nullable=False),
        sa.Column("site_ids", JsonDocument, nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
    )
    op.create_index(
        op.f("ix_plan_tenant_id_created_at"), "plan", ["tenant_id", "created_at"], unique=False
    )
    op.create_table(
        "quarantine",
        sa.Column("id", Whole, autoincrement=True, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_station"), "quarantine", ["station"], unique=False)
    op.create_table(
        "reading",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", Whole, nullable=False),
        sa.Column("ocpp_transaction_id", sa.Text(), nullable=False),
        sa.Column("measured_at", UtcInstant(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("energy_wh", sa.Float(), nullable=True),
        sa.Column("power_w", sa.Float(), nullable=True),
        sa.Column("current_a", JsonDocument, nullable=True),
        sa.Column("voltage_v", JsonDocument, nullable=True),
        sa.Column("soc_pct", sa.Float(), nullable=True),
        sa.Column("other", JsonDocument, nullable=True),
        sa.Column("suspect", JsonDocument, nullable=True),
        sa.PrimaryKeyConstraint(
            "station",
            "evse_id",
            "ocpp_transaction_id",
            "measured_at",
            "context",
            "location",
            name=op.f("pk_reading"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reconciliation",
        sa.Column("id", Whole, autoincrement=True, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=True),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("resolved_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation")),
        sa.UniqueConstraint(
            "station", "kind", "digest", name=op.f("uq_reconciliation_station_kind_digest")
        ),
    )
    op.create_index(op.f("ix_reconciliation_station"), "reconciliation", ["station"], unique=False)
    op.create_table(
        "security_event",
        sa.Column("id", Whole, autoincrement=True, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("happened_at", UtcInstant(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_event")),
        sa.UniqueConstraint(
            "station",
            "type",
            "source",
            "happened_at",
            name=op.f("uq_security_event_station_type_source_happened_at"),
        ),
    )
    op.create_index(op.f("ix_security_event_station"), "security_event", ["station"], unique=False)
    op.create_table(
        "sequence",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", Whole, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sequence")),
    )
    op.create_table(
        "site",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("import_limit_w", sa.Float(), nullable=False),
        sa.Column("export_limit_w", sa.Float(), nullable=False),
        sa.Column("pv_plants", JsonDocument, nullable=False),
        sa.Column("battery", JsonDocument, nullable=True),
        sa.Column("tariff_id", sa.Text(), nullable=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", Whole, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
    )
    op.create_index(op.f("ix_site_tenant_id"), "site", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_site_updated_at"), "site", ["updated_at"], unique=False)
    op.create_table(
        "tenant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
    )
    op.create_table(
        "transaction_message",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("ocpp_transaction_id", sa.Text(), nullable=False),
        sa.Column("seq_no", Whole, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "station",
            "ocpp_transaction_id",
            "seq_no",
            "digest",
            name=op.f("pk_transaction_message"),
        ),
    )
    op.create_table(
        "vehicle_model",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vehicle_class", sa.Text(), nullable=False),
        sa.Column("battery_capacity_wh", sa.Float(), nullable=False),
        sa.Column("max_ac_power_w", sa.Float(), nullable=False),
        sa.Column("max_dc_power_w", sa.Float(), nullable=False),
        sa.Column("consumption_wh_per_km", sa.Float(), nullable=False),
        sa.Column("charge_efficiency", sa.Float(), nullable=False),
        sa.Column("min_soc_pct", sa.Float(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", Whole, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vehicle_model")),
    )
    op.create_index(
        op.f("ix_vehicle_model_tenant_id"), "vehicle_model", ["tenant_id"], unique=False
    )
    op.create_index(
        op.f("ix_vehicle_model_updated_at"), "vehicle_model", ["updated_at"], unique=False
    )
    op.create_table(
        "circuit",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("limit_w", sa.Float(), nullable=False),
        sa.Column("unmanaged_load_w", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_circuit_site_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_circuit")),
    )
    op.create_table(
        "forecast",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issued_at", UtcInstant(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("start", UtcInstant(), nullable=False),
        sa.Column("step_minutes", Whole, nullable=False),
        sa.Column("q10_w", JsonDocument, nullable=False),
        sa.Column("q50_w", JsonDocument, nullable=False),
        sa.Column("q90_w", JsonDocument, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_forecast_site_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecast")),
    )
    op.create_index(
        op.f("ix_forecast_site_id_kind_issued_at"),
        "forecast",
        ["site_id", "kind", "issued_at"],
        unique=False,
    )
    op.create_table(
        "plan_request",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_plan_request_site_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_plan_request")),
    )
    op.create_table(
        "price_series",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("issued_at", UtcInstant(), nullable=False),
        sa.Column("start", UtcInstant(), nullable=False),
        sa.Column("step_minutes", Whole, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("import_price_per_kwh", JsonDocument, nullable=False),
        sa.Column("export_price_per_kwh", JsonDocument, nullable=False),
        sa.Column("import_co2_g_per_kwh", JsonDocument, nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_price_series_site_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_series")),
    )
    op.create_index(
        op.f("ix_price_series_site_id_issued_at"),
        "price_series",
        ["site_id", "issued_at"],
        unique=False,
    )
    op.create_table(
        "site_measurement",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("measured_at", UtcInstant(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("pv_power_w", sa.Float(), nullable=True),
        sa.Column("load_power_w", sa.Float(), nullable=True),
        sa.Column("grid_power_w", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_site_measurement_site_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", "measured_at", name=op.f("pk_site_measurement")),
    )
    op.create_table(
        "station",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=True),
        sa.Column("approval", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("serial_number", sa.Text(), nullable=True),
        sa.Column("firmware_version", sa.Text(), nullable=True),
        sa.Column("security_profile", Whole, nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("ocpp_versions", JsonDocument, nullable=True),
        sa.Column("strict", sa.Boolean(), nullable=False),
        sa.Column("quirks", JsonDocument, nullable=False),
        sa.Column("safe_limit_w", sa.Float(), nullable=True),
        sa.Column("boot_interval_s", Whole, nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("ocpp_version", sa.Text(), nullable=True),
        sa.Column("last_seen", UtcInstant(), nullable=True),
        sa.Column("booted_at", UtcInstant(), nullable=True),
        sa.Column("epoch", Whole, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", Whole, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_station_site_id")),
        sa.PrimaryKeyConstraint("identity", name=op.f("pk_station")),
    )
    op.create_index(op.f("ix_station_site_id"), "station", ["site_id"], unique=False)
    op.create_index(op.f("ix_station_tenant_id"), "station", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_station_updated_at"), "station", ["updated_at"], unique=False)
    op.create_table(
        "vehicle",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("registration", sa.Text(), nullable=True),
        sa.Column("at_site_id", sa.Text(), nullable=True),
        sa.Column("soc_pct", sa.Float(), nullable=True),
        sa.Column("odometer_km", sa.Float(), nullable=True),
        sa.Column("plugged_evse", sa.Text(), nullable=True),
        sa.Column("measured_at", UtcInstant(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("returned_at", UtcInstant(), nullable=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", Whole, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(["at_site_id"], ["site.id"], name=op.f("fk_vehicle_at_site_id")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["vehicle_model.id"], name=op.f("fk_vehicle_model_id")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_vehicle_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vehicle")),
    )
    op.create_index(op.f("ix_vehicle_at_site_id"), "vehicle", ["at_site_id"], unique=False)
    op.create_index(op.f("ix_vehicle_site_id"), "vehicle", ["site_id"], unique=False)
    op.create_index(op.f("ix_vehicle_tenant_id"), "vehicle", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_vehicle_updated_at"), "vehicle", ["updated_at"], unique=False)
    op.create_table(
        "booking",
        sa.Column("driver_id", sa.Text(), nullable=False),
        sa.Column("pickup_site_id", sa.Text(), nullable=False),
        sa.Column("dropoff_site_id", sa.Text(), nullable=False),
        sa.Column("start", UtcInstant(), nullable=False),
        sa.Column("end", UtcInstant(), nullable=False),
        sa.Column("distance_km", sa.Float(), nullable=False),
        sa.Column("vehicle_class", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("vehicle_id", sa.Text(), nullable=True),
        sa.Column("expected_soc_pct", sa.Float(), nullable=True),
        sa.Column("probability_ready", sa.Float(), nullable=True),
        sa.Column("solar_share", sa.Float(), nullable=True),
        sa.Column("reasons", JsonDocument, nullable=False),
        sa.Column("started_at", UtcInstant(), nullable=True),
        sa.Column("returned_at", UtcInstant(), nullable=True),
        sa.Column("cancelled_at", UtcInstant(), nullable=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", Whole, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name=op.f("fk_booking_driver_id")),
        sa.ForeignKeyConstraint(
            ["dropoff_site_id"], ["site.id"], name=op.f("fk_booking_dropoff_site_id")
        ),
        sa.ForeignKeyConstraint(
            ["pickup_site_id"], ["site.id"], name=op.f("fk_booking_pickup_site_id")
        ),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicle.id"], name=op.f("fk_booking_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking")),
    )
    op.create_index(op.f("ix_booking_driver_id"), "booking", ["driver_id"], unique=False)
    op.create_index(
        op.f("ix_booking_pickup_site_id_start"),
        "booking",
        ["pickup_site_id", "start"],
        unique=False,
    )
    op.create_index(op.f("ix_booking_status_start"), "booking", ["status", "start"], unique=False)
    op.create_index(op.f("ix_booking_tenant_id"), "booking", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_booking_updated_at"), "booking", ["updated_at"], unique=False)
    op.create_index(op.f("ix_booking_vehicle_id"), "booking", ["vehicle_id"], unique=False)
    op.create_table(
        "evse",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", Whole, nullable=False),
        sa.Column("max_power_w", sa.Float(), nullable=True),
        sa.Column("min_power_w", sa.Float(), nullable=True),
        sa.Column("current_type", sa.Text(), nullable=False),
        sa.Column("phases", Whole, nullable=False),
        sa.Column("circuit_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["station"], ["station.identity"], name=op.f("fk_evse_station"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("station", "evse_id", name=op.f("pk_evse")),
    )
    op.create_table(
        "id_token",
        sa.Column("id_token", sa.Text(), nullable=False),
        sa.Column("token_key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=True),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("driver_id", sa.Text(), nullable=True),
        sa.Column("vehicle_id", sa.Text(), nullable=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", Whole, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_id_token_driver_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["vehicle_id"], ["vehicle.id"], name=op.f("fk_id_token_vehicle_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_token")),
        sa.UniqueConstraint("tenant_id", "token_key", name=op.f("uq_id_token_tenant_id_token_key")),
    )
    op.create_index(op.f("ix_id_token_driver_id"), "id_token", ["driver_id"], unique=False)
    op.create_index(op.f("ix_id_token_tenant_id"), "id_token", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_id_token_updated_at"), "id_token", ["updated_at"], unique=False)
    op.create_index(op.f("ix_id_token_vehicle_id"), "id_token", ["vehicle_id"], unique=False)
    op.create_table(
        "station_variable",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("variable", sa.Text(), nullable=False),
        sa.Column("attribute", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("mutability", sa.Text(), nullable=True),
        sa.Column("characteristics", JsonDocument, nullable=True),
        sa.Column("reported_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station"],
            ["station.identity"],
            name=op.f("fk_station_variable_station"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "station", "component", "variable", "attribute", name=op.f("pk_station_variable")
        ),
    )
    op.create_table(
        "connector",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", Whole, nullable=False),
        sa.Column("connector_id", Whole, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("info", sa.Text(), nullable=True),
        sa.Column("status_at", UtcInstant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["station", "evse_id"],
            ["evse.station", "evse.evse_id"],
            name=op.f("fk_connector_station_evse_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("station", "evse_id", "connector_id", name=op.f("pk_connector")),
    )
    # ### end Alembic commands ###


def downgrade() -> None:
    """Drops every table, with all that is in them."""
    op.drop_table("connector")
    op.drop_table("station_variable")
    op.drop_table("id_token")
    op.drop_table("evse")
    op.drop_table("booking")
    op.drop_table("vehicle")
    op.drop_table("station")
    op.drop_table("site_measurement")
    op.drop_table("price_series")
    op.drop_table("plan_request")
    op.drop_table("forecast")
    op.drop_table("circuit")
    op.drop_table("vehicle_model")
    op.drop_table("transaction_message")
    op.drop_table("tenant")
    op.drop_table("site")
    op.drop_table("sequence")
    op.drop_table("security_event")
    op.drop_table("reconciliation")
    op.drop_table("reading")
    op.drop_table("quarantine")
    op.drop_table("plan")
    op.drop_table("message")
    op.drop_table("idempotent_answer")
    op.drop_table("house_fact")
    op.drop_table("event")
    op.drop_table("driver")
    op.drop_table("command")
    op.drop_table("charging_transaction")
    op.drop_table("charging_limit")
    op.drop_table("api_key")
