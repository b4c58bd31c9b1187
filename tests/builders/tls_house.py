"""A house with REST and both station doors, and simulated stations that come to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from csms.certificates import CertificateAuthority
from models.clocks import RealClock
from models.tables.energy import Site
from simulators.checks import Checks
from simulators.credentials import secure_door
from simulators.line import Line
from simulators.station import Station
from tests.builders.pki import Pki
from tests.builders.rest_house import RestHouse, rest_house
from tests.builders.stations import a_kind
from tests.builders.waiting import eventually


class Box:
    """A simulated station that speaks whenever it has something to say."""

    def __init__(self, door: TlsHouse, identity: str, password: str, subprotocol: str) -> None:
        clock = RealClock()
        self.clock = clock
        self.station = Station(identity, a_kind(subprotocol=subprotocol), now=clock.now())
        self.station.credentials.directory = door.directory
        self.credentials = self.station.credentials
        self.checks = Checks()
        plain, tls = f"ws://127.0.0.1:{door.port}/ocpp", f"wss://127.0.0.1:{door.tls_port}/ocpp"
        self.line = Line(
            self.station,
            connect=secure_door(self.credentials, plain_url=plain, tls_url=tls),
            password=password,
            now=clock.now,
            checks=self.checks,
        )
        self.station.boot("PowerUp", clock.now())
        self.running = asyncio.create_task(self._run())

    def go_on(self) -> None:
        self.running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            if not self.line.connected:
                await self.line.dial()
            if self.line.connected:
                await self.line.drain()
                await self.line.do_reset()
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.line.hang_up()


class TlsHouse:
    """The house, its ports, and the authority of its server certificate."""

    def __init__(self, house: RestHouse, pki: Pki, directory: Path, port: int, tls: int) -> None:
        self.house = house
        self.pki = pki
        self.directory = directory
        self.port = port
        self.tls_port = tls
        self.boxes: list[Box] = []

    async def box(
        self, identity: str, subprotocol: str = "ocpp1.6", *, profile: int = 1, **fields: Any
    ) -> Box:
        """Creates a station and lets it come on a profile; it trusts our server."""
        async with self.house.db.read() as session:
            sites = await session.scalar(sa.select(sa.func.count()).select_from(Site))
        if not sites:
            await self.house.site(id="A", name="A")
        made = await self.house.station(identity, "A", security_profile=profile, **fields)
        box = Box(self, identity, made["password"], subprotocol)
        box.credentials.profile = profile
        if profile > 1:
            box.credentials.install("csms", self.pki.ca.read_text())
        self.boxes.append(box)
        await eventually(lambda: box.line.online)
        return box

    async def certificates(self, identity: str) -> list[dict[str, Any]]:
        return (await self.house.get(f"/stations/{identity}/certificates"))["items"]

    async def certificate(self, identity: str, status: str) -> dict[str, Any]:
        """Returns the newest certificate once it stands so."""
        found: list[dict[str, Any]] = []

        async def stands() -> bool:
            found[:] = await self.certificates(identity)
            return bool(found) and found[0]["status"] == status

        await eventually(stands)
        return found[0]


@asynccontextmanager
async def tls_house(
    url: str, directory: Path, *, outside: CertificateAuthority | None = None, **more: Any
) -> AsyncIterator[TlsHouse]:
    """Runs the house with both doors on ports of their own.

    Args:
        url: of a migrated database.
        directory: for keys.
        outside: who signs certificates; None: the house.
        more: settings.
    """
    pki = Pki(directory / "pki")
    certificate, key = pki.server("ec")
    settings = {
        "ocpp_tls_port": 0,
        "ocpp_tls_certificate": [certificate],
        "ocpp_tls_key": [key],
    }
    async with rest_house(url, settings=settings | more, outside=outside) as house:
        port = await house.gateway.start("127.0.0.1", 0)
        tls = await house.gateway.start_tls("127.0.0.1", 0)
        door = TlsHouse(house, pki, directory, port, tls)
        try:
            yield door
        finally:
            for box in door.boxes:
                await box.stop()
