"""How long a booking takes over REST with its commit, where the house knows 3,000 cars.

A real `heliofleet serve` on SQLite, in a process of its own, with its planner: 100 sites with 30
cars each that stand at 80 %. One client books, one wish after another, over a connection that it
keeps; what is refused is not counted. Wall time, so that other work on the machine counts.

Run `python -m benchmarks.booking_by_rest`. Goal (issue 6): 50 ms at the 99th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np

from models.clocks import RealClock

KEY = "bookings-over-rest-" + "0" * 32
CARS_PER_SITE = 30
AT_ONCE = 16
"""How many cars are made at once while the house is founded."""


@dataclass(frozen=True, slots=True)
class Booked:
    """What booking over REST has shown."""

    cars: int
    accepted: int
    refused: int
    median_ms: float
    p99_ms: float


@contextmanager
def service() -> Generator[str]:
    """Runs a service in a fresh folder; gives the address of its REST door."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HELIOFLEET_")}
    root = str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory(prefix="heliofleet-bench-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "csms.cli", "serve", "--http-port", "0", "--ocpp-port", "0"],
            cwd=folder,
            env=environment | {"HELIOFLEET_BOOTSTRAP_API_KEY": KEY, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split(" ")[0]
        finally:
            process.kill()
            process.wait(30)


async def made(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> str:
    answer = await api.post(path, json=body)
    answer.raise_for_status()
    return answer.json()["id"]


async def found(api: httpx.AsyncClient, cars: int) -> tuple[list[str], str]:
    """Makes sites and cars; returns the sites, and one driver."""
    place = {"latitude": 45.74, "longitude": 4.81, "timezone": "Europe/Paris"}
    sites = [
        await made(api, "/sites", {"name": f"Site {n}", "import_limit_w": 200_000, **place})
        for n in range(max(1, cars // CARS_PER_SITE))
    ]
    model = await made(
        api,
        "/vehicle-models",
        {
            "name": "Small",
            "vehicle_class": "city",
            "battery_capacity_wh": 16_000,
            "max_ac_power_w": 3_700,
            "consumption_wh_per_km": 140,
        },
    )
    free = asyncio.Semaphore(AT_ONCE)

    async def car(number: int) -> None:
        async with free:
            site = sites[number % len(sites)]
            name = await made(api, "/vehicles", {"model_id": model, "site_id": site})
            state = {"soc_pct": 80, "at_site_id": site}
            (await api.post(f"/vehicles/{name}/state", json=state)).raise_for_status()

    await asyncio.gather(*(car(number) for number in range(cars)))
    return sites, await made(api, "/drivers", {"name": "Ada"})


async def measure(door: str, *, cars: int, wishes: int, seed: int) -> Booked:
    """Founds a house and books in it."""
    random, clock = Random(seed), RealClock()
    headers = {"Authorization": f"Bearer {KEY}"}
    took_ms: list[float] = []
    refused = 0
    async with httpx.AsyncClient(base_url=f"{door}/api/v1", headers=headers, timeout=120) as api:
        sites, driver = await found(api, cars)
        for _ in range(wishes):
            start = clock.now() + timedelta(minutes=random.randint(60, 40 * 60))
            wish = {
                "driver_id": driver,
                "pickup_site_id": random.choice(sites),
                "start": start.isoformat(),
                "end": (start + timedelta(hours=2)).isoformat(),
                "distance_km": random.choice([10, 20, 30]),
            }
            began_s = time.perf_counter()
            answer = await api.post("/bookings", json=wish)
            spent_ms = (time.perf_counter() - began_s) * 1000
            if answer.status_code == 201:
                took_ms.append(spent_ms)
            else:
                assert answer.status_code == 409, answer.text
                refused += 1
    median, p99 = np.quantile(took_ms, [0.5, 0.99])
    return Booked(cars, len(took_ms), refused, float(median), float(p99))


def booked(*, cars: int = 3000, wishes: int = 500, seed: int = 1) -> Booked:
    """Measures with a service of its own."""
    with service() as door:
        return asyncio.run(measure(door, cars=cars, wishes=wishes, seed=seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cars", type=int, default=3000)
    parser.add_argument("--wishes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    result = booked(**vars(parser.parse_args()))
    sys.stdout.write(
        f"{result.cars} cars: {result.accepted} bookings (and {result.refused} refused), median"
        f" {result.median_ms:.1f} ms, p99 {result.p99_ms:.1f} ms\n"
    )


if __name__ == "__main__":
    main()
