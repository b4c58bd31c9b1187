"""Simulations of what would be if something was different."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "simulation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("document", JsonDocument, nullable=True),
        sa.Column("changes", JsonDocument, nullable=False),
        sa.Column("days", _INTEGER, nullable=False),
        sa.Column("seed", _INTEGER, nullable=True),
        sa.Column("start", sa.Text(), nullable=True),
        sa.Column("planner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("headline", sa.Text(), nullable=True),
        sa.Column("figures", JsonDocument, nullable=True),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("started_at", UtcInstant(), nullable=True),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_simulation")),
    )
    for columns in (["tenant_id"], ["updated_at"], ["state", "created_at"]):
        name = f"ix_simulation_{'_'.join(columns)}"
        op.create_index(op.f(name), "simulation", columns)


def downgrade() -> None:
    """Drops it."""
    op.drop_table("simulation")
