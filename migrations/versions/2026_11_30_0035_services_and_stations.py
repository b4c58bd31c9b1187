"""Which of several services on one database holds a station's connection, and what was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FACT = sa.table("house_fact", sa.column("name", sa.Text()), sa.column("value", JsonDocument))
_OLD = "relay/"
"""Each service had a row of its own, by its name."""
_FIRST = "relay/node-1"


def upgrade() -> None:
    """Adds it; the next service that leads says of all that none holds that they are gone.

    How far the outbox was told becomes the house's own; the service that was last is the furthest.
    """
    op.add_column("station", sa.Column("held_by", _INTEGER))
    of_services = _FACT.c.name.startswith(_OLD)
    kept = op.get_bind().scalars(sa.select(_FACT.c.value).where(of_services)).all()
    op.execute(sa.delete(_FACT).where(of_services))
    if kept:
        cursor = max(int(value["cursor"]) for value in kept)
        op.execute(sa.insert(_FACT).values(name="relay", value={"cursor": cursor}))


def downgrade() -> None:
    """Drops it; the service with the name that all have by themselves goes on from there."""
    op.drop_column("station", "held_by")
    op.execute(sa.update(_FACT).where(_FACT.c.name == "relay").values(name=_FIRST))
