from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from models.clocks import Activity, LoopClock, SteppedClock, ticks
from models.ids import UlidMaker
from models.virtual_loop import StuckError, ThreadError, run_virtually

START = datetime(2026, 6, 15, tzinfo=UTC)


async def test_a_stepped_clock_stands_still_until_it_is_told() -> None:
    clock = SteppedClock(START, Activity())
    waiting = asyncio.create_task(clock.sleep_until(START + timedelta(hours=1)))
    await asyncio.sleep(0.01)
    assert clock.now() == START
    assert not waiting.done()
    await clock.advance_to(START + timedelta(hours=2))
    assert waiting.done()
    assert clock.now() == START + timedelta(hours=2)


async def test_timers_fire_in_order_and_see_their_own_instant() -> None:
    clock = SteppedClock(START, Activity())
    seen: list[tuple[str, datetime]] = []

    async def note(name: str, minutes: int) -> None:
        await clock.sleep_until(START + timedelta(minutes=minutes))
        seen.append((name, clock.now()))

    tasks = [asyncio.create_task(note(name, at)) for name, at in (("b", 20), ("a", 10), ("c", 30))]
    await asyncio.sleep(0)
    await clock.advance_to(START + timedelta(minutes=25))
    assert seen == [
        ("a", START + timedelta(minutes=10)),
        ("b", START + timedelta(minutes=20)),
    ]
    await clock.advance_to(START + timedelta(minutes=30))
    assert seen[-1] == ("c", START + timedelta(minutes=30))
    await asyncio.gather(*tasks)


async def test_the_clock_waits_for_work_that_a_timer_began() -> None:
    activity = Activity()
    clock = SteppedClock(START, activity)
    finished: list[datetime] = []

    async def work() -> None:
        await clock.sleep_until(START + timedelta(minutes=1))
        with activity.busy():
            await asyncio.sleep(0.02)
            finished.append(clock.now())

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await clock.advance_to(START + timedelta(hours=1))
    assert finished == [START + timedelta(minutes=1)]
    await task


async def test_the_clock_never_goes_back() -> None:
    clock = SteppedClock(START, Activity())
    with pytest.raises(ValueError, match="never goes back"):
        await clock.advance_to(START - timedelta(seconds=1))


def test_a_virtual_day_passes_at_once_and_ticks_come_on_the_dot() -> None:
    async def day() -> list[datetime]:
        clock = LoopClock(START)
        seen: list[datetime] = []
        async for instant in ticks(clock, timedelta(hours=6), anchor=START):
            seen.append(clock.now())
            assert instant == clock.now()
            if len(seen) == 4:
                break
        return seen

    assert run_virtually(day()) == [START + timedelta(hours=6 * n) for n in range(1, 5)]


def test_a_wait_that_nothing_can_end_is_reported() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError):
        run_virtually(stuck())


def test_what_a_virtual_day_returns_is_not_written_out() -> None:
    class Long:
        def __repr__(self) -> str:
            raise AssertionError("nobody reads this")

    async def day() -> Long:
        return Long()

    assert isinstance(run_virtually(day()), Long)


def test_a_thread_in_virtual_time_is_reported() -> None:
    async def in_a_thread() -> None:
        await asyncio.to_thread(str)

    with pytest.raises(ThreadError, match="took part in virtual time"):
        run_virtually(in_a_thread())


async def test_identifiers_are_unique_and_in_order() -> None:
    maker = UlidMaker(SteppedClock(START, Activity()), Random(1))
    made = [maker.new() for _ in range(1000)]
    assert made == sorted(set(made))
    assert all(len(each) == 26 for each in made)


async def test_identifiers_repeat_with_their_seed() -> None:
    def first_ten() -> list[str]:
        maker = UlidMaker(SteppedClock(START, Activity()), Random(7))
        return [maker.new() for _ in range(10)]

    assert first_ten() == first_ten()
