"""Phases, tapers, peaks, batteries and stores of sites: what plans reckon with beside energy."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import ExactDecimal, JsonDocument, UtcInstant

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NO_MONEY, _NOTHING = sa.text("'0'"), sa.text("'[]'")


def upgrade() -> None:
    """Adds columns that mean what was meant without them, and tables of which nothing is known."""
    op.add_column("evse", sa.Column("wired_to", JsonDocument, nullable=True))
    for table in ("circuit", "site"):
        op.add_column(table, sa.Column("phase_limits_w", JsonDocument, nullable=True))
    loads = sa.Column("flexible_loads", JsonDocument, server_default=_NOTHING, nullable=False)
    op.add_column("site", loads)
    for name in ("peak_price_per_kw", "co2_price_per_kg"):
        price = sa.Column(name, ExactDecimal(), server_default=_NO_MONEY, nullable=False)
        op.add_column("site", price)
    phases = sa.Column("ac_phases", _INTEGER, server_default=sa.text("3"), nullable=False)
    op.add_column("vehicle_model", phases)
    taper = sa.Column("taper", JsonDocument, server_default=_NOTHING, nullable=False)
    op.add_column("vehicle_model", taper)
    left_out = sa.Column("left_out", JsonDocument, server_default=_NOTHING, nullable=False)
    op.add_column("plan", left_out)
    op.create_table(
        "site_peak",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("month", UtcInstant(), nullable=False),
        sa.Column("import_w", sa.Float(), nullable=False),
        sa.Column("start", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_site_peak_site_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", "month", name=op.f("pk_site_peak")),
    )
    op.create_table(
        "battery_state",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("soc_wh", sa.Float(), nullable=False),
        sa.Column("power_w", sa.Float(), nullable=True),
        sa.Column("measured_at", UtcInstant(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_battery_state_site_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_battery_state")),
    )
    op.create_table(
        "flexible_state",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("load_id", sa.Text(), nullable=False),
        sa.Column("stored_wh", sa.Float(), nullable=False),
        sa.Column("power_w", sa.Float(), nullable=True),
        sa.Column("start", UtcInstant(), nullable=False),
        sa.Column("step_minutes", _INTEGER, nullable=False),
        sa.Column("demand_w", JsonDocument, nullable=False),
        sa.Column("measured_at", UtcInstant(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_flexible_state_site_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", "load_id", name=op.f("pk_flexible_state")),
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("flexible_state")
    op.drop_table("battery_state")
    op.drop_table("site_peak")
    for table, columns in (
        ("plan", ("left_out",)),
        ("vehicle_model", ("taper", "ac_phases")),
        ("site", ("co2_price_per_kg", "peak_price_per_kw", "flexible_loads", "phase_limits_w")),
        ("circuit", ("phase_limits_w",)),
        ("evse", ("wired_to",)),
    ):
        for column in columns:
            op.drop_column(table, column)
