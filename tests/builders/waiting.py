"""Waiting for what comes in its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

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
