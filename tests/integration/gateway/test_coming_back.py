"""A station comes back after hours offline: what it had queued, and what it is told then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from csms.planning.reactions import FOLLOWED, LimitKeeper
from csms.planning.rules import Period
from models.clocks import Activity, SteppedClock
from models.commands import LimitPeriod, SetLimit
from models.tables.charging import ChargingLimit, Reading, Reconciliation, Transaction
from models.tables.energy import Site
from models.tables.ledger import Command
from models.tables.planning import PlanRequest
from models.tables.stations import Connector, StationVariable
from models.timeline import format_rfc3339, parse_rfc3339
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import Rig, answer, boot, call, encode, rig

START = parse_rfc3339("2026-06-01T08:00:00Z")
VERSIONS = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])


class Offline:
    """A station whose network goes and comes, with a clock that is stepped from here."""

    def __init__(self, house: Rig, clock: SteppedClock, version: str) -> None:
        self.house = house
        self.clock = clock
        self.version = version
        self.link: Any = None
        self.transaction: Any = "tx-1"
        self.held_w = 0.0
        """What its box would allow, if asked."""
        self._seq_no = -1
        self._ids = 0

    @property
    def is_16(self) -> bool:
        return self.version == "ocpp1.6"

    async def dial(self) -> None:
        self.link = await self.house.dial("CP-1", self.house.password, (self.version,))

    async def vanish(self) -> None:
        self.link.transport.abort()
        await eventually(lambda: not self.house.gateway.connections())

    async def say(self, action: str, payload: dict[str, Any]) -> Any:
        self._ids += 1
        reply = await call(self.link, action, payload, f"id-{self._ids}")
        assert reply[:2] == [3, f"id-{self._ids}"]
        return reply[2]

    async def reply(self) -> tuple[str, dict[str, Any]]:
        """Takes the next call of the central system and answers it; returns what was called."""
        frame = await answer(self.link)
        assert frame[0] == 2
        known = {"status": "Accepted"}
        if frame[2] == "GetCompositeSchedule":
            known = schedule(self.version, self.held_w, self.clock.now())
        await self.link.send(encode([3, frame[1], known]))
        return frame[2], frame[3]

    async def step(self, count: int = 0, *, seconds: float) -> dict[str, dict[str, Any]]:
        """Steps the clock while `count` calls are answered; returns them by their action."""
        later = self.clock.now() + timedelta(seconds=seconds)
        stepping = asyncio.create_task(self.clock.advance_to(later))
        called = dict([await self.reply() for _ in range(count)])
        await stepping
        assert len(called) == count
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.link.recv(), 0.05)
        return called

    def event(self, kind: str, register_wh: int, at: datetime) -> tuple[str, dict[str, Any]]:
        """What a station says of its transaction."""
        time = format_rfc3339(at)
        value = str(register_wh) if self.is_16 else register_wh
        values = [{"timestamp": time, "sampledValue": [{"value": value}]}]
        if not self.is_16:
            self._seq_no += 1
            return "TransactionEvent", {
                "eventType": {"start": "Started", "meter": "Updated", "stop": "Ended"}[kind],
                "timestamp": time,
                "triggerReason": "MeterValuePeriodic",
                "seqNo": self._seq_no,
                "offline": at > START,
                "transactionInfo": {"transactionId": self.transaction},
                "evse": {"id": 1, "connectorId": 1},
                "meterValue": values,
            }
        if kind == "start":
            start = {"connectorId": 1, "idTag": "card", "timestamp": time}
            return "StartTransaction", start | {"meterStart": register_wh}
        number = {"transactionId": self.transaction}
        if kind == "meter":
            return "MeterValues", number | {"connectorId": 1, "meterValue": values}
        return "StopTransaction", number | {"meterStop": register_wh, "timestamp": time}

    def status(self, word_16: str, word_2x: str, at: datetime) -> tuple[str, dict[str, Any]]:
        time = format_rfc3339(at)
        if self.is_16:
            known = {"connectorId": 1, "errorCode": "NoError", "status": word_16}
            return "StatusNotification", known | {"timestamp": time}
        known = {"evseId": 1, "connectorId": 1, "connectorStatus": word_2x}
        return "StatusNotification", known | {"timestamp": time}


@asynccontextmanager
async def charging(directory: Path, version: str, url: str | None) -> AsyncIterator[Offline]:
    """A station with a safe limit that charges, on a clock that stands still."""
    activity = Activity()
    clock = SteppedClock(START, activity)
    async with rig(directory, url=url, clock=clock, activity=activity) as house:
        keeper = LimitKeeper(db=house.db, clock=clock, ids=house.ids)
        house.bus.subscribe("limits", FOLLOWED, keeper.heard, keeper.rest)
        kept: dict[str, Any] = {"created_at": START, "updated_at": START}
        async with house.db.write(clock, house.ids) as work:
            site = Site(id="A", name="Arc", latitude=45.7, longitude=4.8, timezone="UTC", **kept)
            site.import_limit_w = site.export_limit_w = 9e4
            work.session.add(site)
        house.password = await house.add_station("CP-1", site_id="A", safe_limit_w=2000.0)
        async with house.db.write(clock, house.ids) as work:
            # Its settings are known already, so that nothing but what matters here is asked.
            work.session.add(
                StationVariable(station="CP-1", component="", variable="x", reported_at=START)
            )
        station = Offline(house, clock, version)
        await station.dial()
        await boot(station.link)
        assert (await station.reply())[0] == "SetChargingProfile"
        await station.say(*station.status("Charging", "Occupied", START))
        begun = await station.say(*station.event("start", 1000, START))
        if station.is_16:
            station.transaction = begun["transactionId"]
        await house.activity.quiet()
        # The first connection tells in silence that nothing was queued; nothing is asked then.
        await station.step(seconds=60)
        async with house.db.write(clock, house.ids) as work:
            await work.session.execute(sa.delete(PlanRequest))
        yield station


async def order_limit(station: Offline, limit_w: float) -> None:
    """Orders a limit of a plan for the transaction, as the planner does."""
    house = station.house
    async with house.db.write(house.clock, house.ids) as work:
        order = SetLimit(
            evse_id=1,
            purpose="transaction",
            ocpp_transaction_id=str(station.transaction),
            profile_id=11,
            stack_level=1,
            periods=(LimitPeriod(0, limit_w),),
            start_at=work.now,
        )
        command_id = work.order(order, station="CP-1", origin="plan")
        work.session.add(
            ChargingLimit(
                id="limit-1",
                site_id="A",
                station="CP-1",
                evse_id=1,
                ocpp_transaction_id=str(station.transaction),
                purpose="transaction",
                created_at=work.now,
                valid_to=work.now + timedelta(hours=4),
                periods=[Period(work.now, limit_w, ("SUN",)).document()],
                state="queued",
                command_id=command_id,
            )
        )


def schedule(version: str, limit_w: float, at: datetime) -> dict[str, Any]:
    """What a station answers that is asked for its composite schedule."""
    periods = [{"startPeriod": 0, "limit": limit_w}]
    inner = {"chargingRateUnit": "W", "chargingSchedulePeriod": periods, "duration": 1800}
    time = format_rfc3339(at)
    if version == "ocpp1.6":
        start = {"connectorId": 1, "scheduleStart": time}
        return {"status": "Accepted", **start, "chargingSchedule": inner}
    return {"status": "Accepted", "schedule": {"evseId": 1, "scheduleStart": time, **inner}}


@VERSIONS
async def test_a_station_that_comes_back_tells_its_queue_and_is_asked_for_the_rest(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with charging(tmp_path, version, database_url) as station:
        house = station.house
        # A limit is on the wire when the network goes: nobody knows whether the box has it.
        await order_limit(station, 1500.0)
        assert (await answer(station.link))[2] == "SetChargingProfile"
        await station.vanish()
        (limit,) = await house.rows(sa.select(ChargingLimit).where(ChargingLimit.id == "limit-1"))
        assert limit.state == "unknown"
        await station.clock.advance_to(START + timedelta(hours=3))
        queue = [
            station.event("meter", 1000 + 10 * minutes, START + timedelta(minutes=minutes))
            for minutes in (15, 60, 120)
        ]
        queue.append(station.status("SuspendedEV", "Occupied", START + timedelta(minutes=5)))
        await station.dial()
        for message in queue:
            await station.say(*message)
        # One of them again, as after a lost answer.
        await station.say(*queue[1])
        (transaction,) = await house.rows(sa.select(Transaction))
        assert (transaction.energy_wh, transaction.suspect) == (1200, [])
        assert transaction.stopped_at is None
        readings = await house.rows(sa.select(Reading.measured_at))
        assert sorted(readings)[-3:] == [START + timedelta(minutes=m) for m in (15, 60, 120)]
        assert len(set(readings)) == len(readings) == (3 if station.is_16 else 4)
        assert await house.rows(sa.select(PlanRequest)) == []

        # The queue is dry: a little later the station is asked, once, and planned for, once.
        station.held_w = 1500.0
        called = await station.step(3, seconds=30)
        assert called.keys() == {"SetChargingProfile", "TriggerMessage", "GetCompositeSchedule"}
        assert "TxDefaultProfile" in str(called["SetChargingProfile"])
        asked = called["TriggerMessage"]
        assert asked["requestedMessage"] == "StatusNotification"
        assert asked.get("evse") == (None if station.is_16 else {"id": 1, "connectorId": 1})
        (limit,) = await house.rows(sa.select(ChargingLimit).where(ChargingLimit.id == "limit-1"))
        assert (limit.state, limit.detail) == ("accepted", "read back")
        (wish,) = await house.rows(sa.select(PlanRequest))
        assert (wish.site_id, wish.reason) == ("A", "limits-read-back")
        sent = await house.rows(sa.select(Command.kind).where(Command.kind == "SetLimit"))
        assert len(sent) == 3  # safe at the boot, the plan's, and safe again: the plan's only once

        await station.say(*station.status("Charging", "Occupied", station.clock.now()))
        (connector,) = await house.rows(sa.select(Connector))
        assert connector.status_at == station.clock.now()
        assert await house.rows(sa.select(Reconciliation.kind)) == ["vehicle-unknown"]
        await station.step(seconds=600)


@VERSIONS
async def test_a_transaction_that_ended_while_the_station_was_away_ends_when_it_did(
    tmp_path: Path, version: str
) -> None:
    async with charging(tmp_path, version, None) as station:
        house = station.house
        await station.vanish()
        await station.clock.advance_to(START + timedelta(hours=8))
        await station.dial()
        ended_at = START + timedelta(hours=2)
        end = station.event("stop", 3000, ended_at)
        for _ in range(2):
            await station.say(*end)
        called = await station.step(2, seconds=30)
        assert called.keys() == {"SetChargingProfile", "TriggerMessage"}
        (transaction,) = await house.rows(sa.select(Transaction))
        assert (transaction.stopped_at, transaction.energy_wh) == (ended_at, 2000)
        assert transaction.suspect == []
        (wish,) = await house.rows(sa.select(PlanRequest))
        assert wish.site_id == "A"


@VERSIONS
async def test_a_station_that_has_lost_its_limit_is_found_out(tmp_path: Path, version: str) -> None:
    async with charging(tmp_path, version, None) as station:
        house = station.house
        await order_limit(station, 1500.0)
        await station.reply()
        await house.activity.quiet()
        await station.vanish()
        await station.clock.advance_to(START + timedelta(hours=1))
        await station.dial()
        station.held_w = 2000.0
        await station.step(3, seconds=30)
        (limit,) = await house.rows(sa.select(ChargingLimit).where(ChargingLimit.id == "limit-1"))
        assert (limit.state, limit.detail) == (
            "superseded",
            "read back: the station holds something else",
        )
        assert len(await house.rows(sa.select(PlanRequest))) == 1


@VERSIONS
async def test_a_station_that_boots_after_hours_says_by_itself_how_it_is(
    tmp_path: Path, version: str
) -> None:
    async with charging(tmp_path, version, None) as station:
        await station.vanish()
        await station.clock.advance_to(START + timedelta(hours=8))
        await station.dial()
        await boot(station.link)
        assert (await station.reply())[0] == "SetChargingProfile"
        await station.house.activity.quiet()
        await station.step(seconds=30)


@VERSIONS
async def test_while_a_queue_is_told_the_station_is_left_alone(
    tmp_path: Path, version: str
) -> None:
    async with charging(tmp_path, version, None) as station:
        await station.vanish()
        await station.clock.advance_to(START + timedelta(hours=1))
        await station.dial()
        for minutes in range(1, 6):
            at = START + timedelta(minutes=minutes)
            await station.say(*station.event("meter", 1000 + 10 * minutes, at))
            await station.step(seconds=4)
        assert (await station.step(2, seconds=4)).keys() == {"SetChargingProfile", "TriggerMessage"}


async def test_a_station_that_never_pauses_is_asked_after_some_minutes(tmp_path: Path) -> None:
    async with charging(tmp_path, "ocpp1.6", None) as station:
        await station.vanish()
        await station.dial()
        for _ in range(74):
            await station.say("Heartbeat", {})
            await station.step(seconds=4)
        await station.say("Heartbeat", {})
        assert len(await station.step(2, seconds=4)) == 2
