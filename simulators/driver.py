"""Plays a world against a service: the same town over real sockets or within one process.

The world moves first, minute by minute; then the service's time is brought to the same instant,
then people and stations speak. What the service asks of a station meanwhile is done at the
instant at which the world stands. Everything happens in one order: stations speak at once but
each in its own order, people one after the other. No clock is read and no number drawn here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import httpx

from simulators.errands import Errands
from simulators.foresight import EVERY, tell_future
from simulators.founding import begins_day, found, push_prices
from simulators.happenings import (
    Asks,
    Breaks,
    CallsOff,
    Departs,
    Happening,
    PlugsIn,
    Returns,
)
from simulators.line import Line
from simulators.link import Connect
from simulators.logs import Upload
from simulators.scorecard import Truth
from simulators.service import Service, SetupFailed
from simulators.staff import Crew, is_looked_at
from simulators.world import MINUTE, World

ASKED_EVERY, ASKED_AFTER = timedelta(minutes=5), timedelta(minutes=2)
"""How often those who run batteries ask for the plan: the first time when a new one is out."""
SETTLING_ROUNDS = 4
"""How often, within one instant, stations may answer what the service asked in answer to them."""


class Pacer(Protocol):
    """Brings the service's life time forward."""

    def now(self) -> datetime:
        """Returns the service's present instant."""
        ...

    async def until(self, when: datetime) -> None:
        """Returns when the service stands at `when` (or later) and has nothing under way."""
        ...


class _Player:
    """One run."""

    def __init__(
        self,
        world: World,
        *,
        pacer: Pacer,
        api: httpx.AsyncClient,
        connect: Connect,
        foresight: bool,
        planned: bool,
        upload: Upload | None,
    ) -> None:
        self.upload = upload
        self.planned = planned
        self.world = world
        self.foresight = foresight
        self.pacer = pacer
        self.service = Service(api, world.checks)
        self.connect = connect
        self.lines: dict[str, Line] = {}
        self.errands = Errands(world, self.service, self.speak)
        self.crew = Crew(world, self.service, self.speak)

    async def begin(self) -> None:
        """Founds the town, starts all stations, and plugs all cars in."""
        world = self.world
        passwords = await found(world, self.service)
        if self.foresight:
            await tell_future(world, self.service)
        await self.run_batteries()
        await self.pacer.until(world.now)
        for identity, station in world.stations.items():
            station.boot("PowerUp", world.now)
            self.lines[identity] = Line(
                station,
                connect=self.connect,
                password=passwords[identity],
                now=self._now,
                checks=world.checks,
                upload=self.upload,
            )
        await self.dial()
        if self.lines and not any(line.connected for line in self.lines.values()):
            reason = next(iter(self.lines.values())).refused
            raise SetupFailed(f"no station can connect: {reason}")
        await self.settle()
        for car in world.cars.values():
            assert car.site_id is not None
            where = world.free_evse(car.site_id, None)
            if where is not None:
                world.plug(car, where)
            await self.service.seen(car, world.now)
        await self.settle()

    async def minute(self) -> None:
        """Plays one minute."""
        world = self.world
        world.advance(world.now + MINUTE)
        await self.pacer.until(world.now)
        await self.dial()
        for station in world.stations.values():
            station.speak_up(world.now)
        await self.speak()
        if (world.now - world.start) % timedelta(
            minutes=world.scenario.measure_every_minutes
        ) == timedelta(0):
            for site_id, values in world.measure().items():
                await self.service.measured(site_id, world.now, values)
        if (world.now - world.start) % ASKED_EVERY == ASKED_AFTER:
            await self.run_batteries()
        if begins_day(world, world.now) and world.now < world.end:
            await push_prices(world, self.service)
        if self.foresight and not (world.now - world.start) % EVERY and world.now < world.end:
            await tell_future(world, self.service)
        happenings = world.due()
        for happening in happenings:
            await self.happen(happening)
        moved = is_looked_at(world.now - world.start) and await self.crew.look()
        if happenings or moved:
            await self.settle()

    async def happen(self, happening: Happening) -> None:
        """Plays one thing that somebody or something does."""
        match happening:
            case Asks():
                await self.errands.ask(happening)
            case CallsOff():
                await self.errands.call_off(happening)
            case Departs():
                await self.errands.depart(happening)
            case Returns():
                await self.errands.come_back(happening)
            case PlugsIn():
                await self.errands.plug_in(happening)
            case Breaks():
                await self.break_off(happening)

    async def run_batteries(self) -> None:
        """Reports the batteries that follow the plan, and asks what they are to do."""
        for site_id, battery in self.world.batteries.items():
            if self.planned and battery.spec.follows == "plan":
                await self.service.battery_state(site_id, self.world.now, battery)
                battery.follow(await self.service.battery_schedule(site_id))

    async def break_off(self, event: Breaks) -> None:
        """Begins or ends an outage of a station."""
        line = self.lines[event.outage.identity]
        self.world.break_off(event.outage, begins=event.begins)
        if event.outage.kind == "lost-connection":
            line.cut = event.begins
            if event.begins:
                await line.hang_up()
        elif event.begins:
            await line.lose_power()

    async def dial(self) -> None:
        """Connects every station that can be and is not, one after the other."""
        for line in self.lines.values():
            if not line.connected:
                await line.dial()

    async def speak(self) -> None:
        """Lets all stations say what they have to say: at once, each in its own order."""
        due = [line for line in self.lines.values() if line.due()]
        if due:
            await asyncio.gather(*(line.drain() for line in due))
        for line in self.lines.values():
            await line.do_reset()

    async def settle(self) -> None:
        """Lets service and stations answer each other until nobody has more to say."""
        for _ in range(SETTLING_ROUNDS):
            await self.speak()
            await self.pacer.until(self.world.now)
            if not any(line.due() for line in self.lines.values()):
                return

    async def end(self) -> None:
        """Hangs up everywhere."""
        for line in self.lines.values():
            await line.hang_up()

    def _now(self) -> datetime:
        return self.world.now


async def play(
    world: World,
    *,
    pacer: Pacer,
    api: httpx.AsyncClient,
    connect: Connect,
    progress: Callable[[float], None] | None = None,
    foresight: bool = False,
    planned: bool = True,
    upload: Upload | None = None,
) -> Truth:
    """Plays a world against a service and returns what really happened.

    Args:
        world: freshly built.
        pacer: moves the service's time.
        api: on the service's base URL, with a key that may set it up.
        connect: opens a station's link.
        progress: told the share that is done, after each minute.
        foresight: whether the service is told the sun and load that will come.
        planned: whether it makes plans that a battery can follow.
        upload: how stations bring their logs; None: they refuse to.

    Raises:
        SetupFailed: if the service will not take the scenario.
    """
    player = _Player(
        world,
        pacer=pacer,
        api=api,
        connect=connect,
        foresight=foresight,
        planned=planned,
        upload=upload,
    )
    try:
        await player.begin()
        while world.now < world.end:
            await player.minute()
            if progress is not None:
                progress((world.now - world.start) / (world.end - world.start))
    finally:
        await player.end()
    return world.truth()
