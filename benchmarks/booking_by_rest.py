"""How long a booking takes over REST with its commit, where the house knows 3,000 cars.

A real `heliofleet serve` on SQLite, in a process of its own, with its planner: 100 sites with 30
cars each that stand at 80 %, which are in the database before it begins. One client books, one wish
after another, over a connection that it keeps; what is refused is not counted. Wall time, so that
other work on the machine counts; beside it the CPU time of the service alone (its planner's solving
has a process of its own), shared among the bookings.

Run `python -m benchmarks.booking_by_rest`. Goal: 50 ms at the 99th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np

from csms.ledger import migrate
from csms.ledger.database import Database
from models.clocks import RealClock
from models.ids import UlidMaker
from models.tables.energy import Site
from models.tables.fleet import Driver, Vehicle, VehicleModel

KEY = "bookings-over-rest-" + "0" * 32
DRIVER = "ada"
CARS_PER_SITE = 30


@dataclass(frozen=True, slots=True)
class Booked:
    """What booking over REST has shown."""

    cars: int
    accepted: int
    refused: int
    median_ms: float
    p99_ms: float
    cpu_ms: float
    """Of the service's main process, for each wish on average."""


@contextmanager
def service(url: str) -> Generator[tuple[str, int]]:
    """Runs a service on a database; gives the address of its REST door, and its process."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HELIOFLEET_")}
    root = str(Path(__file__).parents[1])
    settings = {"HELIOFLEET_BOOTSTRAP_API_KEY": KEY, "HELIOFLEET_DATABASE_URL": url}
    process = subprocess.Popen(
        [sys.executable, "-m", "csms.cli", "serve", "--http-port", "0", "--ocpp-port", "0"],
        cwd=Path(url.removeprefix("sqlite:///")).parent,
        env=environment | settings | {"PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split(" ")[0], process.pid
    finally:
        process.kill()
        process.wait(30)


async def found(url: str, cars: int) -> list[str]:
    """Makes sites, cars and a driver; returns the sites."""
    db, clock = Database.open(url), RealClock()
    await db.start()
    now = clock.now()
    kept: dict[str, Any] = {
        "tenant_id": "default",
        "created_at": now,
        "updated_at": now,
        "custom": {},
    }
    place = {"latitude": 45.74, "longitude": 4.81, "timezone": "Europe/Paris"}
    limits = {"import_limit_w": 200_000.0, "export_limit_w": 200_000.0}
    sites = [f"site-{n}" for n in range(max(1, cars // CARS_PER_SITE))]
    async with db.write(clock, UlidMaker(clock, Random(0))) as work:
        work.session.add_all(Site(id=each, name=each, **place, **limits, **kept) for each in sites)
        work.session.add(
            VehicleModel(
                id="small",
                name="Small",
                vehicle_class="city",
                battery_capacity_wh=16_000.0,
                max_ac_power_w=3_700.0,
                consumption_wh_per_km=140.0,
                **kept,
            )
        )
        work.session.add(Driver(id=DRIVER, name="Ada", **kept))
        await work.session.flush()
        for n in range(cars):
            site = sites[n % len(sites)]
            state = {"at_site_id": site, "soc_pct": 80.0, "measured_at": now, "source": "manual"}
            car = Vehicle(id=f"car-{n}", model_id="small", site_id=site, **state, **kept)
            work.session.add(car)
    await db.close()
    return sites


async def measure(
    door: str, pid: int, sites: Sequence[str], *, cars: int, wishes: int, seed: int
) -> Booked:
    """Books in a house."""
    random, clock = Random(seed), RealClock()
    headers = {"Authorization": f"Bearer {KEY}"}
    took_ms: list[float] = []
    refused = 0
    async with httpx.AsyncClient(base_url=f"{door}/api/v1", headers=headers, timeout=120) as api:
        (await api.get("/sites")).raise_for_status()
        cpu_s = _cpu_s(pid)
        for _ in range(wishes):
            start = clock.now() + timedelta(minutes=random.randint(60, 40 * 60))
            wish = {
                "driver_id": DRIVER,
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
        cpu_ms = 1000 * (_cpu_s(pid) - cpu_s) / wishes
    median, p99 = np.quantile(took_ms, [0.5, 0.99])
    return Booked(cars, len(took_ms), refused, float(median), float(p99), cpu_ms)


def _cpu_s(pid: int) -> float:
    """Returns the CPU time of a process so far, where the system tells."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return float("nan")
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def booked(*, cars: int = 3000, wishes: int = 500, seed: int = 1) -> Booked:
    """Measures with a service of its own, in a fresh folder."""
    with tempfile.TemporaryDirectory(prefix="heliofleet-bench-") as folder:
        url = f"sqlite:///{folder}/heliofleet.db"
        migrate.upgrade(url)
        sites = asyncio.run(found(url, cars))
        with service(url) as (door, pid):
            return asyncio.run(measure(door, pid, sites, cars=cars, wishes=wishes, seed=seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cars", type=int, default=3000)
    parser.add_argument("--wishes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    result = booked(**vars(parser.parse_args()))
    sys.stdout.write(
        f"{result.cars} cars: {result.accepted} bookings (and {result.refused} refused), median"
        f" {result.median_ms:.1f} ms, p99 {result.p99_ms:.1f} ms; CPU {result.cpu_ms:.1f} ms each\n"
    )


if __name__ == "__main__":
    main()
