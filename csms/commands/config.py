"""`heliofleet config`: the effective settings, secrets masked."""

from __future__ import annotations

import typer

from csms.commands.options import AsJson, ConfigFile, print_json, settings_of


def config(config_file: ConfigFile = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Print the effective settings, secrets masked.

    Example: heliofleet config --config heliofleet.toml
    """
    shown = settings_of(config_file).mask()
    if as_json:
        print_json(shown)
        return
    for name, value in shown.items():
        typer.echo(f"{name} = {'' if value is None else value}")
