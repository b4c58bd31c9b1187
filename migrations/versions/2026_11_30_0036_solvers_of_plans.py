"""Which solvers have answered the programs of a plan."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds them; nobody knows who answered for the plans that are there."""
    solvers = sa.Column("solvers", JsonDocument, nullable=False, server_default=sa.text("'[]'"))
    op.add_column("plan", solvers)


def downgrade() -> None:
    """Drops them."""
    op.drop_column("plan", "solvers")
