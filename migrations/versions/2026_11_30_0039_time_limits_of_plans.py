"""How long plans were given, and how long one that is asked for is to be given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds both; plans that are there had no limit."""
    op.add_column("plan", sa.Column("time_limit_s", sa.Float(), nullable=True))
    op.add_column("plan_request", sa.Column("time_limit_s", sa.Float(), nullable=True))


def downgrade() -> None:
    """Drops them."""
    op.drop_column("plan_request", "time_limit_s")
    op.drop_column("plan", "time_limit_s")
