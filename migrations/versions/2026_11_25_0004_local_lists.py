"""Lists of tokens in stations: which stations shall have one, and what each holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table and the column; no station that is there has a list."""
    op.add_column(
        "station",
        sa.Column("local_list", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_table(
        "local_list",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("sent_version", _INTEGER, nullable=False),
        sa.Column("held", JsonDocument, nullable=False),
        sa.Column("sending", JsonDocument, nullable=True),
        sa.Column("full_wanted", sa.Boolean(), nullable=False),
        sa.Column("failures", _INTEGER, nullable=False),
        sa.Column("changed_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station"],
            ["station.identity"],
            name=op.f("fk_local_list_station"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("station", name=op.f("pk_local_list")),
    )
    op.create_index(op.f("ix_local_list_tenant_id"), "local_list", ["tenant_id"], unique=False)


def downgrade() -> None:
    """Drops both; what stations hold stays in them."""
    op.drop_table("local_list")
    op.drop_column("station", "local_list")
