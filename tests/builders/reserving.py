"""A house with REST and a keeper of reservations, and a simulated station on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from csms.gateway.limits import Limits
from csms.reservations.reactions import ReservationKeeper
from models.tables.ledger import Message
from models.timeline import format_rfc3339
from simulators.station import Station as Box
from tests.builders.played_line import PlayedLine
from tests.builders.rest_house import RestHouse, rest_house
from tests.builders.stations import a_car, a_kind

LIMITS = Limits(
    refusal_delay_s=0.0, dry_s=0.2, call_s=10.0, call_quiet_s=0.2, close_s=0.3, sweep_s=0.02
)


class Reserving:
    """The house, the station `ST-1` with two EVSEs, and the tokens CARD, SISTER and OTHER.

    CARD and SISTER have the same parent, FAMILY.
    """

    def __init__(self, house: RestHouse, box: Box, line: PlayedLine) -> None:
        self.house = house
        self.box = box
        self.line = line
        self.away = True
        """Whether the station stays away."""

    async def live(self) -> None:
        """Says what the station has to say, and lets it do what it was told."""
        while True:
            now = self.house.clock.now()
            self.box.advance(now)
            self.box.speak_up(now)
            if not self.away and not self.line.connected:
                await self.line.dial()
            if self.line.due():
                await self.line.drain()
            await self.line.do_reset()
            await asyncio.sleep(0.01)

    async def come(self) -> None:
        """Connects the station; returns once the house has heard all that it had to say."""
        await self.back()
        await self.statuses("Available", "Available")

        async def caught_up() -> bool:
            return "station.caught_up" in await self.house.events("station/ST-1")

        # What is open is sent again then, so that a wish before it would be said twice.
        await self.eventually("caught up", caught_up)
        await self.house.activity.quiet()

    async def leave(self) -> None:
        """Breaks the connection."""
        self.away = True
        await self.line.hang_up()
        await self.eventually("offline", lambda: not self.house.gateway.online("ST-1"))

    async def back(self) -> None:
        """Connects the station again."""
        self.away = False
        await self.eventually("online", lambda: self.house.gateway.online("ST-1"))

    async def eventually(self, what: str, condition: Any, seconds: float = 60) -> Any:
        """Returns what `condition` gives once it is true; it may be awaitable."""
        found: Any = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = condition()
                    if asyncio.iscoroutine(found):
                        found = await found
                    if found:
                        return found
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(
                f"never {what}; complaints: {self.line.checks.complaints}"
            ) from None

    async def statuses(self, *wanted: str) -> None:
        """Returns once the EVSEs have these statuses, in order, as the house knows them."""

        async def so() -> bool:
            shown = await self.house.get("/stations/ST-1")
            told = {
                (evse["evse_id"], plug["connector_id"]): plug["status"]
                for evse in shown["evses"]
                for plug in evse["connectors"]
            }
            return [told.get((n + 1, 1)) for n in range(len(wanted))] == list(wanted)

        await self.eventually(f"{wanted}", so)

    async def reserve(self, status: int = 201, *, seconds: float = 600.0, **fields: Any) -> Any:
        """Asks for a reservation of EVSE 1 for CARD, unless the fields say otherwise."""
        until = self.house.clock.now() + timedelta(seconds=seconds)
        body = {
            "station": "ST-1",
            "evse_id": 1,
            "id_token": "CARD",
            "expires_at": format_rfc3339(until),
            **fields,
        }
        return await self.house.post("/reservations", body, status)

    async def reserve_briefly(self) -> Any:
        """Asks for a reservation that is soon over; a slow machine needs a longer one."""
        for seconds in (4.0, 12.0, 36.0):
            until = format_rfc3339(self.house.clock.now() + timedelta(seconds=seconds))
            body = {"station": "ST-1", "evse_id": 1, "id_token": "CARD", "expires_at": until}
            answer = await self.house.http.post("/api/v1/reservations", json=body)
            if answer.status_code == 201:
                return answer.json()
        raise AssertionError(answer.text)

    async def cancel(self, reservation: Any, status: int = 200) -> Any:
        """Gives a reservation up."""
        return await self.house.post(f"/reservations/{reservation['id']}/cancel", None, status)

    async def until(self, reservation: Any, **wanted: Any) -> Any:
        """Returns a reservation once it has these values."""

        async def so() -> Any:
            shown = await self.house.get(f"/reservations/{reservation['id']}")
            return shown if wanted.items() <= shown.items() else None

        return await self.eventually(f"{wanted}", so)

    async def command(self, action: str, payload: Any, status: int = 200) -> Any:
        """Sends the station an action of its own version."""
        body = {"action": action, "payload": payload}
        return await self.house.post("/stations/ST-1/commands", body, status)

    async def said(self, action: str, direction: str = "out") -> list[Any]:
        """Returns the payloads of an action, oldest first."""
        async with self.house.db.read() as session:
            query = (
                sa.select(Message.payload)
                .where(Message.action == action, Message.direction == direction)
                .order_by(Message.id)
            )
            return [msgspec.json.decode(each) for each in await session.scalars(query)]

    async def charge(self, token: str, evse_id: int = 1) -> None:
        """Plugs a car in and holds a card to the reader."""
        now = self.house.clock.now()
        self.box.plug(evse_id, a_car(id=f"car of {token}", token=token), now)
        self.box.present(evse_id, token, now)


@asynccontextmanager
async def reserving(
    url: str, version: str, *, quirks: frozenset[str] = frozenset(), come: bool = True
) -> AsyncIterator[Reserving]:
    """Runs the house, with the station connected unless told otherwise."""
    async with rest_house(url, limits=LIMITS) as house:
        keeper = ReservationKeeper(
            db=house.db, clock=house.clock, ids=house.services.ids, activity=house.activity
        )
        await keeper.start()
        house.services.bus.subscribe("reservations", keeper.follows, keeper.heard)
        port = await house.gateway.start("127.0.0.1", 0)
        site = await house.site()
        made = await house.station("ST-1", site["id"])
        for text, parent in (("CARD", "FAMILY"), ("SISTER", "FAMILY"), ("OTHER", None)):
            body = {"id_token": text, "type": "ISO14443", "parent": parent}
            await house.post("/id-tokens", body)
        box = Box("ST-1", a_kind(subprotocol=version), now=house.clock.now(), quirks=quirks)
        line = PlayedLine(box, port, made["password"], now=house.clock.now)
        it = Reserving(house, box, line)
        box.boot("PowerUp", house.clock.now())
        try:
            async with line.played(it.live):
                if come:
                    await it.come()
                yield it
        finally:
            await keeper.stop()
