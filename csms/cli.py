"""The `heliofleet` command: wires the commands together and turns errors into exit codes.

0 is success, 1 failure, 2 bad input; an error is one line on stderr, never a traceback. The
commands themselves are in `csms.commands`, one module each.
"""

from __future__ import annotations

import sys

import click
import typer

from csms.commands.api_key import app as api_key
from csms.commands.config import config
from csms.commands.db import app as db
from csms.commands.demo import demo
from csms.commands.openapi import openapi
from csms.commands.plan import plan
from csms.commands.replay import replay
from csms.commands.serve import serve
from csms.commands.simulate import simulate
from models.errors import BadInput, FleetError

EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

cli = typer.Typer(
    name="heliofleet",
    help="Vehicle bookings, OCPP charger control and local solar power, planned together.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cli.command()(serve)
cli.command()(demo)
cli.command()(simulate)
cli.command()(replay)
cli.command()(plan)
cli.command()(config)
cli.command()(openapi)
cli.add_typer(db, name="db")
cli.add_typer(api_key, name="api-key")


def main() -> None:
    """Runs the command line of this process and exits with its code."""
    try:
        code = cli(standalone_mode=False)
    except click.ClickException as error:
        _say(error.format_message())
        code = EXIT_BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except BadInput as error:
        _say(error.detail)
        code = EXIT_BAD_INPUT
    except FleetError as error:
        _say(error.detail)
        code = EXIT_FAILURE
    sys.exit(code if isinstance(code, int) else 0)


def _say(detail: str) -> None:
    line = " ".join(detail.split())
    sys.stderr.write(f"heliofleet: {line}\n")


if __name__ == "__main__":
    main()
