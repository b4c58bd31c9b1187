"""`heliofleet api-key`: keys for integrators, made beside a running service."""

from __future__ import annotations

import asyncio
from random import SystemRandom
from typing import Annotated, cast, get_args

import typer

from csms.access.actions import NewKey, create_api_key
from csms.commands.options import AsJson, ConfigFile, group, print_json, settings_of
from csms.keyring import Keyring
from csms.ledger import migrate
from csms.ledger.database import Database
from models.clocks import RealClock
from models.errors import BadInput
from models.ids import UlidMaker
from models.states import Role

app = group("Look after API keys.")


@app.command()
def create(
    role: Annotated[str, typer.Option(help=f"One of {', '.join(get_args(Role))}.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "made by heliofleet api-key",
    config_file: ConfigFile = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Make a key and print it, alone. It is never shown again.

    Example: heliofleet api-key create --role operator --name dispatch
    """
    if role not in get_args(Role):
        raise BadInput(f"--role: {role} is no role; allowed are {', '.join(get_args(Role))}")
    settings = settings_of(config_file)
    if settings.database_url.startswith("sqlite"):
        migrate.upgrade(settings.database_url)
    migrate.check(settings.database_url)
    keyring = Keyring.load(settings.key_file)

    async def make() -> NewKey:
        clock = RealClock()
        ids = UlidMaker(clock, SystemRandom())
        db = Database.open(settings.database_url)
        await db.start()
        try:
            async with db.write(clock, ids, actor="cli") as work:
                return await create_api_key(
                    work, keyring, role=cast("Role", role), name=name, created_at=clock.now()
                )
        finally:
            await db.close()

    made = asyncio.run(make())
    if as_json:
        print_json({"id": made.row.id, "role": role, "name": name, "key": made.key})
    else:
        typer.echo(made.key)
