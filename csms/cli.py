"""The `heliofleet` command: finds the command that is meant and turns errors into exit codes.

0 is success, 1 failure, 2 bad input; an error is one line on stderr, never a traceback. The
commands themselves are in `csms.commands`, one module each. Only the one that is called is
imported: solver and pictures take seconds to load, which `api-key` need not wait for.
"""

from __future__ import annotations

import difflib
import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import typer

from csms.commands.options import plain_typer
from models.errors import BadInput, FleetError

EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Entry:
    """One command in the list of commands."""

    help: str
    """How the help of the command itself begins."""
    module: str
    """In `csms.commands`: has a function of its own name, or, for a group, an `app`."""
    is_group: bool = False

    def load(self) -> typer.Typer:
        """Imports the command."""
        gc.disable()  # what is loaded stays: to look for garbage in it took a fifth of the time
        try:
            module: Any = import_module(f"csms.commands.{self.module}")
        finally:
            gc.enable()
        if self.is_group:
            return module.app
        app = plain_typer()
        app.command()(getattr(module, self.module))
        return app


COMMANDS = {
    "serve": Entry("Run the service.", "serve"),
    "demo": Entry("Play two days of Confluence and leave a report.", "demo"),
    "simulate": Entry("Play a scenario against a running service.", "simulate"),
    "replay": Entry("Play whole days of a scenario in memory, faster than life.", "replay"),
    "history": Entry("Draw scenarios from what the service has seen.", "history", is_group=True),
    "plan": Entry("Plan bookings and charging for one problem, or judge a plan of it.", "plan"),
    "station": Entry("Run single charging stations.", "station", is_group=True),
    "config": Entry("Print the effective settings, secrets masked.", "config"),
    "openapi": Entry("Print the OpenAPI 3.1 document of the REST service.", "openapi"),
    "db": Entry("Look after the database.", "db", is_group=True),
    "api-key": Entry("Look after API keys.", "api_key", is_group=True),
}
"""In the order in which a newcomer needs them."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code.

    Args:
        arguments: the command line without the program's name.

    Raises:
        BadInput: if there is no such command.
        typer.TyperException: for arguments that the command does not take.
        FleetError: whatever the command has to complain about.
    """
    if not arguments or arguments[0] == "--help":
        typer.echo(_help())
        return 0
    name, *rest = arguments
    if name == "--version":
        typer.echo(version("heliofleet"))
        return 0
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]}" if close else f"there are {', '.join(COMMANDS)}"
        raise BadInput(f"there is no command {name}: {hint}")
    entry = COMMANDS[name]
    if entry.is_group and not rest:
        rest = ["--help"]
    code = entry.load()(args=rest, prog_name=f"heliofleet {name}", standalone_mode=False)
    return code if isinstance(code, int) else 0


def main() -> None:
    """Runs the command line of this process and exits with its code."""
    try:
        code = run(sys.argv[1:])
    except typer.TyperException as error:
        _say(error.format_message())
        code = EXIT_BAD_INPUT
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except BadInput as error:
        _say(error.detail)
        code = EXIT_BAD_INPUT
    except FleetError as error:
        _say(error.detail)
        code = EXIT_FAILURE
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILURE
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        code = EXIT_FAILURE
    sys.exit(code)


def _say(detail: str) -> None:
    line = " ".join(detail.split())
    sys.stderr.write(f"heliofleet: {line}\n")


def _help() -> str:
    width = max(len(name) for name in COMMANDS)
    return "\n".join(
        (
            "Usage: heliofleet COMMAND [OPTIONS] [ARGUMENTS]",
            "",
            "Vehicle bookings, OCPP charger control and local solar power, planned together.",
            "",
            *(f"  {name:<{width}}  {entry.help}" for name, entry in COMMANDS.items()),
            "",
            "heliofleet COMMAND --help says more. --version prints the version.",
        )
    )


if __name__ == "__main__":
    main()
