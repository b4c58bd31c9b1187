"""Staff that moves cars, and PV plants that several sites share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.tables.base import ExactDecimal, JsonDocument, UtcInstant

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds orders and plants; at no site has anybody moved cars so far, and none has a part."""
    op.add_column("site", sa.Column("shared_plant_id", sa.Text(), nullable=True))
    op.add_column("site", sa.Column("solar_share", sa.Float(), nullable=True))
    roofs = sa.Column("shared_roofs", JsonDocument, nullable=False, server_default=sa.text("'[]'"))
    op.add_column("site", roofs)
    op.create_table(
        "shared_plant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pv_plants", JsonDocument, nullable=False),
        sa.Column("shares", JsonDocument, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("custom", JsonDocument, nullable=False),
        sa.Column("version", _INTEGER, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shared_plant")),
    )
    for column in ("tenant_id", "updated_at"):
        op.create_index(f"ix_shared_plant_{column}", "shared_plant", [column])
    op.add_column("site", sa.Column("move_price", ExactDecimal(), nullable=True))
    hours = sa.Column("move_hours", JsonDocument, nullable=False, server_default=sa.text("'[]'"))
    op.add_column("site", hours)
    op.create_table(
        "move_order",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("vehicle_id", sa.Text(), nullable=False),
        sa.Column("from_evse", sa.Text(), nullable=True),
        sa.Column("to_evse", sa.Text(), nullable=True),
        sa.Column("from_at", UtcInstant(), nullable=False),
        sa.Column("to_at", UtcInstant(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("price", ExactDecimal(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reasons", JsonDocument, nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.Column("settled_at", UtcInstant(), nullable=True),
        sa.Column("version", _INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("fk_move_order_site_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["vehicle_id"],
            ["vehicle.id"],
            name=op.f("fk_move_order_vehicle_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_move_order")),
    )
    for name, columns in (
        ("ix_move_order_site_id_status_from_at", ["site_id", "status", "from_at"]),
        ("ix_move_order_vehicle_id_settled_at", ["vehicle_id", "settled_at"]),
    ):
        op.create_index(name, "move_order", columns)


def downgrade() -> None:
    """Drops it."""
    op.drop_table("move_order")
    op.drop_table("shared_plant")
    for name in ("move_hours", "move_price", "shared_roofs", "solar_share", "shared_plant_id"):
        op.drop_column("site", name)
