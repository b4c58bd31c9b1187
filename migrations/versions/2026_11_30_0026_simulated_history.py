"""Simulations of the tenant's own days."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds which days were drawn; what is there was drawn from none."""
    op.add_column("simulation", sa.Column("history", JsonDocument, nullable=True))


def downgrade() -> None:
    """Takes it away again."""
    op.drop_column("simulation", "history")
