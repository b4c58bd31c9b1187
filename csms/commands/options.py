"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import typer

from csms.config import Settings, load_settings
from models.errors import BadInput

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


def check_ocpp_url(url: str, option: str = "--ocpp-url") -> None:
    """Lets addresses of a door for stations pass.

    Args:
        url: as it was given.
        option: by which.

    Raises:
        BadInput: for all others.
    """
    allowed = f"{option}: {url} is no address of stations; allowed is ws://HOST:PORT/ocpp or wss"
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise BadInput(allowed) from None
    if parts.scheme not in ("ws", "wss") or not has_place or parts.query or parts.fragment:
        raise BadInput(allowed)
