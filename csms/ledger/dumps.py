"""Taking all rows out of a database, and putting them back: what a backup is made of.

SQLite is copied with its online backup, which is one snapshot also while `serve` writes; PostgreSQL
has `pg_dump` and `pg_restore`, found on the PATH. What else belongs to a backup, and when a restore
is refused, is in `csms.ledger.backup`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from csms.ledger import migrate
from models.errors import BadInput, Conflict, Unavailable

IDS_SKIPPED = 1_000_000
"""How far the 1.6 transaction ids and the numbers of reservations jump at a restore. Those given
out after the backup are known to stations and to nobody else; a million is more than a house gives
out between two backups."""

_SKIP = (
    "INSERT INTO sequence (name, value)"  # noqa: S608
    f" VALUES ('transaction', {IDS_SKIPPED}), ('reservation', {IDS_SKIPPED})"
    " ON CONFLICT (name) DO UPDATE SET value = sequence.value + excluded.value"
)
_SERVED = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'heliofleet'"
)


def dump_sqlite(database: Path, out: Path) -> None:
    """Copies a SQLite file as it is at one instant; others may go on writing.

    Raises:
        BadInput: if the file is no database.
        Unavailable: if it can't be read.
    """
    try:
        _touch(out)
        # Without `mode` a missing file would be made.
        address = f"{database.absolute().as_uri()}?mode=rw"
        with (
            closing(sqlite3.connect(address, uri=True)) as source,
            closing(sqlite3.connect(out)) as copy,
        ):
            source.backup(copy)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise BadInput(f"{database} is no SQLite database") from None
        raise Unavailable(f"{database}: {error}") from error


def skip_ids_of_sqlite(data: Path) -> None:
    """Makes the transaction ids of a restored file jump, before it is put in place.

    Raises:
        BadInput: if the file is no database of ours.
    """
    try:
        with closing(sqlite3.connect(data, isolation_level=None)) as connection:
            connection.execute(_SKIP)
            # All that is true must be in this one file.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError as error:
        raise BadInput(f"the data in the backup can't be used: {error}") from None


def put_sqlite(data: Path, database: Path) -> None:
    """Puts a file in the place of a database; nobody may have that open."""
    _sync(data)
    for suffix in ("-wal", "-shm"):
        # What the former database had not yet taken in would be played into the new one.
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    data.replace(database)
    _sync(database.parent)


def dump_postgres(url: str, out: Path) -> None:
    """Writes all rows of one snapshot, in the custom format of `pg_dump`.

    Raises:
        Unavailable: if there is no `pg_dump`, or it fails.
    """
    _touch(out)
    _run(url, "pg_dump", "--format=custom", "--compress=0", "--no-owner", "--no-acl", f"-f{out}")


def put_postgres(data: Path, url: str, revision: str) -> None:
    """Replaces all rows of a PostgreSQL database, and makes the transaction ids jump.

    Raises:
        Conflict: if a service is connected to it.
        SchemaAhead: if a newer program made the schema that is there.
        Unavailable: if there is no `pg_restore`, or it fails; then nothing has changed, but that
            tables of another schema are gone.
    """
    _program("pg_restore")
    if migrate.run_on(url, lambda connection: connection.exec_driver_sql(_SERVED).scalar()):
        raise Conflict("the database is served: stop `heliofleet serve` first")
    found = migrate.current(url)
    migrate.refuse_newer(found)
    if found not in (None, revision):
        # `--clean` drops only what the dump knows: a table of a newer schema would stay behind.
        migrate.downgrade(url, "base")
    _run(
        url,
        *("pg_restore", "--single-transaction", "--exit-on-error", "--clean", "--if-exists"),
        *("--no-owner", "--no-acl", f"--dbname={make_url(url).database}", str(data)),
    )
    migrate.run_on(url, lambda connection: connection.exec_driver_sql(_SKIP))


def has_rows(url: str) -> bool:
    """Returns whether any table holds a row, but for the one that names the schema.

    Raises:
        BadInput: if the file is no database.
        Unavailable: if the database can't be reached.
    """

    def look(connection: sa.Connection) -> bool:
        tables = set(sa.inspect(connection).get_table_names()) - {"alembic_version"}
        return any(
            connection.execute(sa.select(1).select_from(sa.table(name)).limit(1)).first()
            for name in sorted(tables)
        )

    return migrate.run_on(url, look)


def _touch(path: Path) -> None:
    """Makes an empty file that nobody else may read."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"{name} is not on the PATH: install the client programs of PostgreSQL")
    return found


def _run(url: str, name: str, *arguments: str) -> None:
    """Runs a program of PostgreSQL; it gets the address by the environment, which nobody sees."""
    try:
        done = subprocess.run(  # noqa: S603 - a program of the operator's
            [_program(name), "--no-password", *arguments],
            env={**os.environ, **_environment(url)},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise Unavailable(f"{name}: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise Unavailable(lines[0] if lines[0].startswith(name) else f"{name}: {lines[0]}")


def _environment(url: str) -> dict[str, str]:
    """Returns the address in the variables that all programs of PostgreSQL know."""
    parsed = make_url(url)
    said = {
        "PGHOST": parsed.host or parsed.query.get("host"),
        "PGPORT": parsed.port or parsed.query.get("port"),
        "PGUSER": parsed.username,
        "PGPASSWORD": parsed.password,
        "PGDATABASE": parsed.database,
        "PGSSLMODE": parsed.query.get("ssl"),
    }
    return {name: str(value) for name, value in said.items() if value is not None}
