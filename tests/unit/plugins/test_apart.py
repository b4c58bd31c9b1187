"""Code that is not ours may block, hang and try to end the process: we go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest

from csms.plugins.apart import Apart, Busy


@pytest.fixture
async def apart() -> AsyncIterator[Apart]:
    running = Apart("plug-in of a test")
    yield running
    await running.close()


async def test_what_a_coroutine_returns_or_raises_comes_back(apart: Apart) -> None:
    async def where() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    async def fail() -> NoReturn:
        raise KeyError("x")

    assert await apart.run(where, 60.0) == "plug-in of a test"
    with pytest.raises(KeyError):
        await apart.run(fail, 60.0)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_it_can_not_end_the_process(apart: Apart, error: type[BaseException]) -> None:
    async def leave() -> NoReturn:
        raise error

    async def stay() -> int:
        return 1

    with pytest.raises(RuntimeError, match=f"it raised {error.__name__}"):
        await apart.run(leave, 60.0)
    assert await apart.run(stay, 60.0) == 1


async def test_who_waits_too_long_is_given_up_and_the_next_one_is_asked(apart: Apart) -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    async def answer() -> int:
        return 1

    with pytest.raises(TimeoutError):
        await apart.run(wait, 0.05)
    assert ended == ["cancelled"]
    assert await apart.run(answer, 60.0) == 1


async def test_who_blocks_blocks_nobody_else_and_is_busy_until_it_is_back(apart: Apart) -> None:
    free = threading.Event()

    async def block() -> None:
        free.wait(60.0)

    async def answer() -> int:
        return 1

    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    with pytest.raises(TimeoutError):
        await apart.run(block, 0.05)
    counting.cancel()
    assert turns > 10  # the loop has gone on meanwhile
    with pytest.raises(Busy):
        await apart.run(answer, 60.0)
    free.set()
    for _ in range(600):
        try:
            assert await apart.run(answer, 60.0) == 1
            break
        except Busy:
            await asyncio.sleep(0.1)
    else:
        pytest.fail("it did not come back")


async def test_closing_ends_what_still_waits() -> None:
    apart = Apart("plug-in of a test")

    async def wait() -> None:
        await asyncio.sleep(3600)

    task = asyncio.create_task(apart.run(wait, 60.0))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await apart.close()
    assert "plug-in of a test" not in {each.name for each in threading.enumerate()}
    await apart.close()
