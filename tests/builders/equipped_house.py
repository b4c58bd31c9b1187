"""A house with a planner that is asked by hand: what is set over REST, and the plan from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from models.clocks import SteppedClock
from models.timeline import format_rfc3339
from tests.builders.planners import a_planner
from tests.builders.rest_house import RestHouse, a_model, frame, rest_house


class EquippedHouse:
    """The house; its site A is to be furnished by each test."""

    def __init__(self, house: RestHouse) -> None:
        self.rest = house
        self.planner = a_planner(house)

    @property
    def now(self) -> datetime:
        """Returns the present."""
        return self.rest.clock.now()

    async def later(self, span: timedelta) -> None:
        """Lets time pass."""
        assert isinstance(self.rest.clock, SteppedClock)
        await self.rest.clock.advance_to(self.now + span)

    async def plan(self, site_id: str | None = None) -> Any:
        """Has a plan made, which must pass the referee, and returns it as it is shown."""
        assert await self.planner.plan_now("asked") is not None
        query = {} if site_id is None else {"site_id": site_id}
        return await self.rest.get("/plans/current", **query)

    async def furnish(
        self, evses: list[dict[str, Any]], *, cars: int, model: dict[str, Any] | None = None
    ) -> None:
        """Connects the station CP-1 with these EVSEs at A, and puts cars on the first of them."""
        made = await self.rest.station("CP-1", "A", evses=evses)
        self.link = await self.rest.connect("CP-1", made["password"])
        await self.rest.post("/vehicle-models", a_model(id="mia", **(model or {})))
        for number in range(1, cars + 1):
            car = {"id": f"car-{number}", "model_id": "mia", "site_id": "A"}
            await self.rest.post("/vehicles", car)
            state = {"soc_pct": 50.0, "plugged_evse": f"CP-1/{number}"}
            await self.rest.post(f"/vehicles/car-{number}/state", state, 200)

    async def begin(self, *evses: int) -> None:
        """Has the station begin a transaction at each of these EVSEs."""
        for number in evses:
            start = {"connectorId": number, "idTag": f"T{number}", "meterStart": 0}
            begun = {**start, "timestamp": format_rfc3339(self.now)}
            await self.link.send(frame([2, f"s{number}", "StartTransaction", begun]))

    async def charge_now(self, *cars: str) -> None:
        """Has cars charge as much as all limits allow."""
        for car in cars:
            wish = {"vehicle_id": car, "kind": "charge_now", "duration": "PT8H"}
            await self.rest.post("/overrides", wish)

    async def prices(self, hours: list[str], **more: Any) -> None:
        """Pushes the import price of each hour from midnight of the present day on."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        body = {
            "site_id": "A",
            "issued_at": format_rfc3339(self.now),
            "start": format_rfc3339(midnight),
            "step_minutes": 60,
            "import_price_per_kwh": hours,
            "export_price_per_kwh": ["0.02"] * len(hours),
        }
        await self.rest.post("/prices", body | more)

    async def forecast(self, kind: str, powers_w: list[float]) -> None:
        """Pushes the power of each hour from the present hour on."""
        body = {
            "site_id": "A",
            "issued_at": format_rfc3339(self.now),
            "start": format_rfc3339(self.now.replace(minute=0, second=0, microsecond=0)),
            "step_minutes": 60,
            "q50_w": powers_w,
        }
        await self.rest.post(f"/forecasts/{kind}", body)


def powers_w(plan: Any, vehicle: str) -> list[float]:
    """Returns what a plan gives a car, by step."""
    found = [0.0] * plan["steps"]
    for entry in plan["charging"]:
        if entry["vehicle"] == vehicle:
            for step in range(entry["from_step"], entry["to_step"]):
                found[step] += entry["power_w"]
    return found


@asynccontextmanager
async def equipped_house(url: str) -> AsyncIterator[EquippedHouse]:
    """Runs it, at six o'clock of a summer's day."""
    async with rest_house(url, stepped=True) as house:
        yield EquippedHouse(house)
