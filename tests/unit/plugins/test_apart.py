"""Code that is not ours may block, hang and try to end the process: we go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, NoReturn

import pytest

from csms.plugins import apart as apart_module
from csms.plugins.apart import Apart, Busy
from tests.builders.waiting import until


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


async def begun(
    apart: Apart, make: Callable[[], Coroutine[Any, Any, None]], started: threading.Event
) -> asyncio.Task[None]:
    """Returns a call that has little time, which counts only once it has started there."""
    task = asyncio.create_task(apart.run(make, 0.05))
    await asyncio.sleep(0)
    # Our loop stands still so long, and with it the time of the call.
    assert started.wait(60.0)
    return task


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
async def test_it_can_not_end_the_process(apart: Apart, error: type[BaseException]) -> None:
    async def leave() -> NoReturn:
        raise error

    async def stay() -> int:
        return 1

    with pytest.raises(RuntimeError, match=f"it raised {error.__name__}"):
        await apart.run(leave, 60.0)
    assert await apart.run(stay, 60.0) == 1


async def test_who_waits_too_long_is_given_up_and_the_next_one_is_asked(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart_module, "ENDS_WITHIN_S", 60.0)
    started = threading.Event()
    ended: list[str] = []

    async def wait() -> None:
        started.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    async def answer() -> int:
        return 1

    with pytest.raises(TimeoutError):
        await (await begun(apart, wait, started))
    assert ended == ["cancelled"]
    assert await apart.run(answer, 60.0) == 1


async def test_who_blocks_blocks_nobody_else_and_is_busy_until_it_is_back(apart: Apart) -> None:
    started, free = threading.Event(), threading.Event()

    async def block() -> None:
        started.set()
        free.wait(60.0)

    async def answer() -> int:
        return 1

    blocked = await begun(apart, block, started)
    for _ in range(10):  # the loop goes on meanwhile
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await blocked
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


async def test_closing_waits_for_nobody_who_blocks_and_ends_the_thread_when_that_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apart_module, "ENDS_WITHIN_S", 0.05)
    apart = Apart("plug-in that blocks")
    started, free = threading.Event(), threading.Event()

    async def block() -> None:
        started.set()
        free.wait(60.0)

    async def names() -> set[str]:
        return {each.name for each in threading.enumerate()}

    with pytest.raises(TimeoutError):
        await (await begun(apart, block, started))
    await apart.close()
    assert "plug-in that blocks" in await names()
    free.set()
    await until(names, lambda running: "plug-in that blocks" not in running)


async def test_closing_ends_what_still_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart_module, "ENDS_WITHIN_S", 60.0)
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
