"""Indexes for what is asked most: open transactions, their limits, and commands in order."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NEW = (
    ("charging_transaction", ("tenant_id", "stopped_at")),
    ("charging_limit", ("station", "ocpp_transaction_id")),
    ("charging_limit", ("tenant_id", "created_at")),
    ("charging_limit", ("tenant_id", "state", "created_at")),
    ("command", ("state", "station", "created_at")),
)
_OLD = (
    ("charging_transaction", ("tenant_id",)),
    ("charging_limit", ("tenant_id",)),
    ("charging_limit", ("state",)),
    ("command", ("state", "station")),
)


def upgrade() -> None:
    """Makes the new indexes in the place of those that they make needless."""
    _change(drop=_OLD, make=_NEW)


def downgrade() -> None:
    """Makes the old indexes again."""
    _change(drop=_NEW, make=_OLD)


def _change(
    *, drop: tuple[tuple[str, tuple[str, ...]], ...], make: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    for table, columns in drop:
        op.drop_index(op.f(_name(table, columns)), table_name=table)
    for table, columns in make:
        op.create_index(op.f(_name(table, columns)), table, list(columns), unique=False)


def _name(table: str, columns: tuple[str, ...]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"
