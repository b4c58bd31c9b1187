"""The message log by blocks of messages and by time, which is cheaper to keep than by station."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the new indexes in the place of the old one."""
    op.drop_index(op.f("ix_message_station_id"), table_name="message")
    op.create_index("ix_message_block_station", "message", [sa.text("(id / 4096)"), "station"])
    op.create_index(op.f("ix_message_received_at"), "message", ["received_at"])


def downgrade() -> None:
    """Makes the old index again."""
    op.drop_index(op.f("ix_message_received_at"), table_name="message")
    op.drop_index("ix_message_block_station", table_name="message")
    op.create_index(op.f("ix_message_station_id"), "message", ["station", "id"])
