"""What a 2.x station knows of people: who charges at it, who is on its list, and what it was told.

It tells that in one line for each thing that it knows, and forgets what it need not keep.
"""

from __future__ import annotations

from collections.abc import Iterable

from simulators.evse import Evse


class Customers:
    """What a station remembers of its customers."""

    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}

    def remember(self, name: str, line: str) -> None:
        """Learns something of a customer, by whichever name it is known."""
        self._known.setdefault(name, []).append(line)

    def told(self, name: str, evses: Iterable[Evse]) -> list[str]:
        """Returns what is known of a customer, line by line."""
        charging = [
            f"charges on EVSE {evse.evse_id} since {evse.transaction.started_at:%Y-%m-%dT%H:%MZ}\n"
            for evse in evses
            if evse.transaction is not None and evse.transaction.token == name
        ]
        return [*self._known.get(name, ()), *charging]

    def forget(self, name: str) -> None:
        """Forgets a customer; a transaction that runs is not forgotten."""
        self._known.pop(name, None)
