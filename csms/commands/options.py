"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from csms.config import Settings, load_settings

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with settings.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutDirectory = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where the report goes; made when missing.")
]
DEFAULT_OUT = Path("heliofleet-run")


def plain_typer() -> typer.Typer:
    """Returns a Typer without commands: plain help, and errors that are left to `csms.cli`."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def group(help_text: str) -> typer.Typer:
    """Returns a group without commands."""
    app = plain_typer()
    # Without it a group of one command would be that command.
    app.callback(help=help_text)(lambda: None)
    return app


def settings_of(config_file: Path | None, **overrides: object) -> Settings:
    """Returns the effective settings of a command.

    Raises:
        BadInput: naming what is wrong.
    """
    return load_settings(os.environ, config_file=config_file, overrides=overrides)


def print_json(result: Any) -> None:
    """Prints a result for programs; takes whatever msgspec encodes."""
    typer.echo(msgspec.json.format(msgspec.json.encode(result)).decode())
