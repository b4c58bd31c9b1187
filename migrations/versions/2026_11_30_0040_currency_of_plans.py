"""What the money of a plan is counted in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds it; plans that are there were told as euros."""
    op.add_column("plan", sa.Column("currency", sa.Text(), nullable=False, server_default="EUR"))


def downgrade() -> None:
    """Drops it."""
    op.drop_column("plan", "currency")
