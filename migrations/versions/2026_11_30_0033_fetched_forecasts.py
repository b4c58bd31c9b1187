"""When plug-ins were asked for forecasts, and why they did not tell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import UtcInstant

revision = "0033"
down_revision = "0030"
branch_labels = None
depends_on = None

_INSTANTS = ("asked_at", "told_at", "failing_since")


def upgrade() -> None:
    """Adds the columns; the sources that are there are none of plug-ins."""
    for name in _INSTANTS:
        op.add_column("forecast_source", sa.Column(name, UtcInstant(), nullable=True))
    op.add_column("forecast_source", sa.Column("failure", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drops them."""
    op.drop_column("forecast_source", "failure")
    for name in reversed(_INSTANTS):
        op.drop_column("forecast_source", name)
