"""What a person has chosen about what did not add up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the columns; nothing has been chosen yet."""
    for name in ("resolved_by", "choice", "note"):
        op.add_column("reconciliation", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("reconciliation", sa.Column("former", JsonDocument, nullable=True))
    op.create_index(
        op.f("ix_reconciliation_resolved_at_id"), "reconciliation", ["resolved_at", "id"]
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_index(op.f("ix_reconciliation_resolved_at_id"), table_name="reconciliation")
    for name in ("former", "note", "choice", "resolved_by"):
        op.drop_column("reconciliation", name)
