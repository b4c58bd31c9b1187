"""One simulated station against a real service, on the real clock, until it is told to stop.

For a first tour and for trying things out by hand: a small car hangs on its first EVSE, half full,
and charges once a transaction is started, by its card or by remote.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from models.clocks import Clock
from simulators.checks import Checks
from simulators.line import Line
from simulators.link import Connect
from simulators.scenario import StationKind
from simulators.station import Station
from simulators.vehicle import Car

TURN_S = 0.25
REDIAL_S = 2.0

Subprotocol = Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


@dataclass(frozen=True, slots=True)
class SoloStation:
    """What the station is."""

    identity: str
    password: str | None
    subprotocol: Subprotocol
    plug_token: str | None = None
    """The card that is held to the reader at once; None: the station waits for a remote start."""
    evses: int = 1
    max_power_w: float = 3700.0
    soc_pct: float = 50.0
    meter_every_s: int = 10


async def run_station(solo: SoloStation, *, connect: Connect, clock: Clock) -> None:
    """Runs the station until the task is cancelled; lost connections are dialled again.

    Args:
        solo: what it is.
        connect: opens its link, for example `simulators.link.websocket_door(url)`.
        clock: life time; the real one.
    """
    start = clock.now()
    kind = StationKind(
        id="solo",
        vendor="Heliofleet",
        model="Solo 3.7",
        subprotocol=solo.subprotocol,
        evses=solo.evses,
        max_power_w=solo.max_power_w,
        min_power_w=1380.0,
        current_type="AC",
        phases=1,
        safe_limit_w=1380.0,
        reaction_s=2.0,
        reports_soc=solo.subprotocol != "ocpp1.6",
    )
    station = Station(solo.identity, kind, now=start, meter_every_s=solo.meter_every_s)
    line = Line(station, connect=connect, password=solo.password, now=clock.now, checks=Checks())
    station.boot("PowerUp", start)
    station.plug(1, _car(solo), start)
    presented = solo.plug_token is None
    try:
        while True:
            station.advance(clock.now())
            if not await line.dial():
                await asyncio.sleep(REDIAL_S)
                continue
            if line.online and not presented and solo.plug_token is not None:
                station.present(1, solo.plug_token, clock.now())
                presented = True
            station.speak_up(clock.now())
            if line.due():
                await line.drain()
            await line.do_reset()
            await asyncio.sleep(TURN_S)
    finally:
        await line.hang_up()


def _car(solo: SoloStation) -> Car:
    return Car(
        id="solo-car",
        model_id="solo",
        vehicle_class="city",
        token=solo.plug_token or "",
        capacity_wh=16_000.0,
        max_ac_power_w=3700.0,
        max_dc_power_w=22_000.0,
        consumption_wh_per_km=140.0,
        charge_efficiency=0.9,
        soc_wh=16_000.0 * solo.soc_pct / 100,
        odometer_km=0.0,
        site_id=None,
    )
