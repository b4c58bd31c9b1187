"""Tools of the gateway tests: a house behind a real door, and what is said at that by hand."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from websockets.asyncio.client import ClientConnection, connect
from websockets.protocol import State
from websockets.typing import Subprotocol

from csms.bus.local import LocalBus
from csms.config import Settings
from csms.gateway.limits import Limits
from csms.gateway.memory import basic
from csms.gateway.server import Gateway
from csms.intake import Intake, deciders
from csms.keyring import Keyring
from csms.ledger.committer import Committer
from csms.ledger.database import Database
from csms.ledger.migrate import upgrade
from csms.ledger.relay import Relay
from csms.stations.reactions import StationHost
from models.clocks import Activity, Clock, RealClock, RealWireClock
from models.ids import IdMaker, UlidMaker
from models.tables.ledger import Message
from models.tables.stations import Station

QUICK = Limits(
    refusal_delay_s=0.1,
    probe_s=0.3,
    call_s=0.6,
    call_quiet_s=0.2,
    close_s=0.3,
    sweep_s=0.02,
    seen_flush_s=0.1,
)


class Rig:
    """A house without REST and planner: ledger, bus and gateway, on a port of its own."""

    def __init__(self, house: dict[str, Any]) -> None:
        self.db: Database = house["db"]
        self.bus: LocalBus = house["bus"]
        self.gateway: Gateway = house["gateway"]
        self.clock: Clock = house["clock"]
        self.ids: IdMaker = house["ids"]
        self.keyring: Keyring = house["keyring"]
        self.activity: Activity = house["activity"]
        self.sink: Any = house["sink"]
        self.port: int = house["port"]
        self.tls_port: int = house["tls_port"]
        self.password = ""
        self.links: list[ClientConnection] = []

    async def add_station(self, identity: str, **columns: Any) -> str:
        """Creates a station; returns the password that it was given."""
        password = self.keyring.new_password()
        now = self.clock.now()
        values = {
            "password_hash": self.keyring.seal_generated(identity, password),
            "security_profile": 1,
            "approval": "accepted",
        } | columns
        async with self.db.write(self.clock, self.ids) as work:
            work.session.add(Station(identity=identity, created_at=now, updated_at=now, **values))
        self.gateway.station_changed(identity)
        await self.activity.quiet()
        return password

    async def change_station(self, identity: str, **columns: Any) -> None:
        async with self.db.write(self.clock, self.ids) as work:
            station = await work.session.get(Station, identity)
            for name, value in columns.items():
                setattr(station, name, value)
        self.gateway.station_changed(identity)
        await self.activity.quiet()

    async def dial(
        self,
        identity: str,
        password: str | None = None,
        subprotocols: tuple[str, ...] = ("ocpp1.6",),
        *,
        path: str | None = None,
        user: str | None = None,
        **options: Any,
    ) -> ClientConnection:
        """Opens a socket as a station does."""
        headers: dict[str, str] = {}
        if password is not None:
            headers["Authorization"] = basic(user or identity, password)
        door = f"ws://127.0.0.1:{self.port}"
        if options.get("ssl") is not None:
            door = f"wss://127.0.0.1:{self.tls_port}"
        link = await connect(
            f"{door}{path or f'/ocpp/{quote(identity)}'}",
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            additional_headers=headers,
            **{"compression": None, "ping_interval": None} | options,
        )
        self.links.append(link)
        return link

    async def rows(self, query: Any) -> list[Any]:
        """Returns what a query finds, once the house is quiet."""
        await self.activity.quiet()
        async with self.db.read() as session:
            return list(await session.scalars(query))

    async def station(self, identity: str) -> Station:
        (row,) = await self.rows(sa.select(Station).where(Station.identity == identity))
        return row

    async def messages(self, identity: str) -> list[Message]:
        return await self.rows(
            sa.select(Message).where(Message.station == identity).order_by(Message.id)
        )

    async def order(self, identity: str, command: Any, **options: Any) -> str:
        """Queues a command."""
        async with self.db.write(self.clock, self.ids) as work:
            return work.order(command, station=identity, origin="api", **options)


class SlowSink:
    """The way to the ledger, with a tap: what is handed in waits while it is `shut`."""

    def __init__(self, intake: Any) -> None:
        self.intake = intake
        self.held: list[Any] = []
        self.shut = False
        self.failure: Exception | None = None

    def enqueue(self, fact: Any, message: Any = None) -> Any:
        if self.failure is not None:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(self.failure)
            return future
        if not self.shut:
            return self.intake.enqueue(fact, message)
        future = asyncio.get_running_loop().create_future()
        self.held.append((fact, message, future))
        return future

    def hand_in(self, fact: Any, message: Any, done: Any) -> None:
        if self.failure is not None:
            done(None, self.failure)
        elif not self.shut:
            self.intake.hand_in(fact, message, done)
        else:
            self.enqueue(fact, message).add_done_callback(lambda end: done(end.result(), None))

    def open(self) -> None:
        self.shut = False
        held, self.held = self.held, []
        for fact, message, waiting in held:
            real = self.intake.enqueue(fact, message)
            real.add_done_callback(lambda done, waiting=waiting: waiting.set_result(done.result()))


_schema: list[bytes] = []


def _lay_schema(file: Path) -> None:
    """Makes a database with all tables, by the migrations the first time and by copy later."""
    if file.exists():
        return
    if not _schema:
        upgrade(f"sqlite:///{file}")
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        _schema.append(file.read_bytes())
    file.write_bytes(_schema[0])


@asynccontextmanager
async def rig(
    directory: Path,
    *,
    limits: Limits | None = None,
    onboarding: str = "reject",
    strict_unknown_identity: bool = False,
    clock: Clock | None = None,
    activity: Activity | None = None,
    url: str | None = None,
    settings: dict[str, Any] | None = None,
) -> AsyncIterator[Rig]:
    """Runs ledger, bus and gateway on a migrated database (None: on SQLite in `directory`)."""
    if url is None:
        url = f"sqlite:///{directory / 'gateway.db'}"
        _lay_schema(directory / "gateway.db")
    activity = activity or Activity()
    clock, wire = clock or RealClock(), RealWireClock()
    ids = UlidMaker(clock, Random(1))
    db = Database.open(url)
    await db.start()
    bus = LocalBus(activity)
    relay = Relay(db, bus, clock=clock, ids=ids, activity=activity, wire=wire)
    committer = Committer(db, deciders(), clock, ids, activity, wire)
    sink = SlowSink(Intake(committer))
    keyring = Keyring(b"k" * 32)
    gateway = Gateway(
        db=db,
        intake=sink,
        bus=bus,
        keyring=keyring,
        settings=Settings(
            station_onboarding=onboarding,  # type: ignore[arg-type]
            strict_unknown_identity=strict_unknown_identity,
            **settings or {},
        ),
        clock=clock,
        wire=wire,
        ids=ids,
        activity=activity,
        limits=limits or QUICK,
    )
    await relay.start()
    host = StationHost(db=db, clock=clock, ids=ids)
    bus.subscribe("stations", host.follows, host.heard)
    port = await gateway.start("127.0.0.1", 0)
    tls_port = await gateway.start_tls("127.0.0.1", 0) if settings else 0
    house = Rig(
        {
            "db": db,
            "bus": bus,
            "gateway": gateway,
            "clock": clock,
            "ids": ids,
            "keyring": keyring,
            "activity": activity,
            "sink": sink,
            "port": port,
            "tls_port": tls_port,
        }
    )
    try:
        yield house
    finally:
        sink.failure = None
        sink.open()
        await gateway.drain(3.0)
        for link in house.links:
            if link.state is not State.CLOSED:
                link.transport.abort()
        await asyncio.gather(*(link.wait_closed() for link in house.links))
        await committer.drain()
        await relay.close()
        await bus.close()
        await committer.close()
        await db.close()


async def call(link: Any, action: str, payload: Any, message_id: str = "m1") -> list[Any]:
    """Calls the central system and returns the frame that answers; other calls are put aside."""
    await link.send(encode([2, message_id, action, payload]))
    return await answer(link)


async def answer(link: Any) -> list[Any]:
    """Returns the next frame, decoded."""
    text = await asyncio.wait_for(link.recv(), 60)
    frame = msgspec.json.decode(text)
    assert isinstance(frame, list)
    return frame


async def boot(link: Any, message_id: str = "boot") -> list[Any]:
    """Sends the BootNotification of the link's version."""
    if link.subprotocol in {None, "ocpp1.6"}:
        payload: dict[str, Any] = {"chargePointVendor": "Acme", "chargePointModel": "One"}
    else:
        payload = {
            "reason": "PowerUp",
            "chargingStation": {"vendorName": "Acme", "model": "One"},
        }
    return await call(link, "BootNotification", payload, message_id)


async def connected(house: Rig, subprotocol: str = "ocpp1.6", **columns: Any) -> Any:
    """Returns the link of a station that has booted and told its settings."""
    house.password = await house.add_station("CP-1", **columns)
    link = await house.dial("CP-1", house.password, (subprotocol,))
    assert (await boot(link))[2]["status"] == "Accepted"
    frame = await answer(link)
    assert frame[2] in {"GetConfiguration", "GetBaseReport"}
    reply = {} if subprotocol == "ocpp1.6" else {"status": "NotSupported"}
    await link.send(encode([3, frame[1], reply]))
    await house.activity.quiet()
    return link


def encode(frame: Any) -> str:
    return msgspec.json.encode(frame).decode()


async def closed(link: ClientConnection) -> tuple[int, str]:
    """Waits for the end of a connection; returns the code and reason that came with it."""
    await asyncio.wait_for(link.wait_closed(), 60)
    return link.close_code or 0, link.close_reason or ""
