"""The server dies while cars charge as fast as their plan lets them, and no fuse trips.

A real `serve` on a stepped clock, stations over real sockets. It is killed in the middle of a plan;
the town lives on for half a day without it. What the boxes hold must be enough: the rest of the
plan's four hours, and then the safe limit that they keep by themselves.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from csms.commands.playing import SteppingPacer
from models.timeline import format_rfc3339
from simulators.driver import play
from simulators.link import websocket_door
from simulators.scenario import load_scenario
from simulators.world import World
from tests.builders.service import HELIOFLEET, KEY, clean_environment

CORNER = Path(__file__).parents[1] / "fixtures" / "scenarios" / "corner.toml"
ONE_CAR_W = 3_700
"""What a car draws at most: two of site north's three would do for its fuse of 8,000 W."""
PLAN_ENDS = timedelta(hours=4, minutes=15)


class Severed(httpx.AsyncHTTPTransport):
    """REST as long as the service lives; then answers of nobody."""

    alive = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.alive:
            return await super().handle_async_request(request)
        return httpx.Response(503, request=request, content=b"{}")


@dataclass
class Killer:
    """Steps the service's clock, kills it once it is time to, and goes on without it."""

    pacer: SteppingPacer
    kill: Callable[[], None]
    now_is_the_time: Callable[[datetime], bool]
    watch: Callable[[datetime], None]
    killed_at: datetime | None = None
    present: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.present = self.pacer.now()

    def now(self) -> datetime:
        return self.present

    async def until(self, when: datetime) -> None:
        self.present = when
        self.watch(when)
        if self.killed_at is None:
            await self.pacer.until(when)
            if self.now_is_the_time(when):
                self.killed_at = when
                self.kill()


def hungry(corner: str) -> str:
    """Returns the scenario with cars that are nearly empty, and energy that is worth its price."""
    for old, new in (
        ("start_soc_pct = 50", "start_soc_pct = 15"),
        ("soc_value_per_kwh = 0.15", "soc_value_per_kwh = 0.60"),
    ):
        assert old in corner
        corner = corner.replace(old, new)
    return corner


def drawn_w(world: World, site: str) -> float:
    """What all EVSEs of a site draw; stations are named after their sites."""
    return sum(
        evse.power_w
        for identity, station in world.stations.items()
        if identity.startswith(site)
        for evse in station.evses.values()
    )


@pytest.mark.timeout(300)
async def test_a_server_that_is_killed_in_the_middle_of_a_plan_trips_no_fuse(
    tmp_path: Path,
) -> None:
    scenario = tmp_path / "hungry.toml"
    scenario.write_text(hungry(CORNER.read_text()))
    world = World(load_scenario(str(scenario)))
    process = subprocess.Popen(  # noqa: ASYNC220 - nobody else waits for it
        [
            *(*HELIOFLEET, "serve", "--http-port", "0", "--ocpp-port", "0"),
            *("--clock", "simulated", "--start", format_rfc3339(world.start)),
        ],
        cwd=tmp_path,
        env=clean_environment(bootstrap_api_key=KEY, log_level="error"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    doors = [process.stdout.readline().split(" ")[0] for _ in range(2)]
    transport = Severed()
    headers = {"Authorization": f"Bearer {KEY}"}
    highest_w = {"before": 0.0, "after": 0.0}
    over_safe: list[tuple[datetime, str, float]] = []
    async with httpx.AsyncClient(
        base_url=doors[0], headers=headers, transport=transport, timeout=60
    ) as api:

        def kill() -> None:
            process.kill()
            process.wait()
            transport.alive = False

        def watch(at: datetime) -> None:
            when = "before" if killer.killed_at is None else "after"
            highest_w[when] = max(highest_w[when], drawn_w(world, "N"))
            if killer.killed_at is not None and at > killer.killed_at + PLAN_ENDS:
                over_safe.extend(
                    (at, identity, evse.power_w)
                    for identity, station in world.stations.items()
                    for evse in station.evses.values()
                    if evse.power_w > station.kind.safe_limit_w + 1
                )

        killer = Killer(
            SteppingPacer(api, world.start),
            kill=kill,
            now_is_the_time=lambda at: (
                at >= world.start + timedelta(minutes=20) and drawn_w(world, "N") > ONE_CAR_W + 100
            ),
            watch=watch,
        )
        try:
            truth = await play(
                world, pacer=killer, api=api, connect=websocket_door(doors[1]), upload=None
            )
        finally:
            process.kill()
            process.communicate()
    assert killer.killed_at is not None, f"never more than {highest_w['before']:.0f} W"
    assert world.end - killer.killed_at > timedelta(hours=6)
    assert highest_w["after"] > 2_000, "cars go on charging without us"
    assert {each.id: each.beyond_reaction_s for each in truth.circuits} == {
        "north-cars": 0.0,
        "south-main": 0.0,
        "south-cars": 0.0,
    }
    assert over_safe == []
