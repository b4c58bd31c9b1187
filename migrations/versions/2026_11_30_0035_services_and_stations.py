"""Which of several services on one database holds a station's connection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds it; the next service that leads says of all that none holds that they are gone."""
    op.add_column("station", sa.Column("held_by", _INTEGER))


def downgrade() -> None:
    """Drops it."""
    op.drop_column("station", "held_by")
