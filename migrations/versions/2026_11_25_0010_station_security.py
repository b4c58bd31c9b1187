"""Certificates of stations, and changes of how they log in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables and the column; no station has a second password."""
    op.add_column("station", sa.Column("next_password_hash", sa.Text(), nullable=True))
    op.create_table(
        "station_certificate",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("request_id", _INTEGER, nullable=True),
        sa.Column("command_id", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("pem", sa.Text(), nullable=True),
        sa.Column("not_before", UtcInstant(), nullable=True),
        sa.Column("not_after", UtcInstant(), nullable=True),
        sa.Column("used_at", UtcInstant(), nullable=True),
        sa.Column("revoked_at", UtcInstant(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station_certificate")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_station_certificate_fingerprint")),
    )
    for column in ("tenant_id", "station", "command_id", "updated_at"):
        op.create_index(op.f(f"ix_station_certificate_{column}"), "station_certificate", [column])
    op.create_table(
        "security_change",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target_profile", _INTEGER, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("steps", JsonDocument, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("wishes", JsonDocument, nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("command_id", sa.Text(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station"],
            ["station.identity"],
            name=op.f("fk_security_change_station"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_change")),
    )
    for column in ("tenant_id", "station", "command_id", "updated_at"):
        op.create_index(op.f(f"ix_security_change_{column}"), "security_change", [column])


def downgrade() -> None:
    """Drops all three; what stations hold stays in them."""
    op.drop_table("security_change")
    op.drop_table("station_certificate")
    op.drop_column("station", "next_password_hash")
