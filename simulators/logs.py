"""The logs of a station, and how it uploads one.

A station that can't reach anything but its central system, as in a replay, refuses. The log is a
few lines, made up from who the station is and what was asked for. The upload goes over real HTTP
while the station goes on (`simulators.line`); what it says of it is in its outbox.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import httpx

from models.timeline import format_rfc3339
from simulators.notices import LogNote, LogWord

Upload = Callable[[str, bytes], Awaitable[bool]]
"""Brings a file to an address; whether it has arrived."""

LINES = 50
_TRY_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class LogOrder:
    """What a central system asks for."""

    kind: Literal["diagnostics", "security"]
    location: str
    request_id: int | None = None
    """None: diagnostics of 1.6."""
    from_at: datetime | None = None
    until_at: datetime | None = None
    retries: int = 0
    retry_interval_s: float = 0.0
    is_16: bool = False

    def note(self, word: LogWord) -> LogNote:
        """Returns what is told of it."""
        return LogNote(word, self.request_id, diagnostics=self.is_16 and self.request_id is None)


class Logs:
    """What a station has logged, and the upload that waits or is on its way."""

    def __init__(self, identity: str, *, now: datetime) -> None:
        self.upload: Upload | None = None
        """How files leave the station; None: they can't."""
        self.order: LogOrder | None = None
        """What is to be uploaded next."""
        self._identity = identity
        self._began_at = now

    def take(self, order: LogOrder) -> Literal["Accepted", "AcceptedCanceled", "Rejected"]:
        """Takes an order; one that has not begun is given up for it."""
        if self.upload is None:
            return "Rejected"
        former, self.order = self.order, order
        return "Accepted" if former is None else "AcceptedCanceled"

    def name_of(self, order: LogOrder) -> str:
        """Returns what the station calls the file."""
        return f"{self._identity}-{order.kind}.log.gz"

    def begin(self) -> LogOrder | None:
        """Returns the order that is to be uploaded now, if there is one."""
        order, self.order = self.order, None
        return order

    def file_of(self, order: LogOrder) -> bytes:
        """Returns the log that was asked for: one line a minute, within the time that is wanted."""
        times = (self._began_at + timedelta(minutes=n) for n in range(LINES))
        lines = [
            f"{format_rfc3339(at)} {self._identity} {order.kind}: all is well\n"
            for at in times
            if (order.from_at is None or at >= order.from_at)
            and (order.until_at is None or at < order.until_at)
        ]
        return gzip.compress("".join([f"# {self._identity}\n", *lines]).encode(), mtime=0)


def by_http() -> Upload:
    """Returns what uploads by HTTP: a PUT, as stations do."""

    async def upload(location: str, file: bytes) -> bool:
        try:
            async with httpx.AsyncClient(timeout=_TRY_WITHIN_S) as http:
                answer = await http.put(location, content=file)
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.is_success

    return upload
