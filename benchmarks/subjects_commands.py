"""How long a command takes from REST to the station and back, over the station's own answer time.

A real `heliofleet serve` on SQLite, in a process of its own; one station that answers at once, over
a real socket on loopback. Each command is a row before it is sent and after it is answered, so that
two commits to disk are in the figure.

Run `python -m benchmarks.subjects_commands`. Goal: under 5 ms at the median.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import statistics
import subprocess
import sys
import tempfile
import time

import httpx
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

KEY = "commands-there-and-back-" + "0" * 32
BOOT = '[2,"b","BootNotification",{"chargePointVendor":"Bench","chargePointModel":"One"}]'


ACCEPTED = '{"status":"Accepted"}'


async def answer(link: ClientConnection, took_s: list[float]) -> None:
    """Answers every call at once, and notes how long that took."""
    async for message in link:
        heard_s = time.perf_counter()
        text = message if isinstance(message, str) else message.decode()
        if text.startswith("[2,"):
            message_id = text.split('"', 2)[1]
            body = '{"configurationKey":[]}' if '"GetConfiguration"' in text else ACCEPTED
            await link.send(f'[3,"{message_id}",{body}]')
        took_s.append(time.perf_counter() - heard_s)


async def measure(http: str, ocpp: str, commands: int) -> tuple[float, float, float]:
    """Returns the median, the 99th percentile and the station's own median, in milliseconds."""
    took_s: list[float] = []
    whole_s: list[float] = []
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=f"{http}/api/v1", headers=headers, timeout=30) as api:
        where = {"latitude": 45.7, "longitude": 4.8, "timezone": "Europe/Paris"}
        site = await api.post("/sites", json={"name": "S", "import_limit_w": 50_000, **where})
        made = await api.post("/stations", json={"identity": "B", "site_id": site.json()["id"]})
        password = made.json()["password"]
        credentials = "Basic " + base64.b64encode(f"B:{password}".encode()).decode()
        async with connect(
            f"{ocpp}/B",
            subprotocols=[Subprotocol("ocpp1.6")],
            additional_headers={"Authorization": credentials},
        ) as link:
            await link.send(BOOT)
            await link.recv()
            reading = asyncio.create_task(answer(link, took_s))
            await asyncio.sleep(3)
            took_s.clear()
            body = {"action": "TriggerMessage", "payload": {"requestedMessage": "Heartbeat"}}
            for _ in range(commands):
                began_s = time.perf_counter()
                told = await api.post("/stations/B/commands", json=body)
                whole_s.append(time.perf_counter() - began_s)
                assert told.json()["status"] == "answered", told.text
            reading.cancel()
    own_ms = statistics.median(took_s) * 1000
    ordered = sorted(whole_s)
    return statistics.median(ordered) * 1000, ordered[int(commands * 0.99)] * 1000, own_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=500)
    options = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HELIOFLEET_")}
    with tempfile.TemporaryDirectory(prefix="heliofleet-bench-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "csms.cli", "serve", "--http-port", "0", "--ocpp-port", "0"],
            cwd=folder,
            env=environment | {"HELIOFLEET_BOOTSTRAP_API_KEY": KEY},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            http, ocpp = (process.stdout.readline().split(" ")[0] for _ in range(2))
            median_ms, p99_ms, own_ms = uvloop.run(measure(http, ocpp, options.commands))
        finally:
            process.terminate()
            process.wait(20)
    sys.stdout.write(
        f"{options.commands} commands: {median_ms - own_ms:.2f} ms at the median over the station's"
        f" {own_ms:.2f} ms, {p99_ms:.2f} ms at the 99th percentile\n"
    )


if __name__ == "__main__":
    main()
