"""Reservations: EVSEs that are kept free for a token."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "reservation",
        sa.Column("reservation_id", _INTEGER, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", _INTEGER, nullable=True),
        sa.Column("connector_type", sa.Text(), nullable=True),
        sa.Column("id_token", sa.Text(), nullable=False),
        sa.Column("token_type", sa.Text(), nullable=False),
        sa.Column("group_token", sa.Text(), nullable=True),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.Column("transaction_id", sa.Text(), nullable=True),
        sa.Column("command_id", sa.Text(), nullable=True),
        sa.Column("to_release", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station"],
            ["station.identity"],
            name=op.f("fk_reservation_station"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("reservation_id", name=op.f("uq_reservation_reservation_id")),
    )
    for columns in (
        ["tenant_id"],
        ["updated_at"],
        ["station", "state"],
        ["state", "expires_at"],
        ["to_release"],
    ):
        name = op.f(f"ix_reservation_{'_'.join(columns)}")
        op.create_index(name, "reservation", columns, unique=False)


def downgrade() -> None:
    """Drops it; what stations keep they keep until it expires."""
    op.drop_table("reservation")
