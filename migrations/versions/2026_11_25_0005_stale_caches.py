"""Since when what a station remembers of tokens may be wrong."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import UtcInstant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the column; nothing is known to be wrong yet."""
    op.add_column("station", sa.Column("cache_stale_at", UtcInstant(), nullable=True))


def downgrade() -> None:
    """Drops the column."""
    op.drop_column("station", "cache_stale_at")
