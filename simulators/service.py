"""The service as people and their devices see it: a few calls of its REST door.

Answers are read as far as somebody here acts on them. A refusal is an answer; an error that
should not be is noted as a complaint and read as a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx
import msgspec

from models.errors import FleetError
from models.timeline import format_rfc3339
from simulators.battery import Setpoint, SiteBattery
from simulators.checks import Checks
from simulators.people import Wish
from simulators.vehicle import Car
from simulators.world import Measurement

BASE = "/api/v1"
CREATED = 201
CONFLICT = 409


class BookingAnswer(msgspec.Struct, frozen=True):
    """What the service says of a booking."""

    id: str
    status: str
    start: datetime
    end: datetime
    pickup_site_id: str
    dropoff_site_id: str
    distance_km: float
    vehicle_class: str | None = None
    vehicle_id: str | None = None
    assigned_evse: str | None = None
    """Only after a return: where to plug in."""


class MoveAsked(msgspec.Struct, frozen=True):
    """A car that staff is asked to move."""

    id: str
    site_id: str
    vehicle_id: str
    from_evse: str | None
    to_evse: str | None
    from_at: datetime
    to_at: datetime


class Refusal(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457)."""

    code: str = ""
    detail: str = ""
    alternatives: tuple[dict[str, Any], ...] = ()


class _Schedule(msgspec.Struct, frozen=True):
    periods: tuple[Setpoint, ...]


class _Moves(msgspec.Struct, frozen=True):
    items: tuple[MoveAsked, ...]


class _StationMade(msgspec.Struct, frozen=True):
    password: str | None = None


class SetupFailed(FleetError):
    """The service would not take the scenario."""

    code = "setup-failed"


class Service:
    """The REST door of the service under test."""

    def __init__(self, api: httpx.AsyncClient, checks: Checks) -> None:
        self._api = api
        self._checks = checks

    async def create(self, path: str, body: Mapping[str, Any], *, known_as: str) -> bytes:
        """Creates something that the scenario needs, or changes it if it is there.

        Raises:
            SetupFailed: if the service refuses.
        """
        response = await self._send("POST", path, body)
        if response.status_code == CONFLICT:
            unchangeable = {"id", "identity"}
            patch = {name: value for name, value in body.items() if name not in unchangeable}
            response = await self._send("PATCH", f"{path}/{known_as}", patch)
        if response.is_error:
            raise SetupFailed(f"{path}/{known_as}: {response.status_code} {response.text[:300]}")
        return response.content

    async def create_station(self, body: Mapping[str, Any]) -> str | None:
        """Creates a station and returns its password.

        Raises:
            SetupFailed: if the service refuses.
        """
        content = await self.create("/stations", body, known_as=str(body["identity"]))
        made = msgspec.json.decode(content, type=_StationMade)
        return made.password or body.get("password")

    async def push(self, path: str, body: Mapping[str, Any], *, who: str) -> bool:
        """Tells the service something; False, and a complaint, if it will not have it."""
        response = await self._send("POST", path, body)
        if response.is_error:
            self._complain(who, path, response)
        return not response.is_error

    async def measured(self, site_id: str, at: datetime, values: Measurement) -> None:
        """Pushes what a site's meters say."""
        body = {
            "measured_at": format_rfc3339(at),
            "pv_power_w": values.pv_power_w,
            "load_power_w": values.load_power_w,
            "grid_power_w": values.grid_power_w,
        }
        await self.push(f"/sites/{site_id}/measurements", body, who=site_id)

    async def battery_state(self, site_id: str, at: datetime, battery: SiteBattery) -> None:
        """Reports how full a site's battery is."""
        body = {
            "soc_wh": round(battery.stored_wh, 1),
            "power_w": round(battery.power_w, 1),
            "measured_at": format_rfc3339(at),
        }
        await self.push(f"/sites/{site_id}/battery/state", body, who=site_id)

    async def battery_schedule(self, site_id: str) -> tuple[Setpoint, ...]:
        """Returns what a site's battery is to do; empty, and a complaint, if that is not told."""
        response = await self._api.get(f"{BASE}/sites/{site_id}/battery/schedule")
        if response.is_error:
            self._complain(site_id, "GET battery schedule", response)
            return ()
        return msgspec.json.decode(response.content, type=_Schedule).periods

    async def open_moves(self, site_id: str) -> tuple[MoveAsked, ...]:
        """Returns what staff of a site is to do; nothing, and a complaint, if that is not told."""
        response = await self._api.get(f"{BASE}/sites/{site_id}/moves?status=open&limit=100")
        if response.is_error:
            self._complain(site_id, "GET moves", response)
            return ()
        return msgspec.json.decode(response.content, type=_Moves).items

    async def move_done(self, move: MoveAsked) -> None:
        """Says that a car was moved; that the service knows it already is fine."""
        await self._tell_of_move(move, "done", {})

    async def move_refused(self, move: MoveAsked, note: str) -> bool:
        """Says that a car can't be moved; False if nobody wants it moved any more."""
        return await self._tell_of_move(move, "refused", {"note": note})

    async def _tell_of_move(self, move: MoveAsked, what: str, body: Mapping[str, Any]) -> bool:
        path = f"/sites/{move.site_id}/moves/{move.id}/{what}"
        response = await self._send("POST", path, body)
        if response.is_error and response.status_code != CONFLICT:
            self._complain(move.vehicle_id, path, response)
        return not response.is_error

    async def seen(self, car: Car, at: datetime) -> None:
        """Pushes where a car is plugged in, and its state of charge."""
        plug = None if car.plug is None else f"{car.plug[0]}/{car.plug[1]}"
        body = {
            "soc_pct": car.soc_pct,
            "odometer_km": round(car.odometer_km, 1),
            "plugged_evse": plug,
            "measured_at": format_rfc3339(at),
            "source": "push",
        }
        await self.push(f"/vehicles/{car.id}/state", body, who=car.id)

    async def book(self, wish: Wish) -> BookingAnswer | Refusal:
        """Asks for what somebody wishes."""
        body: dict[str, Any] = {
            "driver_id": wish.driver_id,
            "pickup_site_id": wish.pickup_site_id,
            "dropoff_site_id": wish.dropoff_site_id,
            "start": format_rfc3339(wish.start),
            "end": format_rfc3339(wish.end),
            "distance_km": wish.distance_km,
        }
        if wish.vehicle_class is not None:
            body["vehicle_class"] = wish.vehicle_class
        return await self._ask_booking(wish.id, body)

    async def book_alternative(
        self, wish: Wish, alternative: Mapping[str, Any]
    ) -> BookingAnswer | Refusal:
        """Asks for an alternative, just as the service has written it."""
        return await self._ask_booking(wish.id, {"driver_id": wish.driver_id, **alternative})

    async def booking(self, booking_id: str) -> BookingAnswer | None:
        """Returns how a booking stands; None, and a complaint, if it is not to be had."""
        response = await self._api.get(f"{BASE}/bookings/{booking_id}")
        if response.is_error:
            self._complain(booking_id, "GET booking", response)
            return None
        return msgspec.json.decode(response.content, type=BookingAnswer)

    async def act(
        self, booking_id: str, action: str, car: Car | None = None
    ) -> BookingAnswer | None:
        """Starts, returns or cancels a booking; None, and a complaint, if that was refused."""
        body: dict[str, Any] = {}
        if car is not None:
            body = {"soc_pct": car.soc_pct, "odometer_km": round(car.odometer_km, 1)}
        response = await self._send("POST", f"/bookings/{booking_id}/{action}", body)
        if response.is_error:
            self._complain(booking_id, action, response)
            return None
        return msgspec.json.decode(response.content, type=BookingAnswer)

    async def _ask_booking(self, who: str, body: Mapping[str, Any]) -> BookingAnswer | Refusal:
        response = await self._send("POST", "/bookings", body)
        if response.status_code == CREATED:
            return msgspec.json.decode(response.content, type=BookingAnswer)
        if response.status_code != CONFLICT:
            self._complain(who, "POST bookings", response)
        try:
            return msgspec.json.decode(response.content, type=Refusal)
        except msgspec.DecodeError as error:
            self._checks.complain(who, "POST bookings", error)
            return Refusal(code="unreadable")

    async def _send(self, method: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        return await self._api.request(
            method,
            f"{BASE}{path}",
            content=msgspec.json.encode(body),
            headers={"Content-Type": "application/json"},
        )

    def _complain(self, who: str, subject: str, response: httpx.Response) -> None:
        self._checks.complain(who, subject, f"{response.status_code} {response.text[:300]}")


def decimals(values: Sequence[float]) -> list[str]:
    """Writes money as the REST door has it: decimal strings."""
    return [f"{value:.5f}" for value in values]
