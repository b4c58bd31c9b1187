"""`heliofleet demo`: two days of Confluence through real sockets against a real server process.

The service is a child process with a fresh database; stations, cars, sun and people live here and
talk to it as any others would: websockets and REST. Its clock is stepped, so that two days pass as
fast as the machine allows and end the same on a slow one.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from csms.commands.options import DEFAULT_OUT, AsJson, LanguageOption, OutDirectory
from csms.commands.playing import SteppingPacer, everything, progress_bar, view_of
from csms.commands.report.figures import ServiceView, write_json
from csms.commands.report.page import show_report
from csms.commands.report.writing import make_directory, write_report
from models.errors import Unavailable
from models.timeline import format_rfc3339
from scheduler.explaining.words import Language, check_language
from simulators.driver import play
from simulators.link import websocket_door
from simulators.scenario import load_scenario
from simulators.scorecard import Truth
from simulators.world import World

SCENARIO = "confluence"
START_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running service."""

    api_url: str
    ocpp_url: str
    api_key: str
    process: subprocess.Popen[str]


@dataclass(frozen=True, slots=True)
class Played:
    """What is left of a run."""

    truth: Truth
    service: ServiceView
    plans: list[dict[str, Any]]


def demo(
    leave: Annotated[  # noqa: FBT002
        bool, typer.Option("--exit", help="End after the report; default: the service stays up.")
    ] = False,
    language: LanguageOption = "en",
    out: OutDirectory = DEFAULT_OUT,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Play two days of Confluence and leave a report.

    Example: heliofleet demo --exit --out heliofleet-run
    """
    spoken = check_language(language, "--language")
    make_directory(out)
    scenario = load_scenario(SCENARIO)
    world = World(scenario)
    began_s = time.perf_counter()
    with _service(out, world) as served:
        with progress_bar("demo", world.days * 24 * 60) as show:
            played = asyncio.run(_play(world, served, show, spoken))
        outcome = write_report(
            out,
            played.truth,
            scenario,
            played.service,
            days=world.days,
            plans=played.plans,
            language=spoken,
        )
        solve_seconds = [float(plan["solve_seconds"]) for plan in played.plans] or [0.0]
        timings = {
            "wall_seconds": time.perf_counter() - began_s,
            "solve_seconds": {
                "median": statistics.median(solve_seconds),
                "max": max(solve_seconds),
            },
            "plans": len(played.plans),
        }
        (out / "timings.json").write_bytes(write_json(timings))
        show_report(outcome.report, spoken, as_json=as_json)
        # For programs stdout is the report alone.
        typer.echo(f"report: {(out / 'report.html').resolve().as_uri()}", err=as_json)
        if not leave:
            typer.echo(f"service: {served.api_url}/  with the key {served.api_key}", err=as_json)
            typer.echo("stop it with Ctrl-C", err=as_json)
            served.process.wait()


async def _play(
    world: World, served: Served, show: Callable[[float], None], language: Language
) -> Played:
    async with httpx.AsyncClient(
        base_url=served.api_url,
        headers={"Authorization": f"Bearer {served.api_key}"},
        timeout=120.0,
    ) as api:
        truth = await play(
            world,
            pacer=SteppingPacer(api, world.start),
            api=api,
            connect=websocket_door(served.ocpp_url),
            progress=show,
        )
        return Played(
            truth, await view_of(api, truth.grid.end, language), await everything(api, "/plans")
        )


@contextmanager
def _service(out: Path, world: World) -> Generator[Served]:
    """A fresh database and a server process on free ports."""
    database = out.resolve() / "demo.db"
    for leftover in out.glob("demo.db*"):
        leftover.unlink()
    api_key = secrets.token_hex(24)
    environment = {
        **os.environ,
        "HELIOFLEET_DATABASE_URL": f"sqlite:///{database}",
        "HELIOFLEET_SECRET_KEY_FILE": str(out.resolve() / "demo.key"),
        "HELIOFLEET_BOOTSTRAP_API_KEY": api_key,
        "HELIOFLEET_LOG_LEVEL": "warning",
    }
    command = [
        *(sys.executable, "-m", "csms.cli", "serve", "--http-port", "0", "--ocpp-port", "0"),
        *("--clock", "simulated", "--start", format_rfc3339(world.start)),
    ]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        api_url, ocpp_url = _doors(process)
        yield Served(api_url, ocpp_url, api_key, process)
    except KeyboardInterrupt:
        typer.echo("stopping", err=True)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def _doors(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Reads the two lines that `serve` prints when its doors are open.

    Raises:
        Unavailable: if it ends before.
    """
    assert process.stdout is not None
    addresses: list[str] = []
    deadline_s = time.monotonic() + START_LIMIT_S
    while len(addresses) < 2:
        line = process.stdout.readline()
        if not line or time.monotonic() > deadline_s:
            raise Unavailable("the service did not start; its reason stands above")
        addresses.append(line.split()[0])
    return addresses[0], addresses[1]
