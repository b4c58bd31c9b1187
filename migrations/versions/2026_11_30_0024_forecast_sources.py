"""Whether forecasts are to be believed, and whose public holidays a site keeps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import JsonDocument, UtcInstant

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is known of sources; nothing has been doubted yet, and no holiday been kept."""
    op.add_column("site", sa.Column("holiday_region", sa.Text(), nullable=True))
    op.add_column(
        "forecast", sa.Column("doubts", JsonDocument, nullable=False, server_default="[]")
    )
    op.create_table(
        "forecast_source",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("judged_at", UtcInstant(), nullable=False),
        sa.Column("judged_until", UtcInstant(), nullable=False),
        sa.Column("hours", sa.Float(), nullable=False),
        sa.Column("measured_wh", sa.Float(), nullable=False),
        sa.Column("error_wh", sa.Float(), nullable=False),
        sa.Column("persistence_error_wh", sa.Float(), nullable=False),
        sa.Column("excess_wh", sa.Float(), nullable=False),
        sa.Column("inside_hours", sa.Float(), nullable=False),
        sa.Column("doubts", JsonDocument, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["site.id"],
            name=op.f("fk_forecast_source_site_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "kind", "source", name=op.f("pk_forecast_source")),
    )


def downgrade() -> None:
    """Takes it away again."""
    op.drop_table("forecast_source")
    op.drop_column("forecast", "doubts")
    op.drop_column("site", "holiday_region")
