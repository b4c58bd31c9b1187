"""The door in memory on virtual time: same order, same frames, every time, and fast."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import msgspec
import sqlalchemy as sa

from csms.bus.local import LocalBus
from csms.config import Settings
from csms.gateway.memory import basic
from csms.gateway.server import Gateway
from csms.intake import Intake, deciders
from csms.keyring import Keyring
from csms.ledger.committer import Committer
from csms.ledger.database import Database
from csms.ledger.migrate import upgrade
from csms.ledger.relay import Relay
from csms.stations.reactions import StationHost
from models.clocks import Activity, LoopClock
from models.ids import UlidMaker
from models.tables.ledger import Message
from models.tables.stations import Station
from models.timeline import parse_rfc3339
from models.virtual_loop import run_virtually
from tests.integration.gateway.rig import boot, encode

START = parse_rfc3339("2026-06-01T00:00:00Z")
STATIONS = 4


async def station_day(gateway: Gateway, number: int, transcript: list[str]) -> None:
    identity = f"CP-{number}"
    link = await gateway.connect_memory(
        identity, ["ocpp1.6", "ocpp2.0.1"][: 1 + number % 2], basic(identity, "x" * 16)
    )
    await boot(link)

    async def listen() -> None:
        while True:
            text = await link.recv()
            transcript.append(f"{identity} {text}")
            frame = msgspec.json.decode(text)
            if frame[0] == 2:
                await link.send(encode([3, frame[1], {"status": "Accepted"}]))

    listening = asyncio.create_task(listen())
    for minute in range(6 * 60):
        await asyncio.sleep(60 - number)
        await link.send(encode([2, f"h{minute}", "Heartbeat", {}]))
    listening.cancel()
    await link.close()


async def six_hours(url: str) -> tuple[list[str], int]:
    clock, activity = LoopClock(START), Activity()
    ids = UlidMaker(clock, Random(7))
    db = Database.open(url, inline=True)
    await db.start()
    keyring = Keyring(b"k" * 32)
    async with db.write(clock, ids) as work:
        for number in range(STATIONS):
            identity = f"CP-{number}"
            work.session.add(
                Station(
                    identity=identity,
                    password_hash=keyring.seal_generated(identity, "x" * 16),
                    safe_limit_w=3000.0,
                    created_at=START,
                    updated_at=START,
                )
            )
    bus = LocalBus(activity)
    relay = Relay(db, bus, clock=clock, ids=ids, activity=activity, wire=clock)
    committer = Committer(db, deciders(), clock, ids, activity, clock)
    gateway = Gateway(
        db=db,
        intake=Intake(committer),
        bus=bus,
        keyring=keyring,
        settings=Settings(station_onboarding="reject"),
        clock=clock,
        wire=clock,
        ids=ids,
        activity=activity,
    )
    await relay.start()
    host = StationHost(db=db, clock=clock, ids=ids)
    bus.subscribe("stations", host.follows, host.heard)
    await gateway.open()
    transcript: list[str] = []
    await asyncio.gather(*(station_day(gateway, number, transcript) for number in range(STATIONS)))
    await activity.quiet()
    async with db.read() as session:
        kept = await session.scalar(sa.select(sa.func.count()).select_from(Message))
    await gateway.drain(5)
    await committer.drain()
    await relay.close()
    await bus.close()
    await committer.close()
    await db.close()
    return transcript, kept or 0


def test_the_same_hours_give_the_same_frames_in_the_same_order(tmp_path: Any) -> None:
    transcripts = []
    for n in range(2):
        url = f"sqlite:///{tmp_path / f'{n}.db'}"
        upgrade(url)
        started = time.monotonic()
        transcript, kept = run_virtually(six_hours(url))
        assert time.monotonic() - started < 20
        assert kept == 3 * STATIONS
        transcripts.append(transcript)
    assert transcripts[0] == transcripts[1]
    # Two commands and all heartbeats but the last, whose answer nobody waits for.
    assert len(transcripts[0]) == STATIONS * (6 * 60 + 1)
