"""The schema of a database, held against the tables that the program has."""

from __future__ import annotations

import warnings

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from csms.ledger import migrate
from models.tables import Base


def differences(url: str) -> list[str]:
    """Returns how a database differs from `models.tables`; empty where migrations are whole."""

    def compare(connection: sa.Connection) -> list[str]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        with warnings.catch_warnings():
            # SQLite does not tell of an index over an expression; PostgreSQL does.
            warnings.filterwarnings("ignore", ".*expression-based index")
            return [str(difference) for difference in compare_metadata(context, Base.metadata)]

    return migrate.run_on(url, compare)
