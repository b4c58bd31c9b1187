"""kill -9 of the server, again and again, under charging stations: what was acknowledged is kept.

Twenty stations charge without pause. Each remembers what it was answered, and says again on the
next connection what was not. After the last kill the database is read: every acknowledged message
must be there, and nothing twice.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from csms.ledger.database import Database
from models.tables.charging import Reading, Transaction
from models.tables.ledger import Event
from models.timeline import format_rfc3339

STATIONS = 20
DOOR = Path(__file__).with_name("station_door.py")
SERVE = ["-m", "csms.cli", "serve", "--http-port", "0", "--ocpp-port", "0"]


@dataclass
class Server:
    """The server process, and where it listens now."""

    program: list[str]
    environment: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    up: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *self.program, env=self.environment, stdout=asyncio.subprocess.PIPE
        )
        assert self.process.stdout is not None
        while not (line := await self.process.stdout.readline()).startswith(b"ws://"):
            assert line, "the server has ended by itself"
        self.url = line.split()[0].decode()
        self.up.set()

    async def kill(self) -> None:
        assert self.process is not None
        self.up.clear()
        self.process.kill()
        await self.process.communicate()


@dataclass
class Charging:
    """One transaction as its station knows it."""

    started_at: datetime
    first_wh: float
    number: int | None = None
    acknowledged: dict[datetime, float] = field(default_factory=dict)
    stopped_wh: float | None = None


class ChargingStation:
    """Charges without pause, and says again what was not answered."""

    def __init__(self, identity: str, server: Server) -> None:
        self.identity = identity
        self.charges: list[Charging] = []
        self.answers = 0
        self._server = server
        self._ids = itertools.count(1)
        self._socket: Any = None
        self._instant = datetime(2026, 6, 15, tzinfo=UTC)
        self._meter_wh = 1000.0

    async def run(self) -> None:
        while True:
            charge = Charging(self._tick(), self._meter_wh)
            self.charges.append(charge)
            start = {
                "connectorId": 1,
                "idTag": "NOBODY",
                "meterStart": int(self._meter_wh),
                "timestamp": format_rfc3339(charge.started_at),
            }
            charge.number = (await self._say("StartTransaction", start))["transactionId"]
            for _ in range(6):
                at = self._tick()
                self._meter_wh += 10
                value = {"value": str(self._meter_wh)}
                values = {
                    "connectorId": 1,
                    "transactionId": charge.number,
                    "meterValue": [{"timestamp": format_rfc3339(at), "sampledValue": [value]}],
                }
                await self._say("MeterValues", values)
                charge.acknowledged[at] = self._meter_wh
            stop = {
                "transactionId": charge.number,
                "meterStop": int(self._meter_wh),
                "timestamp": format_rfc3339(self._tick()),
            }
            await self._say("StopTransaction", stop)
            charge.stopped_wh = self._meter_wh

    def _tick(self) -> datetime:
        self._instant += timedelta(seconds=10)
        return self._instant

    async def _say(self, action: str, payload: dict[str, Any]) -> Any:
        """Says one thing until it is answered, over as many connections as it takes."""
        message_id = f"{self.identity}-{next(self._ids)}"
        while True:
            try:
                if self._socket is None:
                    await self._connect()
                answer = await self._call(message_id, action, payload)
            except (OSError, WebSocketException, TimeoutError):
                self._socket = None
                await asyncio.sleep(0.02)
            else:
                self.answers += 1
                return answer

    async def _connect(self) -> None:
        await self._server.up.wait()
        self._socket = await connect(
            f"{self._server.url}/{self.identity}",
            subprotocols=[Subprotocol("ocpp1.6")],
            open_timeout=3,
            close_timeout=0.1,
        )
        boot = {"chargePointVendor": "V", "chargePointModel": "M"}
        answer = await self._call(f"boot-{next(self._ids)}", "BootNotification", boot)
        assert answer["status"] == "Accepted"

    async def _call(self, message_id: str, action: str, payload: dict[str, Any]) -> Any:
        frame = msgspec.json.encode([2, message_id, action, payload])
        await self._socket.send(frame.decode())
        async with asyncio.timeout(5):
            while True:
                kind, answered, *rest = msgspec.json.decode(await self._socket.recv())
                if kind == 2:
                    await self._socket.send(
                        msgspec.json.encode([4, answered, "NotSupported", "", {}]).decode()
                    )
                elif answered == message_id:
                    assert kind == 3, rest
                    return rest[0]


async def kill_again_and_again(
    program: list[str], environment: dict[str, str], *, kills: int, seed: int
) -> list[ChargingStation]:
    """Returns stations that have charged through all the kills."""
    random = Random(seed)
    server = Server(program, environment)
    stations = [ChargingStation(f"K-{number}", server) for number in range(STATIONS)]
    tasks = [asyncio.create_task(station.run()) for station in stations]
    for _ in range(kills):
        await server.start()
        await _until_answered(tasks, stations, random.randint(20, 200))
        await server.kill()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return stations


async def _until_answered(
    tasks: list[asyncio.Task[None]], stations: list[ChargingStation], count: int
) -> None:
    """Returns in the midst of things, once so many more messages have been answered."""
    target = sum(station.answers for station in stations) + count
    async with asyncio.timeout(60):
        while sum(station.answers for station in stations) < target:
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.003)


async def losses(url: str, stations: list[ChargingStation]) -> list[str]:
    """Returns what was acknowledged and is not there, or is there twice."""
    db = Database.open(url)
    async with db.read() as session:
        transactions = list((await session.scalars(sa.select(Transaction))).all())
        readings = list((await session.scalars(sa.select(Reading))).all())
        events = list((await session.scalars(sa.select(Event))).all())
    await db.close()
    by_number = {(row.station, row.ocpp_transaction_id): row for row in transactions}
    kept = {(r.station, r.ocpp_transaction_id, r.measured_at): r.energy_wh for r in readings}
    wrong: list[str] = []
    for station in stations:
        mine = [row for row in transactions if row.station == station.identity]
        begun = Counter(row.started_at for row in mine)
        wrong += [f"{station.identity} began twice at {at}" for at, n in begun.items() if n > 1]
        if len(mine) > len(station.charges):
            wrong.append(f"{station.identity} has transactions that it never began")
        for charge in station.charges:
            if charge.number is None:
                continue
            key = (station.identity, str(charge.number))
            row = by_number.get(key)
            if row is None:
                wrong.append(f"{key} was acknowledged and is lost")
                continue
            for at, energy_wh in charge.acknowledged.items():
                if kept.get((*key, at)) != energy_wh:
                    wrong.append(f"{key}: the reading of {at} was acknowledged and is lost")
            if charge.stopped_wh is not None:
                if row.stopped_at is None:
                    wrong.append(f"{key}: its stop was acknowledged and is lost")
                elif row.energy_wh != charge.stopped_wh - charge.first_wh:
                    wrong.append(f"{key}: {row.energy_wh} Wh")
    told = Counter((event.type, event.subject) for event in events)
    wrong += [
        f"{kind} of {subject} was told {count} times"
        for (kind, subject), count in told.items()
        if kind in {"transaction.started", "transaction.ended"} and count > 1
    ]
    return wrong


def environment_of(url: str, directory: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HELIOFLEET_DATABASE_URL": url,
        "HELIOFLEET_STATION_ONBOARDING": "accept",
        "HELIOFLEET_SECRET_KEY_FILE": str(directory / "secret.key"),
        "HELIOFLEET_LOG_LEVEL": "error",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


def door(url: str, directory: Path, *options: str) -> list[str]:
    return [str(DOOR), url, str(directory / "secret.key"), *options]


@pytest.mark.timeout(300)
async def test_twenty_kills_lose_nothing_that_was_acknowledged_and_double_nothing(
    database_url: str, tmp_path: Path
) -> None:
    program = door(database_url, tmp_path)
    environment = environment_of(database_url, tmp_path)
    stations = await kill_again_and_again(program, environment, kills=20, seed=1)
    acknowledged = sum(len(c.acknowledged) for s in stations for c in s.charges)
    assert acknowledged > 200, "the stations hardly got a word in"
    assert await losses(database_url, stations) == []


@pytest.mark.timeout(120)
async def test_a_server_that_answers_before_it_commits_is_caught(
    sqlite_url: str, tmp_path: Path
) -> None:
    program = door(sqlite_url, tmp_path, "--hasty")
    environment = environment_of(sqlite_url, tmp_path)
    stations = await kill_again_and_again(program, environment, kills=4, seed=1)
    assert await losses(sqlite_url, stations) != []


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_twenty_kills_of_the_whole_service_lose_nothing(
    database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(database_url, tmp_path)
    stations = await kill_again_and_again(SERVE, environment, kills=20, seed=2)
    assert await losses(database_url, stations) == []
