"""`heliofleet db`: the schema of the database, and its backups."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from csms.commands.options import (
    AsJson,
    ConfigFile,
    check_file,
    group,
    print_json,
    settings_of,
    unwritable,
)
from csms.ledger import backup as archive
from csms.ledger import migrate
from csms.ledger.dumps import IDS_SKIPPED
from models.clocks import RealClock
from models.timeline import format_rfc3339

app = group("Look after the database.")


@app.command()
def upgrade(config_file: ConfigFile = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Bring the schema up to date. Safe to repeat.

    Example: heliofleet db upgrade
    """
    settings = settings_of(config_file)
    before = migrate.current(settings.database_url)
    migrate.upgrade(settings.database_url)
    after = migrate.current(settings.database_url)
    if as_json:
        print_json({"before": before, "after": after})
        return
    typer.echo(f"schema {after}" if before == after else f"schema {before or 'none'} -> {after}")


@app.command()
def check(config_file: ConfigFile = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Say whether the schema is the one that this version needs; exit 2 if not.

    Example: heliofleet db check
    """
    settings = settings_of(config_file)
    migrate.check(settings.database_url)
    if as_json:
        print_json({"schema": migrate.head()})
    else:
        typer.echo(f"schema {migrate.head()} is up to date")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The .tar.gz to write.")],
    config_file: ConfigFile = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Write data and secret key to one file, also while serve runs.

    A file of that name is replaced once the new one is whole. On PostgreSQL pg_dump must be on the
    PATH.

    Example: heliofleet db backup heliofleet.tar.gz
    """
    check_file("FILE", file)
    try:
        made = archive.back_up(settings_of(config_file), file, RealClock().now())
    except OSError as error:
        raise unwritable("FILE", file, error) from None
    if as_json:
        print_json({"file": str(file), "bytes": file.stat().st_size, "manifest": made})
    else:
        typer.echo(f"{file}: {made.kind}, schema {made.schema}, {file.stat().st_size} bytes")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What db backup has written.")],
    force: Annotated[  # noqa: FBT002
        bool, typer.Option("--force", help="Replace a database that has data, and another key.")
    ] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Put data and secret key of a backup in their places; serve must not run.

    The 1.6 transaction ids and the numbers of reservations skip a million, because stations know
    those given out since the backup.
    On PostgreSQL the database must exist and pg_restore be on the PATH.

    Example: heliofleet db restore heliofleet.tar.gz
    """
    made = archive.restore(settings_of(config_file), file, force=force)
    if as_json:
        print_json({"file": str(file), "manifest": made, "transaction_ids_skipped": IDS_SKIPPED})
    else:
        typer.echo(f"{made.kind}, schema {made.schema}, as of {format_rfc3339(made.made_at)}")
