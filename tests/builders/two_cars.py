"""Two cars on one circuit: what has to be shared out between boxes, on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.builders.paying import TOKEN, Paying, paying
from tests.builders.stations import a_car

FULL_W = 3_700.0
EVSES: list[dict[str, Any]] = [
    {"evse_id": number, "max_power_w": FULL_W, "min_power_w": 1000.0, "circuit_id": "C"}
    for number in (1, 2)
]


@asynccontextmanager
async def two_cars(
    url: str, version: str, limit_w: float = 9_000.0, **site: Any
) -> AsyncIterator[Paying]:
    """Runs a house with two cars that charge with all they can on the circuit C of this limit."""
    async with paying(url, version) as it:
        circuits = [{"id": "C", "limit_w": limit_w}]
        await it.house.patch("/sites/A", {"circuits": circuits, **site})
        await it.house.patch("/stations/ST-1", {"evses": EVSES})
        for evse_id in (1, 2):
            now = it.house.clock.now()
            it.box.plug(evse_id, a_car(id=f"car-{evse_id}", token=TOKEN), now)
            it.box.present(evse_id, TOKEN, now)
        await it.until(
            "/transactions",
            lambda page: len([t for t in page["items"] if t["token_status"] == "Accepted"]) == 2,
            open="true",
        )
        yield it
