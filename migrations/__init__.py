"""Schema migrations (Alembic) for SQLite and PostgreSQL; run by `csms.ledger.migrate`."""
