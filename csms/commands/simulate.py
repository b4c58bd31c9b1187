"""`heliofleet simulate`: plays a scenario against any running service."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal

import httpx
import msgspec
import typer

from csms.commands.options import DEFAULT_OUT, AsJson, LanguageOption, OutDirectory, check_ocpp_url
from csms.commands.playing import API, SteppingPacer, WaitingPacer, progress_bar, view_of
from csms.commands.report.figures import ServiceView
from csms.commands.report.page import show_report
from csms.commands.report.writing import make_directory, write_report
from models.clocks import RealClock
from models.errors import BadInput, Unavailable
from scheduler.explaining.words import Language, check_language
from simulators.driver import play
from simulators.link import websocket_door
from simulators.logs import by_http
from simulators.scenario import load_scenario
from simulators.scorecard import Truth
from simulators.world import World


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
    language: LanguageOption = "en",
    out: OutDirectory = DEFAULT_OUT,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Play a scenario against a running service.

    Example: heliofleet simulate confluence --api-key KEY --ocpp-url ws://127.0.0.1:9000/ocpp
    """
    if not speed > 0:
        raise BadInput(f"--speed: {speed:g} is no speed; allowed is 1")
    check_ocpp_url(ocpp_url)
    spoken = check_language(language, "--language")
    known = load_scenario(scenario)
    make_directory(out)
    door = _RestDoor(api_url, {"Authorization": f"Bearer {api_key}"})
    clock = _clock_of(door)
    real = clock.mode == "real"
    if real and speed != 1.0:
        raise BadInput("--speed: a service on the real clock is played at speed 1 only")
    start = clock.now.replace(second=0, microsecond=0)
    if real or start < clock.now:
        start += timedelta(minutes=1)
    world = World(known, start=start)
    try:
        played = asyncio.run(_play(world, door, ocpp_url, spoken, real=real))
    except httpx.HTTPError as error:
        raise Unavailable(f"{api_url}: {error or type(error).__name__}") from None
    outcome = write_report(
        out, played.truth, known, played.service, days=world.days, language=spoken
    )
    show_report(outcome.report, spoken, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _RestDoor:
    url: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Played:
    truth: Truth
    service: ServiceView


class _Clock(msgspec.Struct):
    mode: Literal["real", "simulated"]
    now: datetime


def _clock_of(door: _RestDoor) -> _Clock:
    """Returns how the service's clock goes and where it stands.

    Raises:
        BadInput: if the address or the key is wrong.
        Unavailable: if nobody answers.
    """
    try:
        with httpx.Client(base_url=door.url, headers=door.headers) as api:
            answer = api.get(f"{API}/clock")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        allowed = f"--api-url: {door.url} is no address of a service; allowed is http://HOST:PORT"
        raise BadInput(allowed) from None
    except UnicodeError:
        raise BadInput("--api-key: no key has such characters") from None
    except httpx.HTTPError as error:
        raise Unavailable(f"{door.url}: {error or type(error).__name__}") from None
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise BadInput(f"--api-key: {door.url} does not take it as an admin's")
    if answer.status_code == HTTPStatus.OK:
        with suppress(msgspec.MsgspecError):
            return msgspec.json.decode(answer.content, type=_Clock)
    detail = f"GET {API}/clock: {answer.status_code} {answer.text[:100]}"
    raise BadInput(f"--api-url: {door.url} is no Heliofleet: {detail}")


async def _play(
    world: World, door: _RestDoor, ocpp_url: str, language: Language, *, real: bool
) -> _Played:
    async with httpx.AsyncClient(base_url=door.url, headers=door.headers, timeout=120.0) as api:
        pacer = WaitingPacer(RealClock()) if real else SteppingPacer(api, world.start)
        with progress_bar("simulate", world.days * 24 * 60) as show:
            truth = await play(
                world,
                pacer=pacer,
                api=api,
                connect=websocket_door(ocpp_url),
                progress=show,
                upload=by_http(),
            )
        return _Played(truth, await view_of(api, truth.grid.end, language))
