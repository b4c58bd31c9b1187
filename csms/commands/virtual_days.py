"""Whole days of the whole house in virtual time, in this process: what `replay` plays.

Gateway, ledger, planner and REST are the real ones; only the transports are memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from csms.app import House, calm_collector, virtual_times
from csms.commands.inside import InsideClient
from csms.commands.playing import WaitingPacer, everything, view_of
from csms.commands.report.figures import ServiceView
from csms.config import Settings
from csms.gateway.memory import HandshakeRefused, basic
from csms.keyring import Keyring
from csms.ledger import migrate
from csms.ledger.fast_folder import fast_directory
from models.virtual_loop import run_virtually
from scheduler.explaining.words import Language
from scheduler.options import PlanOptions
from simulators.driver import play
from simulators.faults import solver_deaths
from simulators.link import Caller, Link, LinkRefused
from simulators.scorecard import Truth
from simulators.world import World

_KEY = "replay-" + "0" * 32  # opens a service that lives in this process only


@dataclass(frozen=True, slots=True)
class Played:
    """What is left of days when the house is gone."""

    truth: Truth
    service: ServiceView
    plans: list[dict[str, Any]]
    solve_seconds: list[float]


def play_days(
    world: World, planner: str, show: Callable[[float], None], language: Language = "en"
) -> Played:
    """Plays a world against a house of its own.

    Args:
        world: freshly built.
        planner: one of `csms.commands.replay.PLANNERS`.
        show: told the share that is done.
        language: of the reasons that the service gives.
    """
    with tempfile.TemporaryDirectory(prefix="heliofleet-", dir=fast_directory()) as folder:
        settings = Settings(
            database_url=f"sqlite:///{folder}/replay.db",
            bootstrap_api_key=SecretStr(_KEY),
            node_name="replay",
        )
        migrate.upgrade(settings.database_url)
        calm_collector()
        return run_virtually(_play(world, settings, planner, show, language))


async def _play(
    world: World,
    settings: Settings,
    planner: str,
    show: Callable[[float], None],
    language: Language,
) -> Played:
    """Builds the house around the world, plays, and asks it what it knows."""
    times = virtual_times(world.start, world.seed)
    house = House(
        settings,
        times,
        Keyring.load(settings.key_file),
        controlled=planner != "uncontrolled",
        options=PlanOptions(follow_sun=planner == "surplus"),
        solver_dies=solver_deaths(world.faults, world.seed),
    )
    await house.start()

    async def connect(caller: Caller, subprotocols: tuple[str, ...], password: str | None) -> Link:
        header = None if password is None else basic(caller.user, password)
        try:
            return await house.gateway.connect_memory(caller.path, subprotocols, header)
        except HandshakeRefused as refused:
            raise LinkRefused(str(refused)) from None

    key = {"Authorization": f"Bearer {_KEY}"}
    async with InsideClient(house.api, name="replay", headers=key) as api:
        truth = await play(
            world,
            pacer=WaitingPacer(times.clock),
            api=api,
            connect=connect,
            progress=show,
            foresight=planner == "perfect_foresight",
            planned=planner in ("plan", "perfect_foresight"),
        )
        service = replace(
            await view_of(api, truth.grid.end, language),
            planned=dict(sorted(house.planner.levels.items())),
            violations=house.planner.violations,
        )
        plans = await everything(api, "/plans")
    solve_seconds = list(house.planner.solve_seconds)
    await house.stop()
    return Played(truth, service, plans, solve_seconds)
