"""Rounds: what somebody does by the clock, again and again, until the service ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any


class Rounds:
    """A task of its own, from `begin` to `end`."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
        """Takes what makes the rounds, without an end, and the name of its task."""
        self._make = make
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begins them; what is done first is done when its caller next waits."""
        self._task = asyncio.create_task(self._make(), name=self._name)

    async def end(self) -> None:
        """Breaks off what is done just now.

        Raises:
            Exception: whatever the rounds have ended with by themselves.
        """
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
