"""What sort of time was counted of a transaction, so that it can be taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; of what was counted before, nothing is remembered."""
    held = sa.Column("held_s", sa.Float(), server_default=sa.text("0"), nullable=False)
    op.add_column("transaction_cost", held)
    op.add_column("transaction_cost", sa.Column("seen", sa.Text(), nullable=True))
    for name in ("runs", "suspect"):
        column = sa.Column(name, JsonDocument, server_default=sa.text("'[]'"), nullable=False)
        op.add_column("transaction_cost", column)


def downgrade() -> None:
    """Drops them."""
    for column in ("suspect", "runs", "seen", "held_s"):
        op.drop_column("transaction_cost", column)
