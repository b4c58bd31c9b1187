"""When a series of prices ends, so that plans read only those that still say something."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant
from models.timeline import shifted

revision = "0029"
down_revision = "0027"
branch_labels = None
depends_on = None

_SERIES = sa.table(
    "price_series",
    sa.column("id", sa.Text()),
    sa.column("start", UtcInstant()),
    sa.column("step_minutes", sa.Integer()),
    sa.column("import_price_per_kwh", JsonDocument),
    sa.column("ends_at", UtcInstant()),
)


def upgrade() -> None:
    """Adds the column, and reckons it for the series that are there, one after the other."""
    op.add_column("price_series", sa.Column("ends_at", UtcInstant(), nullable=True))
    connection = op.get_bind()
    for name in connection.scalars(sa.select(_SERIES.c.id)).all():
        mine = _SERIES.c.id == name
        row = connection.execute(sa.select(_SERIES).where(mine)).one()
        length_s = 60.0 * row.step_minutes * len(row.import_price_per_kwh)
        ends_at = shifted(row.start, length_s)
        connection.execute(sa.update(_SERIES).where(mine).values(ends_at=ends_at))
    with op.batch_alter_table("price_series") as table:
        table.alter_column("ends_at", existing_type=UtcInstant(), nullable=False)
    op.create_index(op.f("ix_price_series_site_id_ends_at"), "price_series", ["site_id", "ends_at"])


def downgrade() -> None:
    """Drops it."""
    op.drop_index(op.f("ix_price_series_site_id_ends_at"), "price_series")
    op.drop_column("price_series", "ends_at")
