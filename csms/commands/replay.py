"""`heliofleet replay`: whole days of the whole house in virtual time, in one process.

Gateway, ledger, planner and REST are the real ones; only the transports are memory. The same seed
gives the same bytes of `report.json`; what differs from run to run goes to `timings.json`.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from pydantic import SecretStr

from csms import log
from csms.app import House, calm_collector, virtual_times
from csms.commands.options import DEFAULT_OUT, AsJson, OutDirectory
from csms.commands.playing import WaitingPacer, everything, progress_bar, view_of
from csms.commands.report.figures import ServiceView, write_json
from csms.commands.report.page import show_report
from csms.commands.report.writing import make_directory, write_report
from csms.config import Settings
from csms.gateway.memory import HandshakeRefused, basic
from csms.keyring import Keyring
from csms.ledger import migrate
from models.errors import BadInput
from models.virtual_loop import run_virtually
from scheduler.options import PlanOptions
from simulators.driver import play
from simulators.link import Caller, Link, LinkRefused
from simulators.scenario import load_scenario
from simulators.scorecard import Truth
from simulators.world import World

PLANNERS = ("plan", "uncontrolled", "surplus", "perfect_foresight")
_KEY = "replay-" + "0" * 32  # opens a service that lives in this process only


def replay(  # noqa: PLR0917 - each is an option of the command line
    scenario: Annotated[str, typer.Argument(help="Name of a shipped scenario, or a TOML file.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Default: the scenario's.")] = None,
    planner: Annotated[str, typer.Option(help=f"One of {', '.join(PLANNERS)}.")] = "plan",
    faults: Annotated[str, typer.Option(help="Names, separated by commas.")] = "",
    quirks: Annotated[str, typer.Option(help="Names, separated by commas, or all.")] = "",
    out: OutDirectory = DEFAULT_OUT,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Play whole days of a scenario in memory, faster than life.

    Example: heliofleet replay confluence --days 7 --seed 1 --faults late-return,dead-station
    """
    if planner not in PLANNERS:
        raise BadInput(f"--planner: {planner} is no planner; allowed are {', '.join(PLANNERS)}")
    known = load_scenario(scenario)
    world = World(known, seed=seed, days=days, faults=_names(faults), quirks=_names(quirks))
    make_directory(out)
    log.configure("warning", "text")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    began_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="heliofleet-", dir=_fast_directory()) as folder:
        settings = Settings(
            database_url=f"sqlite:///{folder}/replay.db",
            bootstrap_api_key=SecretStr(_KEY),
            node_name="replay",
        )
        migrate.upgrade(settings.database_url)
        calm_collector()
        run = _Run(world, settings, planner=planner, minutes=days * 24 * 60)
        run_virtually(run.play())
    outcome = write_report(
        out, run.truth, known, run.service, days=days, planner=planner, plans=run.plans
    )
    timings = {
        "wall_seconds": time.perf_counter() - began_s,
        "solve_seconds": {
            "median": statistics.median(run.solve_seconds or [0.0]),
            "max": max(run.solve_seconds or [0.0]),
        },
        "plans": len(run.solve_seconds),
    }
    (out / "timings.json").write_bytes(write_json(timings))
    show_report(outcome.report, as_json=as_json)
    typer.echo(str(out / "report.html"), err=as_json)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _fast_directory() -> str | None:
    """A folder in memory where there is one: a replay's database lives as long as the command."""
    memory = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    return str(memory) if memory.is_dir() else None


class _Run:
    """One run; holds what is left of it when the house is gone."""

    truth: Truth
    service: ServiceView

    def __init__(self, world: World, settings: Settings, *, planner: str, minutes: int) -> None:
        self._world = world
        self._settings = settings
        self._planner = planner
        self._minutes = minutes
        self.plans: list[dict[str, Any]] = []
        self.solve_seconds: list[float] = []

    async def play(self) -> None:
        """Builds the house around the world, plays, and asks it what it knows."""
        world = self._world
        times = virtual_times(world.start, world.seed)
        house = House(
            self._settings,
            times,
            Keyring.load(self._settings.key_file),
            controlled=self._planner != "uncontrolled",
            options=PlanOptions(follow_sun=self._planner == "surplus"),
        )
        await house.start()

        async def connect(
            caller: Caller, subprotocols: tuple[str, ...], password: str | None
        ) -> Link:
            header = None if password is None else basic(caller.user, password)
            try:
                return await house.gateway.connect_memory(caller.path, subprotocols, header)
            except HandshakeRefused as refused:
                raise LinkRefused(str(refused)) from None

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(house.api),
            base_url="http://replay",
            headers={"Authorization": f"Bearer {_KEY}"},
            timeout=1e9,
        ) as api:
            with progress_bar("replay", self._minutes) as show:
                self.truth = await play(
                    world,
                    pacer=WaitingPacer(times.clock),
                    api=api,
                    connect=connect,
                    progress=show,
                    foresight=self._planner == "perfect_foresight",
                )
            self.service = await view_of(api)
            self.plans = await everything(api, "/plans")
        self.solve_seconds = list(house.planner.solve_seconds)
        await house.stop()
