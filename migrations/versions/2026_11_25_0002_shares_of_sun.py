"""Shares of sun by transaction and quarter, so that a quarter can be shared again.

What transactions had of the sun before is not known by quarter: it becomes one share each, dated to
the start of the transaction.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import UtcInstant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "sun_share",
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("quarter", UtcInstant(), nullable=False),
        sa.Column("solar_wh", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_id", "quarter", name=op.f("pk_sun_share")),
    )
    op.create_index(op.f("ix_sun_share_quarter"), "sun_share", ["quarter"], unique=False)
    op.execute(
        "INSERT INTO sun_share (transaction_id, quarter, solar_wh)"
        " SELECT id, started_at, solar_wh FROM charging_transaction WHERE solar_wh > 0"
    )


def downgrade() -> None:
    """Drops the table."""
    op.drop_table("sun_share")
