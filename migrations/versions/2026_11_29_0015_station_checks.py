"""Checks of stations, and when a limit was seen to be kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = sa.text("state = 'running'")


def upgrade() -> None:
    """Makes the table and the column."""
    op.add_column("charging_limit", sa.Column("obeyed_at", UtcInstant(), nullable=True))
    op.create_table(
        "station_check",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("evse_id", _INTEGER, nullable=False),
        sa.Column("limit_w", sa.Float(), nullable=True),
        sa.Column("apply", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("steps", JsonDocument, nullable=False),
        sa.Column("findings", JsonDocument, nullable=False),
        sa.Column("reaction_s", sa.Float(), nullable=True),
        sa.Column("applied", JsonDocument, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("ended_at", UtcInstant(), nullable=True),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station"],
            ["station.identity"],
            name=op.f("fk_station_check_station"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station_check")),
    )
    op.create_index(
        "uq_station_check_running",
        "station_check",
        ["station"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    for columns in (["tenant_id"], ["updated_at"], ["station", "created_at"]):
        name = f"ix_station_check_{'_'.join(columns)}"
        op.create_index(op.f(name), "station_check", columns)


def downgrade() -> None:
    """Drops them."""
    op.drop_table("station_check")
    op.drop_column("charging_limit", "obeyed_at")
