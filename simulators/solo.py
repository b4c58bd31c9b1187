"""One simulated station against a real service, on the real clock, until it is told to stop.

For a first tour and for trying things out by hand: a small car hangs on its only EVSE, half full,
and charges once a transaction is open, by its card or by remote start. What changes is told in one
line each. When the station is told to stop the car drives off, so that no transaction stays open.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from models.clocks import Clock
from models.errors import FleetError, Unavailable
from simulators.checks import Checks
from simulators.credentials import Credentials
from simulators.evse import NOTEWORTHY_W, Evse
from simulators.line import Line
from simulators.link import Caller, Connect, Link, LinkRefused
from simulators.logs import by_http
from simulators.scenario import StationKind
from simulators.station import Station
from simulators.vehicle import Car

TURN_S = 0.25
REDIAL_S = 2.0
LEAVE_WITHIN_S = 3.0
BATTERY_WH = 16_000.0

Subprotocol = Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


@dataclass(frozen=True, slots=True)
class SoloStation:
    """What the station is."""

    identity: str
    password: str | None
    subprotocol: Subprotocol
    token: str | None = None
    """The card that is held to the reader at once; None: the station waits for a remote start."""
    max_power_w: float = 3700.0
    soc_pct: float = 50.0
    """How full the car is when it is plugged in; its battery holds 16 kWh."""
    meter_every_s: int = 10


async def run_station(
    solo: SoloStation,
    *,
    door_of: Callable[[Credentials], Connect],
    clock: Clock,
    say: Callable[[str], None],
    connect_within_s: float = 10.0,
) -> None:
    """Runs the station until the task is cancelled; lost connections are dialled again.

    Args:
        solo: what it is.
        door_of: returns what opens its link by the credentials that it is born with, for example
            `simulators.link.websocket_door(url)` whatever they are.
        clock: life time; the real one.
        say: takes each line about what has changed.
        connect_within_s: how long the service may take to answer the first Boot.

    Raises:
        Unavailable: if the service has not answered a Boot by then.
    """
    station = Station(solo.identity, _kind(solo), now=clock.now(), meter_every_s=solo.meter_every_s)
    dialled = _Dialled(door_of(station.credentials))
    line = Line(
        station,
        connect=dialled,
        password=solo.password,
        now=clock.now,
        checks=(checks := Checks()),
        upload=by_http(),
    )
    teller = _Teller(line, station.evses[1], checks, say)
    station.boot("PowerUp", clock.now())
    car, token = _car(solo), solo.token
    dial_at = clock.now()
    deadline = dial_at + timedelta(seconds=connect_within_s)
    try:
        while True:
            station.advance(clock.now())
            teller.tell(clock.now())  # a lost connection, before it is dialled again
            if not line.connected and clock.now() >= dial_at:
                await line.dial()
                dial_at = clock.now() + timedelta(seconds=REDIAL_S)
            if line.connected:
                if line.online and station.evses[1].car is None:
                    station.plug(1, car, clock.now())
                    if token is not None:
                        station.present(1, token, clock.now())
                station.speak_up(clock.now())
                if line.due():
                    await line.drain()
                await line.do_reset()
            teller.tell(clock.now())
            if line.boot_status is None and clock.now() >= deadline:
                raise Unavailable(f"no answer within {connect_within_s:g} s: {dialled.trouble}")
            await asyncio.sleep(TURN_S)
    finally:
        with contextlib.suppress(FleetError, TimeoutError):
            await asyncio.wait_for(_leave(line, teller, clock), LEAVE_WITHIN_S)


async def _leave(line: Line, teller: _Teller, clock: Clock) -> None:
    """The car drives off: its transaction ends in order, as far as the service can be reached."""
    station = line.station
    station.advance(clock.now())
    if station.evses[1].car is not None:
        station.unplug(1, clock.now())
    if line.online:
        await line.drain()
    teller.tell(clock.now())
    await line.hang_up()


class _Dialled:
    """Opens links, and keeps why the last one could not be had."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.trouble = "the service closes the connection before it answers the first message"

    async def __call__(
        self, caller: Caller, subprotocols: tuple[str, ...], password: str | None
    ) -> Link:
        """Returns an open link; errors as `Connect` says."""
        try:
            return await self._connect(caller, subprotocols, password)
        except LinkRefused as refused:
            self.trouble = refused.detail
            raise


class _Teller:
    """Says what has changed since it last looked, one line each."""

    def __init__(self, line: Line, evse: Evse, checks: Checks, say: Callable[[str], None]) -> None:
        self._line = line
        self._evse = evse
        self._checks = checks
        self._say = say
        self._connected = False
        self._boot_status: str | None = None
        self._plugged = False
        self._transaction: str | None = None
        self._power_w = 0.0
        self._shown: tuple[object, ...] = ()

    def tell(self, at: datetime) -> None:
        """Says each change."""
        for text in (*self._of_the_line(), *self._of_the_cable(), *self._of_the_power()):
            self._say(f"{at:%H:%M:%S}Z {text}")
        complaints, self._checks.complaints = self._checks.complaints, []
        for complaint in complaints:
            self._say(f"{at:%H:%M:%S}Z not as the specification says: {complaint}")

    def _of_the_line(self) -> list[str]:
        lines: list[str] = []
        if self._line.connected != self._connected:
            self._connected = self._line.connected
            protocol = self._line.station.kind.subprotocol
            lines.append(f"connected, {protocol}" if self._connected else "connection lost")
        if self._line.boot_status != self._boot_status:
            self._boot_status = self._line.boot_status
            pending = "; waits to be approved" if self._boot_status == "Pending" else ""
            lines.append(f"booted: {self._boot_status}{pending}")
        return lines

    def _of_the_cable(self) -> list[str]:
        lines: list[str] = []
        car, transaction = self._evse.car, self._evse.transaction
        if car is not None and not self._plugged:
            lines.append(f"plugged in, car at {car.soc_pct:.0f} %")
        began = None if transaction is None else transaction.local_id
        if self._transaction is not None and began != self._transaction:
            lines.append("transaction ended")
        if began is not None and began != self._transaction:
            lines.append("transaction begun")
        if car is None and self._plugged:
            lines.append("unplugged")
        self._plugged, self._transaction = car is not None, began
        return lines

    def _of_the_power(self) -> list[str]:
        evse, car = self._evse, self._evse.car
        if car is None or not evse.energised:
            self._shown = ()
            return []
        soc_pct = round(car.soc_pct)
        limit = "" if math.isinf(evse.allowed_w) else f" (limit {evse.allowed_w:.0f} W)"
        flows = evse.power_w > 0
        # A taper changes the power a little with every turn: that alone is no news.
        power_w = self._power_w
        if abs(evse.power_w - power_w) > NOTEWORTHY_W or flows != (power_w > 0):
            self._power_w = power_w = evse.power_w
        shown = (power_w, limit, soc_pct, flows)
        if shown == self._shown:
            return []
        self._shown = shown
        if flows:
            return [f"charging at {evse.power_w:.0f} W{limit}, car at {soc_pct} %"]
        if evse.charging_state == "SuspendedEVSE":
            return [f"held back{limit}, car at {soc_pct} %"]
        return [f"full, car at {soc_pct} %"]


def _kind(solo: SoloStation) -> StationKind:
    return StationKind(
        id="solo",
        vendor="Heliofleet",
        model="Solo",
        subprotocol=solo.subprotocol,
        evses=1,
        max_power_w=solo.max_power_w,
        min_power_w=1380.0,
        current_type="AC",
        phases=1,
        safe_limit_w=1380.0,
        reaction_s=2.0,
        reports_soc=solo.subprotocol != "ocpp1.6",
    )


def _car(solo: SoloStation) -> Car:
    return Car(
        id="solo-car",
        model_id="solo",
        vehicle_class="city",
        token=solo.token or "",
        capacity_wh=BATTERY_WH,
        max_ac_power_w=solo.max_power_w,
        max_dc_power_w=22_000.0,
        consumption_wh_per_km=140.0,
        charge_efficiency=0.9,
        soc_wh=BATTERY_WH * solo.soc_pct / 100,
        odometer_km=0.0,
        site_id=None,
    )
