"""A house without doors for tests: database, ledger, bus and intake, and short words for facts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import sqlalchemy as sa

from csms.bus.base import EventNote
from csms.bus.local import LocalBus
from csms.intake import Intake, deciders
from csms.ledger.batch import Decider, MessageNote
from csms.ledger.committer import Committer
from csms.ledger.database import Database
from csms.ledger.relay import Relay
from models.answers import Answer
from models.clocks import Activity, RealWireClock
from models.facts import (
    BootReported,
    ConnectorReported,
    Fact,
    Reading,
    ReadingsReported,
    TokenPresented,
    TransactionReported,
)
from models.ids import UlidMaker
from models.tables import Base
from models.tables.access import IdToken
from models.tables.energy import Site
from models.tables.fleet import Driver, Vehicle, VehicleModel
from models.tables.stations import Station

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


class HandClock:
    """Life time that tests set by hand."""

    def __init__(self, now: datetime = NOON) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    async def sleep_until(self, when: datetime) -> None:
        self.instant = max(self.instant, when)

    def later(self, **delta: float) -> datetime:
        self.instant += timedelta(**delta)
        return self.instant


class SmallHouse:
    """Ledger, bus and intake over one database."""

    def __init__(
        self, url: str, *, inline: bool = False, table: Mapping[Any, Decider[Any]] | None = None
    ) -> None:
        self.db = Database.open(url, inline=inline)
        self.clock = HandClock()
        self.wire = RealWireClock()
        self.activity = Activity()
        self.ids = UlidMaker(self.clock, Random(1))
        self.bus = LocalBus(self.activity)
        self.relay = Relay(
            self.db,
            self.bus,
            clock=self.clock,
            ids=self.ids,
            activity=self.activity,
            wire=self.wire,
        )
        self.committer = Committer(
            self.db,
            deciders() if table is None else table,
            self.clock,
            self.ids,
            self.activity,
            self.wire,
        )
        self.intake = Intake(self.committer)
        self.heard: list[EventNote] = []
        self._messages = 0

    async def start(self) -> None:
        await self.db.start()
        await self.relay.start()
        self.bus.subscribe("test", None, self._hear)

    async def _hear(self, note: EventNote) -> None:
        self.heard.append(note)

    async def close(self) -> None:
        await self.committer.close()
        await self.relay.close()
        await self.bus.close()
        await self.db.close()

    async def furnish(self) -> None:
        """Adds a site, stations A-1 and A-2, two cars with tokens CAR-1 and CAR-2, a driver."""
        now = self.clock.now()
        kept: dict[str, Any] = {"created_at": now, "updated_at": now}
        async with self.db.write(self.clock, self.ids) as work:
            work.session.add(
                Site(
                    id="A",
                    name="Arc",
                    latitude=45.7,
                    longitude=4.8,
                    timezone="Europe/Paris",
                    import_limit_w=90_000,
                    export_limit_w=90_000,
                    **kept,
                )
            )
            work.session.add(
                VehicleModel(
                    id="zoe",
                    name="Zoe",
                    vehicle_class="city",
                    battery_capacity_wh=16_000,
                    max_ac_power_w=3_700,
                    consumption_wh_per_km=140,
                    **kept,
                )
            )
            work.session.add(Driver(id="anna", name="Anna", **kept))
            await work.session.flush()
            for number in (1, 2):
                work.session.add(
                    Vehicle(id=f"car-{number}", model_id="zoe", site_id="A", soc_pct=50.0, **kept)
                )
                work.session.add(Station(identity=f"A-{number}", site_id="A", **kept))
            await work.session.flush()
            for number in (1, 2):
                work.session.add(_token(f"CAR-{number}", vehicle_id=f"car-{number}", **kept))
            work.session.add(_token("ANNA", driver_id="anna", **kept))

    async def add(self, *rows: Base) -> None:
        async with self.db.write(self.clock, self.ids) as work:
            work.session.add_all(rows)

    async def submit(
        self, fact: Fact, *, payload: bytes | None = None, message_id: str | None = None
    ) -> Answer:
        """Hands a fact in with its message; by default the payload says what the fact says."""
        self._messages += 1
        timeless = msgspec.structs.replace(fact, received_at=NOON)
        note = MessageNote(
            "in",
            type(fact).__name__,
            message_id or f"m{self._messages}",
            payload if payload is not None else msgspec.json.encode(timeless),
            encode=msgspec.json.encode,
        )
        answer = await self.intake.submit(fact, note)
        assert note.answer == msgspec.json.encode(answer)
        return answer

    async def rows(self, table: type[Base], **where: Any) -> list[Any]:
        async with self.db.read() as session:
            query = sa.select(table).order_by(*sa.inspect(table).primary_key)
            return list((await session.scalars(query.filter_by(**where))).all())

    async def one(self, table: type[Base], **where: Any) -> Any:
        found = await self.rows(table, **where)
        assert len(found) == 1, f"{len(found)} rows of {table.__name__} with {where}"
        return found[0]

    async def told(self) -> list[str]:
        """Returns the types of all events so far, once the house is quiet."""
        await self.activity.quiet()
        return [note.type for note in self.heard]

    # Facts, as stations say them.

    def boot(self, station: str = "A-1") -> BootReported:
        return BootReported(
            station=station, received_at=self.clock.now(), vendor="Acme", model="Wall"
        )

    def status(self, status: Any, *, evse: int = 1, at: datetime | None = None) -> Fact:
        now = self.clock.now()
        return ConnectorReported(
            station="A-1",
            received_at=now,
            evse_id=evse,
            connector_id=1,
            status=status,
            measured_at=at or now,
        )

    def ask(self, token: str, station: str = "A-1") -> TokenPresented:
        return TokenPresented(
            station=station, received_at=self.clock.now(), scheme="1.6", id_token=token
        )

    def start_16(
        self,
        token: str | None = "CAR-1",
        *,
        station: str = "A-1",
        evse: int = 1,
        at: datetime | None = None,
        meter_wh: float = 1000.0,
        suspect: tuple[str, ...] = (),
    ) -> TransactionReported:
        now = self.clock.now()
        return TransactionReported(
            station=station,
            received_at=now,
            kind="started",
            scheme="1.6",
            measured_at=at or now,
            evse_id=evse,
            connector_id=1,
            id_token=token,
            meter_wh=meter_wh,
            suspect=suspect,
        )

    def stop_16(
        self,
        number: int | str,
        meter_wh: float,
        *,
        station: str = "A-1",
        at: datetime | None = None,
        readings: tuple[Reading, ...] = (),
        token: str | None = None,
    ) -> TransactionReported:
        now = self.clock.now()
        return TransactionReported(
            station=station,
            received_at=now,
            kind="ended",
            scheme="1.6",
            measured_at=at or now,
            ocpp_transaction_id=str(number),
            meter_wh=meter_wh,
            readings=readings,
            id_token=token,
        )

    def meter_16(
        self,
        number: int | str | None,
        *readings: Reading,
        station: str = "A-1",
        evse: int = 1,
    ) -> ReadingsReported:
        return ReadingsReported(
            station=station,
            received_at=self.clock.now(),
            scheme="1.6",
            evse_id=evse,
            ocpp_transaction_id=None if number is None else str(number),
            readings=readings,
        )

    def read(self, energy_wh: float | None = None, **more: Any) -> Reading:
        return Reading(more.pop("at", None) or self.clock.now(), energy_wh=energy_wh, **more)

    def event_2x(
        self,
        kind: Any,
        seq_no: int,
        *readings: Reading,
        ocpp_id: str = "tx-a",
        station: str = "A-1",
        evse: int | None = 1,
        token: str | None = None,
        at: datetime | None = None,
        **more: Any,
    ) -> TransactionReported:
        now = self.clock.now()
        return TransactionReported(
            station=station,
            received_at=now,
            kind=kind,
            scheme="2.x",
            measured_at=at or now,
            ocpp_transaction_id=ocpp_id,
            evse_id=evse,
            connector_id=1,
            id_token=token,
            seq_no=seq_no,
            readings=readings,
            **more,
        )


def _token(text: str, **more: Any) -> IdToken:
    return IdToken(id=text.lower(), id_token=text, token_key=text.lower(), type="ISO14443", **more)


@asynccontextmanager
async def small_house(
    url: str, *, inline: bool = False, table: Mapping[Any, Decider[Any]] | None = None
) -> AsyncIterator[SmallHouse]:
    """Opens a furnished house over a migrated database."""
    house = SmallHouse(url, inline=inline, table=table)
    await house.start()
    await house.furnish()
    try:
        yield house
    finally:
        await house.close()
