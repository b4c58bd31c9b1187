"""`heliofleet serve`: the service, with both doors open until it is told to stop.

SIGTERM and SIGINT drain: nobody new comes in, what was said is answered, sockets close with 1012,
and the process ends within ten seconds. SIGHUP reads the files of the TLS certificates anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import sqlalchemy as sa
import typer
import uvicorn
import uvloop

from csms import log
from csms.app import House, Times, calm_collector, real_times, stepped_times, take_short_turns
from csms.commands.options import ConfigFile, settings_of
from csms.config import Settings
from csms.keyring import Keyring
from csms.ledger import migrate
from csms.ledger.database import Database
from csms.ledger.lock import ServeLock
from models.errors import BadInput, FleetError
from models.tables.ledger import HouseFact
from models.timeline import parse_rfc3339

DRAIN_S = 8.0
CLOCK_FACT = "clock"


class PortTaken(FleetError):
    """The HTTP port can't be listened on."""

    code = "port-taken"


def serve(  # noqa: PLR0917 - each is an option of the command line
    host: Annotated[str | None, typer.Option(help="Address of both doors.")] = None,
    http_port: Annotated[int | None, typer.Option(help="Port of REST and pages.")] = None,
    ocpp_port: Annotated[int | None, typer.Option(help="Port for charging stations.")] = None,
    clock: Annotated[
        str, typer.Option(help="real, or simulated: stands still until POST /api/v1/clock.")
    ] = "real",
    start: Annotated[
        str | None, typer.Option(help="Where a simulated clock begins, as RFC 3339.")
    ] = None,
    config_file: ConfigFile = None,
) -> None:
    """Run the service.

    Example: heliofleet serve --http-port 8080 --ocpp-port 9000
    """
    settings = settings_of(config_file, host=host, http_port=http_port, ocpp_port=ocpp_port)
    times_of = _times(settings, clock, start)
    log.configure(settings.log_level, settings.log_format)
    with _held(settings):
        _bring_schema_up_to_date(settings)
        with ThreadPoolExecutor(2, "heliofleet-argon2") as workers:
            keyring = Keyring.load(settings.key_file, workers=workers)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_run(settings, times_of, keyring))


class _TimesOf:
    """Makes the clocks once the event loop runs."""

    def __init__(self, mode: Literal["real", "simulated"], start: datetime | None) -> None:
        self.mode: Literal["real", "simulated"] = mode
        self._start = start

    def __call__(self) -> Times:
        return real_times() if self._start is None else stepped_times(self._start)


def _times(settings: Settings, clock: str, start: str | None) -> _TimesOf:
    if clock == "real":
        if start is not None:
            raise BadInput("--start goes with --clock simulated")
        return _TimesOf("real", None)
    if clock != "simulated":
        raise BadInput(f"--clock: {clock} is no clock; allowed are real, simulated")
    if settings.host not in ("127.0.0.1", "::1", "localhost"):
        raise BadInput("--clock simulated listens on loopback only; set --host 127.0.0.1")
    if start is None:
        raise BadInput("--clock simulated needs --start, as 2026-06-15T00:00:00Z")
    try:
        return _TimesOf("simulated", parse_rfc3339(start).astimezone(UTC))
    except ValueError as error:
        raise BadInput(f"--start: {error}") from None


@contextmanager
def _held(settings: Settings) -> Generator[None]:
    """One serve for one SQLite file."""
    if not settings.database_url.startswith("sqlite:///"):
        yield
        return
    with ServeLock(Path(settings.database_url.removeprefix("sqlite:///"))):
        yield


def _bring_schema_up_to_date(settings: Settings) -> None:
    if settings.database_url.startswith("sqlite"):
        migrate.upgrade(settings.database_url)
    migrate.check(settings.database_url)


def _listen(settings: Settings) -> socket.socket:
    """Takes the HTTP port before anything else starts, so that a taken one costs nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.http_port))
    except OSError as error:
        listener.close()
        place = f"{settings.host}:{settings.http_port}"
        raise PortTaken(f"can't listen on {place}: {error.strerror or error}") from None
    return listener


def _with_public_url(settings: Settings, http_port: int) -> Settings:
    """Says where stations reach us, where that can be known without being told."""
    if settings.public_url is not None or settings.host in {"0.0.0.0", "::", ""}:  # noqa: S104
        return settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.model_copy(update={"public_url": f"http://{host}:{http_port}"})


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: `serve` owns them."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leaves signals to `serve`."""
        yield


async def _run(settings: Settings, times_of: _TimesOf, keyring: Keyring) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    listener = _listen(settings)
    settings = _with_public_url(settings, listener.getsockname()[1])
    try:
        house = House(settings, times_of(), keyring)
        await _check_clock(house.db, times_of.mode)
        await house.start()
        doors = await _open_doors(house, settings)
    except BaseException:
        listener.close()
        raise
    server = _Server(
        # httptools takes the body of a request that offers HTTP/2 (Upgrade: h2c) for the next one.
        uvicorn.Config(house.api, http="h11", log_config=None, lifespan="off", access_log=False)
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    calm_collector()
    take_short_turns()
    while not server.started and not serving.done():  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.01)
    http_port = listener.getsockname()[1]
    sys.stdout.write(f"http://{settings.host}:{http_port} REST, pages and live events\n")
    for scheme, port in doors:
        sys.stdout.write(f"{scheme}://{settings.host}:{port}/ocpp charging stations\n")
    sys.stdout.flush()
    await stopping.wait()
    server.should_exit = True
    house.api.state.streams.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(serving, 3.0)
    await house.stop(timeout_s=DRAIN_S - 3.0)


async def _open_doors(house: House, settings: Settings) -> list[tuple[str, int]]:
    """Lets stations in; returns the scheme and port of each door."""
    gateway, doors = house.gateway, list[tuple[str, int]]()
    if not settings.ocpp_tls_only:
        doors.append(("ws", await gateway.start(settings.host, settings.ocpp_port)))
    if settings.ocpp_tls_port is not None:
        doors.append(("wss", await gateway.start_tls(settings.host, settings.ocpp_tls_port)))
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.reload_certificates)
    return doors


async def _check_clock(db: Database, mode: Literal["real", "simulated"]) -> None:
    """A database belongs to one kind of clock for ever: simulated days must not pass for real."""
    times = real_times()
    await db.start()
    async with db.write(times.clock, times.ids) as work:
        fact = await work.session.get(HouseFact, CLOCK_FACT)
        if fact is None:
            used = await work.session.scalar(sa.text("SELECT count(*) FROM event"))
            if used and mode == "simulated":
                raise BadInput("this database has lived on the real clock; take another one")
            work.session.add(HouseFact(name=CLOCK_FACT, value={"mode": mode}))
        elif fact.value["mode"] != mode:
            raise BadInput(
                f"this database is marked {fact.value['mode']} for ever; take another one"
            )
