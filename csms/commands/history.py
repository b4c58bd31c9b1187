"""`heliofleet history`: scenarios drawn from what the service has seen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from csms.commands.options import (
    AsJson,
    ConfigFile,
    check_file,
    group,
    print_json,
    settings_of,
    write_file,
)
from csms.ledger import migrate
from csms.ledger.database import Database
from csms.simulations.drawing import draw_scenario, told_of
from csms.simulations.history import Rows, read_history
from csms.simulations.rules import Span, span_of
from models.clocks import RealClock
from models.errors import BadInput
from models.timeline import parse_rfc3339

app = group("Draw scenarios from what the service has seen.")
TENANT = "default"


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The .json to write.")],
    begins: Annotated[
        str, typer.Option("--from", metavar="TIME", help="RFC 3339, as 2026-06-01T00:00:00+02:00.")
    ],
    ends: Annotated[
        str, typer.Option("--to", metavar="TIME", help="Whole days of 24 hours later.")
    ],
    config_file: ConfigFile = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Write a scenario of days that have been, for heliofleet replay.

    It says nobody's name: drivers are numbers. Also while serve runs.

    Example: heliofleet history export may.json --from 2026-05-01T00:00Z --to 2026-05-08T00:00Z
    """
    if file.suffix != ".json":
        raise BadInput(f"FILE: {file} does not end in .json")
    check_file("FILE", file)
    span = _span(begins, ends)
    settings = settings_of(config_file)
    migrate.check(settings.database_url)
    scenario = draw_scenario(asyncio.run(_read(settings.database_url, span)), span)
    write_file("FILE", file, msgspec.json.format(msgspec.json.encode(scenario)) + b"\n")
    told = told_of(scenario, span)
    if as_json:
        print_json({"file": str(file), **told})
        return
    typer.echo(str(file))
    for line in (*told["taken"], *told["assumed"]):
        typer.echo(f"  {line}")


def _span(begins: str, ends: str) -> Span:
    """Returns the days that options name.

    Raises:
        BadInput: naming the option.
    """
    try:
        return span_of(_instant("--from", begins), _instant("--to", ends), RealClock().now())
    except BadInput as error:
        option = error.detail.replace("/history/", "--", 1)
        raise BadInput(option) from None


def _instant(option: str, text: str) -> datetime:
    try:
        return parse_rfc3339(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(
            f"{option}: {text} is no instant; RFC 3339 is, as 2026-06-01T00:00:00Z"
        ) from None


async def _read(database_url: str, span: Span) -> Rows:
    db = Database.open(database_url)
    await db.start()
    try:
        async with db.read() as session:
            return await read_history(session, TENANT, span)
    finally:
        await db.close()
