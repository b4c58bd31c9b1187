"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import typer

from csms.config import Settings, load_settings
from models.errors import BadInput, FleetError

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with settings.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutDirectory = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where the report goes; made when missing.")
]
LanguageOption = Annotated[
    str, typer.Option("--language", metavar="LANGUAGE", help="Of what people read: en, fr or de.")
]
_FAILURES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What no other place on the same disk would mend."""
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


def check_file(option: str, file: Path) -> None:
    """Lets a file pass that may be written, before anything is done that takes long.

    Args:
        option: by which it was given.
        file: where somebody wants something written.

    Raises:
        BadInput: for all others.
    """
    if file.is_dir():
        raise BadInput(f"{option}: {file} is a directory")
    if not file.absolute().parent.is_dir():
        raise BadInput(f"{option}: {file}: no such directory")
    place = file if file.exists() else file.absolute().parent
    if not os.access(place, os.W_OK):
        raise BadInput(f"{option}: {file}: permission denied")


def unwritable(option: str, place: Path, error: OSError) -> FleetError:
    """Returns the error of what can't be written: the place is wrong, or the disk fails.

    Args:
        option: by which the place was given.
        place: a file or a directory.
        error: what the system says.
    """
    kind = FleetError if error.errno in _FAILURES else BadInput
    return kind(f"{option}: {place}: {error.strerror or error}")


def write_file(option: str, file: Path, data: bytes) -> None:
    """Writes a file that was given by an option.

    Raises:
        BadInput: if it can't be one.
        FleetError: if the disk fails.
    """
    try:
        file.write_bytes(data)
    except OSError as error:
        raise unwritable(option, file, error) from None


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
