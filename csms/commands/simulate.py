"""`heliofleet simulate`: plays a scenario against any running service."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import httpx
import msgspec
import typer
from rich.console import Console

from csms.commands.options import DEFAULT_OUT, OutDirectory
from csms.commands.playing import API, SteppingPacer, WaitingPacer, progress_bar, view_of
from csms.commands.report.page import print_table
from csms.commands.report.writing import make_directory, write_report
from models.clocks import RealClock
from models.errors import BadInput, Unavailable
from models.timeline import parse_rfc3339
from simulators.driver import play
from simulators.link import websocket_door
from simulators.scenario import load_scenario
from simulators.world import World


class Clock(msgspec.Struct):
    """What `GET /clock` says."""

    mode: str
    now: str


def simulate(  # noqa: PLR0917 - each is an option of the command line
    scenario: Annotated[str, typer.Argument(help="Name of a shipped scenario, or a TOML file.")],
    api_key: Annotated[str, typer.Option(help="An admin key of the service.")],
    ocpp_url: Annotated[
        str, typer.Option(help="Where the service takes stations.")
    ] = "ws://127.0.0.1:9000/ocpp",
    api_url: Annotated[str, typer.Option(help="Where it takes REST.")] = "http://127.0.0.1:8080",
    speed: Annotated[
        float, typer.Option(help="1 against a real clock; a simulated one is stepped.")
    ] = 1.0,
    out: OutDirectory = DEFAULT_OUT,
) -> None:
    """Play a scenario against a running service.

    Example: heliofleet simulate confluence --api-key KEY --ocpp-url ws://127.0.0.1:9000/ocpp
    """
    known = load_scenario(scenario)
    make_directory(out)
    headers = {"Authorization": f"Bearer {api_key}"}
    clock = _clock_of(api_url, headers)
    real = clock.mode == "real"
    if real and speed != 1.0:
        raise BadInput("--speed: a service on the real clock is played at speed 1 only")
    start = parse_rfc3339(clock.now)
    if real:
        start = start.replace(second=0, microsecond=0) + timedelta(minutes=1)
    world = World(known, start=start)

    async def run() -> None:
        async with httpx.AsyncClient(base_url=api_url, headers=headers, timeout=120.0) as api:
            pacer = WaitingPacer(RealClock()) if real else SteppingPacer(api, start)
            with progress_bar("simulate", world.days * 24 * 60) as show:
                truth = await play(
                    world,
                    pacer=pacer,
                    api=api,
                    connect=websocket_door(ocpp_url),
                    progress=show,
                )
            service = await view_of(api)
        outcome = write_report(out, truth, known, service, days=world.days)
        print_table(outcome.report, Console())

    asyncio.run(run())


def _clock_of(api_url: str, headers: dict[str, str]) -> Clock:
    try:
        answer = httpx.get(f"{api_url}{API}/clock", headers=headers)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise BadInput(f"--api-url: {api_url}: {error}") from None
    except httpx.HTTPError as error:
        raise Unavailable(f"{api_url}: {error}") from None
    if answer.status_code != 200:
        raise BadInput(f"{api_url} answers {answer.status_code}: {answer.text[:200]}")
    try:
        return msgspec.json.decode(answer.content, type=Clock)
    except msgspec.DecodeError:
        raise BadInput(f"--api-url: {api_url} is no Heliofleet: it has no clock") from None
