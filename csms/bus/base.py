"""What a bus is: events come out of the ledger's outbox in order and reach every subscriber.

The bus carries wake-ups, never the only copy: an event is a row of the outbox, a queued command is
a row of the command table, a wish for a plan is a row of the request table. A lost note therefore
costs latency. How notes travel between processes is not here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

COMMAND_QUEUED = "command.queued"
"""Topic of notes that say: commands wait for this station. `subject` is `station/IDENTITY`."""
PLAN_REQUESTED = "plan.requested"
"""Topic of notes that say: this site wants a new plan. `subject` is `site/ID`."""


class EventNote(msgspec.Struct, frozen=True):
    """One event on its way: an outbox row, or (with id 0) a wake-up that is no event."""

    id: int
    """Place in the outbox; 0 for wake-ups, which are not replayed."""
    time: datetime
    type: str
    tenant: str
    site_id: str | None
    subject: str
    """`kind/id` of the thing it is about."""
    resource: bytes
    """The whole resource as JSON."""


Handler = Callable[[EventNote], Awaitable[None]]
"""Takes one note. What it raises is logged and the note is counted as handled."""


Rest = Callable[[], Awaitable[None]]
"""Does what was left for later. What it raises is logged."""


class Subscription(Protocol):
    """A place in the bus, until it is closed."""

    async def close(self) -> None:
        """Ends the subscription; notes not yet handled are dropped."""
        ...


class Bus(Protocol):
    """Hands notes to subscribers, each in order."""

    def subscribe(
        self,
        name: str,
        types: Collection[str] | None,
        handler: Handler,
        rest: Rest | None = None,
    ) -> Subscription:
        """Calls `handler` for each later note of these types (None: all events, no wake-ups).

        Args:
            name: who subscribes, for logs and metrics.
            types: exact types or topics.
            handler: called for one note at a time, in order.
            rest: called when no more notes wait, for what is better done once for many.
        """
        ...

    async def publish(self, notes: Sequence[EventNote]) -> None:
        """Queues notes for their subscribers; waits while a queue is full."""
        ...

    async def close(self) -> None:
        """Ends all subscriptions."""
        ...
