"""Whether cars follow the sun between plans, and what that did last at each EVSE."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds both; nothing has been corrected yet."""
    op.add_column(
        "site",
        sa.Column("follow_surplus", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.create_table(
        "surplus_correction",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("until", UtcInstant(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("circuit", sa.Text(), nullable=True),
        sa.Column("planned_w", sa.Float(), nullable=True),
        sa.Column("before_w", sa.Float(), nullable=False),
        sa.Column("limit_w", sa.Float(), nullable=False),
        sa.Column("spare_w", sa.Float(), nullable=True),
        sa.Column("limit_id", sa.Text(), nullable=False),
        sa.Column("corrections", _INTEGER, nullable=False),
        sa.Column("switched", JsonDocument, nullable=False),
        sa.ForeignKeyConstraint(
            ["station"],
            ["station.identity"],
            name=op.f("fk_surplus_correction_station"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["site.id"],
            name=op.f("fk_surplus_correction_site_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("station", "evse_id", name=op.f("pk_surplus_correction")),
    )
    op.create_index(
        op.f("ix_surplus_correction_site_id"), "surplus_correction", ["site_id"], unique=False
    )


def downgrade() -> None:
    """Takes both away again."""
    op.drop_index(op.f("ix_surplus_correction_site_id"), "surplus_correction")
    op.drop_table("surplus_correction")
    op.drop_column("site", "follow_surplus")
