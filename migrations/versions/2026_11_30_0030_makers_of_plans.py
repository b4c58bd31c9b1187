"""Which level of the chain has made a plan, and how many cars it left as they were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds both; nobody knows who made the plans that are there, nearly all are the solver's."""
    made_by = sa.Column("made_by", sa.Text(), nullable=False, server_default="solver")
    kept_cars = sa.Column("kept_cars", _INTEGER, nullable=False, server_default="0")
    op.add_column("plan", made_by)
    op.add_column("plan", kept_cars)


def downgrade() -> None:
    """Drops them."""
    op.drop_column("plan", "kept_cars")
    op.drop_column("plan", "made_by")
