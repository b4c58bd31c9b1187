"""Renewals of certificates before they end: whether the station was asked, and what came of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import UtcInstant

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the columns; nobody was asked yet."""
    for column in ("renewal", "renewal_why", "renewal_command_id"):
        op.add_column("station_certificate", sa.Column(column, sa.Text(), nullable=True))
    op.add_column("station_certificate", sa.Column("renewal_tries", _INTEGER, nullable=True))
    op.add_column("station_certificate", sa.Column("renewal_at", UtcInstant(), nullable=True))


def downgrade() -> None:
    """Drops them; who was asked is asked again."""
    for column in ("renewal", "renewal_why", "renewal_command_id", "renewal_tries", "renewal_at"):
        op.drop_column("station_certificate", column)
