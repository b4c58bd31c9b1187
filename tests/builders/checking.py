"""A house that checks stations, and a simulated one on a real socket, with a car or without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from csms.checks.reactions.checker import Checker
from csms.checks.reactions.talk import Pace
from csms.stations.reactions import StationHost
from models.tables.charging import ChargingLimit
from simulators.odd_station import OddStation
from tests.builders.planners import keep_limits
from tests.builders.played_line import PlayedLine
from tests.builders.rest_house import RestHouse, rest_house
from tests.builders.stations import a_car, a_kind
from tests.builders.waiting import until

ADDRESS = "/stations/ST-1/checks"
PACE = Pace(
    look_every=timedelta(milliseconds=20),
    trigger_every=timedelta(milliseconds=60),
    say_within=timedelta(seconds=2),
    obey_within=timedelta(seconds=2),
    rise_within=timedelta(seconds=2),
)
TOKEN = "04AABBCC"


class Checking:
    """The house, its checker, the box and its line."""

    def __init__(
        self, house: RestHouse, box: OddStation, line: PlayedLine, checker: Checker
    ) -> None:
        self.house = house
        self.box = box
        self.line = line
        self.checker = checker
        self.dials = True

    async def live(self) -> None:
        """Plays the station, as its driver would."""
        while True:
            now = self.house.clock.now()
            self.box.advance(now)
            self.box.speak_up(now)
            if self.dials and not self.line.connected:
                await self.line.dial()
            if self.line.due():
                await self.line.drain()
            await asyncio.sleep(0.005)

    async def charge(self, **car: Any) -> None:
        """Plugs a car in and has it charge."""
        now = self.house.clock.now()
        self.box.plug(1, a_car(token=TOKEN, **car), now)
        assert self.box.remote_start(1, TOKEN, None, now)
        await until(
            lambda: self.house.get("/transactions", station="ST-1"),
            lambda page: page["items"] and self.box.evses[1].power_w > 0,
        )

    async def begin(self, status: int = 201, **body: Any) -> Any:
        """Asks for a check."""
        return await self.house.post(ADDRESS, body, status)

    async def until(self, check_id: str, *states: str) -> Any:
        """Returns the check once it is in one of these states."""
        return await until(
            lambda: self.house.get(f"{ADDRESS}/{check_id}"), lambda shown: shown["state"] in states
        )

    async def check(self, **body: Any) -> Any:
        """Has the station checked; returns the check once it is over."""
        begun = await self.begin(**body)
        return await self.until(begun["id"], "done", "cancelled", "broken-off")

    async def limits(self) -> list[ChargingLimit]:
        """Returns the limits of transactions, oldest first."""
        query = sa.select(ChargingLimit).where(ChargingLimit.purpose == "transaction")
        async with self.house.db.read() as session:
            return list(await session.scalars(query.order_by(ChargingLimit.created_at)))


def states(check: Any) -> dict[str, str]:
    """Returns how each step of a check has ended."""
    return {each["step"]: each["state"] for each in check["steps"]}


def codes(check: Any) -> set[str]:
    """Returns what was found."""
    return {each["code"] for each in check["findings"]}


@asynccontextmanager
async def checking(
    url: str,
    version: str,
    *quirks: str,
    car: bool = True,
    record: tuple[str, ...] = (),
    pace: Pace = PACE,
    **kind: Any,
) -> AsyncIterator[Checking]:
    """Runs the house and the station, which has booted and holds its safe limit.

    Args:
        url: of a migrated database.
        version: the subprotocol.
        quirks: of the box.
        car: whether one charges.
        record: the quirks on the station's record.
        pace: of the checker.
        kind: what is different about the box.
    """
    a_box = {"evses": 1, "reaction_s": 0.2, "safe_limit_w": 3000.0, "phases": 1, **kind}
    async with rest_house(url) as house:
        parts: dict[str, Any] = {"db": house.db, "clock": house.clock, "ids": house.services.ids}
        bus = house.services.bus
        host = StationHost(**parts)
        checker = Checker(
            **parts,
            activity=house.activity,
            station_changed=house.gateway.station_changed,
            pace=pace,
        )
        await keep_limits(house)
        await checker.start()
        bus.subscribe("stations", host.follows, host.heard)
        bus.subscribe("checks", checker.follows, checker.heard)
        port = await house.gateway.start("127.0.0.1", 0)
        await house.site(id="A")
        await house.post("/id-tokens", {"id_token": TOKEN, "type": "ISO14443"})
        box_kind = a_kind(subprotocol=version, **a_box)
        evse = {
            "evse_id": 1,
            "max_power_w": box_kind.max_power_w,
            "phases": box_kind.phases,
            "connectors": [{"connector_id": 1}],
        }
        made = await house.station(
            "ST-1", "A", evses=[evse], safe_limit_w=box_kind.safe_limit_w, quirks=list(record)
        )
        now = house.clock.now
        box = OddStation("ST-1", box_kind, now=now(), quirks=frozenset(quirks), meter_every_s=30)
        line = PlayedLine(box, port, made["password"], now=now)
        it = Checking(house, box, line, checker)
        box.boot("PowerUp", now())
        async with line.played(it.live):
            try:
                await _settled(it)
                if car:
                    await it.charge()
                yield it
            finally:
                await checker.stop()


_ANSWERED = (["accepted"], ["obeyed"], ["rejected"])
"""What the newest safe limit may have come to."""


async def _settled(it: Checking) -> None:
    """Returns once the safe limit was answered."""
    query = sa.select(ChargingLimit.state).where(ChargingLimit.purpose == "default")

    async def states() -> list[str]:
        async with it.house.db.read() as session:
            return list(await session.scalars(query))

    await until(states, lambda found: found[-1:] in _ANSWERED)
