"""Since when a service holds a station's connection: which of two is the later one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import UtcInstant

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds it; not known of connections that stand, so that whoever comes next holds them."""
    op.add_column("station", sa.Column("held_since", UtcInstant()))


def downgrade() -> None:
    """Drops it."""
    op.drop_column("station", "held_since")
