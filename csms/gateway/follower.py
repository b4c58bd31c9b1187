"""The follower: tells when a station that has come has said what it had queued while it was away.

A station that falls silent for a moment has nothing more to tell; one that goes on and on is not
waited for for ever. One task follows them all, since thousands may come back at once.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from csms.gateway.courier import submit_quietly
from csms.gateway.lane import FactSink, Lane
from csms.gateway.limits import Limits
from models.clocks import Clock
from models.facts import StationCaughtUp


class Follower:
    """Follows lanes until they are silent, or end."""

    def __init__(
        self,
        *,
        intake: FactSink,
        clock: Clock,
        limits: Limits,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._intake = intake
        self._clock = clock
        self._silence = timedelta(seconds=limits.dry_s)
        self._at_most = timedelta(seconds=limits.dry_at_most_s)
        self._spawn = spawn
        self._epochs: dict[str, int] = {}
        """The connection that was followed last, by identity."""
        self._due: list[tuple[datetime, int, datetime, Lane]] = []
        """A heap: when to look, a number that no two share, when to give up, and whom."""
        self._numbers = itertools.count()
        self._watching = False

    def follow(self, lane: Lane) -> None:
        """Follows a lane that is ready, once for each connection."""
        if self._epochs.get(lane.identity) == lane.epoch:
            return
        self._epochs[lane.identity] = lane.epoch
        now = self._clock.now()
        self._look_again(lane, now, now + self._at_most)
        if not self._watching:
            self._watching = True
            self._spawn(self._watch())

    async def _watch(self) -> None:
        try:
            while self._due:
                # Whoever comes meanwhile is due later than whoever has been waiting.
                await self._clock.sleep_until(self._due[0][0])
                now = self._clock.now()
                while self._due and self._due[0][0] <= now:
                    _, _, give_up_at, lane = heapq.heappop(self._due)
                    self._judge(lane, now, give_up_at)
        finally:
            self._watching = False

    def _judge(self, lane: Lane, now: datetime, give_up_at: datetime) -> None:
        if lane.ended:
            return
        if now < give_up_at and not (lane.quiet and now >= lane.heard_at + self._silence):
            self._look_again(lane, now, give_up_at)
            return
        fact = StationCaughtUp(station=lane.identity, received_at=now, epoch=lane.epoch)
        submit_quietly(self._intake, fact)

    def _look_again(self, lane: Lane, now: datetime, give_up_at: datetime) -> None:
        # A moment at least: what was said may still be on its way to the disk.
        dry_at = max(lane.heard_at + self._silence, now + self._silence / 5)
        entry = (min(dry_at, give_up_at), next(self._numbers), give_up_at, lane)
        heapq.heappush(self._due, entry)
