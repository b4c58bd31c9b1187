"""Staff: somebody at a site who moves cars between its EVSEs, as the service asks.

Who is there looks every five minutes at what is to be done, fetches all cars whose time has come,
and then plugs each in where it is wanted. Where that is taken the car goes back, and is tried again
at the next look; what has not worked out in time is refused. Cars that somebody else has moved or
driven away are left alone: the next plan knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal

from simulators.scorecard import MoveTruth
from simulators.service import MoveAsked, Service
from simulators.vehicle import Car
from simulators.world import World

LOOKS_EVERY, LOOKS_AFTER = timedelta(minutes=5), timedelta(minutes=3)
"""The first look is when a new plan is out."""
PATIENCE = timedelta(minutes=15)
"""So long after its time a move is tried again."""

Plug = tuple[str, int]


class Crew:
    """All staff of a world."""

    def __init__(
        self, world: World, service: Service, speak: Callable[[], Awaitable[None]]
    ) -> None:
        """Takes the world, the service, and what lets all stations say what they have to say."""
        self._world = world
        self._service = service
        self._speak = speak
        self._prices = {
            site.id: site.staff.move_price
            for site in world.scenario.sites
            if site.staff is not None
        }

    async def look(self) -> bool:
        """Does at each site what is to be done now; returns whether anything was."""
        moved = False
        for site_id in self._prices:
            moved = await self._look_at(site_id) or moved
        return moved

    async def _look_at(self, site_id: str) -> bool:
        now = self._world.now
        asked = [each for each in await self._service.open_moves(site_id) if each.from_at <= now]
        fetched = [
            (each, car)
            for each in asked
            for car in [self._world.cars.get(each.vehicle_id)]
            if car is not None and car.site_id == site_id and car.plug == plug_of(each.from_evse)
        ]
        for _, car in fetched:
            self._world.unplug(car)
        if not fetched:
            return False
        await self._speak()
        # Who goes nowhere is out of the way at once, whoever goes somewhere first has the place.
        for each, car in fetched:
            await self._bring(each, car)
        return True

    async def _bring(self, asked: MoveAsked, car: Car) -> None:
        world, wanted = self._world, plug_of(asked.to_evse)
        if wanted is not None and not self._plug(car, wanted):
            if asked.from_evse is not None:
                self._plug(car, plug_of(asked.from_evse))
            await self._speak()
            if world.now >= asked.to_at + PATIENCE:
                note = f"{asked.to_evse} is not free"
                if await self._service.move_refused(asked, note):
                    self._note(asked, "refused")
            return
        await self._speak()
        # The station may have told before, and the plan have taken the move as done.
        await self._service.move_done(asked)
        await self._service.seen(car, world.now)
        self._note(asked, "made")

    def _plug(self, car: Car, where: Plug | None) -> bool:
        """Plugs a car in if that EVSE is free; returns whether it was."""
        assert car.site_id is not None
        if where is None or self._world.free_evse(car.site_id, _name(where)) != where:
            return False
        self._world.plug(car, where)
        return True

    def _note(self, asked: MoveAsked, outcome: Literal["made", "refused"]) -> None:
        price = self._prices[asked.site_id] if outcome == "made" else 0.0
        self._world.ledger.moves.append(
            MoveTruth(
                site_id=asked.site_id,
                vehicle_id=asked.vehicle_id,
                from_evse=asked.from_evse,
                to_evse=asked.to_evse,
                at=self._world.now,
                outcome=outcome,
                price=price,
            )
        )


def is_looked_at(past: timedelta) -> bool:
    """Returns whether staff looks so long after the start of a world."""
    return past % LOOKS_EVERY == LOOKS_AFTER


def plug_of(evse: str | None) -> Plug | None:
    """Returns station and EVSE of a name, as `IDENTITY/EVSE`."""
    if evse is None:
        return None
    identity, _, number = evse.rpartition("/")
    return identity, int(number)


def _name(plug: Plug) -> str:
    return f"{plug[0]}/{plug[1]}"
