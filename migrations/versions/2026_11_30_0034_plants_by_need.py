"""How plants that several sites share are dealt: by fixed keys, or by need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the key; all plants that are there have been dealt by fixed ones."""
    key = sa.Column("key", sa.Text(), nullable=False, server_default="fixed")
    op.add_column("shared_plant", key)
    dealings = sa.Column("dealings", JsonDocument, nullable=False, server_default=sa.text("'[]'"))
    op.add_column("shared_plant", dealings)


def downgrade() -> None:
    """Drops it."""
    op.drop_column("shared_plant", "dealings")
    op.drop_column("shared_plant", "key")
