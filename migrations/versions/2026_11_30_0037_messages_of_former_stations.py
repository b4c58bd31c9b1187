"""Whose the messages of deleted stations are; the table of tenants, which nothing used, goes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import UtcInstant

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_DELETED = """
INSERT INTO former_station (identity, last_message, tenant_id)
SELECT substr(event.subject, 9),
       coalesce((SELECT max(message.id) FROM message WHERE message.received_at <= event.time), 0),
       min(event.tenant_id)
FROM event WHERE event.type = 'station.deleted' GROUP BY 1, 2
"""


def upgrade() -> None:
    """Makes the table, with the stations of whose deletion the outbox still tells."""
    op.create_table(
        "former_station",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("last_message", _INTEGER, nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("identity", "last_message", name=op.f("pk_former_station")),
    )
    op.execute(_DELETED)
    op.drop_table("tenant")


def downgrade() -> None:
    """Makes the table of tenants anew, and forgets whose the messages were."""
    op.create_table(
        "tenant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
    )
    op.drop_table("former_station")
