"""How surely promises are to be kept, by site, and what trips have told of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; promises that were given before have no probability of their own."""
    op.add_column(
        "site",
        sa.Column(
            "promise_probability", sa.Float(), nullable=False, server_default=sa.text("0.99")
        ),
    )
    for column in (
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("bound_by", sa.Text(), nullable=True),
        sa.Column("started_soc_pct", sa.Float(), nullable=True),
        sa.Column("used_wh", sa.Float(), nullable=True),
    ):
        op.add_column("booking", column)


def downgrade() -> None:
    """Drops them."""
    for name in ("used_wh", "started_soc_pct", "bound_by", "probability"):
        op.drop_column("booking", name)
    op.drop_column("site", "promise_probability")
