"""Bringing the schema of a database up to date.

The migrations are a package of their own (`migrations`) that is installed with the rest; Alembic
needs no file of settings. The functions are synchronous and may be called with or without a running
event loop: PostgreSQL's driver gets a loop of its own in a thread of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import migrations
from csms.ledger.database import Collided, away, unreachable
from models.errors import BadInput, Unavailable

T = TypeVar("T")
_BEGUN_ANEW = 4


class SchemaBehind(BadInput):
    """The database has another schema than this program needs."""

    code = "schema-behind"


class SchemaAhead(BadInput):
    """The database has a schema that this program has never heard of."""

    code = "schema-ahead"


def upgrade(url: str, revision: str = "head") -> None:
    """Brings the schema up to date, in one transaction; does nothing where it is.

    Raises:
        BadInput: if the file is no database.
        SchemaAhead: if a newer program made the schema.
        Unavailable: if the database can't be reached.
    """

    def change(connection: sa.Connection) -> None:
        refuse_newer(_revision(connection))
        command.upgrade(_config(connection), revision)

    _change_on(url, change)


def downgrade(url: str, revision: str) -> None:
    """Takes the schema back to an older revision (`base`: to nothing).

    Raises:
        Unavailable: if the database can't be reached.
    """
    _change_on(url, lambda connection: command.downgrade(_config(connection), revision))


def current(url: str) -> str | None:
    """Returns the revision of the database's schema, None for an empty one.

    Raises:
        BadInput: if the file is no database.
        Unavailable: if the database can't be reached.
    """
    return run_on(url, _revision)


def refuse_newer(found: str | None) -> None:
    """Passes for a revision that this program knows, and for None.

    Raises:
        SchemaAhead: saying what to do.
    """
    scripts = ScriptDirectory.from_config(_config(None))
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaAhead(
            f"the database has schema {found}, this program knows up to {head()}:"
            " use the newer Heliofleet that made it, or a backup from before"
        )


def head() -> str:
    """Returns the revision that this program needs."""
    found = ScriptDirectory.from_config(_config(None)).get_current_head()
    assert found is not None
    return found


def check(url: str) -> None:
    """Passes where the schema is the one that this program needs.

    Raises:
        SchemaBehind: saying what to do.
        SchemaAhead: likewise.
        Unavailable: if the database can't be reached.
    """
    found = current(url)
    refuse_newer(found)
    if found != head():
        raise SchemaBehind(
            f"the database has schema {found or 'none'}, this program needs {head()}:"
            " run `heliofleet db upgrade`"
        )


def _change_on(url: str, change: Callable[[sa.Connection], None]) -> None:
    """Makes a change, anew where it was rolled back since a service that runs was in its way."""
    for _ in range(_BEGUN_ANEW):
        try:
            run_on(url, change)
        except Collided:
            continue
        return
    run_on(url, change)


def run_on(url: str, work: Callable[[sa.Connection], T]) -> T:
    """Does `work` on a connection to the database, in one transaction, and returns its result.

    Raises:
        BadInput: if the file is no database, or the url of no known kind.
        Unavailable: if the database can't be reached.
    """
    with away(), unreachable():
        if url.startswith("sqlite:///"):
            return _on_sqlite(url, work)
        if not url.startswith("postgresql://"):
            raise BadInput(
                "database url: allowed are sqlite:///PATH and postgresql://USER:PW@HOST/DB"
            )
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(_on_postgres(url, work))).result()


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config


def _on_sqlite(url: str, work: Callable[[sa.Connection], T]) -> T:
    engine = sa.create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None})

    def start(connection: sa.Connection) -> None:
        # The driver's own BEGIN would leave changes of the schema outside the transaction.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "begin", start)
    try:
        with engine.begin() as connection:
            return work(connection)
    except DatabaseError as error:
        raise _named(url.removeprefix("sqlite:///"), error) from error
    finally:
        engine.dispose()


def _named(path: str, error: DatabaseError) -> Exception:
    """Returns what to say of a file that SQLite won't take, or the error itself."""
    reason = error.orig
    if not isinstance(reason, sqlite3.DatabaseError):
        return error
    if reason.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
        return BadInput(f"{path} is no SQLite database")
    if reason.sqlite_errorcode in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return Unavailable(f"{path}: {reason}")
    return error


async def _on_postgres(url: str, work: Callable[[sa.Connection], T]) -> T:
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
