"""What the voices of a world keep in common: whom to check by schema, and what was found wrong."""

from __future__ import annotations

from collections import Counter

CHECKED_FIRST = 3
CHECKED_EACH = 100


class Checks:
    """Which messages are to be checked by schema, how many were said, and the complaints."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str]] = Counter()
        self.said: Counter[str] = Counter()
        """Calls in both directions, by version."""
        self.complaints: list[str] = []
        """What came from the service against the specification, and its refusals."""

    def due(self, version: str, action: str) -> bool:
        """Returns whether the next message of this action is one to check."""
        self._seen[version, action] += 1
        count = self._seen[version, action]
        return count <= CHECKED_FIRST or count % CHECKED_EACH == 0

    def complain(self, who: str, subject: str, detail: object) -> None:
        """Notes something that should not have happened."""
        self.complaints.append(f"{who}: {subject}: {detail}"[:400])
