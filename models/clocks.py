"""Clocks: the only place where the house reads or waits for time.

Two kinds are handed in. **Life time** dates bookings, plans and OCPP times; **wire time** (real,
monotonic) rules pings, call time-outs and solver budgets. A `SteppedClock` stands still until it
is told to advance, and then moves from timer to timer, each time waiting until the house is quiet
(`Activity`): that is how a whole day is played through real sockets with one outcome on fast and
slow machines. In `replay` both kinds are a `LoopClock` over a virtual event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Life time."""

    def now(self) -> datetime:
        """Returns the present instant, aware and in UTC."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Returns once `now() >= when`."""
        ...


class WireClock(Protocol):
    """Wire time: monotonic seconds, for time-outs on sockets and solvers."""

    def monotonic(self) -> float:
        """Returns seconds since some fixed instant."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds`."""
        ...


class Activity:
    """Counts the work under way, so that a stepped clock knows when the house is quiet.

    Each piece of work begins before the piece that caused it ends: then the count is zero only
    when nothing more will happen without a timer or a message from outside.
    """

    def __init__(self) -> None:
        self._count = 0
        self._quiet: asyncio.Event | None = None
        """Of those who wait for quiet: while nobody does, a piece of work costs a sum."""

    def begin(self) -> None:
        """Marks one piece of work as under way."""
        self._count += 1

    def end(self) -> None:
        """Marks one piece of work as done."""
        assert self._count > 0, "Activity.end() without begin()"
        self._count -= 1
        if self._count == 0 and self._quiet is not None:
            self._quiet.set()
            self._quiet = None

    @contextmanager
    def busy(self) -> Generator[None]:
        """Marks work as under way for the length of a `with` block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    @property
    def count(self) -> int:
        """How many pieces of work are under way."""
        return self._count

    async def quiet(self) -> None:
        """Returns when nothing is under way, and still is not one loop turn later."""
        while True:
            while self._count:
                if self._quiet is None:
                    self._quiet = asyncio.Event()
                await self._quiet.wait()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if self._count == 0:
                return


class RealClock:
    """Life time as the machine tells it."""

    mode = "real"

    def now(self) -> datetime:
        """Returns the present instant in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place

    async def sleep_until(self, when: datetime) -> None:
        """Returns once the wall clock has reached `when`, also when it is set in between."""
        while (left_s := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left_s, 60.0))


class RealWireClock:
    """Wire time as the machine tells it."""

    def monotonic(self) -> float:
        """Returns the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds` of real time."""
        await asyncio.sleep(seconds)


class SteppedClock:
    """Life time that stands still until `advance_to` is called."""

    mode = "simulated"

    def __init__(self, start: datetime, activity: Activity) -> None:
        assert start.tzinfo is not None
        self._now = start
        self._activity = activity
        self._timers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._advancing = asyncio.Lock()

    def now(self) -> datetime:
        """Returns where the clock stands."""
        return self._now

    async def sleep_until(self, when: datetime) -> None:
        """Returns once the clock has been advanced to `when`."""
        if when <= self._now:
            await asyncio.sleep(0)
            return
        timer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._timers, (when, next(self._order), timer))
        await timer

    async def advance_to(self, target: datetime) -> None:
        """Moves to `target`, firing every timer on the way, each once the house is quiet.

        Raises:
            ValueError: if `target` lies before the present.
        """
        async with self._advancing:
            if target < self._now:
                raise ValueError(f"the clock stands at {self._now} and never goes back")
            await self._activity.quiet()
            while self._timers and self._timers[0][0] <= target:
                self._now = max(self._now, self._timers[0][0])
                while self._timers and self._timers[0][0] <= self._now:
                    timer = heapq.heappop(self._timers)[2]
                    if not timer.done():
                        timer.set_result(None)
                await self._activity.quiet()
            self._now = target


class LoopClock:
    """Both clocks in one, over a virtual event loop whose `time()` starts at zero."""

    mode = "simulated"

    def __init__(self, start: datetime) -> None:
        assert start.tzinfo is not None
        self._start = start
        self._read_s: float | None = None
        """What the loop said last: it is asked hundreds of times before it goes on."""
        self._seconds = 0.0
        self._now = start

    def now(self) -> datetime:
        """Returns the start plus the loop's virtual time, to the microsecond."""
        self.monotonic()
        return self._now

    def monotonic(self) -> float:
        """Returns the loop's virtual seconds."""
        read_s = asyncio.get_running_loop().time()
        if read_s != self._read_s:
            self._read_s, self._seconds = read_s, round(read_s, 6)
            self._now = self._start + timedelta(seconds=self._seconds)
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds` of virtual time."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, when: datetime) -> None:
        """Returns once the virtual time has reached `when`."""
        await asyncio.sleep(max(0.0, (when - self.now()).total_seconds()))


async def ticks(clock: Clock, every: timedelta, *, anchor: datetime) -> AsyncIterator[datetime]:
    """Yields each instant `anchor + n * every` that lies ahead, when it has come."""
    while True:
        passed = (clock.now() - anchor) // every
        due = anchor + (passed + 1) * every
        await clock.sleep_until(due)
        yield due
