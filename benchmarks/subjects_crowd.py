"""What ten thousand stations cost that all come at once, boot, and then say nothing.

Our gateway with its ledger on SQLite, in a process of its own; the stations are new to it the first
time, and come back once. What counts is the server's CPU time until all have booted, and by how
much its memory has grown for each of them since the first came.

Run `python -m benchmarks.subjects_crowd`. Goals: at most 10 CPU seconds and 16 KiB per station,
with TLS 25 seconds and 70 KiB. A station that is not let in tries again, as real ones do.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import ssl
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from benchmarks.subjects_gateway import Station, run_server

AT_ONCE = 500
"""Connections that are being made; more only fill the queue of the operating system."""


def memory_bytes(pid: int) -> int:
    """Returns the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def trusting() -> ssl.SSLContext:
    """Returns the context of a station that takes any server: only the server is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def crowd(port: int, stations: int, tls: ssl.SSLContext | None = None) -> list[Station]:
    """Connects and boots all stations."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Station:
        while True:
            try:
                async with gate, asyncio.timeout(30):
                    _, station = await loop.create_connection(
                        lambda: Station(number, "heartbeat"), "127.0.0.1", port, ssl=tls
                    )
                    await station.booted
            except (OSError, TimeoutError):
                # As stations do it: wait a while, and not all as long.
                await asyncio.sleep(1 + number % 100 / 25)
            else:
                return station

    return list(await asyncio.gather(*(one(number) for number in range(stations))))


async def measure(
    pipe: Connection, pid: int, port: int, stations: int, tls: ssl.SSLContext | None
) -> tuple[float, float]:
    """Returns CPU seconds and KiB per station of the second time."""

    def cpu_s() -> float:
        pipe.send("cpu")
        return float(pipe.recv())

    before = memory_bytes(pid)
    first = await crowd(port, stations, tls)
    for station in first:
        station.close()
    await asyncio.sleep(8)
    before_s = cpu_s()
    second = await crowd(port, stations, tls)
    spent_s = cpu_s() - before_s
    await asyncio.sleep(3)
    grown = memory_bytes(pid) - before
    for station in second:
        station.close()
    return spent_s, grown / 1024 / stations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=10_000)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for subject in ("durable", "tls"):
        ours, theirs = context.Pipe()
        server = context.Process(target=run_server, args=(subject, theirs), daemon=True)
        server.start()
        port = ours.recv()
        assert server.pid is not None
        tls = trusting() if subject == "tls" else None
        spent_s, kib = uvloop.run(measure(ours, server.pid, port, options.stations, tls))
        sys.stdout.write(
            f"{options.stations} stations back and booted{', TLS' if tls else ''}:"
            f" {spent_s:.1f} CPU seconds, {kib:.1f} KiB each\n"
        )
        ours.send("stop")
        server.join(20)
        if server.is_alive():
            server.kill()


if __name__ == "__main__":
    main()
