"""Builders of simulated stations and cars for tests."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

from simulators.checks import Checks
from simulators.line import Line
from simulators.odd_station import OddStation
from simulators.profiles import Period, Profile, Purpose
from simulators.scenario import StationKind
from simulators.station import Station
from simulators.vehicle import Car
from tests.builders.small_service import SmallService

NOON = datetime(2026, 6, 16, 12, 0, tzinfo=UTC)


def a_kind(**changes: Any) -> StationKind:
    """Returns a kind of station: 1.6, two AC EVSEs of 3.7 kW, unless changed."""
    values: dict[str, Any] = {
        "id": "k",
        "vendor": "V",
        "model": "M",
        "subprotocol": "ocpp1.6",
        "evses": 2,
        "max_power_w": 3700.0,
        "min_power_w": 1380.0,
        "current_type": "AC",
        "phases": 1,
        "safe_limit_w": 1380.0,
        "reaction_s": 10.0,
    }
    return StationKind(**{**values, **changes})


def a_car(**changes: Any) -> Car:
    """Returns a car of 16 kWh, half full, unless changed."""
    values: dict[str, Any] = {
        "id": "car-1",
        "model_id": "m",
        "vehicle_class": "city",
        "token": "04AABBCC",
        "capacity_wh": 16_000.0,
        "max_ac_power_w": 3700.0,
        "max_dc_power_w": 22_000.0,
        "consumption_wh_per_km": 140.0,
        "charge_efficiency": 0.9,
        "soc_wh": 8_000.0,
        "odometer_km": 100.0,
        "site_id": "s",
    }
    return Car(**{**values, **changes})


def a_station(*, quirks: frozenset[str] = frozenset(), **changes: Any) -> Station:
    """Returns a station that stands at noon."""
    return OddStation("ST-1", a_kind(**changes), now=NOON, quirks=quirks)


def a_limit(limit_w: float, **changes: Any) -> Profile:
    """Returns a profile with one period, for the transaction on EVSE 1 unless changed."""
    values: dict[str, Any] = {
        "id": 1,
        "evse_id": 1,
        "purpose": Purpose.TRANSACTION,
        "stack_level": 0,
        "kind": "Relative",
        "periods": (Period(0.0, limit_w),),
        "received_at": NOON,
    }
    return Profile(**{**values, **changes})


def charging(station: Station, *, evse_id: int = 1, **car: Any) -> Car:
    """Plugs a car in at noon, with its transaction begun as if by remote."""
    it = a_car(**car)
    station.plug(evse_id, it, NOON)
    station.remote_start(evse_id, it.token, None, NOON)
    return it


class Wired:
    """A station on a memory link to a small service, at noon until told otherwise."""

    def __init__(
        self,
        subprotocol: str,
        *,
        quirks: frozenset[str] = frozenset(),
        service: SmallService | None = None,
    ) -> None:
        self.at = NOON
        self.service = service or SmallService(NOON)
        self.station = a_station(quirks=quirks, subprotocol=subprotocol)
        self.checks = Checks()
        self.line = Line(
            self.station,
            connect=self.service.connect,
            password="secret",
            now=lambda: self.at,
            checks=self.checks,
        )

    async def up(self) -> None:
        """Connects and boots."""
        self.station.boot("PowerUp", self.at)
        assert await self.line.dial()
        await self.line.drain()

    async def order(self, action: str, payload: dict[str, Any]) -> Any:
        """Returns the station's answer to a command, after it has said what follows from it."""
        answer = await self.service.order("ST-1", action, payload)
        await self.line.drain()
        return answer

    def heard(self, *actions: str) -> list[tuple[str, dict[str, Any]]]:
        """Returns what the service heard of these actions, in order."""
        return [(a, p) for _, a, p in self.service.heard if not actions or a in actions]

    async def down(self) -> None:
        """Hangs up and lets the service's side end."""
        await self.line.hang_up()
        for _ in itertools.repeat(None, 3):
            await asyncio.sleep(0)
