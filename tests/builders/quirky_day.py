"""A day of one station with quirks, over a real socket, against a real gateway and ledger.

The day holds all that a quirk may touch: charging by card with a limit of a plan, a lost
connection, a second stay, a loss of power, a card that nobody knows, a remote stop and start, a
reset, and questions for settings and limits. What really happened is noted beside it, from the
station's own meter, so that a test can hold what the service knows against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from models.clocks import SteppedClock
from models.commands import (
    AnyCommand,
    ChangeAvailability,
    LimitPeriod,
    ReadLimit,
    ReadVariables,
    Reset,
    SetLimit,
    StartCharging,
    StopCharging,
)
from models.commands.base import VariableName
from models.tables.access import IdToken
from models.tables.charging import Transaction
from models.tables.ledger import Command, Message
from models.tables.stations import Evse
from simulators.checks import Checks
from simulators.line import Line
from simulators.link import Caller, Link, websocket_door
from simulators.notices import Transaction as Going
from simulators.odd_station import OddStation
from simulators.vehicle import Car
from tests.builders.stations import a_car, a_kind

TOKEN = "04AABBCC"
BAD_TOKEN = "0BADBAD0"
SERIAL_TOKEN = "CP-1".ljust(20, "0")
SAFE_W = 4140.0
PLANNED_W = 9660.0
STEP = timedelta(minutes=1)
SETTINGS = {
    "ocpp1.6": (VariableName(name="HeartbeatInterval"), VariableName(name="NoSuchKey")),
    "ocpp2.0.1": (VariableName(name="Interval", component="HeartbeatCtrlr"),),
}


@dataclass(slots=True)
class Stay:
    """One transaction, as it was."""

    going: Going
    started_at: datetime
    register_wh: float
    """At its start."""
    token: str
    stopped_at: datetime | None = None
    energy_wh: float = 0.0


@dataclass
class Day:
    """One station and its day."""

    house: Any
    clock: SteppedClock
    subprotocol: str
    quirks: frozenset[str]
    stays: list[Stay] = field(default_factory=list)
    transcript: list[Any] = field(default_factory=list)
    """Knocks, powers and words, without what differs from day to day."""
    powers_w: list[float] = field(default_factory=list)
    held_w: tuple[float, float] = (0.0, 0.0)
    """What flowed under the safe limit and under that of the plan."""
    paused_w: float = 0.0
    """What flowed under a limit below 6 A."""

    async def prepare(self, *, record: tuple[str, ...], strict: bool = False) -> None:
        """Creates the station, its token, and the simulated one with its line."""
        house = self.house
        password = await house.add_station(
            "CP-1", quirks=list(record), safe_limit_w=SAFE_W, strict=strict
        )
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add(Evse(station="CP-1", evse_id=1, max_power_w=11040.0, phases=3))
            for token in (TOKEN, SERIAL_TOKEN):
                work.session.add(
                    IdToken(
                        id=f"token-{token}",
                        token_key=token.lower(),
                        id_token=token,
                        type="ISO14443",
                        status="Accepted",
                        created_at=house.clock.now(),
                        updated_at=house.clock.now(),
                    )
                )
        kind = a_kind(
            subprotocol=self.subprotocol,
            evses=1,
            phases=3,
            max_power_w=11040.0,
            min_power_w=SAFE_W,
            reports_soc=True,
        )
        now = self.clock.now()
        self.station = OddStation("CP-1", kind, now=now, quirks=self.quirks, meter_every_s=120)
        self.line = Line(
            self.station,
            connect=self._connect,
            password=password,
            now=self.clock.now,
            checks=Checks(),
        )
        self.door = websocket_door(f"ws://127.0.0.1:{house.port}/ocpp")
        self.station.evses[1].register_wh = 123_456.0

    async def _connect(
        self, caller: Caller, subprotocols: tuple[str, ...], password: str | None
    ) -> Link:
        self.transcript.append((caller, subprotocols))
        return await self.door(caller, subprotocols, password)

    @property
    def evse(self) -> Any:
        return self.station.evses[1]

    def a_car(self) -> Car:
        """Returns a car that takes all that it gets; one that is nearly full where that matters."""
        full = "car-stops-at-own-limit" in self.quirks
        return a_car(
            token=TOKEN,
            capacity_wh=10_000.0 if full else 60_000.0,
            soc_wh=7_900.0 if full else 20_300.0,
            max_ac_power_w=11_040.0,
        )

    async def settle(self) -> None:
        """Says what there is to say, until nobody has anything to say any more."""
        self.watch()
        for _ in range(6):
            if self.line.due():
                await self.line.drain()
            await self.house.activity.quiet()
            await self.line.do_reset()
            self.watch()
            if not self.station.outbox:
                break

    def watch(self) -> None:
        """Notes which transaction runs by now."""
        going, last = self.evse.transaction, self.stays[-1] if self.stays else None
        register_wh, now = self.evse.register_wh, self.clock.now()
        if last is not None and last.stopped_at is None and last.going is not going:
            last.stopped_at, last.energy_wh = now, register_wh - last.register_wh
        if going is not None and (last is None or last.going is not going):
            self.stays.append(Stay(going, now, register_wh, going.token))
        elif going is not None and last is not None:
            last.token = going.token

    async def minutes(self, count: int) -> None:
        """Lets time pass."""
        for _ in range(count):
            await self.clock.advance_to(self.clock.now() + STEP)
            self.station.advance(self.clock.now())
            self.station.speak_up(self.clock.now())
            await self.settle()
            self.powers_w.append(self.evse.power_w)

    async def dial(self) -> None:
        """Connects, and says what was kept."""
        assert await self.line.dial(), self.line.refused
        await self.settle()

    async def order(self, command: AnyCommand) -> str | None:
        """Has the service send a command; returns how that ended."""
        command_id = await self.house.order("CP-1", command)
        await self.settle()
        await self.house.gateway.courier.settled(command_id, 5.0)
        await self.settle()
        (row,) = await self.house.rows(sa.select(Command).where(Command.id == command_id))
        outcome = row.outcome or row.error_code
        self.transcript.append((type(command).__name__, outcome))
        return outcome

    async def charge(self) -> None:
        """Plugs in and starts: by card, or by remote where a card does nothing."""
        self.station.plug(1, self.a_car(), self.clock.now())
        self.station.present(1, TOKEN, self.clock.now())
        await self.settle()
        if not self.evse.energised:
            await self.order(StartCharging(evse_id=1, id_token=TOKEN, remote_start_id=7))
        assert self.evse.energised

    async def leave(self) -> None:
        """Takes the cable out."""
        self.station.unplug(1, self.clock.now())
        await self.settle()

    def transaction_id(self) -> str:
        going = self.evse.transaction
        return str(going.ocpp_id) if self.subprotocol == "ocpp1.6" else going.local_id

    async def limit(self, limit_w: float, *, unit: Literal["W", "A"] = "W") -> str | None:
        """Sends the limit of a plan for the transaction."""
        periods = tuple(LimitPeriod(900 * n, limit_w + n) for n in range(4))
        limit = SetLimit(
            evse_id=1,
            purpose="transaction",
            ocpp_transaction_id=self.transaction_id(),
            profile_id=11,
            stack_level=1,
            periods=periods,
            duration_s=3600,
            start_at=self.clock.now(),
            tx_started_at=self.stays[-1].started_at,
            rate_unit=unit,
            phases=3,
        )
        return await self.order(limit)

    async def play(self) -> None:
        """Plays the whole day."""
        self.station.boot("PowerUp", self.clock.now())
        await self.dial()
        await self.minutes(1)
        await self.order(ReadVariables(names=SETTINGS.get(self.subprotocol, SETTINGS["ocpp2.0.1"])))
        await self.charge()
        await self.minutes(10)
        before_w = self.evse.power_w
        await self.limit(PLANNED_W)
        await self.minutes(10)
        self.held_w = (before_w, self.evse.power_w)
        await self.order(ReadLimit(evse_id=1, duration_s=600))
        await self.line.hang_up()
        await self.minutes(4)
        await self.dial()
        await self.minutes(5)
        await self.leave()
        await self.minutes(1)
        await self.order(ChangeAvailability(evse_id=1, operative=True))
        whole = SetLimit(
            evse_id=0,
            purpose="station",
            profile_id=99,
            periods=(LimitPeriod(0, 6900.0),),
            start_at=self.clock.now(),
            duration_s=900,
        )
        await self.order(whole)
        await self.second_half()

    async def second_half(self) -> None:
        """Goes on with the loss of power."""
        await self.minutes(1)
        await self.charge()
        await self.limit(PLANNED_W, unit="A")
        await self.minutes(5)
        self.station.lose_power(self.clock.now())
        await self.line.lose_power()
        self.watch()
        await self.minutes(2)
        self.station.regain_power(self.clock.now())
        await self.dial()
        if not self.evse.energised:
            await self.order(StartCharging(evse_id=1, id_token=TOKEN, remote_start_id=8))
        await self.minutes(5)
        await self.leave()
        await self.minutes(1)
        self.station.plug(1, self.a_car(), self.clock.now())
        await self.settle()
        for _ in range(2):
            self.station.present(1, BAD_TOKEN, self.clock.now())
            await self.settle()
            await self.minutes(2)
        await self.leave()
        await self.order(Reset())
        await self.dial()
        await self.minutes(1)
        await self.charge()
        await self.minutes(5)
        await self.limit(2000.0)
        await self.minutes(3)
        self.paused_w = self.evse.power_w
        await self.order(StopCharging(ocpp_transaction_id=self.transaction_id()))
        await self.minutes(1)
        await self.order(StartCharging(evse_id=1, id_token=TOKEN, remote_start_id=9))
        await self.minutes(5)
        await self.leave()
        await self.line.hang_up()
        await self.house.activity.quiet()

    async def whole_transcript(self) -> list[Any]:
        """Returns all that went to and fro, to compare days by."""
        rows = await self.house.rows(sa.select(Message).order_by(Message.id))
        words = [(r.direction, r.action, r.payload, r.outcome, r.answer) for r in rows]
        return [*self.transcript, self.powers_w, *words]

    async def transactions(self) -> list[Transaction]:
        """Returns what the service knows, in order."""
        return await self.house.rows(sa.select(Transaction).order_by(Transaction.id))
