"""An alarm that is stopped leaves nothing behind."""

from __future__ import annotations

import asyncio

from models.alarm import Alarm
from models.clocks import Activity
from tests.builders.small_house import HandClock


async def test_a_stopped_alarm_breaks_off_what_it_does() -> None:
    begun, ended = asyncio.Event(), list[str]()

    async def ring() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("broken off")

    clock, activity = HandClock(), Activity()
    alarm = Alarm(ring, clock=clock, activity=activity, name="test")
    alarm.set(clock.now())
    await begun.wait()
    await alarm.stop()
    assert ended == ["broken off"]
    await activity.quiet()
