"""Waiting for what comes in its own time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def until(
    look: Callable[[], Awaitable[T]], is_so: Callable[[T], bool], within_s: float = 60.0
) -> T:
    """Returns what is seen once it is so."""
    seen: T | None = None
    try:
        async with asyncio.timeout(within_s):
            while True:
                seen = await look()
                if is_so(seen):
                    return seen
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(seen) from None


async def eventually(condition: Callable[[], Any], within_s: float = 60.0) -> None:
    """Returns once a condition, which may have to be awaited, holds."""
    async with asyncio.timeout(within_s):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.005)


def wait_for(look: Callable[[], Any], within_s: float = 60.0) -> Any:
    """Returns the first true answer of what is asked of another process."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if seen := look():
            return seen
        time.sleep(0.2)
    raise AssertionError("it never came true")
