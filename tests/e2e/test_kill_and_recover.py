"""kill -9 of the server, again and again, under charging stations: what was acknowledged is kept.

Twenty stations of two versions charge without pause. Each remembers what it was answered, and says
again on the next connection what was not. After the last kill the database is read: every
acknowledged message must be there, and nothing twice.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections import Counter
from collections.abc import Sequence
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
    ocpp_id: str | None = None
    """Once its beginning was acknowledged."""
    acknowledged: dict[datetime, float] = field(default_factory=dict)
    stopped_wh: float | None = None
    """Once its end was acknowledged."""


class ChargingStation:
    """Charges without pause, and says again what was not answered.

    Odd stations speak 2.0.1, even ones 1.6. What is said again comes with the message id that it
    had, or with a new one.
    """

    def __init__(self, number: int, server: Server) -> None:
        self.identity = f"K-{number}"
        self.charges: list[Charging] = []
        self.said: dict[datetime, float] = {}
        """All readings, answered or not."""
        self.answers = 0
        self.repeats = 0
        self._version = "ocpp2.0.1" if number % 2 else "ocpp1.6"
        self._random = Random(number)
        self._server = server
        self._ids = itertools.count(1)
        self._socket: Any = None
        self._instant = datetime(2026, 6, 15, tzinfo=UTC)
        self._meter_wh = 1000.0

    async def run(self) -> None:
        charge_once = self._charge_16 if self._version == "ocpp1.6" else self._charge_2x
        while True:
            charge = Charging(self._tick(), self._meter_wh)
            self.charges.append(charge)
            await charge_once(charge)

    async def _charge_16(self, charge: Charging) -> None:
        start = {
            "connectorId": 1,
            "idTag": "NOBODY",
            "meterStart": int(self._meter_wh),
            "timestamp": format_rfc3339(charge.started_at),
        }
        number = (await self._say("StartTransaction", start))["transactionId"]
        charge.ocpp_id = str(number)
        for _ in range(self._random.randint(2, 8)):
            at, value = self._read()
            value["sampledValue"][0]["value"] = str(self._meter_wh)
            values = {"connectorId": 1, "transactionId": number, "meterValue": [value]}
            await self._say("MeterValues", values)
            charge.acknowledged[at] = self._meter_wh
        stop = {
            "transactionId": number,
            "meterStop": int(self._meter_wh),
            "timestamp": format_rfc3339(self._tick()),
        }
        await self._say("StopTransaction", stop)
        charge.stopped_wh = self._meter_wh

    async def _charge_2x(self, charge: Charging) -> None:
        ocpp_id = f"tx-{len(self.charges)}"
        updates = ["Updated"] * self._random.randint(2, 8)
        for seq_no, kind in enumerate(["Started", *updates, "Ended"]):
            at, value = self._read()
            if kind == "Started":
                charge.started_at, charge.first_wh = at, self._meter_wh
            event = {
                "eventType": kind,
                "timestamp": format_rfc3339(at),
                "triggerReason": "MeterValuePeriodic",
                "seqNo": seq_no,
                "transactionInfo": {"transactionId": ocpp_id},
                "evse": {"id": 1, "connectorId": 1},
                "meterValue": [value],
            }
            await self._say("TransactionEvent", event)
            charge.ocpp_id = ocpp_id
            charge.acknowledged[at] = self._meter_wh
        charge.stopped_wh = self._meter_wh

    def _read(self) -> tuple[datetime, dict[str, Any]]:
        """Reads the meter: returns when, and what 2.x says of it."""
        at = self._tick()
        self._meter_wh += 10
        self.said[at] = self._meter_wh
        return at, {
            "timestamp": format_rfc3339(at),
            "sampledValue": [{"value": self._meter_wh}],
        }

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
                self.repeats += 1
                if self._random.random() < 0.5:
                    message_id = f"{self.identity}-{next(self._ids)}"
                await asyncio.sleep(0.02)
            else:
                self.answers += 1
                return answer

    async def _connect(self) -> None:
        await self._server.up.wait()
        self._socket = await connect(
            f"{self._server.url}/{self.identity}",
            subprotocols=[Subprotocol(self._version)],
            open_timeout=3,
            close_timeout=0.1,
        )
        boot: dict[str, Any] = {"chargePointVendor": "V", "chargePointModel": "M"}
        if self._version != "ocpp1.6":
            who = {"vendorName": "V", "model": "M"}
            boot = {"reason": "PowerUp", "chargingStation": who}
        answer = await self._call(f"boot-{next(self._ids)}", "BootNotification", boot)
        assert answer["status"] == "Accepted"

    async def _call(self, message_id: str, action: str, payload: dict[str, Any]) -> Any:
        frame = msgspec.json.encode([2, message_id, action, payload])
        await self._socket.send(frame.decode())
        async with asyncio.timeout(60):
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
    stations = [ChargingStation(number, server) for number in range(STATIONS)]
    tasks = [asyncio.create_task(station.run()) for station in stations]
    for _ in range(kills):
        await server.start()
        await _until_answered(tasks, stations, random.randint(20, 200))
        # Stations that were answered together speak together: any moment of that may be the last.
        await asyncio.sleep(random.random() * 0.05)
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
    by_id = {(row.station, row.ocpp_transaction_id): row for row in transactions}
    kept = {(r.station, r.ocpp_transaction_id, r.measured_at): r.energy_wh for r in readings}
    wrong: list[str] = []
    for station in stations:
        mine = [row for row in transactions if row.station == station.identity]
        begun = Counter(row.started_at for row in mine)
        wrong += [f"{station.identity} began twice at {at}" for at, n in begun.items() if n > 1]
        if len(mine) > len(station.charges):
            wrong.append(f"{station.identity} has transactions that it never began")
        wrong += _unsaid(station, readings)
        for charge in station.charges:
            if charge.ocpp_id is None:
                continue
            key = (station.identity, charge.ocpp_id)
            row = by_id.get(key)
            if row is None or row.started_at != charge.started_at:
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
    numbers = Counter(
        row.ocpp_transaction_id for row in transactions if row.ocpp_transaction_id.isdecimal()
    )
    wrong += [f"the number {number} was given twice" for number, n in numbers.items() if n > 1]
    told = Counter((event.type, event.subject) for event in events)
    wrong += [
        f"{kind} of {subject} was told {count} times"
        for (kind, subject), count in told.items()
        if kind in {"transaction.started", "transaction.ended"} and count > 1
    ]
    return wrong


def _unsaid(station: ChargingStation, readings: Sequence[Reading]) -> list[str]:
    """Returns which readings a station never said, or said once and has twice."""
    mine = [row for row in readings if row.station == station.identity]
    times = Counter(row.measured_at for row in mine)
    wrong = [
        f"{station.identity}: the reading of {at} is there {n} times"
        for at, n in times.items()
        if n > 1
    ]
    wrong += [
        f"{station.identity} never said {row.energy_wh} Wh at {row.measured_at}"
        for row in mine
        if station.said.get(row.measured_at) != row.energy_wh
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
    assert acknowledged > 400, "the stations hardly got a word in"
    assert sum(station.repeats for station in stations) > 100, "the kills hardly hurt"
    assert await losses(database_url, stations) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("fault", "complaint"), [("--hasty", "is lost"), ("--forgetful", "began twice")]
)
async def test_a_server_with_a_planted_fault_is_caught(
    database_url: str, tmp_path: Path, fault: str, complaint: str
) -> None:
    program = door(database_url, tmp_path, fault)
    environment = environment_of(database_url, tmp_path)
    stations = await kill_again_and_again(program, environment, kills=10, seed=1)
    wrong = await losses(database_url, stations)
    assert any(complaint in each for each in wrong), wrong


@pytest.mark.timeout(120)
async def test_kills_of_the_whole_service_lose_nothing(sqlite_url: str, tmp_path: Path) -> None:
    environment = environment_of(sqlite_url, tmp_path)
    stations = await kill_again_and_again(SERVE, environment, kills=3, seed=3)
    assert await losses(sqlite_url, stations) == []


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_twenty_kills_of_the_whole_service_lose_nothing(
    database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(database_url, tmp_path)
    stations = await kill_again_and_again(SERVE, environment, kills=20, seed=2)
    assert await losses(database_url, stations) == []
