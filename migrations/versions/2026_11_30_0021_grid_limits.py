"""Limits of the grid for a while, and sites that are planned in the shadow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table; nobody has limited anything yet, and every site is commanded."""
    op.add_column(
        "site", sa.Column("shadow", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "plan",
        sa.Column("shadow_site_ids", JsonDocument, nullable=False, server_default=sa.text("'[]'")),
    )
    op.create_table(
        "grid_limit",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("circuit_id", sa.Text(), nullable=True),
        sa.Column("limit_w", sa.Float(), nullable=False),
        sa.Column("start", UtcInstant(), nullable=False),
        sa.Column("end", UtcInstant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("begun_at", UtcInstant(), nullable=True),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.Column("ended_why", sa.Text(), nullable=True),
        sa.Column("kept", sa.Boolean(), nullable=True),
        sa.Column("measured_w", sa.Float(), nullable=True),
        sa.Column("measured_at", UtcInstant(), nullable=True),
        sa.Column("unable", JsonDocument, nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=True),
        sa.Column("bookings_at_risk", JsonDocument, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_grid_limit_site_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_limit")),
    )
    for columns in (["tenant_id"], ["updated_at"], ["site_id"], ["ended_at", "end"]):
        op.create_index(op.f(f"ix_grid_limit_{'_'.join(columns)}"), "grid_limit", columns)


def downgrade() -> None:
    """Drops them."""
    op.drop_table("grid_limit")
    op.drop_column("plan", "shadow_site_ids")
    op.drop_column("site", "shadow")
