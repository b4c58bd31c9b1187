"""What Alembic runs: the migrations on the connection that `csms.ledger.migrate` hands in."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from models.tables import Base


def run(connection: Connection) -> None:
    """Runs what was asked for in one transaction (both databases roll a schema change back)."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
