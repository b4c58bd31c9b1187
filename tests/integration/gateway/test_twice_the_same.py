"""Two connections of one identity: the living one is kept, a dead one is replaced at once."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from websockets.exceptions import InvalidStatus

from models.clocks import Activity, SteppedClock
from models.tables.stations import SecurityEvent
from models.timeline import parse_rfc3339
from tests.integration.gateway.rig import QUICK, boot, call, closed, rig


async def test_a_second_connection_is_turned_away_while_the_first_lives(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        first = await house.dial("CP-1", password)
        second = await house.dial("CP-1", password)
        assert await closed(second) == (1008, "this identity is connected already")
        assert (await boot(first))[2]["status"] == "Accepted"
        (event,) = await house.rows(sa.select(SecurityEvent))
        assert (event.station, event.type) == ("CP-1", "second-connection")
        assert (await house.station("CP-1")).epoch == 1


async def test_a_half_open_connection_is_replaced_within_the_probe_time(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        first = await house.dial("CP-1", password)
        await boot(first)
        first.transport.pause_reading()
        started = time.monotonic()
        second = await house.dial("CP-1", password)
        assert time.monotonic() - started > QUICK.probe_s * 0.9
        assert (await boot(second))[0] in {2, 3}
        station = await house.station("CP-1")
        assert (station.online, station.epoch) == (True, 2)
        assert house.gateway.connections() == ["CP-1"]
        first.transport.abort()


async def test_a_proxy_that_answers_pings_does_not_keep_a_silent_station_alive(
    tmp_path: Path,
) -> None:
    activity = Activity()
    start = parse_rfc3339("2026-06-01T00:00:00Z")
    clock = SteppedClock(start, activity)
    async with rig(tmp_path, clock=clock, activity=activity) as house:
        password = await house.add_station("CP-1", boot_interval_s=60)
        first = await house.dial("CP-1", password)
        await call(first, "Heartbeat", {})
        await clock.advance_to(start + timedelta(seconds=119))
        assert (await closed(await house.dial("CP-1", password)))[0] == 1008
        await clock.advance_to(start + timedelta(seconds=121))
        second = await house.dial("CP-1", password)
        assert (await closed(first))[0] == 1006
        assert (await call(second, "Heartbeat", {}))[0] == 3


async def test_a_newcomer_with_a_wrong_password_does_not_even_cause_a_probe(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        first = await house.dial("CP-1", password)
        first.transport.pause_reading()
        with pytest.raises(InvalidStatus, match="401"):
            await house.dial("CP-1", "wrong password 12")
        assert house.gateway.connections() == ["CP-1"]
        assert (await house.station("CP-1")).epoch == 1
        first.transport.abort()


async def test_of_many_newcomers_to_a_dead_connection_exactly_one_gets_in(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        dead = await house.dial("CP-1", password)
        dead.transport.pause_reading()
        links = await asyncio.gather(*(house.dial("CP-1", password) for _ in range(5)))
        await asyncio.sleep(0.1)
        states = sorted(link.close_code or 0 for link in links)
        assert states == [0, 1008, 1008, 1008, 1008]
        assert (await house.station("CP-1")).epoch == 2
        dead.transport.abort()


async def test_a_station_whose_reading_we_have_paused_counts_as_alive(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        first = await house.dial("CP-1", password)
        house.sink.shut = True
        status = '{"connectorId":1,"errorCode":"NoError","status":"Available"}'
        for n in range(20):
            await first.send(f'[2,"{n}","StatusNotification",{status}]')
        await asyncio.sleep(0.1)
        assert (await closed(await house.dial("CP-1", password)))[0] == 1008
        house.sink.open()
