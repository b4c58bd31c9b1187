"""A local controller's shelf: firmware that it fetches and offers to the stations behind it (2.x).

What becomes of an order is told by its address: one with `missing` in it can't be fetched, and a
file with `damaged` in its name has another checksum than was said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from simulators.notices import Told

STATUS = "PublishFirmwareStatusNotification"


@dataclass(frozen=True, slots=True)
class Shelved:
    """Firmware that is to be offered."""

    request_id: int
    location: str
    checksum: str


class Publisher:
    """What is on the shelf, and what is on its way there."""

    def __init__(self) -> None:
        self.fetch_s = 0.2
        self._shelf: dict[str, Shelved] = {}
        self._fetching: Shelved | None = None
        self._next: deque[str] = deque()
        self._due_at: datetime | None = None

    def take(self, order: Shelved, at: datetime) -> bool:
        """Begins to fetch firmware; False while it is about another one."""
        if self._fetching is not None:
            return False
        words = ["Downloading", "Downloaded", "ChecksumVerified", "Published"]
        if "missing" in order.location:
            words = ["Downloading", "DownloadFailed"]
        elif "damaged" in order.location:
            words = ["Downloading", "Downloaded", "InvalidChecksum"]
        self._fetching, self._next, self._due_at = order, deque(words), at
        return True

    def withdraw(self, checksum: str) -> str:
        """Takes firmware off the shelf; returns what is to be said of it."""
        if self._fetching is not None and self._fetching.checksum == checksum:
            return "DownloadOngoing"
        return "NoFirmware" if self._shelf.pop(checksum, None) is None else "Unpublished"

    def play(self, at: datetime) -> Iterator[Told]:
        """Yields how far it is, as far as that is to be told now."""
        order = self._fetching
        while order is not None and self._next and self._due_at is not None and self._due_at <= at:
            word = self._next.popleft()
            self._due_at += timedelta(seconds=self.fetch_s)
            told: dict[str, Any] = {"status": word, "request_id": order.request_id}
            if word == "Published":
                self._shelf[order.checksum] = order
                told["location"] = [f"http://192.168.1.1/{order.location.rsplit('/', 1)[-1]}"]
            yield Told(STATUS, told)
            if not self._next:
                self._fetching = None
