"""Overrides of plans: charge now, hold, at most so much."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import ExactDecimal, JsonDocument, UtcInstant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table; nobody has overridden anything yet."""
    op.create_table(
        "charging_override",
        sa.Column("vehicle_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("power_w", sa.Float(), nullable=True),
        sa.Column("until", UtcInstant(), nullable=False),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.Column("ended_why", sa.Text(), nullable=True),
        sa.Column("replaces", sa.Text(), nullable=True),
        sa.Column("plan_id", sa.Text(), nullable=True),
        sa.Column("extra_cost", ExactDecimal(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["vehicle_id"],
            ["vehicle.id"],
            name=op.f("fk_charging_override_vehicle_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charging_override")),
    )
    for columns in (["tenant_id"], ["updated_at"], ["vehicle_id"], ["ended_at", "until"]):
        op.create_index(
            op.f(f"ix_charging_override_{'_'.join(columns)}"), "charging_override", columns
        )


def downgrade() -> None:
    """Drops it."""
    op.drop_table("charging_override")
