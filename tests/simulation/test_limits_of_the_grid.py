"""A grid operator cuts circuits of a town in mid-day: physics show that they are kept in time."""

from __future__ import annotations

import asyncio
import math
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from csms.app import House, Times, virtual_times
from csms.commands.playing import WaitingPacer
from csms.config import Settings
from csms.gateway.memory import basic
from csms.keyring import Keyring
from csms.ledger import migrate
from models.timeline import format_rfc3339
from models.virtual_loop import run_virtually
from simulators.driver import play
from simulators.link import Caller, Link
from simulators.scenario import load_scenario
from simulators.scorecard import Truth
from simulators.world import World

CORNER = Path(__file__).parents[1] / "fixtures" / "scenarios" / "corner.toml"
KEY = "cut-" + "0" * 32
SHARE_LEFT = 0.3
BEGINS_AFTER = timedelta(minutes=7)
LASTS = timedelta(minutes=90)


class Operator:
    """Cuts every circuit every two hours, without a word before; the fuses then blow sooner."""

    def __init__(self, world: World, api: httpx.AsyncClient) -> None:
        self.world = world
        self.api = api
        self.made: list[Any] = []
        self.drawn_w: list[tuple[float, float]] = []
        """Of each circuit when it was cut: what flowed, and the limit."""
        self._asked: list[asyncio.Task[None]] = []
        self._full_w = {name: each.limit_w for name, each in self._circuits.items()}

    @property
    def _circuits(self) -> dict[str, Any]:
        return self.world.fuses._circuits

    def minute(self, _: float) -> None:
        since = (self.world.now - self.world.start) % timedelta(hours=2)
        if since == BEGINS_AFTER:
            self._asked = [
                asyncio.create_task(self._cut(site.id, circuit.id))
                for site in self.world.scenario.sites
                for circuit in site.circuits
            ]
        elif since == BEGINS_AFTER + LASTS:
            for name, full_w in self._full_w.items():
                self._circuits[name].limit_w = full_w

    async def _cut(self, site_id: str, circuit_id: str) -> None:
        circuit = self._circuits[circuit_id]
        limit_w = round(SHARE_LEFT * self._full_w[circuit_id])
        drawn_w = sum(
            evse.power_w
            for name, station in self.world.stations.items()
            for evse in station.evses.values()
            if circuit in self.world.fuses._above[name]
        )
        self.drawn_w.append((drawn_w, limit_w))
        body = {
            "site_id": site_id,
            "circuit_id": circuit_id,
            "limit_w": limit_w,
            "end": format_rfc3339(self.world.now + LASTS),
            "reason": "trial",
            "source": "dso",
        }
        answer = await self.api.post("/api/v1/grid-limits", json=body)
        assert answer.status_code == 201, answer.text
        self.made.append(answer.json())
        circuit.limit_w = limit_w


class PatientPacer(WaitingPacer):
    """Lets the house end what it has begun before the town goes on: a minute is long."""

    def __init__(self, times: Times) -> None:
        super().__init__(times.clock)
        self._activity = times.activity

    async def until(self, when: datetime) -> None:
        await super().until(when)
        await self._activity.quiet()


async def _play(world: World, folder: str) -> tuple[Truth, Operator, list[Any]]:
    settings = Settings.model_validate(
        {"database_url": f"sqlite:///{folder}/cut.db", "bootstrap_api_key": KEY}
    )
    times = virtual_times(world.start, world.seed)
    house = House(settings, times, Keyring.load(settings.key_file))
    await house.start()

    async def connect(caller: Caller, subprotocols: tuple[str, ...], password: str | None) -> Link:
        header = None if password is None else basic(caller.user, password)
        return await house.gateway.connect_memory(caller.path, subprotocols, header)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(house.api),
        base_url="http://cut",
        headers={"Authorization": f"Bearer {KEY}"},
    ) as api:
        operator = Operator(world, api)
        truth = await play(
            world,
            pacer=PatientPacer(times),
            api=api,
            connect=connect,
            progress=operator.minute,
        )
        shown = [(await api.get(f"/api/v1/grid-limits/{e['id']}")).json() for e in operator.made]
    await house.stop()
    return truth, operator, shown


def played(scenario: str, hours: float, seed: int) -> tuple[Truth, Operator, list[Any]]:
    world = World(load_scenario(scenario), seed=seed, days=math.ceil(hours / 24))
    world.end = world.start + timedelta(hours=hours)
    with tempfile.TemporaryDirectory() as folder:
        migrate.upgrade(f"sqlite:///{folder}/cut.db")
        return run_virtually(_play(world, folder))


def judged(truth: Truth, operator: Operator, shown: list[Any]) -> None:
    assert any(drawn_w > limit_w for drawn_w, limit_w in operator.drawn_w), "nothing was cut"
    for circuit in truth.circuits:
        assert circuit.beyond_reaction_s == 0, circuit
    assert {each["state"] for each in shown} == {"ended"}
    assert {each["ended_why"] for each in shown} == {"over"}
    assert all(each["plan_id"] for each in shown)
    assert truth.complaints == ()
    avoidable = [each for each in truth.bookings if each.outcome == "missed"]
    assert avoidable == []


def test_circuits_are_under_a_sudden_limit_within_the_reaction_time_of_their_stations() -> None:
    judged(*played(str(CORNER), 11.75, 1))


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_so_they_are_in_the_confluence(seed: int) -> None:
    truth, operator, shown = played("confluence", 11.75, seed)
    for circuit in truth.circuits:
        if not circuit.id.startswith("denuziere"):  # where a station forgets limits
            assert circuit.beyond_reaction_s == 0, circuit
    assert operator.made
    assert shown
