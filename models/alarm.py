"""An alarm: something to be done at an instant, or earlier if that is wanted later on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from models.clocks import Activity, Clock


class Alarm:
    """Rings at the earliest instant that was asked for since it rang last."""

    def __init__(
        self, ring: Callable[[], Awaitable[None]], *, clock: Clock, activity: Activity, name: str
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._activity = activity
        self._name = name
        self._at: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self._ringing: set[asyncio.Task[None]] = set()

    def set(self, when: datetime | None) -> None:
        """Has it ring at `when`, unless it is to ring earlier; None asks for nothing."""
        if when is None:
            return
        if self._task is not None and self._at is not None:
            if self._at <= when:
                return
            self._task.cancel()
        self._at = when
        self._task = asyncio.get_running_loop().create_task(self._wait(when), name=self._name)

    async def stop(self) -> None:
        """Lets it ring no more, and breaks off what it does just now."""
        for task in tuple(self._ringing):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        # Last, because what rings may have set it anew.
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _wait(self, when: datetime) -> None:
        await self._clock.sleep_until(when)
        with self._activity.busy():
            # From here on another instant is another task, so that nobody cancels this one.
            mine, self._at, self._task = self._task, None, None
            assert mine is not None
            self._ringing.add(mine)
            try:
                await self._ring()
            finally:
                self._ringing.discard(mine)
