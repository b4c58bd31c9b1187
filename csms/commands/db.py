"""`heliofleet db`: the schema of the database."""

from __future__ import annotations

import typer

from csms.commands.options import ConfigFile, group, settings_of
from csms.ledger import migrate

app = group("Look after the database.")


@app.command()
def upgrade(config_file: ConfigFile = None) -> None:
    """Bring the schema up to date. Safe to repeat.

    Example: heliofleet db upgrade
    """
    settings = settings_of(config_file)
    before = migrate.current(settings.database_url)
    migrate.upgrade(settings.database_url)
    after = migrate.current(settings.database_url)
    typer.echo(f"schema {after}" if before == after else f"schema {before or 'none'} -> {after}")


@app.command()
def check(config_file: ConfigFile = None) -> None:
    """Say whether the schema is the one that this version needs; exit 2 if not.

    Example: heliofleet db check
    """
    settings = settings_of(config_file)
    migrate.check(settings.database_url)
    typer.echo(f"schema {migrate.head()} is up to date")
