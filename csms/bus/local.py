"""The bus within one process: an ordered, bounded queue and a task for each subscriber.

A subscriber that falls behind makes `publish` wait, and with it the relay; the ledger goes on,
because the outbox keeps what the relay has not read yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence

import structlog

from csms.bus.base import EventNote, Handler, Rest, Subscription
from models.clocks import Activity

QUEUE_LIMIT = 4096
"""Notes that may wait for one subscriber."""

_log = structlog.get_logger("bus")


class _Subscriber:
    """One subscriber: its queue, and the task that empties it."""

    def __init__(
        self,
        owner: LocalBus,
        name: str,
        types: Collection[str] | None,
        handler: Handler,
        rest: Rest | None,
    ) -> None:
        self.name = name
        self._owner = owner
        self._types = None if types is None else frozenset(types)
        self._handler = handler
        self._rest = rest
        self._queue: deque[EventNote] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._closed = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"bus:{name}")

    def wants(self, note: EventNote) -> bool:
        """Returns whether this note is for it; wake-ups (id 0) go only to those who name them."""
        return note.id != 0 if self._types is None else note.type in self._types

    async def put(self, note: EventNote) -> None:
        """Queues a note, waiting while the queue is full."""
        while len(self._queue) >= QUEUE_LIMIT and not self._closed:
            self._drained.clear()
            await self._drained.wait()
        if self._closed:
            return
        self._owner.activity.begin()
        self._queue.append(note)
        self._filled.set()

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            while self._queue:
                note = self._queue.popleft()
                try:
                    await self._handle(note)
                finally:
                    self._owner.activity.end()
                    self._drained.set()
            self._filled.clear()

    async def _handle(self, note: EventNote) -> None:
        """Handles a note, and what was left for later if it is the last one for now."""
        try:
            await self._handler(note)
        except Exception:  # noqa: BLE001 - one bad handler must not stop the bus
            _log.exception("handler_failed", subscriber=self.name, type=note.type)
        if self._rest is not None and not self._queue:
            try:
                await self._rest()
            except Exception:  # noqa: BLE001 - as above
                _log.exception("handler_failed", subscriber=self.name, type="rest")

    async def close(self) -> None:
        """Ends the subscription; may be called from within its own handler."""
        if self._closed:
            return
        self._closed = True
        self._owner.forget(self)
        while self._queue:
            self._queue.popleft()
            self._owner.activity.end()
        self._drained.set()
        self._task.cancel()
        if self._task is not asyncio.current_task():
            await asyncio.gather(self._task, return_exceptions=True)


class LocalBus:
    """A `Bus` for one process."""

    def __init__(self, activity: Activity) -> None:
        self.activity = activity
        self._subscribers: list[_Subscriber] = []
        self._wanting: dict[tuple[str, bool], tuple[_Subscriber, ...]] = {}
        """Those who want a note, by its type and whether it is but a wake-up; found when first
        asked for, since there are two dozen of them and thousands of notes."""

    def subscribe(
        self,
        name: str,
        types: Collection[str] | None,
        handler: Handler,
        rest: Rest | None = None,
    ) -> Subscription:
        """Calls `handler` for each later note of these types (None: all events)."""
        subscriber = _Subscriber(self, name, types, handler, rest)
        self._subscribers.append(subscriber)
        self._wanting.clear()
        return subscriber

    def forget(self, subscriber: _Subscriber) -> None:
        """Takes a subscriber off the list."""
        self._subscribers.remove(subscriber)
        self._wanting.clear()

    async def publish(self, notes: Sequence[EventNote]) -> None:
        """Queues notes for their subscribers in order; waits while a queue is full."""
        for note in notes:
            kind = note.type, note.id == 0
            wanting = self._wanting.get(kind)
            if wanting is None:
                wanting = tuple(each for each in self._subscribers if each.wants(note))
                self._wanting[kind] = wanting
            for subscriber in wanting:
                await subscriber.put(note)

    async def close(self) -> None:
        """Ends all subscriptions."""
        for subscriber in tuple(self._subscribers):
            await subscriber.close()
