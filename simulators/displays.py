"""What a 2.x station shows on its screen: messages in turn, before others, or alone.

It shows plain text and addresses, no pages, and forgets messages whose time is over or whose
transaction has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from simulators.evse import Evse

FORMATS = frozenset({"ASCII", "UTF8", "URI"})
ALONE = "AlwaysFront"
ShowStatus = Literal["Accepted", "NotSupportedMessageFormat", "UnknownTransaction"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    id: int
    priority: str
    format: str
    content: str
    language: str | None = None
    state: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    transaction_id: str | None = None


class Displays:
    """All that a station shows, or will show."""

    def __init__(self) -> None:
        self._all: dict[int, Message] = {}

    def show(self, message: Message, evses: Iterable[Evse]) -> ShowStatus:
        """Takes a message; one that is shown alone takes the place of another such one."""
        if message.format not in FORMATS:
            return "NotSupportedMessageFormat"
        running = {e.transaction.local_id for e in evses if e.transaction is not None}
        if message.transaction_id is not None and message.transaction_id not in running:
            return "UnknownTransaction"
        if message.priority == ALONE:
            self._all = {n: each for n, each in self._all.items() if each.priority != ALONE}
        self._all[message.id] = message
        return "Accepted"

    def clear(self, message_id: int) -> bool:
        """Takes a message away; False if there is none."""
        return self._all.pop(message_id, None) is not None

    def found(
        self,
        ids: Iterable[int] | None,
        priority: str | None,
        state: str | None,
        *,
        evses: Iterable[Evse],
        at: datetime,
    ) -> list[Message]:
        """Returns the messages that are there at an instant and fit all that is given."""
        running = {e.transaction.local_id for e in evses if e.transaction is not None}
        self._all = {
            number: each
            for number, each in self._all.items()
            if (each.end_at is None or each.end_at > at)
            and (each.transaction_id is None or each.transaction_id in running)
        }
        wanted = None if ids is None else set(ids)
        return [
            self._all[number]
            for number in sorted(self._all)
            if (wanted is None or number in wanted)
            and priority in {None, self._all[number].priority}
            and state in {None, self._all[number].state}
        ]
