"""What others' servers cost: the plain `ocpp` library, the same with an ORM, a bare echo.

Each is written as the documentation of its library shows it.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action, AuthorizationStatus, RegistrationStatus
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call_result as call_result201
from ocpp.v201.enums import Action as Action201
from ocpp.v201.enums import RegistrationStatusEnumType as RegistrationStatus201
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


class PlainStation(ChargePoint):
    """The library as its documentation shows it."""

    @on(Action.boot_notification)
    def on_boot(self, **_: Any) -> Any:
        """Accepts the station."""
        now = datetime.now(UTC).isoformat()  # noqa: TID251 - the library's own way
        return call_result.BootNotification(now, 300, RegistrationStatus.accepted)

    @on(Action.heartbeat)
    def on_heartbeat(self) -> Any:
        """Tells the time."""
        return call_result.Heartbeat(datetime.now(UTC).isoformat())  # noqa: TID251

    @on(Action.meter_values)
    def on_meter(self, **_: Any) -> Any:
        """Takes readings."""
        return call_result.MeterValues()

    @on(Action.start_transaction)
    def on_start(self, **_: Any) -> Any:
        """Gives a number."""
        return call_result.StartTransaction(1, IdTagInfo(AuthorizationStatus.accepted))

    @on(Action.stop_transaction)
    def on_stop(self, **_: Any) -> Any:
        """Takes the end."""
        return call_result.StopTransaction()


class PlainStation201(ChargePoint201):
    """The library as its documentation shows it, for 2.0.1."""

    @on(Action201.boot_notification)
    def on_boot(self, **_: Any) -> Any:
        """Accepts the station."""
        now = datetime.now(UTC).isoformat()  # noqa: TID251 - the library's own way
        return call_result201.BootNotification(now, 300, RegistrationStatus201.accepted)

    @on(Action201.transaction_event)
    def on_event(self, **_: Any) -> Any:
        """Takes what a transaction comes to."""
        return call_result201.TransactionEvent()


class Kept(DeclarativeBase):
    """Rows of the server with an ORM."""


class KeptMessage(Kept):
    """A message and its answer."""

    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True)
    station: Mapped[str] = mapped_column(index=True)
    action: Mapped[str]
    payload: Mapped[str]
    received_at: Mapped[datetime]


class OrmStation(PlainStation):
    """The same with a session and a commit for each message, as web applications do it."""

    sessions: ClassVar[async_sessionmaker[AsyncSession]]

    async def keep(self, action: str, payload: dict[str, Any]) -> None:
        """Stores a message."""
        async with self.sessions() as session:
            session.add(
                KeptMessage(
                    station=self.id,
                    action=action,
                    payload=json.dumps(payload),
                    received_at=datetime.now(UTC),  # noqa: TID251 - as such applications do
                )
            )
            await session.commit()

    @on(Action.meter_values)
    async def on_meter(self, **payload: Any) -> Any:
        """Takes readings."""
        await self.keep("MeterValues", payload)
        return call_result.MeterValues()

    @on(Action.start_transaction)
    async def on_start(self, **payload: Any) -> Any:
        """Gives a number."""
        await self.keep("StartTransaction", payload)
        return call_result.StartTransaction(1, IdTagInfo(AuthorizationStatus.accepted))

    @on(Action.stop_transaction)
    async def on_stop(self, **payload: Any) -> Any:
        """Takes the end."""
        await self.keep("StopTransaction", payload)
        return call_result.StopTransaction()


async def serve_plain(
    ready: Callable[[int], None], stop: asyncio.Event, kind: type[PlainStation] = PlainStation
) -> None:
    async def handle(link: ServerConnection) -> None:
        assert link.request is not None
        name = link.request.path.rpartition("/")[2]
        chosen = PlainStation201 if link.subprotocol == "ocpp2.0.1" else kind
        station = chosen(name, link)
        try:
            await station.start()
        except Exception as end:  # noqa: BLE001 - the library raises at the end of a connection
            del end

    await _serve(handle, ready, stop)


async def serve_orm(ready: Callable[[int], None], stop: asyncio.Event) -> None:
    with tempfile.TemporaryDirectory(prefix="heliofleet-bench-") as directory:
        engine = create_async_engine(f"sqlite+aiosqlite:///{Path(directory) / 'orm.db'}")

        @sa.event.listens_for(engine.sync_engine, "connect")
        def careful(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA busy_timeout=20000")

        async with engine.begin() as connection:
            await connection.run_sync(Kept.metadata.create_all)
        OrmStation.sessions = async_sessionmaker(engine)
        await serve_plain(ready, stop, OrmStation)
        await engine.dispose()


async def serve_echo(ready: Callable[[int], None], stop: asyncio.Event) -> None:
    async def handle(link: ServerConnection) -> None:
        try:
            async for text in link:
                await link.send(text)
        except ConnectionClosed as end:
            del end

    await _serve(handle, ready, stop)


async def _serve(
    handle: Callable[[ServerConnection], Awaitable[None]],
    ready: Callable[[int], None],
    stop: asyncio.Event,
) -> None:
    spoken: Any = ["ocpp1.6", "ocpp2.0.1"]
    async with serve(handle, "127.0.0.1", 0, subprotocols=spoken, compression=None) as server:
        ready(server.sockets[0].getsockname()[1])
        await stop.wait()


BARE: dict[str, Callable[[Callable[[int], None], asyncio.Event], Awaitable[None]]] = {
    "plain": serve_plain,
    "orm": serve_orm,
    "echo": serve_echo,
}
