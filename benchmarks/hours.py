"""Whether a service that runs for hours stays as it is: its memory, and what its log complains of.

A real `heliofleet serve` on SQLite, in a process of its own, real sockets, real time. A thousand
stations are there and idle, a hundred charge: each 10 to 20 minutes a car comes, charges on a known
card, and goes. A third of the stations speaks each version of OCPP. Every minute the resident
memory of the service and of the solvers that it has started is noted; what counts is by how much
the last quarter's median lies above that of the second quarter. The first quarter fills caches.

Run `python -m benchmarks.hours --minutes 60`. Goals: at most 2 %, no error in the log, no complaint
of a station. It is not among `make bench`, which ends in minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec
import uvloop

from models.clocks import RealClock
from simulators.checks import Checks
from simulators.line import Line
from simulators.link import websocket_door
from simulators.scenario import StationKind
from simulators.station import Station
from simulators.vehicle import Car

KEY = "hours-of-running-" + "0" * 32
VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
TURN_S = 5.0
REDIAL_S = 10.0
FLAT_PCT = 2.0
SITES = 10
BATTERY_WH = 16_000.0


@dataclass
class Found:
    """What a run has shown."""

    memory_mib: list[float] = field(default_factory=list[float])
    """Of each minute."""
    said: int = 0
    complaints: list[str] = field(default_factory=list[str])
    log_levels: dict[str, int] = field(default_factory=dict[str, int])
    log_samples: list[str] = field(default_factory=list[str])

    @property
    def growth_pct(self) -> float:
        """By how much the last quarter's median lies above the second's."""
        quarter = max(1, len(self.memory_mib) // 4)
        early = statistics.median(self.memory_mib[quarter : 2 * quarter])
        late = statistics.median(self.memory_mib[-quarter:])
        return (late / early - 1) * 100


def family_memory_mib(pid: int) -> float:
    """Returns the resident memory of a process and of its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    pages = 0
    for each in (pid, *map(int, children)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pages += int(Path(f"/proc/{each}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def kind_of(number: int) -> StationKind:
    return StationKind(
        id="hours",
        vendor="Heliofleet",
        model="Hours",
        subprotocol=VERSIONS[number % len(VERSIONS)],
        evses=1,
        max_power_w=3700.0,
        min_power_w=1380.0,
        current_type="AC",
        phases=1,
        safe_limit_w=1380.0,
        reaction_s=2.0,
        reports_soc=number % len(VERSIONS) != 0,
    )


def car_of(identity: str, token: str, soc_pct: float) -> Car:
    return Car(
        id=f"car-{identity}",
        model_id="hours",
        vehicle_class="city",
        token=token,
        capacity_wh=BATTERY_WH,
        max_ac_power_w=3700.0,
        max_dc_power_w=22_000.0,
        consumption_wh_per_km=140.0,
        charge_efficiency=0.9,
        soc_wh=BATTERY_WH * soc_pct / 100,
        odometer_km=0.0,
        site_id=None,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A station of the town."""

    number: int
    identity: str
    password: str
    token: str | None
    """The card of the cars that come; None: none come."""


async def live(place: Place, url: str, checks: Checks) -> None:
    """Lives as one station until cancelled."""
    number, identity, token = place.number, place.identity, place.token
    clock, random = RealClock(), Random(number)
    station = Station(identity, kind_of(number), now=clock.now(), meter_every_s=10)
    line = Line(
        station, connect=websocket_door(url), password=place.password, now=clock.now, checks=checks
    )
    station.boot("PowerUp", clock.now())
    await asyncio.sleep(random.uniform(0, 30))
    dial_at = change_at = clock.now()
    try:
        while True:
            now = clock.now()
            station.advance(now)
            if not line.connected and now >= dial_at:
                await line.dial()
                dial_at = now + timedelta(seconds=REDIAL_S)
            if line.online and token is not None and now >= change_at:
                if station.evses[1].car is None:
                    station.plug(1, car_of(identity, token, random.uniform(10, 50)), now)
                    station.present(1, token, now)
                    change_at = now + timedelta(minutes=random.uniform(10, 20))
                else:
                    station.unplug(1, now)
                    change_at = now + timedelta(seconds=random.uniform(10, 60))
            if line.connected:
                station.speak_up(now)
                if line.due():
                    await line.drain()
                await line.do_reset()
            await asyncio.sleep(TURN_S)
    finally:
        await line.hang_up()


async def found_town(api: httpx.AsyncClient, idle: int, charging: int) -> list[Place]:
    """Makes sites, stations and tokens."""
    sites: list[str] = []
    for number in range(SITES):
        body = {
            "name": f"Site {number}",
            "latitude": 45.74,
            "longitude": 4.81,
            "timezone": "Europe/Paris",
            "import_limit_w": 2_000_000,
        }
        sites.append((await made(api, "/sites", body))["id"])
    places: list[Place] = []
    for number in range(idle + charging):
        identity = f"HOUR-{number:04d}"
        answer = await made(
            api, "/stations", {"identity": identity, "site_id": sites[number % SITES]}
        )
        token = f"CARD-{number}" if number < charging else None
        places.append(Place(number, identity, answer["password"], token))
        if token is not None:
            await made(api, "/id-tokens", {"id_token": token, "type": "ISO14443"})
    return places


async def made(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(f"/api/v1{path}", json=body)
    answer.raise_for_status()
    return answer.json()


async def run(
    process: subprocess.Popen[str], doors: list[str], *, minutes: float, idle: int, charging: int
) -> Found:
    """Plays the hours."""
    found, checks = Found(), Checks()
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=doors[0], headers=headers, timeout=60) as api:
        places = await found_town(api, idle, charging)
        tasks = [asyncio.create_task(live(place, doors[1], checks)) for place in places]
        began = time.monotonic()
        while time.monotonic() - began < minutes * 60:
            await asyncio.sleep(60)
            found.memory_mib.append(family_memory_mib(process.pid))
            shown = await api.get("/api/v1/stations", params={"online": "true", "limit": 1})
            shown.raise_for_status()
            found.said = sum(checks.said.values())
            sys.stderr.write(
                f"{len(found.memory_mib):3d} min {found.memory_mib[-1]:7.1f} MiB,"
                f" {found.said} calls, {len(checks.complaints)} complaints\n"
            )
        for task in tasks:
            task.cancel()
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(end, Exception):
                found.complaints.append(f"a station has ended: {end!r}")
    found.complaints += checks.complaints
    return found


def read_log(path: Path, found: Found) -> None:
    """Counts what the service has logged by level, and keeps what is worse than a warning."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            level = msgspec.json.decode(line)["level"]
        except (msgspec.DecodeError, KeyError, TypeError):
            level = "other"
        found.log_levels[level] = found.log_levels.get(level, 0) + 1
        if level not in {"debug", "info"} and len(found.log_samples) < 10:
            found.log_samples.append(line[:300])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--charging", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heliofleet-hours-") as folder:
        log = Path(folder) / "log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HELIOFLEET_")}
        environment |= {"HELIOFLEET_BOOTSTRAP_API_KEY": KEY, "HELIOFLEET_LOG_FORMAT": "json"}
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "csms.cli", "serve", "--http-port", "0", "--ocpp-port", "0"],
                cwd=folder,
                env=environment | {"PYTHONPATH": str(Path(__file__).parents[1])},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert process.stdout is not None
        try:
            doors = [process.stdout.readline().split(" ")[0] for _ in range(2)]
            found = uvloop.run(
                run(
                    process,
                    doors,
                    minutes=options.minutes,
                    idle=options.idle,
                    charging=options.charging,
                )
            )
            process.terminate()
            process.wait(30)
        finally:
            process.kill()
        read_log(log, found)
    sys.stdout.write(
        f"{options.idle} idle and {options.charging} charging stations, {options.minutes:g} min:"
        f" memory {found.memory_mib[0]:.1f} to {found.memory_mib[-1]:.1f} MiB,"
        f" growth {found.growth_pct:+.2f} % (goal {FLAT_PCT:g}), {found.said} calls,"
        f" log {found.log_levels}, {len(found.complaints)} complaints\n"
    )
    for line in (*found.log_samples, *found.complaints[:10]):
        sys.stdout.write(f"  {line}\n")
    bad = found.growth_pct > FLAT_PCT or found.complaints or found.log_levels.get("error")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
