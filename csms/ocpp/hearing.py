"""Hearing: who said a message and when, and what is doubtful about it.

One `Hearing` accompanies a message from bytes to Fact. The mapping functions of the dialects take
from it what every Fact carries, and read times through it, because a station's clock is the first
thing to be wrong: sanity checks never suppress a message, they mark it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from models.timeline import EARLIEST_PLAUSIBLE, LATEST_PLAUSIBLE

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Hearing:
    """One message on its way to becoming a Fact."""

    __slots__ = ("_instant", "_text", "payload", "received_at", "station", "suspect")

    def __init__(self, station: str, received_at: datetime, payload: bytes) -> None:
        self.station = station
        self.received_at = received_at
        self.payload = payload
        self.suspect: tuple[str, ...] = ()
        """All doubts, in order of discovery."""
        self._text = ""
        self._instant = received_at

    def doubt(self, why: str) -> None:
        """Notes why the message may not be what it seems; each reason once."""
        if why not in self.suspect:
            self.suspect = (*self.suspect, why)

    def instant(self, text: str) -> datetime:
        """Returns the instant that a station's text names, in UTC; doubts what is odd about it.

        An unreadable one becomes the time of receipt, and one without a zone is taken as UTC.
        """
        if text == self._text and text:
            # An event and the values that come with it are of one instant.
            return self._instant
        self._text = text
        self._instant = self._read(text)
        return self._instant

    def _read(self, text: str) -> datetime:
        try:
            instant = datetime.fromisoformat(text)
            if instant.tzinfo is not UTC:
                instant = self._in_utc(instant)
        except (ValueError, OverflowError):
            return self._unreadable(text)
        if (len(text) < 20 or text[10] != "T") and not _RFC3339.fullmatch(text):
            self.doubt("time-sloppy")
        if not EARLIEST_PLAUSIBLE <= instant < LATEST_PLAUSIBLE:
            self.doubt("time-implausible")
        return instant

    def _in_utc(self, instant: datetime) -> datetime:
        if instant.tzinfo is None:
            self.doubt("time-without-zone")
            return instant.replace(tzinfo=UTC)
        return instant.astimezone(UTC)

    def _unreadable(self, text: str) -> datetime:
        try:
            instant = self._in_utc(datetime.fromisoformat(text.strip().upper()))
        except (ValueError, OverflowError):
            self.doubt("time-unreadable")
            return self.received_at
        self.doubt("time-sloppy")
        return instant
